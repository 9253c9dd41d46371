// Package rig sets up a whole deployment on one machine, for tests, the crash matrix,
// benchmarks and the demo: a real MySQL or MariaDB server, the stand-in for AWS, the
// function's executable, and a secret and an account of its own. Options add an
// administrator's account, SES and Mautic.
//
//	binary, err := rig.BuildFunction(ctx, dir)
//	r, err := rig.New(ctx, rig.Options{MySQL: server, Binary: binary})
//	defer r.Close()
//	token, err := r.Rotate(ctx)
package rig

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws"
	localiam "mautic-rotation/internal/localaws/iam"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/smtpserver"
)

// Options of a rig. MySQL and Binary are required.
type Options struct {
	MySQL  *mysqlserver.Server // or MariaDB; may be shared by rigs; Close leaves it running
	Binary string              // of the function; see BuildFunction

	// AWS are the stand-in's options.
	AWS localaws.Options

	// DatabaseAddress and DatabaseCAFile are those of a proxy between the function and
	// the server, if there is one.
	DatabaseHost   string
	DatabasePort   int
	DatabaseCAFile string

	// Application runs in ECS, and the function redeploys it; nil: nothing runs there.
	Application *Application

	// Settings replace the rig's own environment of the function, for example by a
	// template's. What differs on this machine is added.
	Settings map[string]string
	// Env adds settings of the function, or overrides the rig's.
	Env map[string]string
	// Timeout of an invocation; zero means 60 s.
	Timeout time.Duration
	// Logs gets the function's log.
	Logs io.Writer

	// Privileges of the account in addition to ALL on its own database. Nil means those
	// in the documentation: on MySQL [Privileges], without the one to change its own
	// password if there is an AdminSecret; on MariaDB none.
	Privileges []string

	// AdminSecret adds an account that may change others' passwords, with a secret of its
	// own, and configures the function to use it.
	AdminSecret bool

	// SES adds a sender of mail; nil: there is none.
	SES *SES

	// Mautic creates Mautic's tables, starts its pages, adds their credentials to the
	// secret, and has the function rotate them all.
	Mautic bool

	// MauticVersion is the version of Mautic.
	MauticVersion mauticserver.Version

	// Pages, if not nil, wraps Mautic's pages.
	Pages func(http.Handler) http.Handler
}

// Names in each rig.
const (
	FunctionName = "mautic-rotation-prod"
	SecretName   = "mautic-prod-secrets"
)

// Rig is a deployment. Its fields are for reading.
type Rig struct {
	MySQL       *mysqlserver.Server
	AWS         *localaws.Server
	Secrets     *sm.Client
	SecretName  string
	SecretARN   string
	FunctionARN string
	User        string
	Database    string
	Password    string // that the account was created with

	// Those of Options.AdminSecret; empty without.
	AdminUser      string
	AdminPassword  string
	AdminSecretARN string

	// Those of Options.SES: the server, and the key that the user began with.
	SMTP    *smtpserver.Server
	SMTPKey localiam.AccessKey

	Mautic *Mautic // nil without Options.Mautic

	options    Options
	seed       mauticserver.Seed
	secretARNs []string // of all secrets made by CreateSecret
	tempDir    string   // the function's
	closing    chan struct{}
	beginClose func() // closes closing
}

