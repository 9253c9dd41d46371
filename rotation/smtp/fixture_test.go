package smtp

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"mautic-rotation/internal/localaws"
	localiam "mautic-rotation/internal/localaws/iam"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/internal/smtpserver"
	"mautic-rotation/internal/syncbuf"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

const (
	region = "eu-west-1"
	user   = "mautic-smtp"
)

// fixture is an IAM user with one access key, an SMTP server that takes the
// keys of that IAM, and a secret, as far as the kind sees one.
type fixture struct {
	t       *testing.T
	ctx     context.Context
	secrets scrub.Secrets
	log     syncbuf.Buffer

	aws    *localaws.Server
	server *smtpserver.Server
	first  localiam.AccessKey
	kind   *Kind

	documents []document.Document // that the secret's versions hold
	busy      bool
	moved     error // what Generate's Confirm says
}

// setup is what a test may want otherwise.
type setup struct {
	aws    localaws.Options
	smtp   smtpserver.Options
	user   localiam.User
	config Config
}

// newFixture makes one whose user is the secret's.
func newFixture(t *testing.T, change ...func(*setup)) *fixture {
	t.Helper()
	t.Parallel()
	f := &fixture{t: t}
	f.ctx = scrub.NewContext(t.Context(), &f.secrets)
	s := setup{
		user:   localiam.User{Name: user, Tags: map[string]string{OwnerTag: ours}},
		config: Config{Region: region, Propagation: 20 * time.Second, Pause: time.Millisecond},
	}
	for _, c := range change {
		c(&s)
	}
	s.config.User = s.user.Name
	var err error
	if f.aws, err = localaws.Start(s.aws); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.aws.Close(); err != nil {
			t.Error(err)
		}
	})
	if s.smtp.Accept == nil {
		s.smtp.Accept = smtpserver.AcceptKeys(region, f.aws.IAM.KeyAccepts)
	}
	if f.server, err = smtpserver.Start(s.smtp); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.server.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := f.aws.IAM.AddUser(s.user); err != nil {
		t.Fatal(err)
	}
	f.first = f.addKey()
	s.config.IAM = iam.NewFromConfig(f.aws.Config())
	s.config.Roots = roots(t, f.server)
	f.kind = New(s.config)
	f.documents = []document.Document{f.document(f.first)}
	t.Cleanup(f.nothingIsTold)
	return f
}

func roots(t *testing.T, server *smtpserver.Server) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(server.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate")
	}
	return pool
}

// nothingIsTold searches the log for what does not belong there.
func (f *fixture) nothingIsTold() {
	log := f.log.String()
	for _, key := range f.aws.IAM.AccessKeys(f.kind.config.User) {
		f.secretFree(log, key)
	}
	f.secretFree(log, f.first)
}

func (f *fixture) secretFree(text string, key localiam.AccessKey) {
	f.t.Helper()
	for _, value := range []string{key.Secret, smtpserver.Password(key.Secret, region), key.ID} {
		if strings.Contains(text, value) {
			f.t.Errorf("a secret value, or a whole key id, is in %s", text)
		}
	}
}

func (f *fixture) addKey() localiam.AccessKey {
	f.t.Helper()
	key, err := f.aws.IAM.AddAccessKey(user)
	if err != nil {
		f.t.Fatal(err)
	}
	return key
}

// document is one with a key's credential, for the server of the fixture.
func (f *fixture) document(key localiam.AccessKey) document.Document {
	f.t.Helper()
	return f.documentAt(f.server.Port(), key.ID, smtpserver.Password(key.Secret, region))
}

func (f *fixture) documentAt(port int, name, password string) document.Document {
	f.t.Helper()
	return parse(f.t, fmt.Sprintf(`{"email_configuration": {"smtp_username": %q, "smtp_password": %q, "smtp_host": "127.0.0.1", "smtp_port": %d}, "other": 1e3}`, name, password, port))
}

func (f *fixture) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&f.log, nil)) }

func (f *fixture) ownership() credential.Ownership {
	return credential.Ownership{Owner: ours, Log: f.logger(), Stored: func(context.Context) (credential.Stored, error) {
		return credential.Stored{Documents: f.documents, Busy: f.busy}, nil
	}}
}

