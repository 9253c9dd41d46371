package localtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	locallambda "mautic-rotation/internal/localaws/lambda"
)

// buildDir is where the function is built.
var buildDir string

// BuildDirVariable is, if it is set, the build directory of another process, which has built the function already. A process
// that a test kills is started with it, because it could not clean up.
const BuildDirVariable = "LOCALAWS_TEST_BUILD_DIR"

// Main is a package's TestMain, if its tests use [FunctionBinary].
func Main(m *testing.M) {
	if buildDir = os.Getenv(BuildDirVariable); buildDir != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "localaws")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	buildDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// FunctionBinary builds the Lambda function in testdata once.
var FunctionBinary = sync.OnceValues(func() (string, error) {
	if buildDir == "" {
		return "", errors.New("the package's TestMain has to call localtest.Main")
	}
	binary := filepath.Join(buildDir, "bootstrap")
	if os.Getenv(BuildDirVariable) != "" {
		return binary, nil
	}
	const source = "mautic-rotation/internal/localaws/localtest/testdata/function"
	out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

// Function registers the function of testdata.
func (f *Fixture) Function(fn locallambda.Function) (arn string) {
	f.T.Helper()
	binary, err := FunctionBinary()
	if err != nil {
		f.T.Fatal(err)
	}
	fn.Binary = binary
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
