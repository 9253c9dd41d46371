package template_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/template/rows"
)

// What may be changed, and the two ways to deploy, are for more tests than those here.
type change = rows.Change

const (
	kmsKey      = rows.KMSKey
	sharedTopic = rows.SharedTopic
	noticeBus   = rows.NoticeBus
)

var changes = rows.Changes

// stateful are the types of which an update that puts another resource in the
// place of one, or deletes it, loses something.
var stateful = map[string]string{
	"AWS::SecretsManager::Secret": "its value",
	"AWS::Logs::LogGroup":         "the audit lines",
	"AWS::SNS::Topic":             "its subscriptions, which have to be confirmed anew",
}

// stateless are the others.
var stateless = map[string]string{
	"AWS::CloudWatch::Alarm":                "nothing",
	"AWS::CloudWatch::Dashboard":            "nothing",
	"AWS::Events::Rule":                     "nothing",
	"AWS::IAM::ManagedPolicy":               "nothing but its attachments: it is made by the stack, and its name is not its own choice",
	"AWS::IAM::Role":                        "nothing",
	"AWS::KMS::Key":                         "messages of the topic that are under way",
	"AWS::Lambda::Alias":                    "nothing: it has no permissions of its own",
	"AWS::Lambda::Permission":               "nothing",
	"AWS::SecretsManager::RotationSchedule": "nothing that the template does not say again",
	"AWS::Serverless::Function":             "nothing: what a rotation leaves open is in the secret's labels",
	"AWS::SNS::Subscription":                "the confirmation, of another address",
	"AWS::SNS::TopicPolicy":                 "nothing",
}

// givenUp is what a change of a parameter is for: the topic is the one that is
// given, and that of the stack goes with its subscriptions.
var givenUp = map[string]string{"TopicArn": "Topic is deleted, and with it its subscriptions"}

// A rendering is the stack with some parameters.
type rendering func(parameters map[string]string) (*cloudformation.Stack, error)

// renderedOnce renders each stack once: most changes begin with the same.
func renderedOnce(parsed *cloudformation.Template) rendering {
	type result struct {
		stack *cloudformation.Stack
		err   error
	}
	known := map[string]result{}
	return func(parameters map[string]string) (*cloudformation.Stack, error) {
		key := fmt.Sprintf("%q", parameters) // in the order of the names
		its, done := known[key]
		if !done {
			its.stack, its.err = parsed.Render(cloudformation.Options{Parameters: parameters})
			known[key] = its
		}
		return its.stack, its.err
	}
}

// eachChange renders the stack before and after each of the changes to a
// parameter. It reports how many were taken.
func eachChange(t *testing.T, rendered rendering, base map[string]string, parameter string, look func(before, after *cloudformation.Stack, to change)) (taken int) {
	t.Helper()
	for _, to := range changes[parameter] {
		after := changedTo(base, to)
		// A parameter is changed by itself: what the rules want with it is there
		// before, where that is possible.
		before := maps.Clone(after)
		delete(before, parameter)
		if value, set := base[parameter]; set {
			before[parameter] = value
		}
		one, err := rendered(before)
		if err != nil {
			if one, err = rendered(base); err != nil {
				t.Fatal(err)
			}
		}
		if other, err := rendered(after); err == nil {
			taken++
			look(one, other, to)
		}
	}
	return taken
}

func TestNoChangeOfAParameterWritesASecretsValueOrLosesWhatIsKept(t *testing.T) {
	t.Parallel()
	tpl, rendered := read(t), renderedOnce(parse(t))
	for _, parameter := range tpl.Parameters.Keys() {
		if len(changes[parameter]) == 0 {
			t.Errorf("%s: what it may be changed to is not among the changes that are tried", parameter)
		}
		for way, base := range map[string]map[string]string{"which makes the secret": creating, "which is given one": given, "which has everything": full()} {
			taken := eachChange(t, rendered, base, parameter, func(before, after *cloudformation.Stack, to change) {
				for _, fault := range losses(before, after) {
					if meant := givenUp[parameter]; meant == "" || !strings.HasPrefix(fault, meant) {
						t.Errorf("%v: %s", to, fault)
					}
				}
			})
			// A change that is refused has shown nothing; this one has to be.
			if refused := parameter == "SecretName" && base["CreateSecret"] == "true"; (taken == 0) != refused {
				t.Errorf("%s, in a stack %s: %d changes were taken", parameter, way, taken)
			}
		}
	}
	for parameter := range changes {
		if tpl.Parameters[parameter] == nil {
			t.Errorf("the template has no parameter %s", parameter)
		}
	}
}

