package contract_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

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
	return deployIn(t, contract.StandIn(srv))
}

func deployIn(t *testing.T, place contract.Place) *contract.Account {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	account, err := contract.Open(ctx, place)
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
	place := contract.StandIn(strict(t, plainRotations("false")))
	account := deployIn(t, place)
	place.Parallel = 8 // as on AWS, but for what moves the clock
	place.Policies = true
	atOnce := deployIn(t, place)
	var quick, long []contract.Fact
	for _, f := range contract.Facts() {
		if f.Takes > 0 {
			long = append(long, f)
		} else {
			quick = append(quick, f)
		}
	}
	results := contract.Ask(t.Context(), atOnce, quick, contract.Options{})
	results = append(results, contract.Ask(t.Context(), account, long, contract.Options{})...)
	for _, r := range results {
		t.Run(r.Fact.Name, func(t *testing.T) {
			switch {
			case r.Failed || r.Outcome == contract.Differs:
				t.Errorf("%s: %+v %s", r.Outcome, r.Answer, r.Why)
			case r.Outcome == contract.Agrees && r.Answer.Is != r.Fact.Believed[0]:
				t.Errorf("it is %q: what the stand-in does by default comes first in what is believed, %q", r.Answer.Is, r.Fact.Believed)
			case r.Outcome == contract.NotAsked && r.Fact.Unasked == "":
				t.Error("not asked:", r.Why)
			}
		})
	}
}

// What was given up, AWS may try once more all the same.
func TestTheFunctionRefusesAStepOfWhatIsNotPendingAnyMore(t *testing.T) {
	t.Parallel()
	srv := start(t, localaws.Options{})
	account := deploy(t, srv)
	name, value, token := contract.Prefix+account.Run(), "{}", strings.Repeat("t", 32)
	api := secretsmanager.NewFromConfig(srv.Config())
	if _, err := api.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value}); err != nil {
		t.Fatal(err)
	}
	for label, refused := range map[string]bool{"AWSPENDING": false, "given-up": true} {
		_, err := api.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
			SecretId: &name, SecretString: &value, ClientRequestToken: aws.String(token + label), VersionStages: []string{label},
		})
		if err != nil {
			t.Fatal(err)
		}
		result, err := srv.Lambda.Invoke(name, fmt.Appendf(nil, `{"Step": "createSecret", "SecretId": %q, "ClientRequestToken": %q}`, name, token+label))
		if err != nil || (result.FunctionError != "") != refused {
			t.Errorf("%s: %+v %s, %v", label, result, result.Payload, err)
		}
	}
}

func TestWhatTakesLongestIsBegunFirstAndToldInItsPlace(t *testing.T) {
	t.Parallel()
	account, err := contract.Open(t.Context(), contract.StandIn(start(t, localaws.Options{})))
	if err != nil {
		t.Fatal(err)
	}
	var begun, told []string
	fact := func(name string, takes time.Duration) contract.Fact {
		return contract.Fact{Name: name, Takes: takes, Believed: []string{"yes"}, Ask: func(*contract.Question) contract.Answer {
			begun = append(begun, name)
			return contract.Answer{Is: "yes"}
		}}
	}
	facts := []contract.Fact{fact("a", 0), fact("b", time.Minute), fact("c", time.Hour), fact("d", 0)}
	for _, r := range contract.Ask(t.Context(), account, facts, contract.Options{}) {
		told = append(told, r.Fact.Name)
	}
	if !slices.Equal(begun, []string{"c", "b", "a", "d"}) || !slices.Equal(told, []string{"a", "b", "c", "d"}) {
		t.Errorf("begun %q, told %q", begun, told)
	}
}
