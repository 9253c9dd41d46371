package main

import (
	"testing"
	"time"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
)

// oneService is a deployment of one service, whose database password alone is rotated.
// It has been rotated once, for the first rotation of a secret writes a label more: that
// of the value that was there.
func oneService(t testing.TB, env map[string]string, aws localaws.Options) *rig.Rig {
	t.Helper()
	executable, err := shippedBuild()
	if err != nil {
		t.Fatal(err)
	}
	// The tasks log in once, when they start.
	app := &rig.Application{Services: []string{"mautic-prod-service"}, Tasks: 1, Interval: time.Hour}
	r, err := rig.New(t.Context(), rig.Options{MySQL: mysqltest.Shared(t), Binary: executable, Application: app, Env: env, AWS: aws})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// callsOf counts the function's calls since the first ones: those of each step by its
// name, and those of reconciles by "".
func callsOf(r *rig.Rig, first int) (steps map[string]int, list []wire.Call) {
	steps = map[string]int{}
	for _, call := range r.AWS.Calls()[first:] {
		if call.Caller.Function != "" {
			steps[call.Caller.Step]++
			list = append(list, call)
		}
	}
	return steps, list
}

func TestTheNumberOfCallsToAWS(t *testing.T) {
	r := oneService(t, nil, localaws.Options{})
	measure := func(what string, most int, do func() error) {
		t.Helper()
		before := len(r.AWS.Calls())
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		steps, list := callsOf(r, before)
		t.Logf("%s: %d calls: %v", what, len(list), steps)
		if len(list) > most || len(list) == 0 {
			t.Errorf("%s took %d calls, want at most %d:", what, len(list), most)
			for _, call := range list {
				t.Logf("%12s %s %s %s %s", call.Caller.Step, call.Service, call.Operation, call.Detail, call.ErrorCode)
			}
		}
	}
	measure("a rotation", 18, func() error {
		_, err := r.Rotate(t.Context())
		return err
	})
	measure("what follows until it is retired", 18, func() error {
		if err := r.WaitSteady(t.Context()); err != nil {
			return err
		}
		return r.Reconcile()
	})
	if journal, err := r.Journal(); err != nil || len(journal) > 0 {
		t.Errorf("left in the journal: %v, error %v", journal, err)
	}
	measure("a reconcile with nothing to do", 1, r.Reconcile)
}
