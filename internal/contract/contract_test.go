package contract_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"mautic-rotation/internal/contract"
	"mautic-rotation/internal/contract/function"
	"mautic-rotation/internal/localaws"
)

// functionVariable makes the test program the function, so that nothing has to be built.
const functionVariable = "CONTRACT_TEST_FUNCTION"

func TestMain(m *testing.M) {
	if os.Getenv(functionVariable) != "" {
		function.Serve()
		os.Exit(1) // not reached
	}
	os.Exit(m.Run())
}

// archive is the function as a script, which Lambda's runtime takes as well.
func archive(t *testing.T) contract.Archive {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	packed, err := contract.Pack(fmt.Appendf(nil, "#!/bin/sh\n%s=yes exec '%s'\n", functionVariable, self), runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// start starts a stand-in.
func start(t *testing.T, o localaws.Options) *localaws.Server {
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
	return srv
}

// deploy opens an account of the stand-in with the function in it, which the test removes.
func deploy(t *testing.T, srv *localaws.Server) *contract.Account {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	account, err := contract.Open(ctx, contract.StandIn(srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := account.Clean(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	if err := account.Deploy(ctx, archive(t)); err != nil {
		t.Fatal(err)
	}
	return account
}

// It evaluates the policy of the function's role as well: what that lacks would be missing in AWS.
func TestTheStandInDoesWhatIsBelieved(t *testing.T) {
	t.Parallel()
	account := deploy(t, strict(t, "false"))
	for _, r := range contract.Ask(t.Context(), account, contract.Facts(), contract.Options{}) {
		t.Run(r.Fact.Name, func(t *testing.T) {
			switch {
			case r.Failed || r.Outcome == contract.Differs:
				t.Errorf("%s: %+v %s", r.Outcome, r.Answer, r.Why)
			case r.Outcome == contract.Agrees && r.Answer.Is != r.Fact.Believed[0]:
				t.Errorf("it is %q: what the stand-in does by default comes first in what is believed, %q", r.Answer.Is, r.Fact.Believed)
			case r.Outcome == contract.NotAsked && r.Fact.Unasked == "" && !r.Fact.Policies:
				t.Error("not asked:", r.Why)
			}
		})
	}
}
