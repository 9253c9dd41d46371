package template_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/policy"
)

// several are what a stack of many has: a topic for all, and neither alarms nor a
// dashboard nor metrics of its own.
var several = changedTo(given, with("TopicArn", sharedTopic, "CreateAlarms", "false", "CreateDashboard", "false", "WriteMetrics", "false"))

// ofType counts a stack's resources of a type.
func ofType(stack *cloudformation.Stack, kind string) (n int) {
	for _, resource := range stack.Resources {
		if resource.Type == kind {
			n++
		}
	}
	return n
}

func TestAStackOfManyHasNothingThatCostsByTheMonth(t *testing.T) {
	t.Parallel()
	stack := render(t, parse(t), cloudformation.Options{Parameters: several})
	for _, kind := range []string{
		"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::KMS::Key", "AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "AWS::SNS::Subscription",
	} {
		if n := ofType(stack, kind); n != 0 {
			t.Errorf("it has %d of %s", n, kind)
		}
	}
	environment, err := stack.Environment("RotationFunction")
	if err != nil || environment["METRICS"] != "false" {
		t.Errorf("METRICS is %q, %v", environment["METRICS"], err)
	}
	if _, told := stack.Outputs["Dashboard"]; told || stack.Outputs["TopicArn"] != sharedTopic {
		t.Errorf("the outputs are %v", stack.Outputs)
	}
}

func TestEverythingThatTellsPeopleGoesToTheTopicThatIsGiven(t *testing.T) {
	t.Parallel()
	parameters := changedTo(full(), with("TopicArn", sharedTopic, "AlarmEmail", ""))
	stack := render(t, parse(t), cloudformation.Options{Parameters: parameters})
	told := 0
	for id, resource := range stack.Resources {
		for _, property := range []string{"AlarmActions", "OKActions", "InsufficientDataActions"} {
			actions, _ := resource.Properties[property].([]any)
			for _, arn := range actions {
				told++
				if arn != sharedTopic {
					t.Errorf("%s: %s is %v", id, property, arn)
				}
			}
		}
		for _, target := range targetsOf(resource) {
			arn, _ := target["Arn"].(string)
			if strings.HasPrefix(arn, "arn:aws:sns:") && arn != stack.Outputs["ChatTopicArn"] {
				told++
				if arn != sharedTopic {
					t.Errorf("%s sends to %s", id, arn)
				}
			}
		}
	}
	if told < 19 { // ten alarms, six of which tell of their end too, and three rules
		t.Errorf("only %d were looked at", told)
	}
	// The topic for chats is the stack's own, and so is its key.
	if ofType(stack, "AWS::SNS::Topic") != 1 || ofType(stack, "AWS::KMS::Key") != 1 || ofType(stack, "AWS::SNS::TopicPolicy") != 1 {
		t.Error("a topic for chats alone, with its policy and its key, was to be made")
	}
	withKey := render(t, parse(t), cloudformation.Options{Parameters: changedTo(parameters, with("TopicKeyArn", kmsKey))})
	if ofType(withKey, "AWS::KMS::Key") != 0 || withKey.Resources["ChatTopic"].Properties["KmsMasterKeyId"] != kmsKey {
		t.Error("the key that is given is not that of the topic for chats")
	}
}

func TestWhatMakesNoSenseTogetherIsRefused(t *testing.T) {
	t.Parallel()
	for want, parameters := range map[string]map[string]string{
		"Subscribe the address to TopicArn yourself":             with("TopicArn", sharedTopic, "AlarmEmail", "ops@example.com"),
		"with TopicArn and without ChatNotices it creates none":  with("TopicArn", sharedTopic, "TopicKeyArn", kmsKey),
		"Set CreateAlarms and CreateDashboard to false, too":     with("WriteMetrics", "false", "CreateAlarms", "false"),
		"the alarms and the dashboard would have no data":        with("WriteMetrics", "false", "CreateDashboard", "false"),
		"must be the ARN of a standard SNS topic":                with("TopicArn", sharedTopic+".fifo"),
		`the value "operations" does not satisfy AllowedPattern`: with("TopicArn", "operations"),
		`the value "no" does not satisfy AllowedValues`:          with("CreateAlarms", "no"),
	} {
		_, err := parse(t).Render(cloudformation.Options{Parameters: changedTo(given, parameters)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v", parameters, err)
		}
	}
	for _, parameters := range []map[string]string{
		with("CreateAlarms", "false"), with("CreateDashboard", "false"), with("TopicArn", sharedTopic),
		with("TopicArn", sharedTopic, "ChatNotices", "true", "TopicKeyArn", kmsKey),
	} {
		if _, err := parse(t).Render(cloudformation.Options{Parameters: changedTo(given, parameters)}); err != nil {
			t.Errorf("%v: %v", parameters, err)
		}
	}
}

// The policy that docs/settings.md has for a topic of one's own.
func TestTheTopicsPolicyInTheDocsLetsAStackSendAndNothingElse(t *testing.T) {
	t.Parallel()
	const topic = "arn:aws:sns:eu-west-1:123456789012:operations"
	var document map[string]any
	for _, m := range block.FindAllStringSubmatch(pages(t)["settings.md"], -1) {
		if strings.Contains(m[1], "sns:Publish") {
			if err := json.Unmarshal([]byte(m[1]), &document); err != nil {
				t.Fatal(err)
			}
		}
	}
	written := cloudformation.Resource{Properties: map[string]any{"PolicyDocument": document}}
	publishes := func(service, source, account string) bool {
		return publishing(t, written, service).Evaluate(policy.Request{Action: "sns:Publish", Resource: topic, Context: map[string][]string{
			"aws:SourceArn": {source}, "aws:SourceAccount": {account},
		}}).Allowed()
	}
	stack := render(t, parse(t), cloudformation.Options{Region: "eu-west-1", Parameters: changedTo(given, with(
		"SecretArn", strings.ReplaceAll(arnOf("mautic-prod-secrets"), "us-east-1", "eu-west-1"), "TopicArn", topic, "FunctionName", "mautic-rotation-prod"))})
	senders := 0
	for id, resource := range stack.Resources {
		service, arn := "", ""
		switch resource.Type {
		case "AWS::CloudWatch::Alarm":
			service, arn = "cloudwatch.amazonaws.com", fmt.Sprint("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:", resource.Properties["AlarmName"])
		case "AWS::Events::Rule":
			if targetsOf(resource)["topic"] == nil {
				continue
			}
			service, arn = "events.amazonaws.com", fmt.Sprint("arn:aws:events:eu-west-1:123456789012:rule/", resource.Properties["Name"])
		default:
			continue
		}
		senders++
		if !publishes(service, arn, "123456789012") {
			t.Errorf("%s cannot publish", id)
		}
		if publishes(service, arn, "210987654321") || publishes(service, strings.Replace(arn, "mautic-rotation", "another", 1), "123456789012") {
			t.Errorf("what is not of %s can publish", id)
		}
	}
	if senders != 13 {
		t.Errorf("%d can publish", senders)
	}
}
