package crash

import (
	"math/rand/v2"
	"testing"

	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// sampleSize is how many trials of each scenario the tests run; `make crash`
// runs all of them.
const sampleSize = 8

func TestASampleOfTheMatrixHasNoViolation(t *testing.T) {
	binary, err := rig.BuildFunction(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	matrix := &Matrix{MySQL: mysqltest.Shared(t), Binary: binary}
	draw := rand.New(rand.NewPCG(1, 2)) // the same sample each time
	for _, scenario := range Scenarios {
		trials, err := matrix.Trials(t.Context(), scenario)
		if err != nil {
			t.Fatal(err)
		}
		for range sampleSize {
			trial := trials[draw.IntN(len(trials))]
			t.Run(trial.String(), func(t *testing.T) {
				t.Parallel()
				violations, err := matrix.Run(t.Context(), trial)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range violations {
					t.Error(v)
				}
			})
		}
	}
}

func TestParseTrialReadsWhatStringWrites(t *testing.T) {
	want := Trial{Scenario: "plain", Call: 17, Fault: KilledAfter}
	if got, err := ParseTrial(want.String()); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "plain", "plain/17", "plain/0/killed-after", "plain/x/killed-after", "plain/1/nonsense"} {
		if _, err := ParseTrial(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