// losses tells what an update would write to a secret, and what it would delete.
func losses(before, after *cloudformation.Stack) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for id, old := range before.Resources {
		lost, isStateful := stateful[old.Type]
		if _, known := stateless[old.Type]; !known && !isStateful {
			fault("%s: whether a %s holds anything is not known", id, old.Type)
		}
		next, stays := after.Resources[id]
		if !stays {
			if isStateful && old.DeletionPolicy != "Retain" && old.DeletionPolicy != "RetainExceptOnCreate" {
				fault("%s is deleted, and with it %s", id, lost)
			}
			continue
		}
		replaced, err := old.ReplacedBy(next)
		if err != nil {
			fault("%s: %v", id, err)
		}
		if replaced && (isStateful || next.UpdateReplacePolicy == "Retain") {
			fault("%s is replaced, and with it %s", id, lost)
		}
		// CloudFormation writes a secret's value by what nobody reads back of it, each
		// time that it differs from what it was.
		schema, err := cloudformation.SchemaOf("AWS::SecretsManager::Secret")
		if err != nil || len(schema.WriteOnly) < 2 {
			fault("by what a secret's value is written is not known: %v, %v", schema, err)
		}
		for _, name := range schema.WriteOnly {
			if old.Type == "AWS::SecretsManager::Secret" && !reflect.DeepEqual(old.Properties[name], next.Properties[name]) {
				fault("%s: %s is %v, was %v: a new value is stored", id, name, next.Properties[name], old.Properties[name])
			}
		}
	}
	return faults
}

func TestTheLossesOfAnUpdateAreSeen(t *testing.T) {
	t.Parallel()
	stack := func(resources map[string]cloudformation.Resource) *cloudformation.Stack {
		return &cloudformation.Stack{Resources: resources}
	}
	secret := func(policy, name, user string) map[string]cloudformation.Resource {
		return map[string]cloudformation.Resource{"S": {
			Type: "AWS::SecretsManager::Secret", DeletionPolicy: policy, UpdateReplacePolicy: "Retain",
			Properties: map[string]any{"Name": name, "GenerateSecretString": map[string]any{"SecretStringTemplate": user}},
		}}
	}
	for want, resources := range map[string][2]map[string]cloudformation.Resource{
		"":                     {secret("Retain", "n", "u"), secret("Retain", "n", "u")},
		"a new value is":       {secret("Retain", "n", "u"), secret("Retain", "n", "v")},
		"is replaced":          {secret("Retain", "n", "u"), secret("Retain", "m", "u")},
		"is deleted":           {secret("Delete", "n", "u"), nil},
		"holds anything is no": {{"B": {Type: "AWS::S3::Bucket"}}, nil},
	} {
		faults := losses(stack(resources[0]), stack(resources[1]))
		if (want == "") != (len(faults) == 0) || len(faults) > 0 && !strings.Contains(faults[0], want) {
			t.Errorf("want %q, got %q", want, faults)
		}
	}
}

// CloudFormation stores a new password over everything in the secret when this
// differs from what the stack was made with: by a parameter, or by a later
// version of the template. So does another logical id, or another name.
func TestTheCreatedSecretIsTheSameInEveryVersionOfTheTemplate(t *testing.T) {
	t.Parallel()
	stack := render(t, parse(t), cloudformation.Options{StackName: "mautic-dev", Parameters: creating})
	secret := stack.Resources["CreatedSecret"]
	want := map[string]any{"SecretStringTemplate": "{}", "GenerateStringKey": "database_password", "PasswordLength": "32", "ExcludePunctuation": "true"}
	if got := secret.Properties["GenerateSecretString"]; !reflect.DeepEqual(got, want) || secret.Properties["SecretString"] != nil {
		t.Errorf("its value is made by %v", got)
	}
	if name := secret.Properties["Name"]; name != "mautic-dev-credentials" {
		t.Errorf("its name is %v", name)
	}
}

func TestAStackThatAnEarlierTemplateMadeTheSecretOfIsToldToKeepIt(t *testing.T) {
	t.Parallel()
	before := changedTo(creating, with("SecretName", "mautic-dev-secrets")) // as SAM passes what the stack had
	_, err := parse(t).Render(cloudformation.Options{Parameters: before})
	if err == nil || !strings.Contains(err.Error(), "set CreateSecret to false and SecretArn to its ARN") {
		t.Fatalf("got %v", err)
	}
	// The remedy.
	stack := render(t, parse(t), cloudformation.Options{Parameters: changedTo(before, with("CreateSecret", "false", "SecretArn", arnOf("mautic-dev-secrets")))})
	environment, err := stack.Environment("RotationFunction")
	if err != nil || environment["SECRET_ARNS"] != arnOf("mautic-dev-secrets") {
		t.Errorf("the function serves %q, %v", environment["SECRET_ARNS"], err)
	}
}
