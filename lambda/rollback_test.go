package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

// A promotion whose application does not come up is rolled back, whatever else
// fails meanwhile: AWSCURRENT first, and then each kind for itself.

// hookByHand makes a webhook in Mautic's pages, which has a secret of its own.
func (m *mauticDeployment) hookByHand() {
	m.t.Helper()
	m.sql("INSERT INTO {webhooks (name, webhook_url, secret, is_published) VALUES ('by hand', 'https://www.example.com', 'made-by-mautic-for-this-hook', 1)")
}

func TestAWebhookThatSomebodyMakesMeanwhileDoesNotKeepTheOthersFromGoingBack(t *testing.T) {
	m := deployMautic(t, brokenApplication())
	m.longAgo()
	before := m.values()
	m.mustRotate()
	bad := m.values()
	m.hookByHand()
	m.awaitFailedRollouts()
	for range 3 {
		m.mustBeSteady()
		_ = m.tick() // what cannot be put back is an error, which is tried again
	}
	// The webhooks' secret may be the one or the other, as long as it is in use.
	now := m.values()
	if now.hook = before.hook; now != before {
		t.Fatalf("AWSCURRENT was not rolled back: %s", m.journal())
	}
	m.accepts(true, before.password)
	if !m.letsIn(before.admin) || m.letsIn(bad.admin) || !m.servesClient(before.client, before.key) {
		t.Error("what AWSCURRENT has again is not accepted")
	}
	if n := m.text("SELECT COUNT(*) FROM {webhooks WHERE secret = 'made-by-mautic-for-this-hook'"); n != "1" {
		t.Error("the webhook that was made by hand has another secret")
	}
	m.sql("DELETE FROM {webhooks WHERE name = 'by hand'")
	m.mustEnd()
	m.wantTaken(m.values(), everyKind, "of the values that are AWSCURRENT, at the end")
	m.accepts(false, bad.password)
	if m.letsIn(bad.admin) || m.servesClient(bad.client, bad.key) {
		t.Error("what was rolled back is accepted still")
	}
	m.tasksHave(before.password)
	m.noLoginFailed()
}

func TestWhicheverWriteOfARollbackFailsWhatAWSCURRENTHasIsAccepted(t *testing.T) {
	t.Parallel()
	for n := int64(1); n <= 4; n++ {
		t.Run(fmt.Sprint("write ", n), func(t *testing.T) {
			m := deployMautic(t, brokenApplication())
			app := m.Application()
			m.longAgo()
			m.mustRotate()
			m.awaitFailedRollouts()
			m.AWS.Intercept(nth(n, refused, func(c wire.Call) bool {
				return c.Caller.Step == "" && (c.Operation == "UpdateSecretVersionStage" || c.Operation == "PutSecretValue")
			}))
			_ = m.Reconcile()
			m.AWS.Intercept(nil)

			app.Broken.Store(false) // the application recovers
			m.pipelineDeploys()
			m.mustEnd("api")
			m.wantTaken(m.values(), everyKind, "of the values that are AWSCURRENT")
			m.everyAcceptedPasswordIsLabelled()
			m.tasksHave(m.password("AWSCURRENT"))
			m.noLoginFailed()
		})
	}
}

var rotatedAtBlock = regexp.MustCompile(`, "rotated_at": \{[^}]*\}`)

func TestAnEditSurvivesARollback(t *testing.T) {
	app := brokenApplication()
	d := deployApplication(t, app)
	d.mustRotate()
	bad := d.password("AWSCURRENT")
	edited := d.editByHand()
	d.awaitFailedRollouts()
	d.mustEndWith(d.Password)
	d.accepts(false, bad)
	// When it was rotated goes back with it: it had not been.
	if got, want := withPassword(d.raw("AWSCURRENT"), bad), rotatedAtBlock.ReplaceAllString(edited, ""); got != want {
		t.Error("after the rollback, more than the password differs from what was edited")
	}
	app.Broken.Store(false)
	d.mustRotateOnceMore()
	if !strings.Contains(d.raw("AWSCURRENT"), "www.example.com") {
		t.Error("the edit was lost")
	}
	d.noLoginFailed()
}

func TestANewPasswordThatTheServerRefusesAfterThePromotionIsSetAgainOrRolledBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		maySet bool
	}{
		"it can be set again":    {maySet: true},
		"it cannot be set again": {},
	} {
		t.Run(name, func(t *testing.T) {
			app := &rig.Application{}
			d := deployApplication(t, app)
			app.Slow.Store(true) // the rollout goes on meanwhile
			d.mustRotate()
			promoted := d.password("AWSCURRENT")
			d.resetPassword(d.Password) // a failover to a server that lags, or a restore
			d.accepts(false, promoted)
			if !tc.maySet {
				if _, err := d.MySQL.Admin().ExecContext(t.Context(), "REVOKE APPLICATION_PASSWORD_ADMIN ON *.* FROM ?@'%'", d.User); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				_ = d.tick()
			}
			if err := d.CurrentLogsIn(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !tc.maySet { // somebody corrects that
				if _, err := d.MySQL.Admin().ExecContext(t.Context(), "GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ?@'%'", d.User); err != nil {
					t.Fatal(err)
				}
			}
			app.Slow.Store(false)
			want := d.Password
			if tc.maySet {
				want = promoted
			}
			d.mustEndWith(want)
		})
	}
}

