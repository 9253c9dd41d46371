package main

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
)

// rotatedAt is the block that the first rotation adds to a document.
var rotatedAt = regexp.MustCompile(`, "rotated_at": \{"database": "20[0-9-]+T[0-9:]+Z"\}`)

func TestARotationChangesThePasswordAndNothingElse(t *testing.T) {
	d := deploy(t)
	before, old := d.raw("AWSCURRENT"), d.password("AWSCURRENT")
	d.underLoad(func() { d.mustRotate() })
	after, current := d.raw("AWSCURRENT"), d.password("AWSCURRENT")

	if current == old || len(current) != 32 {
		t.Error("AWSCURRENT has no new password of 32 characters")
	}
	if rest := rotatedAt.ReplaceAllString(after, ""); strings.Replace(rest, current, old, 1) != before {
		t.Errorf("more has changed than the password and the block that says when:\n%s\n%s", before, after)
	}
	if d.password("AWSPREVIOUS") != old {
		t.Error("AWSPREVIOUS is not the version that was current")
	}
	d.accepts(true, old, current)
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
	t.Parallel()
	for name, variants := range map[string]localsecretsmanager.Variants{
		"AWSPENDING goes with the promotion": {PendingAfterSuccess: localsecretsmanager.PendingRemovedOnPromotion},
		"AWSPENDING stays":                   {PendingAfterSuccess: localsecretsmanager.PendingStays},
		"a RotationToken is sent":            {RotationTokenSent: true},
		"versions without labels go":         {DeleteUnlabelled: true},
		"reads lag behind writes":            {StaleReads: localsecretsmanager.StaleReads{Reads: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t, neverRetried)
			d.AWS.SecretsManager.SetVariants(variants)
			for range 2 {
				old := d.password("AWSCURRENT")
				token := d.mustRotate()
				d.accepts(true, old, d.password("AWSCURRENT"))
				v := d.labelled("AWSCURRENT")
				d.mustSettle()
				if v.ID != token || variants.RotationTokenSent != (v.RotationToken != "") {
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
		for _, step := range steps {
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
		for _, step := range steps {
			if err := d.Step(step, d.SecretARN, token); err != nil {
				t.Errorf("%s after the promotion: %v", step, err)
			}
		}
	})
	if d.password("AWSCURRENT") == d.Password {
		t.Error("not promoted")
	}
}

func TestATestOnlyRotationIsAPreflight(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]localsecretsmanager.TestRotationValue{
		"on a version without a value":           localsecretsmanager.TestRotationNoValue,
		"on a version with the current document": localsecretsmanager.TestRotationCurrentValue,
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t, shipped, neverRetried)
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
	t.Parallel()
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
			d := deploy(t, shipped, func(o *rig.Options) {
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
	d := deploy(t, neverRetried)
	d.AWS.Intercept(denied("no permission", inStep("finishSecret")))
	d.underLoad(func() {
		token, err := d.Rotate(t.Context())
		wantError(t, err, "no permission")
		abandoned := d.password("AWSPENDING")
		d.AWS.Intercept(nil)
		d.moveLabel("AWSPENDING", "", token)
		d.mustReconcile()
		d.mustRotate()
		d.accepts(false, abandoned)
	})
	d.accepts(true, d.Password, d.password("AWSCURRENT"))
}

func TestTheSameEventDeliveredTwiceAtOnceDoesNoHarm(t *testing.T) {
	d := deploy(t)
	token := d.beginByHand()
	d.underLoad(func() {
		for _, step := range steps {
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
		wantError(t, err, "createSecret", "the user exists for several hosts (%, 10.%)", "GRANT CREATE USER ON *.* to it, or set DATABASE_ADMIN_SECRET_ARN")
	})
	d.accepts(true, d.Password)
}

func TestOneWarmProcessServesSeveralSecrets(t *testing.T) {
	d := deploy(t)
	other := d.otherSecret("mautic-prod-reports", d.User+"_b", rig.Privileges...)
	d.reconfigure(map[string]string{"SECRET_ARNS": d.SecretARN + "," + other})
	for range 2 {
		d.mustRotate()
		d.mustSettle()
		if err := d.rotateSecret(other); err != nil {
			t.Errorf("the other secret, in AWS's layout: %v", err)
		}
	}
}

func TestTheLogIsJSONThatTellsWhichRequestStepSecretAndVersion(t *testing.T) {
	d := deploy(t, shipped)
	token := d.mustRotate()
	seen := map[string]bool{}
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
		seen[entry.Step] = true
	}
	if len(seen) != 4 {
		t.Errorf("got the steps %v", seen)
	}
}
