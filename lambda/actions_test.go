package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/load"
	"mautic-rotation/internal/localaws/wire"
)

// What tests do with a deployment.

// tokenOfEmergency asks for an emergency of everything.
const tokenOfEmergency = "emergency.3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"

// The steps of a rotation, in their order.
var steps = []string{"createSecret", "setSecret", "testSecret", "finishSecret"}

// reconfigure gives the function other settings, beside those that it has.
func (d *deployment) reconfigure(env map[string]string) {
	d.t.Helper()
	if err := d.Reconfigure(env); err != nil {
		d.t.Fatal(err)
	}
}

// preflight turns rotation on, by a test-only rotation, and returns how that ends.
func (d *deployment) preflight() error {
	d.t.Helper()
	_, err := d.Secrets.RotateSecret(d.t.Context(), &sm.RotateSecretInput{
		SecretId: &d.SecretARN, RotationLambdaARN: &d.FunctionARN, RotateImmediately: aws.Bool(false),
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.AWS.SecretsManager.WaitRotation(d.t.Context(), d.SecretARN, "")
}

// mustPreflight is preflight, which has to find nothing.
func (d *deployment) mustPreflight() {
	d.t.Helper()
	if err := d.preflight(); err != nil {
		d.t.Fatalf("preflight: %v", err)
	}
}

// mustRotate rotates.
func (d *deployment) mustRotate() (token string) {
	d.t.Helper()
	token, err := d.Rotate(d.t.Context())
	if err != nil {
		d.t.Fatalf("rotate: %v", err)
	}
	return token
}

// rotateWith rotates under a token of its own.
func (d *deployment) rotateWith(token string) error {
	d.t.Helper()
	if _, err := d.Secrets.RotateSecret(d.t.Context(), &sm.RotateSecretInput{SecretId: &d.SecretARN, ClientRequestToken: &token, RotationLambdaARN: &d.FunctionARN}); err != nil {
		return err
	}
	return d.AWS.SecretsManager.WaitRotation(d.t.Context(), d.SecretARN, token)
}

// rotateAs rotates with words, under a token that was not used before.
func (d *deployment) rotateAs(words string) error {
	d.t.Helper()
	// The journal tells versions by the last 36 characters of their tokens.
	return d.rotateWith(words + "." + (rand.Text() + rand.Text())[:36])
}

// rotateSecret rotates another secret.
func (d *deployment) rotateSecret(arn string) error {
	d.t.Helper()
	out, err := d.Secrets.RotateSecret(d.t.Context(), &sm.RotateSecretInput{SecretId: &arn, RotationLambdaARN: &d.FunctionARN})
	if err != nil {
		return err
	}
	return d.AWS.SecretsManager.WaitRotation(d.t.Context(), arn, aws.ToString(out.VersionId))
}

// tryAgain has Secrets Manager take up a rotation that has failed, and returns
// how that ends.
func (d *deployment) tryAgain() error {
	d.t.Helper()
	token := d.labelled("AWSPENDING").ID
	_, err := d.StartRotation(d.t.Context())
	wantError(d.t, err, "That rotation will be reattempted")
	return d.AWS.SecretsManager.WaitRotation(d.t.Context(), d.SecretARN, token)
}

// beginByHand makes a version AWSPENDING that has no value yet, as RotateSecret
// does, without invoking any step.
func (d *deployment) beginByHand() (token string) {
	d.t.Helper()
	d.mustPreflight()
	token = strings.Repeat("0123456789abcdef", 2)
	d.AWS.Intercept(denied("not yet", func(wire.Call) bool { return true }))
	wantError(d.t, d.rotateWith(token), "not yet")
	d.AWS.Intercept(nil)
	return token
}

// denied answers those of the function's calls that match with an error.
func denied(message string, match func(wire.Call) bool) func(wire.Call) wire.Fault {
	return func(c wire.Call) (fault wire.Fault) {
		if c.Caller.Function != "" && match(c) {
			fault.Error = &wire.Error{Code: "AccessDeniedException", Message: message, Status: 400}
		}
		return fault
	}
}

// inStep matches all calls of a step.
func inStep(step string) func(wire.Call) bool {
	return func(c wire.Call) bool { return c.Caller.Step == step }
}

// mustReconcile wakes the function as its schedule does.
func (d *deployment) mustReconcile() {
	d.t.Helper()
	if err := d.Reconcile(); err != nil {
		d.t.Fatalf("reconcile: %v", err)
	}
}

// mustSettle lets what follows a promotion come to its end.
func (d *deployment) mustSettle() {
	d.t.Helper()
	if err := d.Settle(d.t.Context()); err != nil {
		d.t.Fatalf("settle: %v", err)
	}
}

// mustBeSteady waits until ECS has no deployment under way.
func (d *deployment) mustBeSteady() {
	d.t.Helper()
	if err := d.WaitSteady(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// rotateToTheEnd rotates until the old password is refused.
func (d *deployment) rotateToTheEnd() {
	d.t.Helper()
	old := d.password("AWSCURRENT")
	d.mustRotate()
	d.mustSettle()
	d.accepts(true, d.password("AWSCURRENT"))
	d.accepts(false, old)
}

// act sends an operator's event.
func (d *deployment) act(action action) {
	d.t.Helper()
	if err := d.Invoke(fmt.Appendf(nil, `{"Action":%q,"SecretId":%q}`, action, d.SecretARN)); err != nil {
		d.t.Fatalf("%s: %v", action, err)
	}
}

// put stores a value in the secret by hand.
func (d *deployment) put(value string) {
	d.t.Helper()
	if _, err := d.Secrets.PutSecretValue(d.t.Context(), &sm.PutSecretValueInput{SecretId: &d.SecretARN, SecretString: &value}); err != nil {
		d.t.Fatal(err)
	}
}

// editByHand changes a field that no rotation owns, as somebody does in the
// console, and returns the whole value.
func (d *deployment) editByHand() (edited string) {
	d.t.Helper()
	edited = strings.Replace(d.raw("AWSCURRENT"), "mautic.example.com", "www.example.com", 1)
	d.put(edited)
	return edited
}

// moveLabel moves a label of the secret by hand. Either version may be "".
func (d *deployment) moveLabel(label, to, from string) {
	d.t.Helper()
	in := &sm.UpdateSecretVersionStageInput{SecretId: &d.SecretARN, VersionStage: &label}
	if to != "" {
		in.MoveToVersionId = &to
	}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	if _, err := d.Secrets.UpdateSecretVersionStage(d.t.Context(), in); err != nil {
		d.t.Fatal(err)
	}
}

// otherSecret makes a secret in AWS's layout, for an account of its own.
func (d *deployment) otherSecret(name, user string, privileges ...string) (arn string) {
	d.t.Helper()
	if err := d.MySQL.CreateUser(d.t.Context(), user, "%", d.Password, privileges...); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		if _, err := d.MySQL.Admin().ExecContext(context.Background(), "DROP USER ?@'%'", user); err != nil {
			d.t.Error(err)
		}
	})
	arn, err := d.CreateSecret(d.t.Context(), name,
		fmt.Sprintf(`{"engine":"mysql","host":%q,"port":%d,"username":%q,"password":%q}`, d.MySQL.Host(), d.MySQL.Port(), user, d.Password))
	if err != nil {
		d.t.Fatal(err)
	}
	return arn
}

// Loads.

// underLoad runs f while logins go on in every way an application makes them,
// none of which may fail.
func (d *deployment) underLoad(f func()) {
	d.t.Helper()
	logins, err := d.StartLoad(d.t.Context())
	d.during(logins, err, f)
}

// underLoadOfCurrent runs f while what AWSCURRENT holds logs in over and over.
func (d *deployment) underLoadOfCurrent(f func()) {
	d.t.Helper()
	logins, err := load.Start(d.t.Context(), 10*time.Millisecond, load.Worker{Name: "with AWSCURRENT", Use: d.CurrentLogsIn})
	d.during(logins, err, f)
}

// during runs f while a load that has been started goes on.
func (d *deployment) during(logins *load.Load, err error, f func()) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() {
		if err := logins.Stop(); err != nil {
			d.t.Errorf("logins: %v", err)
		}
	}()
	f()
}

// whileReconciling runs f while a number of reconciles go on at once, and
// returns how many of them succeeded.
func (d *deployment) whileReconciling(at int, f func()) (succeeded int64) {
	d.t.Helper()
	var done atomic.Int64
	workers := make([]load.Worker, at)
	for i := range workers {
		workers[i] = load.Worker{Name: fmt.Sprint("reconcile ", i), Use: func(context.Context) error {
			// One that meets another one's change may fail, and says so.
			if err := d.Reconcile(); err == nil {
				done.Add(1)
			} else if !strings.Contains(err.Error(), "reconcile: ") {
				return err
			}
			return nil
		}}
	}
	reconciles, err := load.Start(d.t.Context(), 50*time.Millisecond, workers...)
	d.during(reconciles, err, f)
	return done.Load()
}
