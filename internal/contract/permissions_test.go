package contract_test

import (
	"encoding/json"
	"errors"
	"testing"

	"mautic-rotation/internal/contract"
	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/policy"
)

// Condition keys.
const (
	modifyRules = "secretsmanager:ModifyRotationRules"
	namesLambda = "secretsmanager:resource/AllowRotationLambdaArn"
)

// plainRotations have the key of each RotateSecret have a value; with "" there is no such key.
func plainRotations(value string) func(wire.AccessRequest) {
	return func(r wire.AccessRequest) {
		if r.Action == "secretsmanager:RotateSecret" && value != "" {
			r.Context[modifyRules] = []string{value}
		}
	}
}

// strict has a stand-in evaluate the policy of the function's role, after the context of the request has been changed.
func strict(t *testing.T, change func(wire.AccessRequest)) *localaws.Server {
	t.Helper()
	var srv *localaws.Server
	srv = start(t, localaws.Options{Authorize: func(r wire.AccessRequest) error {
		change(r)
		role, err := roleOf(srv, r.Caller.Function)
		if err != nil {
			return err
		}
		if !role.Evaluate(policy.Request{Action: r.Action, Resource: r.Resource, Context: r.Context}).Allowed() {
			return errors.New("no identity-based policy allows the " + r.Action + " action")
		}
		return nil
	}})
	return srv
}

// roleOf is what the role of the run's function may do, which has the function's name.
func roleOf(srv *localaws.Server, function string) (policy.Policy, error) {
	var documents []any
	for _, text := range srv.IAM.Roles()[function].Policies {
		var document map[string]any
		if err := json.Unmarshal([]byte(text), &document); err != nil {
			return policy.Policy{}, err
		}
		documents = append(documents, map[string]any{"PolicyDocument": document})
	}
	return policy.FromRole(map[string]any{"Policies": documents})
}

func TestWhatAConditionKeyIsIsToldByWhatItLetsIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key, is, outcome string
		change           func(wire.AccessRequest)
	}{
		{modifyRules, "false", contract.Agrees, plainRotations("false")},
		{modifyRules, "absent", contract.Agrees, plainRotations("")},
		{modifyRules, "true", contract.Differs, plainRotations("true")},
		{namesLambda, "once RotateSecret has named it", contract.Agrees, func(wire.AccessRequest) {}},
		{namesLambda, "never", contract.Differs, func(r wire.AccessRequest) { delete(r.Context, namesLambda) }},
		{namesLambda, "at once", contract.Differs, func(r wire.AccessRequest) {
			r.Context[namesLambda] = r.Context["lambda:SourceFunctionArn"]
		}},
	} {
		t.Run(c.key+" "+c.is, func(t *testing.T) {
			t.Parallel()
			place := contract.StandIn(strict(t, c.change))
			place.Policies = true
			r := contract.Ask(t.Context(), deployIn(t, place), named(t, c.key), contract.Options{})[0]
			if r.Answer.Is != c.is || r.Outcome != c.outcome {
				t.Errorf("%s: %+v %s", r.Outcome, r.Answer, r.Why)
			}
		})
	}
}
