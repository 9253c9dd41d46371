package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/smtp"
)

// Each kind goes its own way after the promotion, and so does each secret.

func TestAQuarantineThatFailsForOneKindLeavesNoOtherRefusedAndUnwatched(t *testing.T) {
	app := &rig.Application{MailInterval: 100 * time.Millisecond}
	s := deploySES(t, app)
	promoted, key := s.mustRollOut(), s.current()
	s.AWS.Intercept(denied("not now", func(c wire.Call) bool { return c.Operation == "UpdateAccessKey" }))
	for range ticksToEnd {
		_ = s.tick() // says that IAM refuses
		if len(s.unfinished("smtp")) == 0 {
			break
		}
	}
	if left := s.unfinished("smtp"); len(left) > 0 {
		t.Errorf("of the database is left: %q", left)
	}
	s.accepts(true, promoted)
	s.accepts(false, s.Password) // retired, and the label says so
	s.wantKeys(s.SMTPKey.ID, key)
	s.AWS.Intercept(nil)
	s.mustEndWith(promoted)
	s.wantKeys(key)
	s.wasRefused(s.SMTPKey.ID)
	s.noLoginFailed()
	if err := noMailFailed(t.Context(), app); err != nil {
		t.Error(err)
	}
}

func TestAQuarantineThatFailsIsNotLeftWhereSomethingUsesTheOtherKindsOldValue(t *testing.T) {
	app := &rig.Application{Literal: true}
	s := deploySES(t, app, timed(patient), func(o *rig.Options) { o.MySQL = silentServer(t) }) // so that use shows in the quarantine alone
	s.mustRotate()
	s.mustBeSteady()
	s.AWS.Intercept(denied("not now", func(c wire.Call) bool { return c.Operation == "UpdateAccessKey" }))
	for n := 0; n < 3 && !s.databaseIsHeld(); n++ {
		_ = s.tick()
		s.accepts(true, s.Password, s.password("AWSCURRENT"))
	}
	if !s.databaseIsHeld() {
		t.Error("the old password is in use, and not held")
	}
}

func TestAnEmergencyOfOneKindLeavesTheOpenOverlapsOfTheOthersAlone(t *testing.T) {
	tags := map[string]string{}
	m := deployMautic(t, &rig.Application{}, func(o *rig.Options) { o.SES = &rig.SES{Tags: tags} })
	tags[smtp.OwnerTag] = m.SecretARN
	s := &sesDeployment{m.deployment, tags}
	m.mustRotate()
	first := m.values()
	key := s.current()
	signedIn := m.browserOf(first.admin)
	if !signedIn() {
		t.Fatal("the administrator does not sign in with the new password")
	}

	if err := m.rotateWith("only.database.emergency.0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	m.accepts(false, m.Password, first.password)
	m.accepts(true, m.password("AWSCURRENT"))
	m.mustBeSteady() // the pages are those of a task
	if !signedIn() {
		t.Error("the administrator's session has ended")
	}
	if !m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
		t.Error("the old API client is refused within its overlap")
	}
	s.wantKeys(s.SMTPKey.ID, key)
	after := m.values()
	if first.password = after.password; first != after {
		t.Error("AWSCURRENT has another value of a kind that the emergency does not name")
	}
	notice := m.noticed("revoked")
	for _, kind := range []string{"admin", "api", "webhook", "smtp"} {
		if strings.Contains(notice, kind) {
			t.Errorf("the notice names %s: %s", kind, notice)
		}
	}

	m.mustEnd("api")
	m.tasksHave(after.password)
	s.wantKeys(key)
	m.AWS.Clock().Advance(8 * 24 * hour)
	m.callersAreQuiet()
	m.mustEnd()
	if m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
		t.Error("the old API client is served still")
	}
	m.wantTaken(m.values(), everyKind, "of the values that are AWSCURRENT, at the end")
}

func TestATargetThatHangsKeepsNoOtherSecretWaiting(t *testing.T) {
	hang := make(chan struct{})
	d := deploy(t, func(o *rig.Options) {
		o.MySQL = mysqltest.Shared(t)
		o.SES = &rig.SES{Tags: map[string]string{}}
		o.Timeout = 50 * time.Second // half of it is enough to take a value away
	})
	t.Cleanup(func() { close(hang) }) // before the deployment ends
	if err := d.AWS.IAM.TagUser(rig.SMTPUser, smtp.OwnerTag, d.SecretARN); err != nil {
		t.Fatal(err)
	}
	user := d.User + "_2"
	other := d.otherSecret("mautic-2-secrets", user, rig.Privileges...)
	arns := []string{d.SecretARN, other}
	d.reconfigure(map[string]string{"SECRET_ARNS": strings.Join(arns, ",")})
	for _, arn := range arns {
		if err := d.rotateSecret(arn); err != nil {
			t.Fatal(err)
		}
	}
	d.AWS.Clock().Advance(25 * hour) // the overlaps end, since no services are set
	d.AWS.Intercept(func(c wire.Call) (fault wire.Fault) {
		if c.Service == "iam" && c.Caller.Function != "" {
			fault.Before = func() { <-hang }
		}
		return fault
	})
	waits := func() bool { return d.MySQL.Login(t.Context(), user, d.Password, "") == nil }
	// An invocation hangs until its time is over. Nobody has to wait for that when the
	// other secret has been served.
	for n := 0; n < 2 && waits(); n++ {
		ctx, ended := context.WithCancel(t.Context())
		go func() {
			defer ended()
			_ = d.tick() // its time is over, as the function's log says
		}()
		_, _ = d.AWS.WaitEvent(ctx, func(e host.Event) bool {
			line, ok := e.(locallambda.FunctionLog)
			return ok && strings.Contains(line.Line, "retired: ")
		})
	}
	if waits() {
		t.Error("the old password of the other secret is accepted still")
	}
	state, err := d.AWS.SecretsManager.State(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.MySQL.Login(t.Context(), user, textAt(t, state.Labelled("AWSCURRENT").Value, "/password"), ""); err != nil {
		t.Errorf("AWSCURRENT: %v", err)
	}
}
