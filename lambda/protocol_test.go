package main

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
)

func TestARotationChangesThePasswordAndNothingElse(t *testing.T) {
	d := deploy(t)
	before, old := d.raw("AWSCURRENT"), d.password("AWSCURRENT")
	d.underLoad(func() { d.mustRotate() })
	after, current := d.raw("AWSCURRENT"), d.password("AWSCURRENT")

	if current == old || len(current) != 32 {
		t.Error("AWSCURRENT has no new password of 32 characters")
	}
	if strings.Replace(after, current, old, 1) != before {
		t.Errorf("more than the password has changed:\n%s\n%s", before, after)
	}
	if d.password("AWSPREVIOUS") != old {
		t.Error("AWSPREVIOUS is not the version that was current")
	}
	d.accepts(true, old, current)
}

// raw is the whole value of the version with the label.
func (d *deployment) raw(label string) string {
	d.t.Helper()
	state, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		d.t.Fatal(err)
	}
	return state.Labelled(label).Value
}

func TestRotationsFollowOneAnother(t *testing.T) {
	d := deploy(t)
	seen := map[string]bool{d.password("AWSCURRENT"): true}
	for range 3 {
		previous := d.password("AWSCURRENT")
		d.underLoad(func() { d.mustRotate() })
		if seen[d.password("AWSCURRENT")] {
			t.Fatal("a password came back")
		}
		seen[d.password("AWSCURRENT")] = true
		d.accepts(true, previous, d.password("AWSCURRENT"))
		d.mustSettle()
		d.accepts(false, previous)
		d.accepts(true, d.password("AWSCURRENT"))
	}
}

func TestARotationWorksWhateverOfTwoThingsAWSDoes(t *testing.T) {
	for name, variants := range map[string]localsecretsmanager.Variants{
		"AWSPENDING goes with the promotion": {PendingAfterSuccess: localsecretsmanager.PendingRemovedOnPromotion},
		"AWSPENDING stays":                   {PendingAfterSuccess: localsecretsmanager.PendingStays},
		"a RotationToken is sent":            {RotationTokenSent: true},
		"versions without labels go":         {DeleteUnlabelled: true},
		"reads lag behind writes":            {StaleReads: localsecretsmanager.StaleReads{Reads: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t, func(o *rig.Options) { o.AWS.RotationRetries = -1 })
			d.AWS.SecretsManager.SetVariants(variants)
			for range 2 {
				old := d.password("AWSCURRENT")
				token := d.mustRotate()
				d.accepts(true, old, d.password("AWSCURRENT"))
				state, err := d.AWS.SecretsManager.State(d.SecretARN)
				if err != nil {
					t.Fatal(err)
				}
				d.mustSettle()
				if v := state.Labelled("AWSCURRENT"); v.ID != token || variants.RotationTokenSent != (v.RotationToken != "") {
					t.Errorf("AWSCURRENT is %s, written with a RotationToken: %v", v.ID, v.RotationToken != "")
				}
			}
		})
	}
}

func TestEachStepMayRunTwice(t *testing.T) {
	d := deploy(t)
	token := d.beginByHand()
	d.underLoad(func() {
		for _, step := range []string{"createSecret", "setSecret", "testSecret", "finishSecret"} {
			var value string
			for range 2 {
				if err := d.Step(step, d.SecretARN, token); err != nil {
					t.Fatalf("%s: %v", step, err)
				}
				if now := d.raw("AWSPENDING"); value != "" && now != "" && now != value {
					t.Errorf("%s has changed the pending value", step)
				} else {
					value = now
				}
			}
		}
		// After the promotion all of them may still come again.
		for _, step := range []string{"createSecret", "setSecret", "testSecret", "finishSecret"} {
			if err := d.Step(step, d.SecretARN, token); err != nil {
				t.Errorf("%s after the promotion: %v", step, err)
			}
		}
	})
	if d.password("AWSCURRENT") == d.Password {
		t.Error("not promoted")
	}
}

