package template_test

import (
	"slices"
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
)

// An owned is a resource that has a name of its own choice.
type owned struct{ kind, name string }

// runbook are the names of what the runbook by hand makes or uses, with the log
// group that Lambda makes for a function.
var runbook = []owned{
	{"AWS::Serverless::Function", "mautic-secret-rotation"},
	{"AWS::Logs::LogGroup", "/aws/lambda/mautic-secret-rotation"},
	{"AWS::Events::Rule", "mautic-secret-rotation-schedule"},
	{"AWS::CloudWatch::Alarm", "mautic-secret-rotation-failures"},
	{"AWS::IAM::Role", "lambda-secrets-rotation-role"},
	{"AWS::SecretsManager::Secret", "mautic-dev-secrets"},
	{"AWS::SecretsManager::Secret", "mautic-staging-secrets"},
	{"AWS::SecretsManager::Secret", "mautic-prod-secrets"},
}

// owns are the names that a stack takes, by its resources' logical ids.
func owns(t *testing.T, stack *cloudformation.Stack) map[owned]string {
	t.Helper()
	names := map[owned]string{}
	for id, resource := range stack.Resources {
		name, err := resource.FixedName()
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if name == "" {
			continue
		}
		key := owned{resource.Type, name}
		if other := names[key]; other != "" {
			t.Errorf("%s and %s are both called %s", id, other, name)
		}
		names[key] = id
	}
	return names
}

func TestNoStackTakesANameOfTheRunbook(t *testing.T) {
	t.Parallel()
	parsed := parse(t)
	// Whatever a name of the runbook begins with, as the name of the function and
	// of the stack: what the template adds must not complete it.
	beginnings := []string{""} // the default
	for _, its := range runbook {
		name := its.name[strings.LastIndex(its.name, "/")+1:]
		for i := range len(name) {
			beginnings = append(beginnings, name[:i+1])
		}
	}
	slices.Sort(beginnings)
	looked, turnedDown := 0, 0
	for _, beginning := range slices.Compact(beginnings) {
		for _, functionName := range []string{beginning, "another"} {
			parameters := full()
			if functionName != "" {
				parameters["FunctionName"] = functionName
			}
			stack, err := parsed.Render(cloudformation.Options{StackName: beginning, Parameters: parameters})
			if err != nil {
				turnedDown++
				if functionName != "mautic-secret-rotation" || !strings.Contains(err.Error(), "Set FunctionName to another") {
					t.Errorf("FunctionName %s: %v", functionName, err)
				}
				continue
			}
			names := owns(t, stack)
			for _, its := range runbook {
				looked++
				if id := names[its]; id != "" {
					t.Errorf("with stack %q and function %q, %s is called %s, as the runbook's", beginning, functionName, id, its.name)
				}
			}
		}
	}
	if looked < 100 || turnedDown != 1 {
		t.Errorf("%d names were looked for, and %d stacks refused", looked, turnedDown)
	}
}

func TestNoEnvironmentOfSamconfigTakesANameOfAnotherOrOfTheRunbook(t *testing.T) {
	t.Parallel()
	parsed, taken := parse(t), map[owned]string{}
	for _, its := range runbook {
		taken[its] = "the runbook"
	}
	for environment, parameters := range overrides(t) {
		stack := render(t, parsed, cloudformation.Options{StackName: "mautic-secret-rotation-" + environment, Parameters: parameters})
		for name := range owns(t, stack) {
			if other := taken[name]; other != "" {
				t.Errorf("%s: %s is %s's", environment, name.name, other)
			}
			taken[name] = environment
		}
	}
	if len(taken) < 40 {
		t.Errorf("there are %d names", len(taken))
	}
}

// global are the types whose names are one account's, in all regions.
var global = []string{"AWS::CloudWatch::Dashboard", "AWS::IAM::Role"}

func TestTwoStacksOfAnAccountHaveNoNameInCommon(t *testing.T) {
	t.Parallel()
	parsed := parse(t)
	one := owns(t, render(t, parsed, cloudformation.Options{StackName: "a", Parameters: changedTo(full(), with("FunctionName", "f"))}))
	other := owns(t, render(t, parsed, cloudformation.Options{StackName: "b", Parameters: changedTo(full(), with("FunctionName", "g"))}))
	elsewhere := owns(t, render(t, parsed, cloudformation.Options{StackName: "a", Region: "eu-west-1", Parameters: changedTo(full(), with("FunctionName", "f"))}))
	for name, id := range one {
		if other[name] != "" {
			t.Errorf("%s is called %s in both", id, name.name)
		}
		if slices.Contains(global, name.kind) && elsewhere[name] != "" {
			t.Errorf("%s is called %s in both regions", id, name.name)
		}
	}
	if len(one) < 15 {
		t.Errorf("only %d names were compared", len(one))
	}
}

