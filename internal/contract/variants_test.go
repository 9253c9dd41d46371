package contract_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"mautic-rotation/internal/contract"
	"mautic-rotation/internal/localaws"
	localsm "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
)

// named are the facts whose names have one of the texts in them.
func named(t *testing.T, texts ...string) (found []contract.Fact) {
	t.Helper()
	for _, text := range texts {
		n := len(found)
		for _, f := range contract.Facts() {
			if strings.Contains(f.Name, text) {
				found = append(found, f)
			}
		}
		if len(found) != n+1 {
			t.Fatalf("%d facts have %q in their names", len(found)-n, text)
		}
	}
	return found
}

// variant is a stand-in that does something else than by default.
type variant struct {
	name    string
	options localaws.Options
	disturb func(*localaws.Server) // nil: nothing
	fact    string                 // a part of its name
	is      string
	outcome string
}

// refuses has the stand-in refuse calls of an operation.
func refuses(operation string, which func(wire.Call) bool) func(*localaws.Server) {
	return func(srv *localaws.Server) {
		srv.Intercept(func(c wire.Call) wire.Fault {
			if c.Operation == operation && which(c) {
				return wire.Fault{Error: &wire.Error{Code: "ValidationException", Message: "no"}}
			}
			return wire.Fault{}
		})
	}
}

func variants() []variant {
	return []variant{
		{
			name: "AWSPENDING goes with the promotion", options: localaws.Options{Variants: localsm.Variants{PendingAfterSuccess: localsm.PendingRemovedOnPromotion}},
			fact: "AWSPENDING after a rotation", is: "was taken off by the promotion", outcome: contract.Agrees,
		},
		{
			name: "AWSPENDING stays", options: localaws.Options{Variants: localsm.Variants{PendingAfterSuccess: localsm.PendingStays}},
			fact: "AWSPENDING after a rotation", is: "stays on the new version", outcome: contract.Agrees,
		},
		{
			name: "a test has the current value", options: localaws.Options{Variants: localsm.Variants{TestRotationValue: localsm.TestRotationCurrentValue}},
			fact: "temporary version", is: "AWSCURRENT's", outcome: contract.Agrees,
		},
		{
			name: "steps have a RotationToken", options: localaws.Options{Variants: localsm.Variants{RotationTokenSent: true}},
			fact: "RotationToken", is: "yes", outcome: contract.Agrees,
		},
		{
			name: "the date moves at the start", options: localaws.Options{Variants: localsm.Variants{NextRotationDate: localsm.NextRotationDateOnStart}},
			fact: "NextRotationDate move", is: "when a rotation starts", outcome: contract.Agrees,
		},
		{
			name: "versions without labels go", options: localaws.Options{Variants: localsm.Variants{DeleteUnlabelled: true}},
			fact: "lost its last label", is: "no: ResourceNotFoundException", outcome: contract.Agrees,
		},
		{
			name: "a read lags", options: localaws.Options{Variants: localsm.Variants{StaleReads: localsm.StaleReads{Reads: 1}}},
			fact: "when RotateSecret answers", is: "not yet", outcome: contract.Agrees,
		},
		{
			name: "nothing is tried again", options: localaws.Options{RotationRetries: -1},
			fact: "when a step fails", is: "gives up", outcome: contract.Differs,
		},
		{
			name: "labels have no semicolons",
			disturb: refuses("PutSecretValue", func(c wire.Call) bool {
				return strings.Contains(c.Detail, ";") && !strings.Contains(c.Detail, "AWSPENDING")
			}),
			fact: "characters and the greatest length", is: "refused: ValidationException", outcome: contract.Differs,
		},
		{
			name:    "no label beside AWSPENDING",
			disturb: refuses("PutSecretValue", func(c wire.Call) bool { return strings.Contains(c.Detail, "beside") }),
			fact:    "AWSPENDING and a label beside it", is: "is refused: ValidationException", outcome: contract.Differs,
		},
		{
			name:    "tokens have no dots",
			disturb: refuses("RotateSecret", func(c wire.Call) bool { return strings.Contains(c.Detail, "only.") }),
			fact:    "words, dots and hyphens", is: "refused: ValidationException", outcome: contract.Differs,
		},
		{
			name: "a repeated PutSecretValue attaches labels", disturb: attachesLabels,
			fact: "the value of a version, and another label", is: "attaches the label", outcome: contract.Agrees,
		},
		{
			name: "a test leaves AWSPENDING", disturb: leavesPending,
			fact: "RotateImmediately=false leave", is: "on its temporary version", outcome: contract.Differs,
		},
	}
}

