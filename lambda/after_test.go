package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

// deployApplication is deploy, with an application in ECS.
func deployApplication(t *testing.T, app *rig.Application, options ...func(*rig.Options)) *deployment {
	t.Helper()
	if app.Services == nil {
		app.Services = []string{"mautic-prod-web", "mautic-prod-worker"}
	}
	app.Tasks, app.Interval = 2, 100*time.Millisecond
	return deploy(t, append(options, func(o *rig.Options) { o.Application = app })...)
}

// noLoginFailed checks it for the whole life of the application.
func (d *deployment) noLoginFailed() {
	d.t.Helper()
	attempts, failures := d.Application().Logins()
	if failures > 0 || attempts == 0 {
		d.t.Errorf("%d of the application's %d logins failed", failures, attempts)
	}
}

func (d *deployment) journal() string {
	d.t.Helper()
	labels, err := d.Journal()
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.Join(labels, "\n")
}

// rotateWith rotates under a token of its own.
func (d *deployment) rotateWith(token string) error {
	d.t.Helper()
	if _, err := d.Secrets.RotateSecret(d.t.Context(), &sm.RotateSecretInput{SecretId: &d.SecretARN, ClientRequestToken: &token}); err != nil {
		return err
	}
	return d.AWS.SecretsManager.WaitRotation(d.t.Context(), d.SecretARN, token)
}

func (d *deployment) mustReconcile() {
	d.t.Helper()
	if err := d.Reconcile(); err != nil {
		d.t.Fatalf("reconcile: %v", err)
	}
}

func TestARotationEndsWithTheOldPasswordRefused(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
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
	stop := make(chan struct{})
	var group sync.WaitGroup
	end := sync.OnceFunc(func() {
		close(stop)
		group.Wait()
	})
	defer end()
	for range 3 {
		group.Go(func() {
			pace := time.NewTicker(50 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-stop:
					return
				case <-pace.C:
				}
				// One that meets another one's change may fail, and says so.
				if err := d.Reconcile(); err != nil && !strings.Contains(err.Error(), "reconcile: ") {
					t.Errorf("reconcile: %v", err)
				}
			}
		})
	}
	for range 2 {
		d.mustRotate()
		d.mustSettle()
	}
	end()
	d.mustSettle()
	d.accepts(true, d.password("AWSCURRENT"))
	d.accepts(false, d.Password)
	d.noLoginFailed()
}

func TestAnApplicationThatDoesNotComeUpIsRolledBack(t *testing.T) {
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
			d.awaitFailedRollout(tc.breaker)
			d.mustReconcile()
			if d.password("AWSCURRENT") != d.Password {
				t.Fatalf("AWSCURRENT was not rolled back; the journal says %s", d.journal())
			}
			d.mustSettle()
			d.accepts(true, d.Password)
			d.accepts(false, badPassword)
			wantError(t, d.Step("finishSecret", d.SecretARN, bad), "has been rolled back")

			app.Broken.Store(false)
			d.mustRotate()
			d.mustSettle()
			d.accepts(false, d.Password)
			d.accepts(true, d.password("AWSCURRENT"))
			d.noLoginFailed()
		})
	}
}

