package explore

import (
	"time"

	"mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/rotation"
)

// A Scenario is what a pair of invocations finds, and which two they are.
type Scenario struct {
	Name     string
	Kinds    []string
	Services int
	Secrets  int // 0: one

	Health  bool          // the application is asked
	Broken  bool          // the application does not start with the values that are bad
	Untold  bool          // targets do not tell which value a login used
	Overlap time.Duration // at least, of the API client
	Observe time.Duration

	PendingAfterSuccess secretsmanager.PendingAfterSuccess

	Without []Disturbance // that do not come
	Before  func(w *world)
	Pair    [2]Invocation
}

// An Invocation is one of a pair.
type Invocation struct {
	Name string
	do   act
}

func (s *Scenario) limits() rotation.Limits {
	return rotation.Limits{Rollout: 30 * time.Minute, Observe: s.Observe, Watch: 15 * time.Second, OverlapWithoutServices: 24 * time.Hour}
}

// The parts of which scenarios are put together.

// tokenOf is the token of the rotation that a pair is about.
var tokenOf = token("", 77)

// open has a rotation registered, and taken through steps.
func (w *world) open_(tok string, steps ...rotation.Step) {
	if err := w.register(0, tok); err != nil {
		w.course.violated("%v", err)
	}
	if len(steps) > 0 {
		if err := w.goThrough(0, tok, steps...); err != nil {
			w.course.violated("%v", err)
		}
	}
}

var allSteps = []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret}

// rotated is a secret that was rotated once, long ago, so that it has a ledger.
func (w *world) rotated() {
	w.open_(token("", 1), allSteps...)
	w.settle()
	if what := w.open(); what != "" {
		w.course.violated("%s", what)
	}
}

// Scenarios are all of them.
func Scenarios() (all []*Scenario) {
	kinds := map[string][]string{"database": {"database"}, "mixed": {"database", "admin", "smtp"}}
	for _, set := range []string{"database", "mixed"} {
		for i, s := range allSteps {
			base := Scenario{Kinds: kinds[set], Services: 1, Before: func(w *world) {
				w.rotated()
				w.open_(tokenOf, allSteps[:i]...)
			}}
			again := base
			again.Name = set + "-" + string(s) + "-again"
			again.Pair = [2]Invocation{{string(s), step(0, s, tokenOf)}, {string(s) + " again", step(0, s, tokenOf)}}
			beside := base
			beside.Name = set + "-" + string(s) + "-reconcile"
			beside.Pair = [2]Invocation{{string(s), step(0, s, tokenOf)}, {"reconcile", reconcile(0)}}
			all = append(all, &again, &beside)
		}
	}
	return all
}