// beginByHand makes a version AWSPENDING that has no value yet, as RotateSecret
// does, without invoking any step.
func (d *deployment) beginByHand() (token string) {
	d.t.Helper()
	d.enableRotation()
	token = strings.Repeat("0123456789abcdef", 2)
	d.AWS.Intercept(func(c wire.Call) wire.Fault {
		if c.Caller.Function == "" {
			return wire.Fault{}
		}
		return wire.Fault{Error: &wire.Error{Code: "AccessDeniedException", Message: "not yet", Status: 400}}
	})
	_, err := d.Secrets.RotateSecret(d.t.Context(), &sm.RotateSecretInput{SecretId: &d.SecretARN, ClientRequestToken: &token})
	if err != nil {
		d.t.Fatal(err)
	}
	wantError(d.t, d.AWS.SecretsManager.WaitRotation(d.t.Context(), d.SecretARN, token), "not yet")
	d.AWS.Intercept(nil)
	return token
}

// enableRotation turns rotation on without rotating, by a test-only rotation.
func (d *deployment) enableRotation() {
	d.t.Helper()
	if err := d.preflight(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *deployment) preflight() error {
	_, err := d.Secrets.RotateSecret(d.t.Context(), &sm.RotateSecretInput{
		SecretId:          &d.SecretARN,
		RotationLambdaARN: &d.FunctionARN,
		RotateImmediately: aws.Bool(false),
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.AWS.SecretsManager.WaitRotation(d.t.Context(), d.SecretARN, "")
}

func TestATestOnlyRotationIsAPreflight(t *testing.T) {
	for name, value := range map[string]localsecretsmanager.TestRotationValue{
		"on a version without a value":           localsecretsmanager.TestRotationNoValue,
		"on a version with the current document": localsecretsmanager.TestRotationCurrentValue,
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t, func(o *rig.Options) { o.AWS.RotationRetries = -1 })
			d.AWS.SecretsManager.SetVariants(localsecretsmanager.Variants{TestRotationValue: value})
			if err := d.preflight(); err != nil {
				t.Errorf("where nothing is missing: %v", err)
			}
			if _, err := d.MySQL.Admin().Exec("REVOKE APPLICATION_PASSWORD_ADMIN ON *.* FROM ?", d.User); err != nil {
				t.Fatal(err)
			}
			wantError(t, d.preflight(), "preflight: a rotation would fail, and nothing was changed", "GRANT APPLICATION_PASSWORD_ADMIN")
			if d.password("AWSCURRENT") != d.Password {
				t.Error("AWSCURRENT has changed")
			}
			d.accepts(true, d.Password)
		})
	}
}

func TestSetSecretThatDiesAroundItsChangeIsMadeGood(t *testing.T) {
	for name, dies := range map[string]func(kill func()) mysqlproxy.Action{
		"before": func(kill func()) mysqlproxy.Action {
			kill()
			return mysqlproxy.Action{Fault: mysqlproxy.Drop}
		},
		"after": func(kill func()) mysqlproxy.Action {
			return mysqlproxy.Action{Fault: mysqlproxy.LoseReply, After: func(error) { kill() }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := mysqltest.Shared(t)
			proxy, err := mysqlproxy.Start(mysqlproxy.Options{Upstream: server.Addr(), UpstreamTLS: server.TLSConfig()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { proxy.Close() })
			d := deploy(t, func(o *rig.Options) {
				o.DatabaseHost, o.DatabasePort, o.DatabaseCAFile = proxy.Host(), proxy.Port(), proxy.CAFile()
			})
			var killed atomic.Bool
			proxy.SetHook(func(_ context.Context, c mysqlproxy.Call) mysqlproxy.Action {
				if strings.HasPrefix(c.Text, "ALTER USER") && killed.CompareAndSwap(false, true) {
					return dies(func() { d.AWS.Lambda.KillEnvironments(rig.FunctionName) })
				}
				return mysqlproxy.Action{}
			})
			d.underLoad(func() { d.mustRotate() })
			if !killed.Load() {
				t.Error("nothing was killed")
			}
			d.accepts(true, d.Password, d.password("AWSCURRENT"))
		})
	}
}

func TestARotationAfterAnAbandonedOneKeepsThePasswordInUse(t *testing.T) {
	d := deploy(t, func(o *rig.Options) { o.AWS.RotationRetries = -1 })
	d.AWS.Intercept(func(c wire.Call) wire.Fault {
		if c.Caller.Step == "finishSecret" {
			return wire.Fault{Error: &wire.Error{Code: "AccessDeniedException", Message: "no permission", Status: 400}}
		}
		return wire.Fault{}
	})
	d.underLoad(func() {
		token, err := d.Rotate(t.Context())
		wantError(t, err, "no permission")
		abandoned := d.password("AWSPENDING")
		d.AWS.Intercept(nil)
		_, err = d.Secrets.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
			SecretId: &d.SecretARN, VersionStage: aws.String("AWSPENDING"), RemoveFromVersionId: &token,
		})
		if err != nil {
			t.Fatal(err)
		}
		d.mustRotate()
		d.accepts(false, abandoned)
	})
	d.accepts(true, d.Password, d.password("AWSCURRENT"))
}

