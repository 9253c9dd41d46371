package template_test

import (
	"slices"
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/policy"
)

const functionARN = "arn:aws:lambda:us-east-1:123456789012:function:mautic-rotation"

func TestTheOutputsTellTheOperatorsProgramWhatItNeeds(t *testing.T) {
	t.Parallel()
	parsed := parse(t)
	for name, tc := range map[string]struct {
		parameters map[string]string
		want       map[string]string
	}{
		"one secret": {given, map[string]string{
			"SecretArns": arnOf("mautic-prod-secrets"), "ScheduleExpression": monthly,
			"FunctionName": "mautic-rotation", "FunctionArn": functionARN, "ReadAlias": functionARN + ":read", "LogGroup": "/mautic-rotation/stack",
		}},
		"several, of which one is created and others have a gap": {
			changedTo(creating, with("SecretArn2", arnOf("a"), "SecretArn4", arnOf("b"), "ScheduleExpression4", "cron(0 3 ? * SUN *)", "RotateKinds", "database,admin")),
			map[string]string{
				"SecretArns":         arnOf("stack-credentials") + "," + arnOf("a") + "," + arnOf("b"),
				"ScheduleExpression": monthly + ";" + monthly + ";cron(0 3 ? * SUN *)",
			},
		},
	} {
		stack := render(t, parsed, cloudformation.Options{Parameters: tc.parameters})
		for output, want := range tc.want {
			if got := stack.Outputs[output]; got != want {
				t.Errorf("%s: %s is %q, want %q", name, output, got, want)
			}
		}
		environment, err := stack.Environment("RotationFunction")
		if err != nil || environment["SECRET_ARNS"] != stack.Outputs["SecretArns"] {
			t.Errorf("%s: the function serves %q, %v, and the outputs tell of %q", name, environment["SECRET_ARNS"], err, stack.Outputs["SecretArns"])
		}
		expressions := strings.Split(stack.Outputs["ScheduleExpression"], ";")
		at := 0
		for _, id := range eachOf("Schedule") {
			schedule, there := stack.Resources[id]
			if !there {
				continue
			}
			rules, _ := schedule.Properties["RotationRules"].(map[string]any)
			if at >= len(expressions) || rules["ScheduleExpression"] != expressions[at] {
				t.Errorf("%s: %s is %v, and the outputs tell of %q", name, id, rules["ScheduleExpression"], expressions)
			}
			at++
		}
		if at != len(expressions) {
			t.Errorf("%s: %d schedules, %q", name, at, expressions)
		}
	}
}

// The alias only looks. Whatever drives a rotation has to come by the plain name.
func TestNothingThatDrivesARotationGoesByTheAlias(t *testing.T) {
	t.Parallel()
	stack := render(t, parse(t), cloudformation.Options{Parameters: full()})
	looked := 0
	for id, resource := range stack.Resources {
		p := resource.Properties
		switch resource.Type {
		case "AWS::Lambda::Permission":
			looked++
			if p["FunctionName"] != "mautic-rotation" {
				t.Errorf("%s is for %v", id, p["FunctionName"])
			}
		case "AWS::SecretsManager::RotationSchedule":
			looked++
			if p["RotationLambdaARN"] != functionARN {
				t.Errorf("%s has %v rotate", id, p["RotationLambdaARN"])
			}
		case "AWS::Events::Rule":
			targets, _ := p["Targets"].([]any)
			for _, target := range targets {
				if arn, _ := target.(map[string]any)["Arn"].(string); strings.HasPrefix(arn, "arn:aws:lambda:") {
					looked++
					if arn != functionARN {
						t.Errorf("%s invokes %s", id, arn)
					}
				}
			}
		}
	}
	if looked < 16 { // five permissions and schedules of secrets, and three of each for EventBridge
		t.Errorf("only %d were looked at", looked)
	}
	alias := stack.Resources["ReadAlias"].Properties
	if alias["FunctionVersion"] != "$LATEST" || alias["FunctionName"] != "mautic-rotation" {
		t.Errorf("the alias is %v", alias)
	}
}

// The operator's program asks for this tag to find every stack of a region, and
// who pays for several asks for it too.
func TestWhatBelongsToAStackHasItsNameAsATag(t *testing.T) {
	t.Parallel()
	stack := render(t, parse(t), cloudformation.Options{StackName: "mautic-prod", Parameters: full()})
	tagged := map[string]bool{}
	for id, resource := range stack.Resources {
		schema, err := cloudformation.SchemaOf(resource.Type)
		if err != nil {
			t.Fatal(id, err)
		}
		if schema.Tags == "" {
			continue
		}
		tagged[resource.Type] = true
		if got := tagsOf(resource, schema.Tags)["mautic-rotation"]; got != "mautic-prod" {
			t.Errorf("%s has the tag %q", id, got)
		}
	}
	if len(tagged) < 8 {
		t.Errorf("only %v take tags", tagged)
	}
}

