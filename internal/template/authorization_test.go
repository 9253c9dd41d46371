package template_test

import (
	"testing"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/policy"
)

// statementsIn are all statements that something says, without whom they are for.
// Those of a role's trust name no resource: it is the role.
func statementsIn(t *testing.T, value any) (found []policy.Statement) {
	t.Helper()
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			found = append(found, statementsIn(t, item)...)
		}
	case map[string]any:
		if value["Effect"] == nil {
			for _, member := range value {
				found = append(found, statementsIn(t, member)...)
			}
			return found
		}
		statement := changedAny(value, "Principal", nil)
		if statement["Resource"] == nil {
			statement = changedAny(statement, "Resource", "*")
		}
		its, err := policy.FromManaged(map[string]any{"PolicyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{statement}}})
		if err != nil {
			t.Fatal(err)
		}
		return its.Statements
	}
	return found
}

// changedAny is a mapping with another member; nil: without it.
func changedAny(m map[string]any, name string, value any) map[string]any {
	changed := map[string]any{}
	for key, member := range m {
		if key != name {
			changed[key] = member
		}
	}
	if value != nil {
		changed[name] = value
	}
	return changed
}

// A permission that AWS never matches is none: a misspelt action, a resource of
// another type, a condition key that a request does not have.
func TestEveryStatementIsOneThatAWSCanMatch(t *testing.T) {
	t.Parallel()
	reference, err := policy.AWSReference()
	if err != nil {
		t.Fatal(err)
	}
	everything := changedTo(full(), with("RotateKinds", "database,api,admin,webhook,smtp", "SmtpIamUser", "mautic-smtp", "SecretKeyArns", kmsKey,
		"EcsService2", "s2", "EcsService3", "s3", "EcsService4", "s4", "EcsService5", "s5", "SubnetIds", "subnet-0a", "SecurityGroupIds", "sg-0a",
		"DatabaseSecretArn", arnOf("rds!db-1"), "DatabaseAdminSecretArn", arnOf("rds!db-2"), "DatabaseInstance", "mautic"))
	looked, sids := map[string]bool{}, map[string]bool{}
	for _, of := range []string{"instance", "cluster"} {
		stack := render(t, parse(t), cloudformation.Options{Parameters: changedTo(everything, with("DatabaseRds", of))})
		for id, resource := range stack.Resources {
			for _, s := range statementsIn(t, resource.Properties) {
				looked[id], sids[id+"/"+s.Sid] = true, true
				for _, fault := range reference.Faults(policy.Policy{Statements: []policy.Statement{s}}) {
					t.Errorf("%s: %s", id, fault)
				}
			}
		}
	}
	// All that the template says was looked at.
	tpl := read(t)
	for id := range tpl.Resources {
		for sid := range statements(t, tpl.Resources[id]) {
			if !sids[id+"/"+sid] {
				t.Errorf("%s: %s was in none of the stacks", id, sid)
			}
		}
	}
	if len(looked) < 7 || len(sids) < 38 {
		t.Errorf("%d policies with %d statements", len(looked), len(sids))
	}
}
