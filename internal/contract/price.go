package contract

import (
	"fmt"
	"math"
	"time"
)

// MostSecrets is how many secrets a run makes at most.
const MostSecrets = 35

// What Secrets Manager takes, in US cents (https://aws.amazon.com/secrets-manager/pricing/). Lambda, its log and IAM cost
// nothing that could be told in cents.
const (
	secretHour = 40.0 / 730
	call       = 5.0 / 10000
	mostCalls  = 5000
)

// asked tells whether a fact is asked by who has so much patience; 0 is any.
func asked(f Fact, patience time.Duration) bool {
	return f.Unasked == "" && (patience == 0 || f.Takes <= patience)
}

// Longest is how long asking takes at most, all facts at the same time.
func Longest(facts []Fact, patience time.Duration) time.Duration {
	longest := 5 * time.Minute
	for _, f := range facts {
		if asked(f, patience) {
			longest = max(longest, f.Takes)
		}
	}
	return longest + 5*time.Minute // to deploy, and to clean
}

// Hours says for how long the secrets are paid: by hours begun.
func Hours(facts []Fact, patience time.Duration) string {
	hours := math.Ceil(Longest(facts, patience).Hours())
	if hours == 1 {
		return "an hour"
	}
	return fmt.Sprintf("%.0f hours", hours)
}

// Cents is what a run costs, in US cents, rounded up.
func Cents(facts []Fact, patience time.Duration) int {
	hours := math.Ceil(Longest(facts, patience).Hours())
	return int(math.Ceil(MostSecrets*secretHour*hours + mostCalls*call))
}
