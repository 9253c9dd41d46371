package policy

import (
	"slices"
	"strings"
	"testing"
)

// deployed is a policy with what was asked for under it, and what is expected
// of it: nothing is wrong.
func deployed(t *testing.T) ([]Record, Expected) {
	t.Helper()
	p := mustRead(t,
		statement("Sid", "Secrets", "Action", []any{"sm:Get", "sm:Put"}, "Resource", secret, "Condition", map[string]any{"StringEquals": map[string]any{"sm:by": "me"}}),
		statement("Sid", "Tasks", "Action", "ecs:DescribeTasks", "Resource", "arn:aws:ecs:r:1:task/c/*"),
		statement("Sid", "Log", "Action", "logs:Put", "Resource", "arn:aws:logs:r:1:x"),
	)
	var usage Usage
	ask := usage.Enforce(p)
	by := map[string][]string{"sm:by": {"me"}}
	for _, r := range []Request{
		{"sm:Get", secret, by}, {"sm:Get", secret, by}, {"sm:Put", secret, by}, {"ecs:DescribeTasks", "arn:aws:ecs:r:1:task/c/1", nil},
	} {
		if err := ask(r); err != nil {
			t.Fatal(err)
		}
	}
	return usage.Records(), Expected{
		Unseen: []Statement{{Sid: "Log", Actions: []string{"logs:Put"}, Resources: []string{"arn:aws:logs:r:1:x"}}},
		Wide:   map[string]string{"Tasks arn:aws:ecs:r:1:task/c/*": "ids are made up"},
		Bounds: map[string][]string{"Secrets": {"sm:by"}},
	}
}

func TestEachMistakeIsFound(t *testing.T) {
	t.Parallel()
	records, expected := deployed(t)
	if faults := Audit(records, expected); len(faults) > 0 {
		t.Fatalf("where nothing is wrong: %q", faults)
	}
	if len(records) != 1 || len(records[0].Requests) != 3 {
		t.Errorf("recorded %+v, want 3 requests", records)
	}
	var names []string
	for _, m := range Mutations(records, []string{"sm:Delete", "logs:Delete", "*"}) {
		names = append(names, m.Name)
		if len(Audit(m.Apply(records), expected)) == 0 {
			t.Errorf("not found: %s", m.Name)
		}
	}
	for _, want := range []string{
		"without Secrets", "Secrets without sm:Put", "Secrets with sm:Delete", "Secrets without the condition on sm:by",
		"Secrets with arn:aws:secretsmanager:us-east-1:123456789012:* for " + secret, "Secrets with * for " + secret,
		"Tasks with arn:aws:ecs:r:*:task/c/* for arn:aws:ecs:r:1:task/c/*", "Log without logs:Put", "Log with * for arn:aws:logs:r:1:x",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("no mutation %q in %q", want, names)
		}
	}
	if faults := Audit(records, expected); len(faults) > 0 {
		t.Errorf("the mutations have changed what they were made of: %q", faults)
	}
}

func TestAuditSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Record, *Expected){
		"refused: sm:Drop on x, k=a|b": func(r *Record, _ *Expected) {
			r.Requests = append(r.Requests, Request{"sm:Drop", "x", map[string][]string{"k": {"a", "b"}}})
		},
		"not needed: resource of Secrets: y": func(r *Record, _ *Expected) {
			r.Policy = edited(r.Policy, "Secrets", func(s *Statement) { s.Resources = append(s.Resources, "y") })
		},
		"not needed: StringEquals sm:by of Secrets: you": func(r *Record, _ *Expected) {
			r.Policy = edited(r.Policy, "Secrets", func(s *Statement) { s.Conditions[0].Values = append(s.Conditions[0].Values, "you") })
		},
		// Two statements that allow the same: each of them could go.
		"not needed: action of Secrets: sm:Get": func(r *Record, _ *Expected) {
			r.Policy.Statements = append(r.Policy.Statements, Statement{Sid: "Again", Actions: []string{"sm:Get"}, Resources: []string{secret}})
		},
		"Tasks is wider than it has to be": func(_ *Record, e *Expected) { e.Wide = nil },
		"expected, and in no policy: wide Tasks arn:aws:ecs:r:1:task/d/*": func(_ *Record, e *Expected) {
			e.Wide["Tasks arn:aws:ecs:r:1:task/d/*"] = "why not"
		},
		"expected, and in no policy: bounds of Gone": func(_ *Record, e *Expected) { e.Bounds["Gone"] = []string{"k"} },
		"Secrets has conditions on":                  func(_ *Record, e *Expected) { e.Bounds = nil },
		"not needed: action of Log: logs:Put":        func(_ *Record, e *Expected) { e.Unseen = nil },
		"the managed policy arn:m":                   func(r *Record, _ *Expected) { r.Policy.Managed = []string{"arn:m"} },
		"No denies": func(r *Record, _ *Expected) {
			r.Policy.Statements = append(r.Policy.Statements, Statement{Sid: "No", Deny: true, Actions: []string{"a:B"}, Resources: []string{"*"}})
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			records, expected := deployed(t)
			change(&records[0], &expected)
			if faults := Audit(records, expected); !strings.Contains(strings.Join(faults, "\n"), want) {
				t.Errorf("got %q", faults)
			}
		})
	}
}

func TestWhatOneDeploymentNeedsIsNotTooMuchInAnother(t *testing.T) {
	t.Parallel()
	records, expected := deployed(t)
	idle := Record{Policy: records[0].Policy}
	if faults := Audit(append(records, idle), expected); len(faults) > 0 {
		t.Errorf("got %q", faults)
	}
}

func TestARefusalIsWordedAsIAMWordsIt(t *testing.T) {
	t.Parallel()
	var usage Usage
	ask := usage.Enforce(mustRead(t, statement(), statement("Sid", "No", "Effect", "Deny", "Action", "a:B")))
	for action, want := range map[string]string{
		"x:Y": "no identity-based policy allows the x:Y action",
		"a:B": "of an explicit deny in an identity-based policy",
	} {
		if err := ask(Request{Action: action, Resource: "*"}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