func TestARotationChangesTheKindsThatItMadeAndNoOther(t *testing.T) {
	t.Parallel()
	t.Run("when the version that it was made from is rolled back", func(t *testing.T) {
		m := deployMautic(t, brokenApplication())
		m.mustPreflight()
		m.mustRotateOnly("database")
		bad := m.password("AWSCURRENT")
		m.AWS.Intercept(denied("not now", inStep("setSecret")))
		t.Logf("in between: %v", m.rotateWith("only.api.0123456789abcdef0123456789abcdef"))
		m.AWS.Intercept(nil)
		m.awaitFailedRollouts()
		m.retryPendingAfter(func() {
			m.mustReconcile()
			m.Application().Broken.Store(false) // so that a wrong value would stay
		})
		m.mustEnd("api")
		if m.password("AWSCURRENT") != m.Password {
			t.Error("AWSCURRENT has a database password that was rolled back")
		}
		m.accepts(true, m.Password)
		m.accepts(false, bad)
		m.wantTaken(m.values(), everyKind, "of the values that are AWSCURRENT")
		m.noLoginFailed()
	})
	t.Run("when AWSCURRENT is moved back by hand", func(t *testing.T) {
		m := deployMautic(t, &rig.Application{})
		before, version := m.values(), m.labelled("AWSCURRENT").ID
		m.mustPreflight()
		m.mustRotateOnly("api")
		m.mustReconcile()
		m.AWS.Intercept(denied("not now", inStep("setSecret")))
		wantError(t, m.rotateWith("only.database.0123456789abcdef0123456789"), "not now")
		m.AWS.Intercept(nil)
		m.retryPendingAfter(func() { m.moveLabel("AWSCURRENT", version, m.labelled("AWSCURRENT").ID) })
		if now := m.values(); now.client != before.client || now.key != before.key {
			t.Error("a rotation of the database has changed the API client in AWSCURRENT")
		}
		m.callersAreQuiet()
		m.AWS.Clock().Advance(8 * 24 * hour)
		m.mustEnd()
		m.wantTaken(m.values(), everyKind, "of the values that are AWSCURRENT")
		m.noLoginFailed()
	})
}

// retryPendingAfter has Secrets Manager take up a pending rotation, if there is
// one, after something has changed. It may succeed, or give itself up.
func (m *mauticDeployment) retryPendingAfter(change func()) {
	m.t.Helper()
	token := m.labelled("AWSPENDING").ID
	change()
	if token == "" || m.labelled("AWSPENDING").ID != token {
		return
	}
	if _, err := m.StartRotation(m.t.Context()); err != nil {
		wantError(m.t, err, "will be reattempted")
	}
	m.t.Logf("the retry: %v", m.AWS.SecretsManager.WaitRotation(m.t.Context(), m.SecretARN, token))
}

func TestARotationThatChangesNothingLeavesTheRollbackOfTheOneBeforePossible(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(*deployment) error{
		"started by hand":         func(d *deployment) error { _, err := d.Rotate(d.t.Context()); return err },
		"started by the schedule": func(d *deployment) error { return d.scheduledRotation() },
	} {
		t.Run(name, func(t *testing.T) {
			app := brokenApplication()
			d := deployApplication(t, app, neverRetried)
			d.rotateWeekly()
			d.mustRotate()
			bad := d.password("AWSCURRENT")
			d.awaitFailedRollouts()
			d.AWS.Intercept(once(wire.Fault{KillAfter: true}, promotes))
			t.Logf("the second rotation: %v", again(d))
			d.AWS.Intercept(nil)
			d.mustReconcile()
			d.mustEndWith(d.Password)
			d.accepts(false, bad)
			app.Broken.Store(false)
			d.mustRotateOnceMore()
			d.noLoginFailed()
		})
	}
}

func TestAnOperatorRollsBackARotationWithoutAFailedLogin(t *testing.T) {
	app := &rig.Application{}
	d := deployApplication(t, app)
	d.mustRotate()
	d.mustSettle()
	before := d.password("AWSCURRENT")
	app.Slow.Store(true) // the rollout stays open
	d.underLoadOfCurrent(func() {
		d.mustRotate()
		bad := d.password("AWSCURRENT")
		edited := d.editByHand()
		r := d.answerTo(actionRollBack)
		if words := changes(r); !slices.Contains(words, "rolled-back") || !slices.Contains(words, "redeployed") || len(r.Secrets[0].Notices) == 0 {
			t.Errorf("it answers %+v", r.Secrets[0])
		}
		if now := d.raw("AWSCURRENT"); d.password("AWSCURRENT") != before || strings.ReplaceAll(edited, bad, before) == edited || !strings.Contains(now, "www.example.com") {
			t.Errorf("AWSCURRENT stores another value than before, or the edit is lost")
		}
		app.Slow.Store(false)
		d.mustBeSteady()
		d.mustSettle()
		d.accepts(true, before)
		d.accepts(false, bad)
	})
	d.tasksHave(before)
	d.noLoginFailed()
	err := d.Invoke(fmt.Appendf(nil, `{"Action":"roll-back","SecretId":%q}`, d.SecretARN))
	wantError(t, err, "roll back: an operator asked for it; it is not rolled back, since the rollout has converged: ")
}
