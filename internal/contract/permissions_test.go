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

// strict has a stand-in evaluate the policy of the function's role. The value is that of the condition key
// secretsmanager:ModifyRotationRules for every RotateSecret; with "" there is no such key.
func strict(t *testing.T, value string) *localaws.Server {
	t.Helper()
	var srv *localaws.Server
	srv = start(t, localaws.Options{Authorize: func(r wire.AccessRequest) error {
		if r.Action == "secretsmanager:RotateSecret" && value != "" {
			r.Context["secretsmanager:ModifyRotationRules"] = []string{value}
		}
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

func TestTheConditionKeyOfAPlainRotateSecretIsToldByThreeSecrets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, is, outcome string }{
		{"false", "false", contract.Agrees}, {"", "absent", contract.Agrees}, {"true", "true", contract.Differs},
	} {
		t.Run(c.is, func(t *testing.T) {
			t.Parallel()
			srv := strict(t, c.value)
			place := contract.StandIn(srv)
			place.Policies = true
			account, err := contract.Open(t.Context(), place)
			if err != nil {
				t.Fatal(err)
			}
			if err := account.Deploy(t.Context(), archive(t)); err != nil {
				t.Fatal(err)
			}
			r := contract.Ask(t.Context(), account, named(t, "secretsmanager:ModifyRotationRules"), contract.Options{})[0]
			if r.Answer.Is != c.is || r.Outcome != c.outcome {
				t.Errorf("%s: %+v %s", r.Outcome, r.Answer, r.Why)
			}
		})
	}
}
