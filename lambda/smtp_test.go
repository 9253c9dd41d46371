package main

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
	"mautic-rotation/internal/smtpserver"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/smtp"
)

// sesDeployment is a deployment whose secret holds an SMTP credential, too.
type sesDeployment struct {
	*deployment
	tags map[string]string // of the IAM user
}

// deploySES makes one whose IAM user is the secret's alone.
func deploySES(t *testing.T, app *rig.Application, options ...func(*rig.Options)) *sesDeployment {
	t.Helper()
	tags := map[string]string{}
	d := deployApplication(t, app, append(options, func(o *rig.Options) {
		o.SES = &rig.SES{Tags: tags}
		o.AWS.IAMPropagation = 300 * time.Millisecond
		o.Env = map[string]string{"SMTP_TEST_FROM": "mautic@example.com", "SMTP_TEST_TO": "success@simulator.amazonses.com"}
	})...)
	s := &sesDeployment{d, tags}
	s.tag()
	t.Cleanup(func() {
		for _, key := range append(d.AWS.IAM.AccessKeys(rig.SMTPUser), d.SMTPKey) {
			if strings.Contains(d.log.String(), key.Secret) {
				t.Error("the log holds the secret of an access key")
			}
		}
	})
	return s
}

// tag says whose the user is, which can be told only when the secret is there.
func (s *sesDeployment) tag() { s.tags[smtp.OwnerTag] = s.SecretARN }

// current is the user name in AWSCURRENT.
func (s *sesDeployment) current() string {
	s.t.Helper()
	doc, err := document.Parse(s.raw("AWSCURRENT"))
	if err != nil {
		s.t.Fatal(err)
	}
	name, err := doc.Text(smtp.RunbookLayout.Username)
	if err != nil {
		s.t.Fatal(err)
	}
	return name
}

// keys are those that the user has, with their statuses.
func (s *sesDeployment) keys() (list []string) {
	for _, key := range s.AWS.IAM.AccessKeys(rig.SMTPUser) {
		list = append(list, key.ID+" "+key.Status)
	}
	return list
}

func (s *sesDeployment) wantKeys(active ...string) {
	s.t.Helper()
	var want []string
	for _, id := range active {
		want = append(want, id+" Active")
	}
	got := s.keys()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.t.Errorf("the user has the keys %q, not %q", got, want)
	}
}

// wasRefused checks that the last login with a key was refused.
func (s *sesDeployment) wasRefused(id string) {
	s.t.Helper()
	last := smtpserver.Login{Accepted: true}
	for _, login := range s.SMTP.Logins() {
		if login.Username == id {
			last = login
		}
	}
	if _, accepted := s.AWS.IAM.KeyAccepts(id); last.Accepted || accepted {
		s.t.Errorf("the key %s is accepted, or was when it was last tried", id)
	}
}

func TestARotationOfTheDatabaseAndOfSMTPEndsWithTheOldKeyRefused(t *testing.T) {
	s := deploySES(t, &rig.Application{})
	if err := s.preflight(); err != nil {
		t.Error(err)
	}
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
	app := &rig.Application{CircuitBreaker: true}
	s := deploySES(t, app)
	app.Broken.Store(true)
	s.mustRotate()
	bad := s.current()
	s.awaitFailedRollout(true)
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
	_, err = s.Rotate(t.Context())
	wantError(t, err, "createSecret", lost.ID, "aws iam tag-user --user-name "+rig.SMTPUser+" --tags Key="+smtp.OwnerTag+",Value="+s.SecretARN)
	s.mustReconcile()
	s.wantKeys(s.SMTPKey.ID, lost.ID)
	s.tag()
	if err := s.AWS.SecretsManager.WaitRotation(t.Context(), s.SecretARN, s.tryAgain()); err != nil {
		t.Fatal(err)
	}
	s.mustSettle()
	s.wantKeys(s.current())
}

// tryAgain has Secrets Manager take up a rotation that has failed.
func (s *sesDeployment) tryAgain() (token string) {
	s.t.Helper()
	token = s.pendingID()
	_, err := s.StartRotation(s.t.Context())
	wantError(s.t, err, "will be reattempted")
	return token
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
	if err := s.Invoke([]byte(`{"Action":"abandon","SecretId":"` + s.SecretARN + `"}`)); err != nil {
		t.Fatal(err)
	}
	s.wantKeys(s.SMTPKey.ID)
	if !strings.Contains(s.log.String(), `"audit":"swept"`) {
		t.Error("the log does not tell of it")
	}
	s.mustRotate()
	s.mustSettle()
	s.wantKeys(s.current())
}

// deleteKey deletes a key by hand.
func (s *sesDeployment) deleteKey(id string) {
	_, err := iam.NewFromConfig(s.AWS.Config()).DeleteAccessKey(s.t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String(rig.SMTPUser), AccessKeyId: &id})
	if err != nil {
		s.t.Error(err)
	}
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
	wantError(t, err, "setSecret", "gone at its target")
	s.mustSettle()
	s.wantKeys(s.SMTPKey.ID)
	s.mustRotate()
	s.mustSettle()
	s.wantKeys(s.current())
}

func TestAnEmergencyEndsTheOldKeyWithThePromotion(t *testing.T) {
	s := deploySES(t, &rig.Application{})
	s.enableRotation()
	if err := s.rotateWith("only.smtp.emergency.0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	s.wantKeys(s.current())
	s.wasRefused(s.SMTPKey.ID)
	s.mustSettle()
	s.noLoginFailed()
}