// The longest name that AWS takes, by type.
var longest = map[string]int{
	"AWS::CloudWatch::Alarm": 255, "AWS::CloudWatch::Dashboard": 255, "AWS::Events::Rule": 64, "AWS::IAM::Role": 64,
	"AWS::Logs::LogGroup": 512, "AWS::SecretsManager::Secret": 512, "AWS::Serverless::Function": 64, "AWS::SNS::Topic": 256,
}

func TestTheLongestNamesAreStillTaken(t *testing.T) {
	t.Parallel()
	stackName, functionName := strings.Repeat("s", 128), strings.Repeat("f", 52) // CloudFormation's most, and the template's
	names := owns(t, render(t, parse(t), cloudformation.Options{
		StackName: stackName, Region: "ap-southeast-1", Parameters: changedTo(full(), with("FunctionName", functionName)),
	}))
	for name, id := range names {
		if most := longest[name.kind]; len(name.name) > most {
			t.Errorf("%s has a name of %d characters, and AWS takes %d: %s", id, len(name.name), most, name.name)
		}
	}
	if _, err := parse(t).Render(cloudformation.Options{Parameters: changedTo(full(), with("FunctionName", functionName+"f"))}); err == nil {
		t.Error("a function's name of 53 characters is taken")
	}
}

// takenOver has, for what stays when the stack is deleted, the parameters by
// which the next stack takes it over.
var takenOver = map[string]func(stack *cloudformation.Stack) map[string]string{
	"CreatedSecret": func(stack *cloudformation.Stack) map[string]string {
		return with("CreateSecret", "false", "SecretArn", stack.Outputs["SecretArn"])
	},
}

func TestWhatAStackLeavesBehindIsNotInTheWayOfTheNext(t *testing.T) {
	t.Parallel()
	parsed := parse(t)
	stack := render(t, parsed, cloudformation.Options{Parameters: full()})
	kept := 0
	for id, resource := range stack.Resources {
		name, err := resource.FixedName()
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
		switch resource.DeletionPolicy {
		case "", "Delete":
			continue
		case "RetainExceptOnCreate":
			kept++
		default: // also keeps what a failed creation has made
			t.Errorf("%s: with DeletionPolicy %s a first deployment that fails is in the way of the second: RetainExceptOnCreate", id, resource.DeletionPolicy)
		}
		if name == "" {
			continue
		}
		takeOver := takenOver[id]
		if takeOver == nil {
			t.Errorf("%s stays, under a name of its own: no parameters are known that take it over", id)
			continue
		}
		next := render(t, parsed, cloudformation.Options{Parameters: changedTo(full(), takeOver(stack))})
		if again := owns(t, next)[owned{resource.Type, name}]; again != "" {
			t.Errorf("%s: %s makes it again", id, again)
		}
		arns := stack.Outputs["SecretArn"]
		if environment, err := next.Environment("RotationFunction"); err != nil || !strings.HasPrefix(environment["SECRET_ARNS"], arns+",") {
			t.Errorf("the next stack serves %v, %v", environment["SECRET_ARNS"], err)
		}
		// The schedule is that of the same secret: made anew, it would be deleted
		// together with the old one.
		if replaced, err := stack.Resources["Schedule"].ReplacedBy(next.Resources["Schedule"]); err != nil || replaced {
			t.Errorf("taking %s over replaces its schedule: %v", id, err)
		}
	}
	if kept == 0 {
		t.Error("nothing is kept")
	}
}

// Two schedules of one secret would undo each other: when one of them is taken
// out, the secret's rotation is turned off.
func TestASecretThatIsGivenTwiceIsRefused(t *testing.T) {
	t.Parallel()
	parsed, arns := parse(t), eachOf("SecretArn")
	for i, first := range arns {
		for _, second := range arns[i+1:] {
			parameters := changedTo(given, with(first, arnOf("mautic-twice"), second, arnOf("mautic-twice")))
			if _, err := parsed.Render(cloudformation.Options{Parameters: parameters}); err == nil || !strings.Contains(err.Error(), "list each secret once") {
				t.Errorf("%s and %s: %v", first, second, err)
			}
		}
	}
}
