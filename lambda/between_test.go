package main

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

func TestAValueWrittenByHandAtAnyMomentSurvives(t *testing.T) {
	t.Parallel()
	is := func(step, operation, detail string) func(wire.Call) bool {
		return func(c wire.Call) bool {
			return c.Caller.Step == step && c.Operation == operation && strings.Contains(c.Detail, detail)
		}
	}
	for name, moment := range map[string]func(wire.Call) bool{
		"before the pending value is stored":      is("createSecret", "PutSecretValue", ""),
		"between createSecret and setSecret":      is("setSecret", "GetSecretValue", "AWSCURRENT"),
		"before the password is set":              is("setSecret", "DescribeSecret", ""),
		"between setSecret and testSecret":        is("testSecret", "GetSecretValue", "AWSCURRENT"),
		"between testSecret and finishSecret":     is("finishSecret", "DescribeSecret", ""),
		"before the old version is noted":         is("createSecret", "UpdateSecretVersionStage", "=proven.1"),
		"right before the promotion":              is("finishSecret", "UpdateSecretVersionStage", "VersionStage=AWSCURRENT"),
		"right before the redeploy":               is("finishSecret", "UpdateService", ""),
		"before the old password is taken away":   is("", "UpdateSecretVersionStage", "=quarantined."),
		"before the old version's entry is taken": is("", "UpdateSecretVersionStage", "RemoveFromVersionId"),
	} {
		t.Run(name, func(t *testing.T) {
			d := deployApplication(t, &rig.Application{}, func(o *rig.Options) { o.AWS.RotationRetries = 1 })
			var once sync.Once
			edited := false
			d.AWS.Intercept(func(c wire.Call) wire.Fault {
				if c.Caller.Function == "" || !moment(c) {
					return wire.Fault{}
				}
				return wire.Fault{Before: func() { once.Do(func() { edited = true; d.editByHand() }) }}
			})
			_, firstErr := d.Rotate(t.Context())
			d.accepts(true, d.password("AWSCURRENT"))
			d.mustSettle()
			if !edited {
				t.Fatal("that moment never came")
			}
			if !strings.Contains(d.raw("AWSCURRENT"), "www.example.com") {
				t.Errorf("the edit was lost (the rotation: %v)", firstErr)
			}
			d.accepts(true, d.password("AWSCURRENT"))

			// Whatever became of that rotation, the next one works. Where its
			// value was stored after Secrets Manager had abandoned it, it is
			// first taken up again, and gives itself up.
			old := d.password("AWSCURRENT")
			if _, err := d.Rotate(t.Context()); err != nil {
				wantError(t, err, "will be reattempted")
				wantError(t, d.AWS.SecretsManager.WaitRotation(t.Context(), d.SecretARN, d.labelled("AWSPENDING").ID), "given up")
				d.mustRotate()
			}
			d.mustSettle()
			if d.password("AWSCURRENT") == old || !strings.Contains(d.raw("AWSCURRENT"), "www.example.com") {
				t.Error("the next rotation did not change the password alone")
			}
			d.everyOtherPasswordIsRefused()
			d.noLoginFailed()
		})
	}
}

func TestTheTakeAwayRacesTheNextRotationsSet(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	stop, busy := make(chan struct{}), sync.WaitGroup{}
	var rotations, reconciles atomic.Int64
	// A rotation starts whenever a reconcile is about to take a value away, and
	// a reconcile runs whenever a rotation is about to set one.
	rotateNow, reconcileNow := make(chan struct{}, 1), make(chan struct{}, 1)
	nudge := func(c chan struct{}) {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	d.AWS.Intercept(func(c wire.Call) wire.Fault {
		switch {
		case c.Caller.Step == "" && strings.Contains(c.Detail, "=quarantined."):
			nudge(rotateNow)
		case c.Caller.Step == "setSecret" && c.Operation == "DescribeSecret":
			nudge(reconcileNow)
		}
		return wire.Fault{}
	})
	on := func(signal chan struct{}, ran *atomic.Int64, do func() error) {
		busy.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-signal:
					_ = do() // one that meets another's change may fail, and is tried again
					ran.Add(1)
				}
			}
		})
	}
	on(rotateNow, &rotations, func() error { _, err := d.Rotate(t.Context()); return err })
	on(reconcileNow, &reconciles, d.Reconcile)
	d.underLoadOfCurrent(func() {
		// On until both have run beside, in the end until go test ends it.
		for n := 0; n < 4 || rotations.Load() == 0 || reconciles.Load() == 0; n++ {
			nudge(rotateNow)
			d.mustBeSteady()
			_ = d.Reconcile() // may meet a rotation's change, too
		}
	})
	close(stop)
	busy.Wait()
	d.AWS.Intercept(nil)
	d.mustSettle()
	d.accepts(true, d.password("AWSCURRENT"))
	d.everyOtherPasswordIsRefused()
	d.noLoginFailed()
}
