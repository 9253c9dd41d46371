package localtest

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	locallambda "mautic-rotation/internal/localaws/lambda"
)

// functionVariable makes a test program the function.
const functionVariable = "LOCALAWS_TEST_FUNCTION"

// Main is a package's TestMain, if its tests use [Fixture.Function]: that is the test program itself, so that nothing has to be
// built.
func Main(m *testing.M) {
	if os.Getenv(functionVariable) != "" {
		serve()
	}
	mainCalled = true
	os.Exit(m.Run())
}

var mainCalled bool

// Function registers a function that does what its events say.
func (f *Fixture) Function(fn locallambda.Function) (arn string) {
	f.T.Helper()
	if !mainCalled {
		f.T.Fatal("the package's TestMain has to call localtest.Main")
	}
	binary, err := os.Executable()
	if err != nil {
		f.T.Fatal(err)
	}
	env := map[string]string{functionVariable: "yes"}
	maps.Copy(env, fn.Env)
	fn.Binary, fn.Env = binary, env
	return f.Handler(fn)
}

// Handler registers a function that runs in process, or any other.
func (f *Fixture) Handler(fn locallambda.Function) (arn string) {
	f.T.Helper()
	arn, err := f.Lambda.CreateFunction(fn)
	if err != nil {
		f.T.Fatal(err)
	}
	return arn
}

// InvokeHTTP posts an event to a function over HTTP, as an SDK's Invoke does.
func (f *Fixture) InvokeHTTP(function, invocationType, payload string) (status int, header http.Header, body string) {
	f.T.Helper()
	url := f.URL() + "/2015-03-31/functions/" + function + "/invocations"
	req, err := http.NewRequestWithContext(f.Ctx, http.MethodPost, url, strings.NewReader(payload))
	if err != nil {
		f.T.Fatal(err)
	}
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/lambda/aws4_request")
	req.Header.Set("X-Amz-Invocation-Type", invocationType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.T.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		f.T.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

// Target is a function that keeps the events that it is invoked with.
type Target struct {
	mu     sync.Mutex
	Events []TargetEvent
}

// TargetEvent is an event of EventBridge.
type TargetEvent struct {
	Version, ID, Source, Account, Time, Region string
	DetailType                                 string `json:"detail-type"`
	Resources                                  []string
	Detail                                     struct{ EventType, EventName, DeploymentID, UpdatedAt, Reason string }
}

// Handle is the function.
func (g *Target) Handle(_ context.Context, payload []byte) ([]byte, error) {
	var e TargetEvent
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Events = append(g.Events, e)
	return nil, nil
}

// Names lists the deployment events so far. Their order is that of invocations which may overlap.
func (g *Target) Names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var names []string
	for _, e := range g.Events {
		names = append(names, strings.TrimPrefix(e.Detail.EventName, "SERVICE_DEPLOYMENT_"))
	}
	return names
}

// Target registers a function that keeps its events.
func (f *Fixture) Target() *Target {
	g := new(Target)
	f.Handler(locallambda.Function{Name: "fn", Handler: g.Handle})
	return g
}

// AwaitIdle waits until no asynchronous invocation is under way.
func (f *Fixture) AwaitIdle() {
	f.T.Helper()
	if err := f.EventBridge.WaitIdle(f.Ctx); err != nil {
		f.T.Fatal(err)
	}
}

// SendEvents sends the function "fn" the events of services.
func (f *Fixture) SendEvents(services ...string) {
	f.T.Helper()
	if err := f.EventBridge.SendEvents("fn", services...); err != nil {
		f.T.Fatal(err)
	}
}
