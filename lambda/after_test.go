package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

func TestARotationEndsWithTheOldPasswordRefused(t *testing.T) {
	d := deployApplication(t, &rig.Application{}, shipped)
	if err := d.AWS.EventBridge.SendEvents(rig.FunctionName); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		old := d.password("AWSCURRENT")
		d.mustRotate()
		d.mustSettle()
		d.accepts(true, d.password("AWSCURRENT"))
		d.accepts(false, old)
	}
	d.noLoginFailed()
}

func TestAReconcileMayRunAtAnyTimeAndManyTimesAtOnce(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	succeeded := d.whileReconciling(3, func() {
		for range 2 {
			d.mustRotate()
			d.mustSettle()
		}
	})
	if succeeded == 0 {
		t.Error("no reconcile succeeded")
	}
	d.mustSettle()
	d.accepts(true, d.password("AWSCURRENT"))
	d.accepts(false, d.Password)
	d.noLoginFailed()
}

func TestAnApplicationThatDoesNotComeUpIsRolledBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		breaker  bool
		variants localsecretsmanager.Variants
	}{
		"by the circuit breaker's word":           {breaker: true},
		"by the deadline":                         {},
		"with AWSPENDING left on the bad version": {breaker: true, variants: localsecretsmanager.Variants{PendingAfterSuccess: localsecretsmanager.PendingStays}},
	} {
		t.Run(name, func(t *testing.T) {
			app := &rig.Application{CircuitBreaker: tc.breaker}
			d := deployApplication(t, app)
			d.AWS.SecretsManager.SetVariants(tc.variants)
			app.Broken.Store(true)
			bad := d.mustRotate()
			badPassword := d.password("AWSCURRENT")
			if tc.breaker {
				d.awaitFailedRollouts()
			} else {
				d.AWS.Clock().Advance(pastRollout)
			}
			d.mustReconcile()
			if d.password("AWSCURRENT") != d.Password {
				t.Fatalf("AWSCURRENT was not rolled back; the journal says %s", d.journal())
			}
			d.mustSettle()
			d.accepts(true, d.Password)
			d.accepts(false, badPassword)
			wantError(t, d.Step("finishSecret", d.SecretARN, bad), "was rolled back")

			app.Broken.Store(false)
			d.mustRotate()
			d.mustSettle()
			d.accepts(false, d.Password)
			d.accepts(true, d.password("AWSCURRENT"))
			d.noLoginFailed()
		})
	}
}

func TestAnOldPasswordThatIsStillUsedIsHeld(t *testing.T) {
	d := deployApplication(t, &rig.Application{Literal: true}, timed(patient))
	d.mustRotate()
	for range 3 { // the tasks are new, and use the old password: the server's log has it
		d.mustBeSteady()
		d.mustReconcile()
		d.accepts(true, d.Password, d.password("AWSCURRENT"))
	}
	d.AWS.Clock().Advance(pastRollout)
	d.mustReconcile()
	d.isHeld()
	d.logSays("with its old password within")
	// The next rotation changes nothing, and so evicts nothing.
	current := d.password("AWSCURRENT")
	_, err := d.Rotate(t.Context())
	wantError(t, err, "its overlap is still open", "(held)")
	if d.password("AWSCURRENT") != current {
		t.Error("rotated while the old password was in use")
	}
	d.accepts(true, d.Password, current)
	d.noLoginFailed()
}

func TestAQuarantineThatBreaksTheApplicationIsUndone(t *testing.T) {
	t.Parallel()
	// Where the server's log does not tell, the use shows only afterwards.
	for name, privileges := range map[string][]string{
		"the log cannot be read":          rig.Privileges[:2],
		"the log is not verbose enough":   rig.Privileges,
		"the other accounts are not seen": rig.Privileges[:1],
	} {
		t.Run(name, func(t *testing.T) { quarantineIsUndone(t, privileges) })
	}
}

func quarantineIsUndone(t *testing.T, privileges []string) {
	app := &rig.Application{Literal: true}
	d := deployApplication(t, app, timed(patient), func(o *rig.Options) {
		o.Privileges = privileges
		o.MySQL = silentServer(t)
	})
	d.mustRotate()
	d.mustBeSteady()
	d.mustReconcile()
	d.isHeld()
	d.accepts(true, d.Password, d.password("AWSCURRENT"))

	// Somebody mends the configuration, and says so.
	app.Literal = false
	d.reconfigure(map[string]string{timingVariable: quick.String()}) // there is nothing to see any more
	d.act(actionRelease)
	d.mustSettle()
	d.accepts(false, d.Password)
	d.accepts(true, d.password("AWSCURRENT"))
}

