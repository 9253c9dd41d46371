package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

func TestByItsReadAliasTheFunctionTakesOnlyWhatChangesNothing(t *testing.T) {
	t.Parallel()
	f := &function{logs: slog.DiscardHandler} // it serves no secret, and so refuses all others later
	const function = "arn:aws:lambda:eu-west-1:123456789012:function:mautic-rotation-prod"
	refused, taken := 0, 0
	for name, req := range samples {
		raw, err := os.ReadFile(filepath.Join("../events", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		for invoked, reads := range map[string]bool{function + ":read": true, function + ":live": false, function + ":$LATEST": false, function: false} {
			ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{InvokedFunctionArn: invoked})
			_, err := f.handle(ctx, raw)
			if is := err != nil && strings.HasPrefix(err.Error(), "the alias read accepts only the actions status, preflight and verify"); is != (reads && !slices.Contains(looks, req.action)) {
				t.Errorf("%s as %s: %v", name, invoked, err)
			} else if is {
				refused++
			} else if reads {
				taken++
			}
		}
	}
	if taken != 3 || refused != len(samples)-3 {
		t.Errorf("%d of the %d samples were refused, and %d taken", refused, len(samples), taken)
	}
	if _, err := f.handle(t.Context(), []byte(`{"Action":"status"}`)); err != nil {
		t.Errorf("without a context of Lambda's: %v", err)
	}
}