// attachesLabels has a PutSecretValue that comes again attach the label "second".
func attachesLabels(srv *localaws.Server) {
	srv.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation != "PutSecretValue" || !strings.Contains(c.Detail, "second") {
			return wire.Fault{}
		}
		return wire.Fault{After: func() {
			state, err := srv.SecretsManager.State(c.SecretID)
			if err != nil {
				return
			}
			_, _ = srv.SecretsManager.UpdateSecretVersionStage(context.Background(), localsm.UpdateSecretVersionStageInput{
				SecretID: c.SecretID, VersionStage: "second", MoveToVersionID: state.Labelled("first").ID,
			})
		}}
	})
}

// leavesPending has the version of a test-only rotation come back with AWSPENDING once that is over.
func leavesPending(srv *localaws.Server) {
	var mu sync.Mutex
	tests := map[string]string{} // tokens by secret
	srv.Intercept(func(c wire.Call) wire.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case c.Operation == "RotateSecret" && strings.Contains(c.Detail, "RotateImmediately=false"):
			_, after, _ := strings.Cut(c.Detail, "ClientRequestToken=")
			tests[c.SecretID], _, _ = strings.Cut(after, " ")
		case c.Operation == "DescribeSecret" && c.Caller.Function == "" && srv.SecretsManager.Rotation(c.SecretID) == nil:
			token, value := tests[c.SecretID], "{}"
			if token == "" {
				break
			}
			return wire.Fault{Before: func() {
				_, _ = srv.SecretsManager.PutSecretValue(context.Background(), localsm.PutSecretValueInput{
					SecretID: c.SecretID, ClientRequestToken: token, SecretString: &value, VersionStages: []string{"AWSPENDING"},
				})
			}}
		}
		return wire.Fault{}
	})
}

// Whatever AWS turns out to do where its documentation leaves it open, the suite tells it.
func TestEachPossibleBehaviourIsToldFromTheOthers(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			facts := named(t, v.fact)
			if usual := facts[0].Believed[0]; usual == v.is {
				t.Fatalf("%q is what the stand-in does by default", usual)
			}
			srv := start(t, v.options)
			account := deploy(t, srv)
			if v.disturb != nil {
				v.disturb(srv)
			}
			r := contract.Ask(t.Context(), account, facts, contract.Options{})[0]
			if r.Answer.Is != v.is || r.Outcome != v.outcome {
				t.Errorf("%s: %+v %s", r.Outcome, r.Answer, r.Why)
			}
		})
	}
}

func TestEachOpenQuestionIsAskedUnderMoreThanOneBehaviour(t *testing.T) {
	t.Parallel()
	for _, f := range contract.Facts() {
		if !f.Open || f.Unasked != "" || f.Policies {
			continue
		}
		if !slices.ContainsFunc(variants(), func(v variant) bool { return strings.Contains(f.Name, v.fact) }) {
			t.Errorf("%s: no variant", f.Name)
		}
		for _, believed := range f.Believed[1:] {
			if !slices.ContainsFunc(variants(), func(v variant) bool { return strings.Contains(f.Name, v.fact) && v.is == believed }) {
				t.Errorf("%s: no variant in which it is %q", f.Name, believed)
			}
		}
	}
}

func TestTheRetriesOfAStepThatFailsAreCounted(t *testing.T) {
	t.Parallel()
	account := deploy(t, start(t, localaws.Options{RotationRetries: 4}))
	r := contract.Ask(t.Context(), account, named(t, "when a step fails"), contract.Options{})[0]
	if r.Outcome != contract.Agrees || !strings.HasPrefix(r.Answer.Detail, "tried again 4 times, after ") {
		t.Errorf("%s: %+v %s", r.Outcome, r.Answer, r.Why)
	}
}