// New creates the account, the secret in the runbook's layout, and the function. The
// secret does not rotate yet.
func New(ctx context.Context, o Options) (_ *Rig, err error) {
	if o.Privileges == nil {
		o.Privileges = defaultPrivileges(o.MySQL.Series(), o.AdminSecret)
	}
	if o.DatabaseHost == "" {
		o.DatabaseHost, o.DatabasePort, o.DatabaseCAFile = o.MySQL.Host(), o.MySQL.Port(), o.MySQL.CAFile()
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	id := strings.ToLower(rand.Text()[:10])
	r := &Rig{MySQL: o.MySQL, User: "mautic_" + id, Database: "mautic_" + id, Password: rand.Text(), SecretName: SecretName, options: o, seed: newSeed(o.MauticVersion)}
	r.closing = make(chan struct{})
	r.beginClose = sync.OnceFunc(func() { close(r.closing) })
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if o.AdminSecret {
		r.AdminUser, r.AdminPassword = "admin_"+id, rand.Text()
	}
	if r.tempDir, err = os.MkdirTemp("", "mautic-rotation-function-"); err != nil {
		return nil, err
	}
	if err := r.createAccounts(ctx); err != nil {
		return nil, err
	}
	if r.AWS, err = localaws.Start(o.AWS); err != nil {
		return nil, err
	}
	if err := r.startSES(); err != nil {
		return nil, err
	}
	if o.Mautic {
		if err := r.startMautic(ctx); err != nil {
			return nil, err
		}
	}
	r.Secrets = sm.NewFromConfig(r.AWS.Config())
	if r.SecretARN, err = r.CreateSecret(ctx, r.SecretName, r.Document()); err != nil {
		return nil, err
	}
	if o.AdminSecret {
		if r.AdminSecretARN, err = r.CreateSecret(ctx, AdminSecretName, r.adminDocument()); err != nil {
			return nil, err
		}
	}
	if err := r.createFunction(); err != nil {
		return nil, err
	}
	if o.Application == nil {
		return r, nil
	}
	if err := o.Application.start(r); err != nil {
		return nil, err
	}
	return r, r.WaitSteady(ctx)
}

func (r *Rig) createFunction() (err error) {
	env := maps.Clone(r.options.Settings)
	if env == nil {
		env = r.settings()
	}
	env["TMPDIR"] = r.tempDir
	env["DATABASE_CA_FILE"] = r.options.DatabaseCAFile
	env["OBSERVE_MINUTES"], env["WATCH_SECONDS"] = "0", "1"
	if r.Mautic != nil {
		env["MAUTIC_URL"] = r.Mautic.URL()
	}
	r.reachSES(env)
	maps.Copy(env, r.options.Env)
	r.FunctionARN, err = r.AWS.Lambda.CreateFunction(locallambda.Function{
		Name:       FunctionName,
		Binary:     r.options.Binary,
		Env:        env,
		Timeout:    r.options.Timeout,
		MemorySize: 256,
		LogGroup:   LogGroup,
		Tags:       functionTags(),
		Logs:       r.options.Logs,
	})
	if err != nil {
		return err
	}
	return r.describeStack()
}

// settings are the rig's own.
func (r *Rig) settings() map[string]string {
	env := map[string]string{"SECRET_ARNS": r.SecretARN}
	if app := r.options.Application; app != nil {
		env["ECS_CLUSTER"] = ClusterName
		env["ECS_SERVICES"] = strings.Join(app.Services, ",")
	}
	if r.AdminSecretARN != "" {
		env["DATABASE_ADMIN_SECRET_ARN"] = r.AdminSecretARN
	}
	if r.Mautic != nil {
		env["ROTATE_KINDS"] = "database,admin,api,webhook"
	}
	r.setSES(env)
	return env
}

// Endpoint is the server's address for the function.
func (r *Rig) Endpoint() (host string, port int) {
	return r.options.DatabaseHost, r.options.DatabasePort
}

// TempDir is the function's directory for temporary files.
func (r *Rig) TempDir() string { return r.tempDir }

// Reconfigure adds settings to the function's, as a deployment does.
func (r *Rig) Reconfigure(env map[string]string) error {
	merged := maps.Clone(r.options.Env)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, env)
	r.options.Env = merged
	r.AWS.Lambda.DeleteFunction(FunctionName)
	return r.createFunction()
}