func (f *fixture) generate(emergency bool) (document.Document, error) {
	return f.kind.Generate(f.ctx, credential.Generation{
		Current: f.documents[0], Emergency: emergency, Ownership: f.ownership(),
		Confirm: func(context.Context) error { return f.moved },
	})
}

// rotated is a change whose pending value Generate has made, and the secret
// holds.
func (f *fixture) rotated() credential.Change {
	f.t.Helper()
	pending, err := f.generate(false)
	if err != nil {
		f.t.Fatal(err)
	}
	f.documents = append(f.documents, pending)
	return f.change(f.documents[0], pending)
}

func (f *fixture) change(current, pending document.Document) credential.Change {
	return credential.Change{Current: current, Pending: pending, Log: f.logger(), Confirm: func(context.Context) error { return nil }}
}

// overlap is the one after a change was promoted.
func (f *fixture) overlap(c credential.Change) credential.Overlap {
	return credential.Overlap{Current: c.Pending, Old: c.Current, Log: f.logger(), Confirm: func(context.Context) error { return nil }}
}

// keyOf is the id in a document.
func (f *fixture) keyOf(d document.Document) string {
	f.t.Helper()
	id, err := d.Text(RunbookLayout.Username)
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// keys are the user's, as "id status".
func (f *fixture) keys() (list []string) {
	for _, key := range f.aws.IAM.AccessKeys(user) {
		list = append(list, key.ID+" "+key.Status)
	}
	return list
}

// wantKeys compares the user's keys, in any order.
func (f *fixture) wantKeys(want ...string) {
	f.t.Helper()
	got := f.keys()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		f.t.Errorf("the user has the keys %q, not %q", got, want)
	}
}

// switchOff makes a key inactive by hand.
func (f *fixture) switchOff(id string) {
	f.t.Helper()
	_, err := f.kind.config.IAM.UpdateAccessKey(f.ctx, &iam.UpdateAccessKeyInput{UserName: &f.kind.config.User, AccessKeyId: &id, Status: types.StatusTypeInactive})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) deleteKey(id string) {
	f.t.Helper()
	if _, err := f.kind.config.IAM.DeleteAccessKey(f.ctx, &iam.DeleteAccessKeyInput{UserName: &f.kind.config.User, AccessKeyId: &id}); err != nil {
		f.t.Fatal(err)
	}
}

// needs fails unless there is an error with each of the texts, and without any
// secret value.
func (f *fixture) needs(err error, texts ...string) {
	f.t.Helper()
	if err == nil {
		f.t.Errorf("no error; wanted one with %q", texts)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			f.t.Errorf("%q is not in: %v", text, err)
		}
	}
	for _, key := range append(f.aws.IAM.AccessKeys(user), f.first) {
		for _, value := range []string{key.Secret, smtpserver.Password(key.Secret, region)} {
			if strings.Contains(err.Error(), value) {
				f.t.Error("a secret value is in the error")
			}
		}
	}
}

// expect fails unless a probe of each document has the outcome.
func (f *fixture) expect(want credential.Outcome, documents ...document.Document) {
	f.t.Helper()
	for i, d := range documents {
		if got, err := f.kind.Probe(f.ctx, d); got != want || (err == nil) != (want == credential.Accepted) {
			f.t.Errorf("document %d of %d: %s, not %s: %v", i+1, len(documents), got, want, err)
		}
	}
}

// calls counts the calls of IAM's operations so far.
func (f *fixture) calls(operations ...string) (n int) {
	for _, call := range f.aws.Calls() {
		if call.Service == "iam" && (len(operations) == 0 || slices.Contains(operations, call.Operation)) {
			n++
		}
	}
	return n
}

// refuse has IAM refuse an operation, as one that is not granted.
func (f *fixture) refuse(operation string) {
	f.aws.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation != operation {
			return wire.Fault{}
		}
		return wire.Fault{Error: &wire.Error{Code: "AccessDenied", Status: 403,
			Message: "User: arn:aws:sts::123456789012:assumed-role/rotation/f is not authorized to perform: iam:" + operation + " on resource: user " + user}}
	})
}
