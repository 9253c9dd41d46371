package rotation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws"
	locallambda "mautic-rotation/internal/localaws/lambda"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/internal/syncbuf"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/ledger"
)

// tester is a test, or a history that is tried.
type tester interface {
	Helper()
	Cleanup(func())
	Context() context.Context
	Error(...any)
	Errorf(string, ...any)
	Fatal(...any)
	Fatalf(string, ...any)
}

// engine is a rotator with targets of every sort, beside a stand-in for AWS.
type engine struct {
	*rotation.Rotator
	config   rotation.Config
	t        tester
	aws      *localaws.Server
	secrets  *sm.Client
	arn, fn  string
	services services
	log      syncbuf.Buffer

	// before runs when a step begins, and fails it with what it returns; nil:
	// nothing does.
	before func(rotation.Step) error

	database, api  pair
	admin, webhook target
}

const (
	day  = 24 * time.Hour
	uuid = "3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"
)

// limits are the usual ones, with nothing to wait for before a quarantine.
var limits = rotation.Limits{Rollout: 30 * time.Minute, Watch: time.Millisecond, OverlapWithoutServices: day}

func newEngine(t *testing.T, issuers ...*issuer) *engine {
	t.Helper()
	t.Parallel()
	e := &engine{}
	e.start(t, &e.services, issuers)
	return e
}

func (e *engine) start(t tester, restarts rotation.Services, issuers []*issuer) {
	t.Helper()
	*e = engine{
		t:        t,
		database: pair{target: target{name: "database", restart: true}},
		api:      pair{target: target{name: "api"}, overlap: 7 * day},
		admin:    target{name: "admin"},
		webhook:  target{name: "webhook"},
	}
	value := `{"site": "mautic"`
	kinds := []credential.Kind{&e.database, &e.api, &e.admin, &e.webhook}
	targets := []*target{&e.database.target, &e.api.target, &e.admin, &e.webhook}
	for _, k := range issuers {
		kinds, targets = append([]credential.Kind{k}, kinds...), append(targets, &k.target)
	}
	for _, k := range targets {
		k.accept(k.name + "-0")
		value += fmt.Sprintf(`, %q: %q`, k.name, k.name+"-0")
	}
	var err error
	if e.aws, err = localaws.Start(localaws.Options{RotationRetries: -1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.aws.Close(); err != nil {
			t.Error(err)
		}
	})
	e.secrets = sm.NewFromConfig(e.aws.Config(), func(o *sm.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
	})
	e.config = rotation.Config{
		SecretsManager: e.secrets,
		Kinds:          kinds,
		Services:       restarts,
		Limits:         limits,
		Pauses:         quickly,
	}
	e.Rotator = rotation.New(e.config)
	e.services.clock = e.aws.Clock()
	out, err := e.secrets.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String(value + "}")})
	if err != nil {
		t.Fatal(err)
	}
	e.arn = *out.ARN
	if e.fn, err = e.aws.Lambda.CreateFunction(locallambda.Function{Name: "f", Handler: e.handle, Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
}

func (e *engine) handle(ctx context.Context, payload []byte) ([]byte, error) {
	var step struct{ Step, SecretID, ClientRequestToken, RotationToken string }
	if err := json.Unmarshal(payload, &step); err != nil {
		return nil, err
	}
	event := rotation.Event{Step: rotation.Step(step.Step), SecretID: step.SecretID, Token: step.ClientRequestToken, RotationToken: step.RotationToken}
	if e.before != nil {
		if err := e.before(event.Step); err != nil {
			return nil, err
		}
	}
	return nil, e.Rotate(ctx, event, slog.New(slog.NewTextHandler(&e.log, nil)), &scrub.Secrets{})
}

// rotate rotates, with a token of its own or "".
func (e *engine) rotate(token string) error {
	e.t.Helper()
	in := &sm.RotateSecretInput{SecretId: &e.arn, RotationLambdaARN: &e.fn}
	if token != "" {
		in.ClientRequestToken = &token
	}
	out, err := e.secrets.RotateSecret(e.t.Context(), in)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.aws.SecretsManager.WaitRotation(e.t.Context(), e.arn, *out.VersionId)
}

// preflight turns rotation on by a test-only rotation, and returns how that ends.
func (e *engine) preflight() error {
	e.t.Helper()
	_, err := e.secrets.RotateSecret(e.t.Context(), &sm.RotateSecretInput{SecretId: &e.arn, RotationLambdaARN: &e.fn, RotateImmediately: aws.Bool(false)})
	if err != nil {
		e.t.Fatal(err)
	}
	return e.aws.SecretsManager.WaitRotation(e.t.Context(), e.arn, "")
}

func (e *engine) mustRotate() {
	e.t.Helper()
	if err := e.rotate(""); err != nil {
		e.t.Fatal(err)
	}
}

func (e *engine) reconcile() {
	e.t.Helper()
	if _, err := e.Reconcile(e.t.Context(), e.arn, slog.New(slog.NewTextHandler(&e.log, nil)), &scrub.Secrets{}); err != nil {
		e.t.Error(err)
	}
}

// current is what AWSCURRENT says of a kind.
func (e *engine) current(k *target) string {
	e.t.Helper()
	doc, err := document.Parse(e.version("AWSCURRENT").Value)
	if err != nil {
		e.t.Fatal(err)
	}
	return k.value(doc)
}

func (e *engine) version(label string) localsecretsmanager.VersionState {
	e.t.Helper()
	state, err := e.aws.SecretsManager.State(e.arn)
	if err != nil {
		e.t.Fatal(err)
	}
	return state.Labelled(label)
}

// journal is what the ledger has open: "database=old", "rollout". It is sorted.
func (e *engine) journal() (open []string) {
	e.t.Helper()
	state, err := e.aws.SecretsManager.State(e.arn)
	if err != nil {
		e.t.Fatal(err)
	}
	labels := map[string][]string{}
	current := ""
	for _, v := range state.Versions {
		labels[v.ID] = v.Labels
		if slices.Contains(v.Labels, "AWSCURRENT") {
			current = v.ID
		}
	}
	book, err := ledger.Read(labels)
	if err != nil {
		e.t.Fatal(err)
	}
	if book.Rollout().Open() {
		open = append(open, "rollout")
	}
	for _, page := range book.Pages {
		for kind, entry := range page.Entries {
			if page.Version != current || entry.State != ledger.Proven {
				open = append(open, fmt.Sprintf("%s=%s", kind, entry.State))
			}
		}
	}
	slices.Sort(open)
	return open
}

// expect checks what the targets accept: "database-1 database-2".
func (e *engine) expect(database, api, admin string) {
	e.t.Helper()
	got := fmt.Sprintf("%s; %s; %s", e.database.accepts(), e.api.accepts(), e.admin.accepts())
	if want := fmt.Sprintf("%s; %s; %s", database, api, admin); got != want {
		e.t.Errorf("accepted are %s\nwant         %s", got, want)
	}
}

func (e *engine) moveCurrent(to, from string) {
	e.t.Helper()
	_, err := e.secrets.UpdateSecretVersionStage(e.t.Context(), &sm.UpdateSecretVersionStageInput{
		SecretId: &e.arn, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &to, RemoveFromVersionId: &from,
	})
	if err != nil {
		e.t.Fatal(err)
	}
}
