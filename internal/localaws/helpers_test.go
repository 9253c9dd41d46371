package localaws_test

import (
	"context"
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
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"mautic-rotation/internal/localaws"
)

var buildDir string

// helperVariable holds the build directory for the process of TestHelperParent.
const helperVariable = "LOCALAWS_HELPER_BUILD_DIR"

func TestMain(m *testing.M) {
	// The process that a test kills uses its parent's directory: it cannot clean up.
	if buildDir = os.Getenv(helperVariable); buildDir != "" {
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

// functionBinary builds the Lambda function in testdata once.
var functionBinary = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(buildDir, "bootstrap")
	if os.Getenv(helperVariable) != "" {
		return binary, nil
	}
	out, err := exec.Command("go", "build", "-o", binary, "./testdata/function").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

// fixture is a server with clients.
type fixture struct {
	*localaws.Server
	t       *testing.T
	ctx     context.Context
	secrets *secretsmanager.Client
}

func start(t *testing.T, o localaws.Options) *fixture {
	t.Helper()
	srv, err := localaws.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error("Close:", err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return &fixture{srv, t, ctx, secretsmanager.NewFromConfig(config(srv))}
}

// config is the server's, with retries that do not wait.
func config(srv *localaws.Server) aws.Config {
	cfg := srv.Config()
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	return cfg
}

// create makes a secret with a current version.
func (f *fixture) create(name, text string) (arn, version string) {
	f.t.Helper()
	out, err := f.secrets.CreateSecret(f.ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text})
	if err != nil {
		f.t.Fatal(err)
	}
	return *out.ARN, *out.VersionId
}

// The tests' secret is "s".

// put writes a version with the labels.
func (f *fixture) put(token, text string, labels ...string) error {
	_, err := f.secrets.PutSecretValue(f.ctx, &secretsmanager.PutSecretValueInput{
		SecretId: aws.String("s"), ClientRequestToken: &token, SecretString: &text, VersionStages: labels,
	})
	return err
}

// move calls UpdateSecretVersionStage; empty ids are left out.
func (f *fixture) move(name, label, to, from string) error {
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &name, VersionStage: &label}
	if to != "" {
		in.MoveToVersionId = &to
	}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	_, err := f.secrets.UpdateSecretVersionStage(f.ctx, in)
	return err
}

// wantLabels checks which versions the labels are on.
func (f *fixture) wantLabels(want map[string]string) {
	f.t.Helper()
	state, err := f.Secret("s")
	if err != nil {
		f.t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range state.Versions {
		for _, l := range v.Labels {
			got[l] = v.ID
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		f.t.Errorf("labels are %v, want %v", got, want)
	}
}

// rotate starts a rotation with the token.
func (f *fixture) rotate(function, token string) error {
	in := &secretsmanager.RotateSecretInput{SecretId: aws.String("s"), ClientRequestToken: &token}
	if function != "" {
		in.RotationLambdaARN = &function
	}
	_, err := f.secrets.RotateSecret(f.ctx, in)
	return err
}

// function registers the function of testdata.
func (f *fixture) function(fn localaws.Function) (arn string) {
	f.t.Helper()
	binary, err := functionBinary()
	if err != nil {
		f.t.Fatal(err)
	}
	fn.Binary = binary
	return f.handler(fn)
}

func (f *fixture) handler(fn localaws.Function) (arn string) {
	f.t.Helper()
	arn, err := f.CreateFunction(fn)
	if err != nil {
		f.t.Fatal(err)
	}
	return arn
}

// invoke posts an event to a function over HTTP, as an SDK's Invoke does.
func (f *fixture) invoke(function, invocationType, payload string) (status int, header http.Header, body string) {
	f.t.Helper()
	url := f.URL() + "/2015-03-31/functions/" + function + "/invocations"
	req, err := http.NewRequestWithContext(f.ctx, http.MethodPost, url, strings.NewReader(payload))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/lambda/aws4_request")
	req.Header.Set("X-Amz-Invocation-Type", invocationType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

// wantError checks an error of AWS by its code and a part of its message. An empty code stands for no error.
func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("unexpected error: %v", err)
		}
		return
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Errorf("got error %v, want %s", err, code)
		return
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) {
		t.Errorf("got %s: %s\nwant %s: …%s…", api.ErrorCode(), api.ErrorMessage(), code, message)
	}
}

// token makes a version id of the least length, 32 characters, from a word.
func token(word string) string { return word + strings.Repeat("-", 32-len(word)) }
