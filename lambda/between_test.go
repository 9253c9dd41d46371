package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

func TestAValueWrittenByHandAtAnyMomentSurvives(t *testing.T) {
	is := func(step, operation, detail string) func(wire.Call) bool {
		return func(c wire.Call) bool {
			return c.Caller.Step == step && c.Operation == operation && strings.Contains(c.Detail, detail)
		}
	}
	for name, moment := range map[string]func(wire.Call) bool{
		"before the pending value is stored":      is("createSecret", "PutSecretValue", ""),
		"between createSecret and setSecret":      is("setSecret", "GetSecretValue", "AWSCURRENT"),
		"before the password is set":              is("setSecret", "UpdateSecretVersionStage", "rotation;set"),
		"between setSecret and testSecret":        is("testSecret", "GetSecretValue", "AWSCURRENT"),
		"between testSecret and finishSecret":     is("finishSecret", "DescribeSecret", ""),
		"before the old version is noted":         is("finishSecret", "UpdateSecretVersionStage", "rotation;old"),
		"right before the promotion":              is("finishSecret", "UpdateSecretVersionStage", "VersionStage=AWSCURRENT"),
		"right before the redeploy":               is("finishSecret", "UpdateService", ""),
		"before the old password is taken away":   is("", "UpdateSecretVersionStage", "VersionStage=rotation;quarantined"),
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
				t.Errorf("the edit is gone (the rotation: %v)", firstErr)
			}
			d.accepts(true, d.password("AWSCURRENT"))

			// Whatever became of that rotation, the next one works. Where its
			// value was stored after Secrets Manager had abandoned it, it is
			// first taken up again, and gives itself up.
			old := d.password("AWSCURRENT")
			if _, err := d.Rotate(t.Context()); err != nil {
				wantError(t, err, "will be reattempted")
				wantError(t, d.AWS.SecretsManager.WaitRotation(t.Context(), d.SecretARN, d.pendingID()), "given up")
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

// pendingID is the version that is AWSPENDING.
func (d *deployment) pendingID() string {
	d.t.Helper()
	state, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		d.t.Fatal(err)
	}
	return state.Labelled("AWSPENDING").ID
}

// editByHand changes a field that no rotation owns, as somebody does in the
// console.
func (d *deployment) editByHand() {
	d.t.Helper()
	edited := strings.Replace(d.raw("AWSCURRENT"), "mautic.example.com", "www.example.com", 1)
	if _, err := d.Secrets.PutSecretValue(d.t.Context(), &sm.PutSecretValueInput{SecretId: &d.SecretARN, SecretString: &edited}); err != nil {
		d.t.Error(err)
	}
}

// everyOtherPasswordIsRefused checks it of all that a version has ever held.
func (d *deployment) everyOtherPasswordIsRefused() {
	d.t.Helper()
	state, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		d.t.Fatal(err)
	}
	current := d.password("AWSCURRENT")
	for _, v := range state.Versions {
		if password := rig.PasswordIn(v.Value); password != "" && password != current {
			d.accepts(false, password)
		}
	}
}

func TestTheTakeAwayRacesTheNextRotationsSet(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	stop, busy := make(chan struct{}), sync.WaitGroup{}
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
		case c.Caller.Step == "" && strings.Contains(c.Detail, "VersionStage=rotation;quarantined"):
			nudge(rotateNow)
		case c.Caller.Step == "setSecret" && strings.Contains(c.Detail, "VersionStage=rotation;set"):
			nudge(reconcileNow)
		}
		return wire.Fault{}
	})
	on := func(signal chan struct{}, do func() error) {
		busy.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-signal:
					_ = do() // one that meets another's change may fail, and is tried again
				}
			}
		})
	}
	on(rotateNow, func() error { _, err := d.Rotate(t.Context()); return err })
	on(reconcileNow, d.Reconcile)
	d.underLoadOfCurrent(func() {
		for range 4 {
			nudge(rotateNow)
			if err := d.WaitSteady(t.Context()); err != nil {
				t.Error(err)
			}
			d.mustReconcile()
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

// underLoadOfCurrent runs f while what AWSCURRENT holds logs in over and over.
func (d *deployment) underLoadOfCurrent(f func()) {
	d.t.Helper()
	stop, load := make(chan struct{}), sync.WaitGroup{}
	load.Go(func() {
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-stop:
				return
			case <-pace.C:
			}
			if err := d.CurrentLogsIn(d.t.Context()); err != nil {
				d.t.Error(err)
				return
			}
		}
	})
	f()
	close(stop)
	load.Wait()
}