// tagsOf are a resource's tags: a list of keys and values, and a mapping in SAM.
func tagsOf(resource cloudformation.Resource, property string) map[string]string {
	tags := map[string]string{}
	switch its := resource.Properties[property].(type) {
	case map[string]any:
		for key, value := range its {
			tags[key], _ = value.(string)
		}
	case []any:
		for _, one := range its {
			tag, _ := one.(map[string]any)
			key, _ := tag["Key"].(string)
			tags[key], _ = tag["Value"].(string)
		}
	}
	return tags
}

// operators are what somebody may do with the policy to look, and with both.
func operators(t *testing.T) (reader, rotator policy.Policy) {
	t.Helper()
	stack := render(t, parse(t), cloudformation.Options{StackName: "mautic-prod", Parameters: changedTo(full(), with(
		"RotateKinds", "database,smtp", "SmtpIamUser", "mautic-smtp"))})
	look, rotate := stack.Resources["OperatorReadPolicy"].Properties, stack.Resources["OperatorRotatePolicy"].Properties
	reader, err := policy.FromManaged(look)
	if err != nil {
		t.Fatal(err)
	}
	if rotator, err = policy.FromManaged(look, rotate); err != nil {
		t.Fatal(err)
	}
	return reader, rotator
}

// Who may do what with the policies for people.
const (
	nobody = iota
	rotators
	readers // and rotators
)

func TestOperatorsMayDoWhatTheirPolicyIsForAndNothingElse(t *testing.T) {
	t.Parallel()
	const (
		log      = "arn:aws:logs:us-east-1:123456789012:log-group:/mautic-rotation/mautic-prod:log-stream:"
		otherLog = "arn:aws:logs:us-east-1:123456789012:log-group:/mautic-rotation/mautic-prod-2:log-stream:"
		stackARN = "arn:aws:cloudformation:us-east-1:123456789012:stack/mautic-prod/"
	)
	secret, last, other := arnOf("mautic-prod-credentials"), arnOf("mautic-5"), arnOf("mautic-6")
	tags := func(keys ...string) map[string][]string { return map[string][]string{"aws:TagKeys": keys} }
	reader, rotator := operators(t)
	for _, tc := range []struct {
		action, resource string
		context          map[string][]string
		who              int
	}{
		{"lambda:InvokeFunction", functionARN + ":read", nil, readers},
		{"lambda:InvokeFunction", functionARN, nil, rotators},
		{"lambda:InvokeFunction", functionARN + ":$LATEST", nil, nobody},
		{"lambda:InvokeFunction", functionARN + "-2", nil, nobody},
		{"lambda:InvokeFunction", functionARN + "-2:read", nil, nobody},
		{"lambda:UpdateFunctionCode", functionARN, nil, nobody},
		{"lambda:UpdateAlias", functionARN + ":read", nil, nobody},
		{"lambda:GetFunction", functionARN, nil, nobody}, // its environment names hosts and users

		{"secretsmanager:DescribeSecret", secret, nil, readers},
		{"secretsmanager:DescribeSecret", last, nil, readers},
		{"secretsmanager:ListSecretVersionIds", last, nil, readers},
		{"secretsmanager:DescribeSecret", other, nil, nobody},
		{"secretsmanager:GetSecretValue", secret, nil, nobody},
		{"secretsmanager:BatchGetSecretValue", "*", nil, nobody},
		{"secretsmanager:PutSecretValue", secret, nil, nobody},
		{"secretsmanager:UpdateSecret", secret, nil, nobody},
		{"secretsmanager:UpdateSecretVersionStage", secret, nil, nobody},
		{"secretsmanager:DeleteSecret", secret, nil, nobody},
		{"secretsmanager:CancelRotateSecret", secret, nil, nobody},
		{"secretsmanager:PutResourcePolicy", secret, nil, nobody},

		{"secretsmanager:RotateSecret", secret, map[string][]string{"secretsmanager:ModifyRotationRules": {"false"}}, rotators},
		{"secretsmanager:RotateSecret", last, nil, rotators},
		{"secretsmanager:RotateSecret", other, nil, nobody},
		{"secretsmanager:RotateSecret", secret, map[string][]string{"secretsmanager:RotationLambdaARN": {functionARN}}, rotators},
		{"secretsmanager:RotateSecret", secret, map[string][]string{"secretsmanager:RotationLambdaARN": {functionARN + "-2"}}, nobody},
		{"secretsmanager:RotateSecret", secret, map[string][]string{"secretsmanager:ModifyRotationRules": {"true"}}, nobody},

		{"secretsmanager:TagResource", secret, tags("mautic-rotation:paused-until"), rotators},
		{"secretsmanager:UntagResource", last, tags("mautic-rotation:paused-until"), rotators},
		{"secretsmanager:TagResource", other, tags("mautic-rotation:paused-until"), nobody},
		{"secretsmanager:TagResource", secret, tags("team"), nobody},
		{"secretsmanager:TagResource", secret, tags("mautic-rotation:paused-until", "team"), nobody},
		{"secretsmanager:UntagResource", secret, tags("mautic-rotation"), nobody},
		{"secretsmanager:UntagResource", secret, nil, nobody},
		{"lambda:TagResource", functionARN, tags("mautic-rotation:paused-until"), nobody},

		{"cloudformation:DescribeStacks", stackARN + "0a1b", nil, nobody}, // the program goes by tags
		{"cloudformation:GetTemplate", stackARN + "0a1b", nil, nobody},
		{"cloudformation:UpdateStack", stackARN + "0a1b", nil, nobody},

		{"logs:FilterLogEvents", log, nil, readers},
		{"logs:StartQuery", log, nil, readers},
		{"logs:GetQueryResults", log, nil, readers},
		{"logs:FilterLogEvents", otherLog, nil, nobody},
		{"logs:GetQueryResults", otherLog, nil, nobody},
		{"logs:DeleteLogGroup", log, nil, nobody},

		{"tag:GetResources", "*", nil, readers},
		{"tag:TagResources", "*", tags("mautic-rotation:paused-until"), nobody},
		{"cloudtrail:LookupEvents", "*", nil, readers},
		{"ses:GetSendQuota", "*", nil, readers},
		{"ses:GetSendStatistics", "*", nil, readers},
		{"ses:SendRawEmail", "*", nil, nobody},
	} {
		request := policy.Request{Action: tc.action, Resource: tc.resource, Context: tc.context}
		if may := reader.Evaluate(request).Allowed(); may != (tc.who == readers) {
			t.Errorf("who may look may do this: %t: %s", may, request)
		}
		if may := rotator.Evaluate(request).Allowed(); may != (tc.who != nobody) {
			t.Errorf("who may rotate may do this: %t: %s", may, request)
		}
	}
}

