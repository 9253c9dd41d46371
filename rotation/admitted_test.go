package rotation_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
)

// A secret that is added to a deployment is served before its schedule is made, and until
// then the function's role may not describe it.
func TestATickOfASecretThatMayNotBeDescribedYetIsNoFailure(t *testing.T) {
	e := newEngine(t)
	attention := &measured{name: "AttentionNeeded"}
	e.reconfigure(func(c *rotation.Config) { c.Metrics = attention })
	e.mustRotate()
	kept := e.version("AWSCURRENT").Value
	var denied atomic.Bool
	denied.Store(true)
	e.aws.Intercept(func(c wire.Call) (fault wire.Fault) {
		if denied.Load() && c.Operation == "DescribeSecret" {
			fault.Error = refused
		}
		return fault
	})
	found, err := e.Reconcile(e.t.Context(), e.arn, e.logger(), &scrub.Secrets{})
	if err != nil {
		t.Fatalf("the tick fails: %v", err)
	}
	if len(found.Needs) != 1 || !strings.Contains(found.Needs[0].Text, "may not describe the secret") || found.Needs[0].Remedy == "" {
		t.Errorf("it says %+v", found.Needs)
	}
	if got := attention.values; len(got) != 1 || got[0] != 1 {
		t.Errorf("%v conditions need somebody", got)
	}
	// Nothing else waits half an hour for an alarm.
	if _, err := e.ReconcileOnEvent(e.t.Context(), e.arn, e.logger(), &scrub.Secrets{}); err == nil {
		t.Error("an event is no failure either")
	}
	denied.Store(false)
	e.closeAll()
	if got := attention.values; len(got) < 2 || got[len(got)-1] != 0 {
		t.Errorf("%v conditions need somebody, once it may", got)
	}
	if e.version("AWSCURRENT").Value != kept {
		t.Error("the value is another one")
	}
}
