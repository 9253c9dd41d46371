package localaws_test

import (
	"context"
	"errors"
	"testing"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/wire"
)

func TestAFunctionIsInvokedWithoutAServer(t *testing.T) {
	t.Parallel()
	h := host.New(host.Account{Region: "us-east-1", ID: "123456789012"}, nil, nil)
	defer h.Close()
	s := lambda.New(h, host.NewAsync(h), lambda.Options{})
	var caller wire.Caller
	_, err := s.CreateFunction(lambda.Function{Name: "fn", Handler: func(ctx context.Context, payload []byte) ([]byte, error) {
		caller = s.Caller(lambda.KeyOf(ctx))
		return payload, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	result, err := s.InvokeStep("fn", []byte(`"hello"`), "testSecret")
	if err != nil || string(result.Payload) != `"hello"` || caller.Function != "fn" || caller.Step != "testSecret" || caller.RequestID != result.RequestID {
		t.Errorf("%+v by %+v, %v", result, caller, err)
	}
	_, err = s.Invoke("none", nil)
	if refused, ok := errors.AsType[*wire.Error](err); !ok || refused.Code != "ResourceNotFoundException" {
		t.Errorf("got %v", err)
	}
}
