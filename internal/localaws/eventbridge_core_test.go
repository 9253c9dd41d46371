package localaws_test

import (
	"strings"
	"testing"

	"mautic-rotation/internal/localaws/eventbridge"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// functions takes every payload.
type functions chan string

func (f functions) Exists(string) error { return nil }

func (f functions) Invoke(function string, payload []byte) (wire.InvokeResult, error) {
	f <- function + " " + string(payload)
	return wire.InvokeResult{}, nil
}

func TestAnEventReachesAFunctionWithoutAServer(t *testing.T) {
	t.Parallel()
	h := host.New(host.Account{Region: "us-east-1", ID: "123456789012"}, nil, nil)
	defer h.Close()
	invoked := make(functions, 1)
	s := eventbridge.New(h, invoked, nil, host.NewAsync(h))
	if err := s.SendEvents("fn"); err != nil {
		t.Fatal(err)
	}
	s.DeploymentStateChange("arn:web", "SERVICE_DEPLOYMENT_COMPLETED", "ecs-svc/1", map[string]string{"reason": "done"})
	if err := s.WaitIdle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-invoked; !strings.HasPrefix(got, "fn {") || !strings.Contains(got, `"detail":{"reason":"done"}`) {
		t.Error(got)
	}
}
