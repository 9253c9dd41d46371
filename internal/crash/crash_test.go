// See lambda/main_test.go for this and the collector's setting.

//go:debug tlsmlkem=0
package crash

import (
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	mysqltest.Main(m)
}

// sampleSize is how many trials of each scenario the tests run; `make crash`
// runs all of them.
const sampleSize = 1

// leftOut are scenarios that take long, or whose calls are for the most part
// those of another one. `.ci/run` has a sample of each.
var leftOut = []string{
	"all", "mautic", "second", "abandoned", "emergency", "admin", "single", "rds",
	"edited", "deployed", "two-services", "seldom", "smtp", "smtp-alone", "admin-alone", "api-alone", "webhook-alone",
}

func TestASampleOfTheMatrixHasNoViolation(t *testing.T) {
	binary, err := rig.BuildFunction(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	matrix := &Matrix{MySQL: mysqltest.Shared(t), Binary: binary}
	// Trials wait for most of their time, so more of them run at once than
	// t.Parallel would let.
	var group sync.WaitGroup
	defer group.Wait()
	for _, scenario := range Scenarios {
		if slices.Contains(leftOut, scenario.Name) {
			continue
		}
		group.Go(func() {
			trials, err := matrix.Trials(t.Context(), scenario)
			if err != nil {
				t.Error(err)
			}
			for _, trial := range Sample(trials, sampleSize) {
				group.Go(func() {
					violations, err := matrix.Run(t.Context(), trial)
					if err != nil {
						t.Error(err)
					}
					for _, v := range violations {
						t.Errorf("%s: %s", trial, v)
					}
				})
			}
		})
	}
}

func TestParseTrialReadsWhatStringWrites(t *testing.T) {
	for _, want := range []Trial{
		{Scenario: "plain", Call: 17, Fault: KilledAfter},
		{Scenario: "plain", Call: 17, Fault: KilledAfter, Second: Second{Later: 3, Fault: ReplyLost}},
	} {
		if got, err := ParseTrial(want.String()); err != nil || got != want {
			t.Errorf("got %v, %v", got, err)
		}
	}
	for _, bad := range []string{
		"", "plain", "plain/17", "plain/0/killed-after", "plain/x/killed-after", "plain/1/nonsense",
		"plain/1/killed-after/3", "plain/1/killed-after/0/reply-lost", "plain/1/killed-after/3/deadline", "plain/1/killed-after/3/reply-lost/",
	} {
		if _, err := ParseTrial(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
