package main

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"mautic-rotation/internal/rig"
	"mautic-rotation/internal/smtpserver"
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
		setEnv(o, "SMTP_TEST_FROM", "mautic@example.com")
		setEnv(o, "SMTP_TEST_TO", "success@simulator.amazonses.com")
	})...)
	s := &sesDeployment{d, tags}
	s.tag()
	return s
}

// tag says whose the user is, which can be told only when the secret is there.
func (s *sesDeployment) tag() { s.tags[smtp.OwnerTag] = s.SecretARN }

// current is the user name in AWSCURRENT.
func (s *sesDeployment) current() string {
	s.t.Helper()
	return textAt(s.t, s.raw("AWSCURRENT"), smtp.RunbookLayout.Username)
}

// keys are those that the user has, with their statuses.
func (s *sesDeployment) keys() (list []string) {
	for _, key := range s.AWS.IAM.AccessKeys(rig.SMTPUser) {
		list = append(list, key.ID+" "+key.Status)
	}
	return list
}

// wantKeys checks which keys the user has, all of them active.
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

// deleteKey deletes a key by hand.
func (s *sesDeployment) deleteKey(id string) {
	_, err := iam.NewFromConfig(s.AWS.Config()).DeleteAccessKey(s.t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String(rig.SMTPUser), AccessKeyId: &id})
	if err != nil {
		s.t.Error(err)
	}
}