func TestARedeployThatGotLostIsMadeGood(t *testing.T) {
	d := deployApplication(t, &rig.Application{}, neverRetried)
	d.AWS.Intercept(func(c wire.Call) wire.Fault {
		return wire.Fault{KillBefore: c.Operation == "UpdateService"}
	})
	if _, err := d.Rotate(t.Context()); err == nil {
		t.Fatal("the rotation succeeded without a redeploy")
	}
	d.AWS.Intercept(nil)
	d.AWS.Clock().Advance(time.Minute) // whoever has promoted would have redeployed by now
	d.mustSettle()
	d.accepts(false, d.Password)
	d.noLoginFailed()
}

func TestAnEditMadeDuringTheOverlapSurvives(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	d.mustRotate()
	edited := d.editByHand()
	d.mustSettle()
	if d.raw("AWSCURRENT") != edited {
		t.Error("the edit was lost")
	}
	d.accepts(true, d.password("AWSCURRENT"))
	d.accepts(false, d.Password)
	d.noLoginFailed()
}

func TestWhatIsOpenIsFinishedWhenRotationHasBeenCancelled(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	d.mustRotate()
	if _, err := d.Secrets.CancelRotateSecret(t.Context(), &sm.CancelRotateSecretInput{SecretId: &d.SecretARN}); err != nil {
		t.Fatal(err)
	}
	d.mustSettle()
	d.accepts(false, d.Password)
	d.noLoginFailed()
}

func TestAStuckRotationCanBeAbandoned(t *testing.T) {
	d := deployApplication(t, &rig.Application{}, neverRetried)
	d.AWS.Intercept(denied("stuck", inStep("testSecret")))
	_, err := d.Rotate(t.Context())
	wantError(t, err, "stuck")
	d.AWS.Intercept(nil)
	stuck := d.password("AWSPENDING")
	d.accepts(true, stuck)
	d.mustReconcile() // leaves a pending version alone
	d.accepts(true, stuck)
	d.act(actionAbandon)
	d.accepts(false, stuck)
	if d.journal() != "" {
		t.Errorf("left in the journal: %s", d.journal())
	}
	d.mustRotate()
	d.noLoginFailed()
}

func TestAnOldVersionMadeCurrentAgainByHandIsNotTakenOutOfService(t *testing.T) {
	t.Parallel()
	for name, variants := range map[string]localsecretsmanager.Variants{
		"AWSPENDING has gone":                 {},
		"AWSPENDING stays on the newer value": {PendingAfterSuccess: localsecretsmanager.PendingStays},
	} {
		t.Run(name, func(t *testing.T) { goesBackByHand(t, variants) })
	}
}

func goesBackByHand(t *testing.T, variants localsecretsmanager.Variants) {
	t.Helper()
	d := deployApplication(t, &rig.Application{})
	d.AWS.SecretsManager.SetVariants(variants)
	bad := d.mustRotate()
	badPassword := d.password("AWSCURRENT")
	d.moveLabel("AWSCURRENT", d.labelled("AWSPREVIOUS").ID, bad)
	d.mustSettle()
	d.accepts(true, d.Password)
	d.accepts(false, badPassword)
	d.mustRotate() // AWSPENDING is off the other version, or none could begin
	if d.password("AWSCURRENT") == d.Password {
		t.Error("the next rotation has changed nothing")
	}
}

func TestAReconcileBetweenTheJournalAndThePromotionForgetsNothing(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	var once, death sync.Once
	d.AWS.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation == "UpdateService" {
			// And the attempt that wrote the entry dies after the promotion.
			fault := wire.Fault{}
			death.Do(func() { fault.KillBefore = true })
			return fault
		}
		if c.Caller.Step != "finishSecret" || !strings.Contains(c.Detail, "AWSCURRENT") || c.Operation != "UpdateSecretVersionStage" {
			return wire.Fault{}
		}
		return wire.Fault{Before: func() {
			once.Do(func() {
				if err := d.Reconcile(); err != nil {
					t.Errorf("reconcile: %v", err)
				}
			})
		}}
	})
	d.mustRotate()
	if !strings.Contains(d.journal(), "database=proven") {
		t.Errorf("the old version, whose password is live, is not in the journal: %s", d.journal())
	}
	d.mustSettle()
	d.accepts(false, d.Password)
	d.noLoginFailed()
}