// awaitFailedRollout waits until ECS has given up, or moves the clock past the
// function's deadline.
func (d *deployment) awaitFailedRollout(breaker bool) {
	d.t.Helper()
	if !breaker {
		d.AWS.Clock().Advance(31 * time.Minute)
		return
	}
	for _, service := range d.Application().Services {
		_, err := d.AWS.WaitEvent(d.t.Context(), func(e host.Event) bool {
			change, ok := e.(localecs.DeploymentChanged)
			return ok && change.RolloutState == "FAILED" && strings.HasSuffix(change.Service, service)
		})
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

func TestAnOldPasswordThatIsStillUsedIsHeld(t *testing.T) {
	app := &rig.Application{Literal: true}
	d := deployApplication(t, app)
	d.mustRotate()
	for range 3 { // the tasks are new, and use the old password: the server's log has it
		if err := d.WaitSteady(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.mustReconcile()
		d.accepts(true, d.Password, d.password("AWSCURRENT"))
	}
	d.AWS.Clock().Advance(31 * time.Minute)
	d.mustReconcile()
	if !strings.Contains(d.journal(), ";held;") && !strings.Contains(d.journal(), "rotation;held;") {
		t.Errorf("not held: %s", d.journal())
	}
	if !strings.Contains(d.log.String(), "by its old password within") {
		t.Error("the log does not say what was seen")
	}
	// The next rotation changes nothing, and so evicts nothing.
	current := d.password("AWSCURRENT")
	d.mustRotate()
	if d.password("AWSCURRENT") != current {
		t.Error("rotated while the old password was in use")
	}
	d.accepts(true, d.Password, current)
	d.noLoginFailed()
}

func TestAQuarantineThatBreaksTheApplicationIsUndone(t *testing.T) {
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
	d := deployApplication(t, app, func(o *rig.Options) {
		o.Privileges = privileges
		o.MySQL = ownServer(t)
	})
	d.mustRotate()
	if err := d.WaitSteady(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.mustReconcile()
	if !strings.Contains(d.journal(), "rotation;held;") {
		t.Errorf("not held: %s", d.journal())
	}
	d.accepts(true, d.Password, d.password("AWSCURRENT"))

	// Somebody mends the configuration, and says so.
	app.Literal = false
	if err := d.Invoke([]byte(`{"Action":"release","SecretId":"` + d.SecretARN + `"}`)); err != nil {
		t.Fatal(err)
	}
	d.mustSettle()
	d.accepts(false, d.Password)
	d.accepts(true, d.password("AWSCURRENT"))
}

func TestARedeployThatGotLostIsMadeGood(t *testing.T) {
	d := deployApplication(t, &rig.Application{}, func(o *rig.Options) { o.AWS.RotationRetries = -1 })
	d.AWS.Intercept(func(c wire.Call) wire.Fault {
		return wire.Fault{KillBefore: c.Operation == "UpdateService"}
	})
	if _, err := d.Rotate(t.Context()); err == nil {
		t.Fatal("the rotation succeeded without a redeploy")
	}
	d.AWS.Intercept(nil)
	d.mustSettle()
	d.accepts(false, d.Password)
	d.noLoginFailed()
}

func TestAnEditMadeDuringTheOverlapSurvives(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	d.mustRotate()
	edited := strings.Replace(d.raw("AWSCURRENT"), "mautic.example.com", "www.example.com", 1)
	if _, err := d.Secrets.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: &d.SecretARN, SecretString: &edited}); err != nil {
		t.Fatal(err)
	}
	d.mustSettle()
	if d.raw("AWSCURRENT") != edited {
		t.Error("the edit is gone")
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
	d := deployApplication(t, &rig.Application{}, func(o *rig.Options) { o.AWS.RotationRetries = -1 })
	d.AWS.Intercept(func(c wire.Call) wire.Fault {
		if c.Caller.Step != "testSecret" {
			return wire.Fault{}
		}
		return wire.Fault{Error: &wire.Error{Code: "AccessDeniedException", Message: "stuck", Status: 400}}
	})
	_, err := d.Rotate(t.Context())
	wantError(t, err, "stuck")
	d.AWS.Intercept(nil)
	stuck := d.password("AWSPENDING")
	d.accepts(true, stuck)
	d.mustReconcile() // leaves a pending version alone
	d.accepts(true, stuck)
	if err := d.Invoke([]byte(`{"Action":"abandon","SecretId":"` + d.SecretARN + `"}`)); err != nil {
		t.Fatal(err)
	}
	d.accepts(false, stuck)
	if d.journal() != "" {
		t.Errorf("left in the journal: %s", d.journal())
	}
	d.mustRotate()
	d.noLoginFailed()
}

func TestAnOldVersionMadeCurrentAgainByHandIsNotTakenOutOfService(t *testing.T) {
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
	state, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Secrets.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
		SecretId: &d.SecretARN, VersionStage: aws.String("AWSCURRENT"),
		MoveToVersionId: aws.String(state.Labelled("AWSPREVIOUS").ID), RemoveFromVersionId: &bad,
	})
	if err != nil {
		t.Fatal(err)
	}
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
	if !strings.Contains(d.journal(), "rotation;old;") {
		t.Errorf("the old version, whose password is live, is not in the journal: %s", d.journal())
	}
	d.mustSettle()
	d.accepts(false, d.Password)
	d.noLoginFailed()
}