func TestTheOperatorsPoliciesNameTheirActionsAndResources(t *testing.T) {
	t.Parallel()
	_, rotator := operators(t)
	everything := []string{"FindAndLookUp", "SeeSending"} // their actions have no resource type
	for _, s := range rotator.Statements {
		for _, action := range s.Actions {
			if strings.Contains(action, "*") {
				t.Errorf("%s allows %s", s.Sid, action)
			}
		}
		if slices.Equal(s.Resources, []string{"*"}) != slices.Contains(everything, s.Sid) {
			t.Errorf("%s is for %q", s.Sid, s.Resources)
		}
	}
}

func TestPoliciesForPeopleAreMadeOnRequestAlone(t *testing.T) {
	t.Parallel()
	for want, parameters := range map[bool]map[string]string{false: given, true: changedTo(given, with("CreateOperatorPolicies", "true"))} {
		stack := render(t, parse(t), cloudformation.Options{Parameters: parameters})
		for _, id := range []string{"OperatorReadPolicy", "OperatorRotatePolicy"} {
			if _, made := stack.Resources[id]; made != want {
				t.Errorf("%s is made: %t", id, made)
			}
		}
		if (stack.Outputs["ReadPolicy"] != "") != want || (stack.Outputs["RotatePolicy"] != "") != want {
			t.Errorf("the outputs have %q and %q", stack.Outputs["ReadPolicy"], stack.Outputs["RotatePolicy"])
		}
		// SMTP's part comes with SMTP.
		if !want {
			continue
		}
		reader, err := policy.FromManaged(stack.Resources["OperatorReadPolicy"].Properties)
		if err != nil || reader.Evaluate(policy.Request{Action: "ses:GetSendQuota", Resource: "*"}).Allowed() {
			t.Errorf("who may look sees how mail is sent where none is: %v", err)
		}
	}
}
