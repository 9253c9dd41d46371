package main

import (
	"strings"
	"sync/atomic"
	"testing"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

func TestAReconcileThatTheDeploymentOfAReleaseWakesDoesNotForgetTheOldPassword(t *testing.T) {
	app := &rig.Application{Literal: true}
	d := deployApplication(t, app, timed(patient))
	d.mustRotate()
	d.mustBeSteady()
	d.AWS.Clock().Advance(pastRollout)
	d.mustReconcile()
	d.isHeld()
	app.Literal = false // somebody corrects the configuration, and says so
	d.reconfigure(map[string]string{timingVariable: quick.String()})

	// Between the new label and the removal of the old one.
	var once atomic.Bool
	between := ""
	d.AWS.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation != "UpdateSecretVersionStage" || !strings.Contains(c.Detail, "=held.") || strings.Contains(c.Detail, "MoveToVersionId") {
			return wire.Fault{}
		}
		return wire.Fault{Before: func() {
			if !once.CompareAndSwap(false, true) {
				return // of the reconcile beside
			}
			between = d.journal()
			if err := d.Reconcile(); err != nil {
				t.Errorf("the reconcile beside: %v", err)
			}
		}}
	})
	d.act(actionRelease)
	d.AWS.Intercept(nil)
	if !strings.Contains(between, "database=released") {
		t.Fatalf("the reconcile did not run between the two labels, but when the journal said %s", between)
	}
	if strings.Contains(d.journal(), "=held") {
		t.Errorf("after the release the journal says %s", d.journal())
	}
	d.mustSettle()
	d.accepts(true, d.password("AWSCURRENT"))
	d.accepts(false, d.Password)
}
