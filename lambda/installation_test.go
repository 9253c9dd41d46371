package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/localaws"
	localcloudformation "mautic-rotation/internal/localaws/cloudformation"
	localecs "mautic-rotation/internal/localaws/ecs"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/template/rows"
	"mautic-rotation/rotation/ledger"
)

// An installation is a stack of the template in the stand-in, whose function is this
// one, in this process, with the settings that the stack gives it.
type installation struct {
	*localtest.Fixture
	parsed *cloudformation.Template

	mu        sync.Mutex
	functions map[string]*function // by name
	unusable  map[string]error     // why their settings cannot be used
}

var parsedTemplate = sync.OnceValues(func() (*cloudformation.Template, error) {
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		return nil, err
	}
	return cloudformation.Parse(text)
})

const lifecycleStack = "mautic-prod"

func newInstallation(t *testing.T) *installation {
	t.Helper()
	parsed, err := parsedTemplate()
	if err != nil {
		t.Fatal(err)
	}
	i := &installation{
		Fixture: localtest.Start(t, localaws.Options{SecretSuffix: "AbCdEf", RotationRetries: -1}),
		parsed:  parsed, functions: map[string]*function{}, unusable: map[string]error{},
	}
	i.CloudFormation.Provide("AWS::Serverless::Function", i)
	return i
}

// Create is cloudformation.Provider, of the function.
func (i *installation) Create(_ context.Context, properties map[string]any) (string, error) {
	name := fmt.Sprint(properties["FunctionName"])
	i.configure(name, properties)
	_, err := i.Lambda.CreateFunction(locallambda.Function{Name: name, Handler: func(ctx context.Context, payload []byte) ([]byte, error) {
		reply, err := i.invoke(ctx, name, payload)
		if err != nil {
			return nil, err
		}
		return json.Marshal(reply)
	}})
	return name, err
}

// Update is cloudformation.Provider.
func (i *installation) Update(_ context.Context, name string, _, after map[string]any) error {
	i.configure(name, after)
	return nil
}

// Delete is cloudformation.Provider.
func (i *installation) Delete(_ context.Context, name string) error {
	i.Lambda.DeleteFunction(name)
	return nil
}