// Close drops the accounts and stops the stand-ins with all their processes.
func (r *Rig) Close() error {
	r.beginClose()
	var faults []error
	if r.AWS != nil {
		faults = append(faults, r.AWS.Close())
	}
	if r.SMTP != nil {
		faults = append(faults, r.SMTP.Close())
	}
	if r.Mautic != nil {
		faults = append(faults, r.Mautic.Close())
	}
	return errors.Join(append(faults, os.RemoveAll(r.tempDir), r.dropAccounts())...)
}

// Document is a secret in the runbook's layout for the rig's account. Its other fields are
// written in ways that a careless program would not preserve. Mautic's credentials that
// the runbook lacks are there only with Options.Mautic.
func (r *Rig) Document() string {
	clientID, webhooks := "", ""
	if r.Mautic != nil {
		clientID = fmt.Sprintf(`, "mautic_api_client_id": %q`, r.seed.PublicClientID())
		webhooks = fmt.Sprintf("\n  \"webhooks\":{\"secret\":%q},", r.seed.HookSecret)
	}
	return fmt.Sprintf(`{
  "database_host": %q,
  "database_port": %d.0,
  "database_name": %q,
  "database_user": %q,
  "database_password": %q,
  "admin_credentials": { "admin_username": "admin", "admin_password": "%s" },
  "api_keys": { "mautic_api_key": "%s"%s },%s
  "email_configuration": %s,
  "secret_key":"%s", "site_url": "https:\/\/mautic.example.com",
  "batch": 1e3,  "account": 12345678901234567890, "feature": true, "feature": false
}
`, r.options.DatabaseHost, r.options.DatabasePort, r.Database, r.User, r.Password,
		r.seed.AdminPassword, r.seed.ClientSecret, clientID, webhooks, r.emailConfiguration(), rand.Text())
}

// CreateSecret stores a new secret and returns its ARN.
func (r *Rig) CreateSecret(ctx context.Context, name, value string) (string, error) {
	out, err := r.Secrets.CreateSecret(ctx, &sm.CreateSecretInput{Name: &name, SecretString: &value})
	if err != nil {
		return "", err
	}
	r.secretARNs = append(r.secretARNs, *out.ARN)
	return *out.ARN, nil
}

// StartRotation does what `aws secretsmanager rotate-secret` does, and returns the new
// version's id.
func (r *Rig) StartRotation(ctx context.Context) (token string, err error) {
	out, err := r.Secrets.RotateSecret(ctx, &sm.RotateSecretInput{SecretId: &r.SecretARN, RotationLambdaARN: &r.FunctionARN})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.VersionId), nil
}

// Rotate starts a rotation and waits for its end. The error is that of the last attempt.
func (r *Rig) Rotate(ctx context.Context) (token string, err error) {
	if token, err = r.StartRotation(ctx); err != nil {
		return "", err
	}
	return token, r.AWS.SecretsManager.WaitRotation(ctx, r.SecretARN, token)
}

// Step invokes the function for one step, as Secrets Manager does, and returns the
// function's error.
func (r *Rig) Step(step, secretARN, token string) error {
	event, err := json.Marshal(map[string]string{"Step": step, "SecretId": secretARN, "ClientRequestToken": token})
	if err != nil {
		return err
	}
	return r.Invoke(event)
}

// Invoke invokes the function with any event.
func (r *Rig) Invoke(event []byte) error {
	result, err := r.AWS.Lambda.Invoke(FunctionName, event)
	if err != nil {
		return err
	}
	if result.FunctionError == "" {
		return nil
	}
	var answer struct{ ErrorMessage string }
	if err := json.Unmarshal(result.Payload, &answer); err != nil {
		return fmt.Errorf("the function's error is not JSON: %w", err)
	}
	return errors.New(answer.ErrorMessage)
}

// BuildFunction builds the function as `make build` does, for this machine,
// and returns the executable's path in dir.
func BuildFunction(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "bootstrap")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags=lambda.norpc", "-ldflags=-s -w -buildid=", "-o", binary, "mautic-rotation/lambda")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the function: %w\n%s", err, out)
	}
	return binary, nil
}
