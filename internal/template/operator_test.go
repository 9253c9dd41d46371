package template_test

import (
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
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
			"SecretArns": arnOf("mautic-prod-secrets"), "ScheduleExpression": "rate(90 days)",
			"FunctionName": "mautic-rotation", "FunctionArn": functionARN, "ReadAlias": functionARN + ":read", "LogGroup": "/mautic-rotation/stack",
		}},
		"several, of which one is created and others have a gap": {
			changedTo(creating, with("SecretArn2", arnOf("a"), "SecretArn4", arnOf("b"), "ScheduleExpression4", "cron(0 3 ? * SUN *)", "RotateKinds", "database,admin")),
			map[string]string{
				"SecretArns":         arnOf("stack-credentials") + "," + arnOf("a") + "," + arnOf("b"),
				"ScheduleExpression": "rate(30 days);rate(30 days);cron(0 3 ? * SUN *)",
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

// The operator's program asks for this tag to find every stack of a region.
func TestWhatBelongsToAStackHasItsNameAsATag(t *testing.T) {
	t.Parallel()
	stack := render(t, parse(t), cloudformation.Options{StackName: "mautic-prod", Parameters: full()})
	want := map[string]string{
		"AWS::Serverless::Function": "", "AWS::SecretsManager::Secret": "", "AWS::SNS::Topic": "", "AWS::Logs::LogGroup": "",
	}
	tagged := 0
	for id, resource := range stack.Resources {
		if _, its := want[resource.Type]; !its {
			continue
		}
		tagged++
		if got := tagsOf(resource)["mautic-rotation"]; got != "mautic-prod" {
			t.Errorf("%s has the tag %q", id, got)
		}
	}
	if tagged < len(want) {
		t.Errorf("%d resources were looked at", tagged)
	}
}

// tagsOf are a resource's tags: a list of keys and values, and a mapping in SAM.
func tagsOf(resource cloudformation.Resource) map[string]string {
	tags := map[string]string{}
	switch its := resource.Properties["Tags"].(type) {
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
