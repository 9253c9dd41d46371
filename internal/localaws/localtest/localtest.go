package localtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"mautic-rotation/internal/localaws"
)

// hang is how long a test waits for what never comes. A busy machine takes seconds for what else takes none.
const hang = 5 * time.Minute

// Fixture is a server with clients.
type Fixture struct {
	*localaws.Server
	T       *testing.T
	Ctx     context.Context
	Secrets *secretsmanager.Client
}

// Start starts a server that the test closes.
func Start(t *testing.T, o localaws.Options) *Fixture {
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
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	t.Cleanup(cancel)
	return &Fixture{srv, t, ctx, secretsmanager.NewFromConfig(ClientConfig(srv))}
}

// ClientConfig is the server's, with retries that do not wait.
func ClientConfig(srv *localaws.Server) aws.Config {
	cfg := srv.Config()
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	return cfg
}

// WantError checks an error of AWS by its code and a part of its message. An empty code stands for no error.
func WantError(t *testing.T, err error, code, message string) {
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

// Token makes a version id of the least length, 32 characters, from a word.
func Token(word string) string { return word + strings.Repeat("-", 32-len(word)) }
