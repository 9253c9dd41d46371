package smtpserver

import "testing"

// exampleSecret is the one of AWS's documentation; it opens nothing.
const exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

func TestPasswordOfARegion(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{
		"us-east-1":    "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9",
		"us-east-2":    "BMPPgbAHoFVbze1Ud0oA5uNdXRwUXUZ+qOwphGJbl/cS",
		"eu-west-1":    "BMW5RDrXmmVs0lV7GpI4oLkHXpZ4stDsk6q91z1g38Pk",
		"eu-central-1": "BF0/eIJm0ruTHsSjOkRuOGzGF+zeSyE3aiRzrzUQ8LwG",
	} {
		if got := Password(exampleSecret, region); got != want {
			t.Errorf("%s: got %s, want %s", region, got, want)
		}
	}
}

func TestOnlyAnActiveKeyWithItsPasswordIsAccepted(t *testing.T) {
	t.Parallel()
	accept := AcceptKeys("us-east-2", func(id string) (string, bool) {
		switch id {
		case "active":
			return exampleSecret, true
		case "inactive":
			return exampleSecret, false
		}
		return "", false
	})
	for _, c := range []struct {
		username, password string
		accepted           bool
	}{
		{"active", Password(exampleSecret, "us-east-2"), true},
		{"active", Password(exampleSecret, "us-east-1"), false},
		{"active", exampleSecret, false},
		{"active", "", false},
		{"inactive", Password(exampleSecret, "us-east-2"), false},
		{"unknown", Password("", "us-east-2"), false},
	} {
		if got := accept(c.username, c.password); got != c.accepted {
			t.Errorf("%s: accepted: %v", c.username, got)
		}
	}
}
