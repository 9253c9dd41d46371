package rig

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/smtpserver"
)

// environmentFile is the environment variable that makes the test program a
// function: one that does nothing but write its environment to that file.
const environmentFile = "RIG_TEST_ENVIRONMENT_FILE"

func writeEnvironment(file string) {
	if err := os.WriteFile(file, []byte(strings.Join(os.Environ(), "\n")), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(1)
}

// sender is what a secret says of the sender.
type sender struct {
	User     string `json:"smtp_username"`
	Password string `json:"smtp_password"`
	Host     string `json:"smtp_host"`
	Port     int    `json:"smtp_port"`
}

func currentSender(t *testing.T, r *Rig) sender {
	t.Helper()
	value, err := r.ValueLabelled("AWSCURRENT")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Email sender `json:"email_configuration"`
	}
	if err := json.Unmarshal([]byte(value), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Email
}

// settings are what the rig's function is told under these names.
func settings(t *testing.T, r *Rig, names ...string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "environment")
	if err := r.Reconfigure(map[string]string{environmentFile: file}); err != nil {
		t.Fatal(err)
	}
	_ = r.Invoke([]byte("{}")) // it ends without an answer
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		told[name] = value
	}
	var values []string
	for _, name := range names {
		values = append(values, told[name])
	}
	return values
}

// mail logs in as the secret says, by the function's settings, and sends.
func mail(s sender, password, caFile string) error {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c, err := smtp.Dial(net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{RootCAs: roots, ServerName: s.Host, MinVersion: tls.VersionTLS12}); err != nil {
		return err
	}
	if err := c.Auth(smtp.PlainAuth("", s.User, password, s.Host)); err != nil {
		return err
	}
	if err := c.Mail("mautic@example.com"); err != nil {
		return err
	}
	if err := c.Rcpt("success@simulator.amazonses.com"); err != nil {
		return err
	}
	body, err := c.Data()
	if err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return err
	}
	return c.Quit()
}

func TestSenderOfTheSecretIsAcceptedByTheServer(t *testing.T) {
	t.Parallel()
	ses := &SES{Tags: map[string]string{"App": "mautic"}}
	r := newRig(t, Options{MySQL: mysqltest.Shared(t), SES: ses})

	told := settings(t, r, "ROTATE_KINDS", "SMTP_IAM_USER", "SMTP_HOST", "SMTP_PORT", "SMTP_REGION", "SMTP_CA_FILE")
	want := []string{"database,smtp", SMTPUser, r.SMTP.Host(), strconv.Itoa(r.SMTP.Port()), "us-east-1", r.SMTP.CAFile()}
	if !slices.Equal(told, want) {
		t.Errorf("the function is told %q, want %q", told, want)
	}
	s := currentSender(t, r)
	if s.User != r.SMTPKey.ID || s.Password == r.SMTPKey.Secret || s.Host != r.SMTP.Host() || s.Port != r.SMTP.Port() {
		t.Errorf("the secret says %s at %s:%d", s.User, s.Host, s.Port)
	}

	if err := mail(s, s.Password, told[5]); err != nil {
		t.Fatal(err)
	}
	messages := r.SMTP.Messages()
	if len(messages) != 1 || messages[0].Username != s.User {
		t.Errorf("%d messages", len(messages))
	}
	wantAnswer(t, mail(s, s.Password+"x", told[5]), smtpserver.AuthenticationInvalid)

	ses.MayNotSend.Store(true)
	wantAnswer(t, mail(s, s.Password, told[5]), "554 Access denied: User `arn:aws:iam::123456789012:user/"+SMTPUser+"'")
	ses.MayNotSend.Store(false)

	// What the function will do with the user is seen by the server.
	client := iam.NewFromConfig(r.AWS.Config())
	if tags, err := client.ListUserTags(t.Context(), &iam.ListUserTagsInput{UserName: aws.String(SMTPUser)}); err != nil || len(tags.Tags) != 1 {
		t.Errorf("%+v, %v", tags, err)
	}
	created, err := client.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String(SMTPUser)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{UserName: aws.String(SMTPUser), AccessKeyId: &s.User, Status: "Inactive"})
	if err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, mail(s, s.Password, told[5]), smtpserver.AuthenticationInvalid)
	s.User = *created.AccessKey.AccessKeyId
	if err := mail(s, smtpserver.Password(*created.AccessKey.SecretAccessKey, "us-east-1"), told[5]); err != nil {
		t.Error(err)
	}
}

func TestSendersSettingsGiveWayToThoseOfTheOptions(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{MySQL: mysqltest.Shared(t), SES: &SES{}, Env: map[string]string{"ROTATE_KINDS": "smtp"}})
	if got := settings(t, r, "ROTATE_KINDS", "SMTP_IAM_USER"); !slices.Equal(got, []string{"smtp", SMTPUser}) {
		t.Errorf("the function is told %q", got)
	}
}

func TestTasksSendMailWithTheCredentialThatTheyReadAtTheirStart(t *testing.T) {
	t.Parallel()
	app := &Application{Services: []string{"web"}, Tasks: 1, Interval: 50 * time.Millisecond, MailInterval: 10 * time.Millisecond}
	r := newRig(t, Options{MySQL: mysqltest.Shared(t), SES: &SES{}, Application: app})
	wait := func(what string, reached func(made, failed int) bool) {
		t.Helper()
		for deadline := time.After(2 * time.Minute); !reached(app.Mails()); {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-deadline:
				t.Fatalf("%s: it never came to that: %+v", what, app.Records())
			}
		}
	}
	wait("a task sends", func(made, failed int) bool { return made > 1 && failed == 0 })
	for _, m := range r.SMTP.Messages() {
		if m.Username != r.SMTPKey.ID || m.From != MailFrom || !slices.Equal(m.To, []string{MailTo}) || !strings.Contains(m.Data, "Subject: "+MailSubject+"\n") {
			t.Errorf("a message of %s, from %s to %s:\n%s", m.Username, m.From, m.To, m.Data)
		}
	}

	client := iam.NewFromConfig(r.AWS.Config())
	if _, err := client.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String(SMTPUser), AccessKeyId: &r.SMTPKey.ID}); err != nil {
		t.Fatal(err)
	}
	wait("a message is refused", func(_, failed int) bool { return failed > 0 })
	wantAnswer(t, app.Records()[0].FirstMailFailure, smtpserver.AuthenticationInvalid)
	wantAnswer(t, r.MailLogin(t.Context(), r.SMTPKey.ID, smtpserver.Password(r.SMTPKey.Secret, r.region())), smtpserver.AuthenticationInvalid)
}

func TestWithoutASenderThereIsNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{MySQL: mysqltest.Shared(t)})
	if r.SMTP != nil || len(r.AWS.IAM.AccessKeys(SMTPUser)) != 0 {
		t.Error("there is one")
	}
	if got := settings(t, r, "ROTATE_KINDS", "SMTP_IAM_USER", "SMTP_HOST"); !slices.Equal(got, []string{"", "", ""}) {
		t.Errorf("the function is told %q", got)
	}
	if s := currentSender(t, r); s.User == "" || s.Password == "" || s.Host != "" || s.Port != 0 {
		t.Errorf("the secret says %s at %q", s.User, s.Host)
	}
}

// wantAnswer checks that an error is a reply of the server that begins so.
func wantAnswer(t *testing.T, err error, begins string) {
	t.Helper()
	var reply *textproto.Error
	if !errors.As(err, &reply) || !strings.HasPrefix(fmt.Sprintf("%d %s", reply.Code, reply.Msg), begins) {
		t.Errorf("got %v, want %q", err, begins)
	}
}