// configure wires the function by the environment that the stack gives it.
func (i *installation) configure(name string, properties map[string]any) {
	environment, _ := properties["Environment"].(map[string]any)
	variables, _ := environment["Variables"].(map[string]any)
	var environ []string
	for variable, value := range variables {
		environ = append(environ, fmt.Sprint(variable, "=", value))
	}
	s, err := readSettings(environ)
	var f *function
	if err == nil {
		s.unmeasured = true
		// What the settings name is elsewhere. Nothing listens here.
		s.database.Endpoint = "127.0.0.1:9"
		if s.mauticURL != "" {
			s.mauticURL = "http://127.0.0.1:9"
		}
		f, err = assemble(s, i.Config(), slog.DiscardHandler, quick)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.functions[name], i.unusable[name] = f, err
}

func (i *installation) invoke(ctx context.Context, name string, payload []byte) (any, error) {
	i.mu.Lock()
	f, err := i.functions[name], i.unusable[name]
	i.mu.Unlock()
	if f == nil {
		return nil, errors.Join(errors.New("the function's settings cannot be used"), err)
	}
	return f.handle(ctx, payload)
}

func (i *installation) deploy(parameters map[string]string) error {
	return i.CloudFormation.Deploy(i.Ctx, localcloudformation.Deployment{StackName: lifecycleStack, Template: i.parsed, Parameters: parameters})
}

// secretsOf are the names of the secrets that parameters name.
func secretsOf(parameters map[string]string) (names []string) {
	for _, value := range parameters {
		if rest, is := strings.CutPrefix(value, rows.ARNOf("")[:len(rows.ARNOf(""))-len("-AbCdEf")]); is {
			names = append(names, strings.TrimSuffix(rest, "-AbCdEf"))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// provision makes the secrets that are not there yet.
func (i *installation) provision(parameters map[string]string) {
	i.T.Helper()
	for _, name := range secretsOf(parameters) {
		if _, err := i.SecretsManager.State(name); err != nil {
			i.CreateSecret(name, documentWith("first", "first"))
		}
	}
}

// documentWith is a secret of a deployment, by the usual names and by those that the rows'
// pointers lead to, with bytes that nothing but a copy keeps.
func documentWith(password, elsewhere string) string {
	return `{"database_host":"db.example.com", "database_port" : 3306,  "database_user":"mautic","database_name":"mautic","database_password":"` + password +
		`", "p":"` + elsewhere + `","u":"mautic","h":"db.example.com","o":3306,"n":"mautic", "of others":[1, 1.0,"\u00e9"]}`
}

const (
	before  = "00000000-0000-4000-8000-000000000001"
	current = "00000000-0000-4000-8000-000000000002"
	pending = "00000000-0000-4000-8000-000000000003"
)

// openOverlap leaves a secret as a promotion does that every task is yet to follow. With
// begun, another rotation has stored its value besides, and is not promoted.
func (i *installation) openOverlap(secretID string, begun bool) {
	i.T.Helper()
	now := i.Clock().Now()
	label := func(version string, s ledger.State, rollout ledger.Rollout) string {
		text, err := ledger.Page{Version: version, Rollout: rollout}.With("database", s, now).Label()
		if err != nil {
			i.T.Fatal(err)
		}
		return text
	}
	put := func(version, value string, labels ...string) {
		if _, err := i.Secrets.PutSecretValue(i.Ctx, &sm.PutSecretValueInput{SecretId: &secretID, ClientRequestToken: &version, SecretString: &value, VersionStages: labels}); err != nil {
			i.T.Fatal(err)
		}
	}
	put(before, documentWith("before", "before"), "AWSCURRENT") // what Mautic needs besides, in a secret that the stack has made
	put(current, documentWith("current", "current"), "AWSCURRENT", label(current, ledger.Proven, ledger.Rollout{Since: now, Promoted: true}))
	if err := i.MoveLabel(secretID, label(before, ledger.Old, ledger.Rollout{}), before, ""); err != nil {
		i.T.Fatal(err)
	}
	if begun {
		put(pending, documentWith("pending", "current"), "AWSPENDING", label(pending, ledger.Pending, ledger.Rollout{}))
	}
}

// kept are the versions with labels, each as a hash of its value and its labels.
func (i *installation) kept(secretID string) map[string]string {
	i.T.Helper()
	state, err := i.SecretsManager.State(secretID)
	if err != nil {
		i.T.Fatalf("%s: %v", secretID, err)
	}
	found := map[string]string{}
	for _, v := range state.Versions {
		if labels := slices.Sorted(slices.Values(v.Labels)); len(labels) > 0 {
			found[v.ID] = fmt.Sprintf("%x %s", sha256.Sum256([]byte(v.Value)), strings.Join(labels, " "))
		}
	}
	return found
}

// stack is the stack as it is now.
func (i *installation) stack() localcloudformation.Stack {
	i.T.Helper()
	for _, stack := range i.CloudFormation.Stacks() {
		if stack.Name == lifecycleStack {
			return stack
		}
	}
	i.T.Fatal("there is no stack")
	return localcloudformation.Stack{}
}

// run makes the cluster and the services that parameters name, with a task each.
func (i *installation) run(parameters map[string]string) {
	i.T.Helper()
	if parameters["EcsCluster"] == "" {
		return
	}
	for name, service := range parameters {
		if !strings.HasPrefix(name, "EcsService") {
			continue
		}
		app := &localtest.App{}
		secret := rows.ARNOf("mautic-prod-secrets")
		if parameters["SecretArn"] == "" {
			secret = rows.ARNOf(lifecycleStack + "-credentials")
		}
		i.RunService(localecs.Service{
			Cluster: parameters["EcsCluster"], Name: service, Run: app.Run,
			Secrets: []localecs.ContainerSecret{{Name: "MAUTIC_DB_PASSWORD", ValueFrom: secret + ":database_password::"}},
		})
	}
}