func TestTheSameEventDeliveredTwiceAtOnceDoesNoHarm(t *testing.T) {
	d := deploy(t)
	token := d.beginByHand()
	d.underLoad(func() {
		for _, step := range []string{"createSecret", "setSecret", "testSecret", "finishSecret"} {
			results := make(chan error, 3)
			for range cap(results) {
				go func() { results <- d.Step(step, d.SecretARN, token) }()
			}
			for range cap(results) {
				if err := <-results; err != nil {
					t.Errorf("%s: %v", step, err)
				}
			}
		}
	})
	d.accepts(true, d.Password, d.password("AWSCURRENT"))
	if d.password("AWSCURRENT") == d.Password {
		t.Error("not promoted")
	}
}

func TestAUserForTwoHostsIsRefusedBeforeAnythingChanges(t *testing.T) {
	d := deploy(t)
	if err := d.MySQL.CreateUser(t.Context(), d.User, "10.%", d.Password); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.MySQL.Admin().Exec("DROP USER ?@'10.%'", d.User) })
	d.underLoad(func() {
		_, err := d.Rotate(t.Context())
		wantError(t, err, "the user exists for several hosts (%, 10.%)")
	})
	d.accepts(false, d.password("AWSPENDING"))
}

func TestOneWarmProcessServesSeveralSecrets(t *testing.T) {
	d := deploy(t)
	value := `{"host":"` + d.MySQL.Host() + `","port":"` + d.MySQL.Addr()[strings.LastIndex(d.MySQL.Addr(), ":")+1:] +
		`","engine":"mysql","username":"` + d.User + `_b","password":"` + d.Password + `"}`
	if err := d.MySQL.CreateUser(t.Context(), d.User+"_b", "%", d.Password, rig.Privileges...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.MySQL.Admin().Exec("DROP USER ?", d.User+"_b") })
	other, err := d.CreateSecret(t.Context(), "mautic-prod-reports", value)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Reconfigure(map[string]string{"SECRET_ARNS": d.SecretARN + "," + other}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d.mustRotate()
		d.mustSettle()
		if _, err := d.Secrets.RotateSecret(t.Context(), &sm.RotateSecretInput{SecretId: &other, RotationLambdaARN: &d.FunctionARN}); err != nil {
			t.Fatal(err)
		}
		if err := d.AWS.SecretsManager.WaitRotation(t.Context(), other, ""); err != nil {
			t.Errorf("the other secret, in AWS's layout: %v", err)
		}
	}
}

func TestTheLogIsJSONThatTellsWhichRequestStepSecretAndVersion(t *testing.T) {
	d := deploy(t)
	token := d.mustRotate()
	steps := map[string]bool{}
	for line := range strings.Lines(d.log.String()) {
		if strings.Contains(line, `"_aws":`) {
			continue // a measurement
		}
		var entry struct{ Timestamp, Level, Message, RequestID, Step, Secret, Version string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("not JSON: %s", line)
		}
		if entry.Timestamp == "" || entry.Level == "" || entry.Message == "" || entry.RequestID == "" ||
			entry.Secret != d.SecretARN || entry.Version != token {
			t.Errorf("something is missing: %s", line)
		}
		steps[entry.Step] = true
	}
	if len(steps) != 4 {
		t.Errorf("got the steps %v", steps)
	}
}
