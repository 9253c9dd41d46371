package policy

import (
	"strings"
	"testing"
)

const secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:s-AbCdEf"

// statement is a mapping as a rendered template has it.
func statement(elements ...any) map[string]any {
	s := map[string]any{"Sid": "One", "Effect": "Allow", "Action": "ecs:ListTasks", "Resource": "*"}
	for i := 0; i < len(elements); i += 2 {
		s[elements[i].(string)] = elements[i+1]
	}
	return s
}

func role(statements ...any) map[string]any {
	return map[string]any{"Policies": []any{map[string]any{
		"PolicyName": "p", "PolicyDocument": map[string]any{"Version": "2012-10-17", "Statement": statements},
	}}}
}

func mustRead(t *testing.T, statements ...any) Policy {
	t.Helper()
	p, err := FromRole(role(statements...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEvaluateDecidesAsIAMDoes(t *testing.T) {
	t.Parallel()
	condition := func(operator, key string, values any) []any {
		return []any{"Condition", map[string]any{operator: map[string]any{key: values}}}
	}
	for name, tc := range map[string]struct {
		elements []any
		request  Request
		want     bool
	}{
		"another action":                      {nil, Request{Action: "ecs:StopTask", Resource: "*"}, false},
		"an action in another case":           {[]any{"Action", "ECS:listtasks"}, Request{Action: "ecs:ListTasks", Resource: "*"}, true},
		"one of several actions":              {[]any{"Action", []any{"a:B", "ecs:ListTasks"}}, Request{Action: "ecs:ListTasks", Resource: "*"}, true},
		"an action by its beginning":          {[]any{"Action", "ecs:List*"}, Request{Action: "ecs:ListTasks", Resource: "*"}, true},
		"the resource":                        {[]any{"Resource", secret}, Request{Action: "ecs:ListTasks", Resource: secret}, true},
		"another resource":                    {[]any{"Resource", secret}, Request{Action: "ecs:ListTasks", Resource: secret + "x"}, false},
		"a resource by its beginning":         {[]any{"Resource", "arn:aws:secretsmanager:us-east-1:123456789012:secret:s-??????"}, Request{Action: "ecs:ListTasks", Resource: secret}, true},
		"a wildcard does not go over a colon": {[]any{"Resource", "arn:aws:secretsmanager:*:secret:s-AbCdEf"}, Request{Action: "ecs:ListTasks", Resource: secret}, false},
		"but in the last part":                {[]any{"Resource", "arn:aws:secretsmanager:us-east-1:123456789012:*AbCdEf"}, Request{Action: "ecs:ListTasks", Resource: secret}, true},
		"one resource does not allow * of it": {[]any{"Resource", "arn:aws:rds:r:a:db:x"}, Request{Action: "ecs:ListTasks", Resource: "arn:aws:rds:r:a:db:*"}, false},
		"a condition's key is missing":        {condition("StringEquals", "k", "v"), Request{Action: "ecs:ListTasks", Resource: "*"}, false},
		"a condition is met": {
			condition("StringEquals", "k", []any{"u", "v"}), Request{Action: "ecs:ListTasks", Resource: "*", Context: map[string][]string{"k": {"v"}}}, true,
		},
		"a text is compared as it is": {
			condition("StringEquals", "k", "v*"), Request{Action: "ecs:ListTasks", Resource: "*", Context: map[string][]string{"k": {"vv"}}}, false,
		},
		"or like a pattern": {
			condition("StringLike", "k", "v*"), Request{Action: "ecs:ListTasks", Resource: "*", Context: map[string][]string{"k": {"vv"}}}, true,
		},
		"an ARN": {
			condition("ArnEquals", "k", "arn:aws:ecs:*:1:cluster/c"), Request{Action: "ecs:ListTasks", Resource: "*", Context: map[string][]string{"k": {"arn:aws:ecs:r:1:cluster/c"}}}, true,
		},
		"another account's ARN": {
			condition("ArnEquals", "k", "arn:aws:ecs:*:1:cluster/c"), Request{Action: "ecs:ListTasks", Resource: "*", Context: map[string][]string{"k": {"arn:aws:ecs:r:2:cluster/c"}}}, false,
		},
		"a truth": {
			condition("Bool", "k", "true"), Request{Action: "ecs:ListTasks", Resource: "*", Context: map[string][]string{"k": {"True"}}}, true,
		},
		"a key that may be missing, and is": {condition("ArnEqualsIfExists", "k", "arn:a"), Request{Action: "ecs:ListTasks", Resource: "*"}, true},
		"a key that may be missing, and fits": {
			condition("BoolIfExists", "k", "false"), Request{Action: "ecs:ListTasks", Resource: "*", Context: map[string][]string{"k": {"false"}}}, true,
		},
		"a key that may be missing, and does not fit": {
			condition("BoolIfExists", "k", "false"), Request{Action: "ecs:ListTasks", Resource: "*", Context: map[string][]string{"k": {"true"}}}, false,
		},
		"all values": {
			condition("ForAllValues:StringEquals", "k", []any{"u", "v"}), Request{Action: "ecs:ListTasks", Resource: "*", Context: map[string][]string{"k": {"v", "u"}}}, true,
		},
		"all values but one": {
			condition("ForAllValues:StringEquals", "k", "v"), Request{Action: "ecs:ListTasks", Resource: "*", Context: map[string][]string{"k": {"v", "w"}}}, false,
		},
		"all values of none":         {condition("ForAllValues:StringEquals", "k", "v"), Request{Action: "ecs:ListTasks", Resource: "*"}, true},
		"a key that has to be there": {condition("Null", "k", "false"), Request{Action: "ecs:ListTasks", Resource: "*"}, false},
		"a key that has to be there, and is": {
			condition("Null", "k", "false"), Request{Action: "ecs:ListTasks", Resource: "*", Context: map[string][]string{"k": {"v"}}}, true,
		},
		"a key that has to be missing": {condition("Null", "k", "true"), Request{Action: "ecs:ListTasks", Resource: "*"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := mustRead(t, statement(tc.elements...)).Evaluate(tc.request)
			if d.Allowed() != tc.want {
				t.Errorf("got %+v, want allowed: %t", d, tc.want)
			}
			if tc.want && d.Grants[0].Sid != "One" {
				t.Errorf("allowed by %+v", d.Grants)
			}
		})
	}
}

func TestADenialGoesBeforeWhatIsAllowed(t *testing.T) {
	t.Parallel()
	p := mustRead(t, statement("Action", "*"), statement("Sid", "No", "Effect", "Deny"))
	if d := p.Evaluate(Request{Action: "ecs:ListTasks", Resource: "*"}); d.Allowed() || d.Denial != "No" {
		t.Errorf("got %+v", d)
	}
	if d := p.Evaluate(Request{Action: "ecs:ListServices", Resource: "*"}); !d.Allowed() {
		t.Errorf("what is not denied: %+v", d)
	}
}

func TestWhatIsNotKnownIsAnError(t *testing.T) {
	t.Parallel()
	for want, properties := range map[string]map[string]any{
		"NotAction":                role(statement("NotAction", "s3:*")),
		"StringNotEqualsIfExists":  role(statement("Condition", map[string]any{"StringNotEqualsIfExists": map[string]any{"k": "v"}})),
		"neither Allow nor Deny":   role(statement("Effect", "allow")),
		"it lacks":                 role(statement("Resource", []any{})),
		"is empty or there twice":  role(statement(), statement()),
		"make it 2012-10-17":       {"Policies": []any{map[string]any{"PolicyDocument": map[string]any{"Version": "2008-10-17"}}}},
		"this is no text, but map": role(statement("Resource", []any{map[string]any{"Ref": "x"}})),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if _, err := FromRole(properties); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
