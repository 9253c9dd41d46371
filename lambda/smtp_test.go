package main

import (
	"sync"
	"testing"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/smtp"
)

func TestARotationOfTheDatabaseAndOfSMTPEndsWithTheOldKeyRefused(t *testing.T) {
	s := deploySES(t, &rig.Application{})
	s.mustPreflight()
	old := s.SMTPKey.ID
	for round := range 2 {
		var once sync.Once
		sent := -1
		s.AWS.Intercept(func(c wire.Call) wire.Fault {
			if c.Operation == "UpdateAccessKey" {
				once.Do(func() { sent = len(s.SMTP.Messages()) })
			}
			return wire.Fault{}
		})
		oldPassword := s.password("AWSCURRENT")
		s.mustRotate()
		current := s.current()
		s.wantKeys(old, current)
		s.mustSettle()
		s.AWS.Intercept(nil)

		s.wantKeys(current)
		s.wasRefused(old)
		messages := s.SMTP.Messages()
		if sent != round+1 || messages[round].Username != current || len(messages) != round+1 {
			t.Errorf("%d messages, %d of them before the old key was switched off", len(messages), sent)
		}
		s.accepts(false, oldPassword)
		s.accepts(true, s.password("AWSCURRENT"))
		old = current
	}
	s.noLoginFailed()
}

func TestARollbackKeepsTheOldKeyAndTakesTheNewOneAway(t *testing.T) {
	app := brokenApplication()
	s := deploySES(t, app)
	s.mustRotate()
	bad := s.current()
	s.awaitFailedRollouts()
	s.mustReconcile()
	if s.current() != s.SMTPKey.ID {
		t.Fatalf("not rolled back: %s", s.journal())
	}
	s.mustSettle()
	s.wantKeys(s.SMTPKey.ID)
	s.wasRefused(bad)
	app.Broken.Store(false)
	s.mustRotate()
	s.mustSettle()
	s.wantKeys(s.current())
	s.wasRefused(s.SMTPKey.ID)
	s.noLoginFailed()
}

func TestACrashWhileAKeyIsMadeIsHealedByTheRetry(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]struct {
		operation string
		fault     wire.Fault
	}{
		"before it is told":  {"CreateAccessKey", wire.Fault{KillAfter: true}},
		"before it is there": {"CreateAccessKey", wire.Fault{KillBefore: true}},
		"before it is kept":  {"PutSecretValue", wire.Fault{KillBefore: true}},
		"when it is kept":    {"PutSecretValue", wire.Fault{KillAfter: true}},
	} {
		t.Run(name, func(t *testing.T) {
			s := deploySES(t, &rig.Application{})
			var once sync.Once
			s.AWS.Intercept(func(c wire.Call) (f wire.Fault) {
				if c.Caller.Step == "createSecret" && c.Operation == crash.operation {
					once.Do(func() { f = crash.fault })
				}
				return f
			})
			s.mustRotate()
			s.wantKeys(s.SMTPKey.ID, s.current())
			s.mustSettle()
			s.wantKeys(s.current())
			s.wasRefused(s.SMTPKey.ID)
		})
	}
}

func TestALostKeyOfAnUntaggedUserIsLeftUntilSomebodySaysWhoseItIs(t *testing.T) {
	s := deploySES(t, &rig.Application{})
	delete(s.tags, smtp.OwnerTag)
	lost, err := s.AWS.IAM.AddAccessKey(rig.SMTPUser)
	if err != nil {
		t.Fatal(err)
	}
	err = s.rotateAs("only.smtp")
	wantError(t, err, "createSecret", lost.ID, "aws iam tag-user --user-name "+rig.SMTPUser+" --tags Key="+smtp.OwnerTag+",Value="+s.SecretARN)
	s.mustReconcile()
	s.wantKeys(s.SMTPKey.ID, lost.ID)
	s.tag()
	s.mustRotate()
	s.mustSettle()
	s.wantKeys(s.current())
}

func TestARotationThatIsAbandonedBeforeItIsSetLeavesNoKey(t *testing.T) {
	s := deploySES(t, &rig.Application{})
	token := s.beginByHand()
	if err := s.Step("createSecret", s.SecretARN, token); err != nil {
		t.Fatal(err)
	}
	if len(s.keys()) != 2 {
		t.Fatalf("keys: %q", s.keys())
	}
	s.act(actionAbandon)
	s.wantKeys(s.SMTPKey.ID)
	s.logSays("the smtp value of version " + token + " was given up, and is refused now")
	s.mustRotate()
	s.mustSettle()
	s.wantKeys(s.current())
}

func TestAKeyThatIsDeletedByHandBeforeItIsSetEndsItsRotation(t *testing.T) {
	s := deploySES(t, &rig.Application{})
	var once sync.Once
	s.AWS.Intercept(func(c wire.Call) (f wire.Fault) {
		if c.Caller.Step == "setSecret" && c.Operation == "ListAccessKeys" {
			once.Do(func() { f.Before = func() { s.deleteKey(s.AWS.IAM.AccessKeys(rig.SMTPUser)[1].ID) } })
		}
		return f
	})
	_, err := s.Rotate(t.Context())
	wantError(t, err, "setSecret", "the target no longer has the value")
	s.mustSettle()
	s.wantKeys(s.SMTPKey.ID)
	s.mustRotate()
	s.mustSettle()
	s.wantKeys(s.current())
}

func TestAnEmergencyEndsTheOldKeyWithThePromotion(t *testing.T) {
	s := deploySES(t, &rig.Application{})
	s.mustPreflight()
	if err := s.rotateWith("only.smtp.emergency.0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	s.wantKeys(s.current())
	s.wasRefused(s.SMTPKey.ID)
	s.mustSettle()
	s.noLoginFailed()
}
