package main

import (
	"testing"
	"time"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
)

// oneService is a deployment of one service, whose database password alone is rotated. Its
// task logs in when it starts, and then at an interval.
// It has been rotated once, for the first rotation of a secret writes a label more: that
// of the value that was there.
func oneService(t testing.TB, interval time.Duration, aws localaws.Options) *rig.Rig {
	t.Helper()
	executable, err := shippedBuild()
	if err != nil {
		t.Fatal(err)
	}
	app := &rig.Application{Services: []string{"mautic-prod-service"}, Tasks: 1, Interval: interval}
	r, err := rig.New(t.Context(), rig.Options{MySQL: mysqltest.Shared(t), Binary: executable, Application: app, AWS: aws})
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
// name, and those of reconciles by "". What the SDK repeats because a busy machine has lost a
// connection is no call of the engine's.
func callsOf(r *rig.Rig, first int) (steps map[string]int, list []wire.Call) {
	steps = map[string]int{}
	for _, call := range r.AWS.Calls()[first:] {
		if call.Caller.Function != "" && !call.Retry {
			steps[call.Caller.Step]++
			list = append(list, call)
		}
	}
	return steps, list
}

func TestTheNumberOfCallsToAWS(t *testing.T) {
	r := oneService(t, 50*time.Millisecond, localaws.Options{})
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
	measure("what follows until it is retired", 20, func() error {
		if err := r.WaitSteady(t.Context()); err != nil {
			return err
		}
		return r.Reconcile()
	})
	if journal, err := r.Journal(); err != nil || len(journal) > 0 {
		t.Errorf("left in the journal: %v, error %v", journal, err)
	}
	measure("a reconcile with nothing to do", 1, r.Reconcile)

	inSeveralTicks(t, r, measure)
}

// inSeveralTicks rotates once, and measures each of the reconciles after it, as they are
// where an old value is observed for an hour, which is the default. The database's clock
// cannot be moved on: instead of an hour, the wait for one ends.
func inSeveralTicks(t testing.TB, r *rig.Rig, measure func(what string, most int, do func() error)) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(r.Reconfigure(map[string]string{"OBSERVE_MINUTES": "60"}))
	r.Application().Slow.Store(true)
	_, err := r.Rotate(t.Context())
	must(err)
	measure("a-tick-while-tasks-start", 8, r.Reconcile)
	r.Application().Slow.Store(false)
	must(r.WaitSteady(t.Context()))
	measure("the-tick-that-finds-every-task-new", 11, r.Reconcile)
	measure("a-tick-within-the-hour", 8, r.Reconcile)
	must(r.Reconfigure(map[string]string{"OBSERVE_MINUTES": "0"}))
	measure("the-tick-that-retires", 13, r.Reconcile)
	if journal, err := r.Journal(); err != nil || len(journal) > 0 {
		t.Errorf("left in the journal: %v, error %v", journal, err)
	}
}
