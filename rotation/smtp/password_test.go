package smtp

import "testing"

func TestAPasswordIsDerivedForItsRegion(t *testing.T) {
	t.Parallel()
	// The secret is the one of AWS's examples.
	const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	for region, want := range map[string]string{
		"us-east-1":    "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9",
		"us-east-2":    "BMPPgbAHoFVbze1Ud0oA5uNdXRwUXUZ+qOwphGJbl/cS",
		"eu-west-1":    "BMW5RDrXmmVs0lV7GpI4oLkHXpZ4stDsk6q91z1g38Pk",
		"eu-central-1": "BF0/eIJm0ruTHsSjOkRuOGzGF+zeSyE3aiRzrzUQ8LwG",
	} {
		if got := passwordFor(secret, region); got != want {
			t.Errorf("%s: %s", region, got)
		}
	}
}
