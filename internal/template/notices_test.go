package template_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/eventrule"
	"mautic-rotation/internal/policy"
	"mautic-rotation/rotation/report"
)

// answered is the event that Lambda's destination makes of an answer, in the form of
// Lambda's developer guide ("Capturing records of Lambda asynchronous invocations").
func answered(t *testing.T, function string, answer any) []byte {
	t.Helper()
	return marshal(t, map[string]any{
		"version": "0", "id": "8f4e1d3a-0c53-4d0a-9c6e-5d6c1f6b7a10", "detail-type": "Lambda Function Invocation Result - Success", "source": "lambda",
		"account": "123456789012", "time": "2026-11-22T12:35:04Z", "region": "us-east-1",
		"resources": []string{"arn:aws:events:us-east-1:123456789012:event-bus/default", function + ":$LATEST"},
		"detail": map[string]any{
			"version": "1.0", "timestamp": "2026-11-22T12:35:04.568Z",
			"requestContext": map[string]any{
				"requestId": "e4b46cbf-b738-4f3e-8880-a18cdf61200e", "functionArn": function + ":$LATEST", "condition": "Success", "approximateInvokeCount": 1,
			},
			"requestPayload":  map[string]any{"source": "aws.events", "detail-type": "Scheduled Event"},
			"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST"},
			"responsePayload": answer,
		},
	})
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// noticed is an answer with a notice, as the function gives it.
func noticed(told ...string) report.Report {
	return report.Report{
		Schema: report.Schema, Action: "reconcile",
		Secrets: []report.Secret{{Name: "mautic-prod-secrets", Notices: []string{`mautic-prod-secrets: the rotation of database is held: "10.0.1.7" uses it`}}},
		Notice:  report.Plain(`mautic-prod-secrets: the rotation of database is held: "10.0.1.7" uses it.`, report.NoticeMost),
		Next:    report.Plain("mautic-rotation release --secret mautic-prod-secrets", report.NextMost), Told: told,
	}
}

// patternOf is a rule's pattern.
func patternOf(t *testing.T, rule cloudformation.Resource) eventrule.Pattern {
	t.Helper()
	pattern, err := eventrule.Parse(marshal(t, typed(rule.Properties["EventPattern"])))
	if err != nil {
		t.Fatal(err)
	}
	return pattern
}

// typed has the truths of a rendered template, in which each scalar is a text, as truths.
func typed(value any) any {
	switch value := value.(type) {
	case map[string]any:
		all := map[string]any{}
		for name, member := range value {
			all[name] = typed(member)
		}
		return all
	case []any:
		all := []any{}
		for _, item := range value {
			all = append(all, typed(item))
		}
		return all
	}
	if value == "true" || value == "false" {
		return value == "true"
	}
	return value
}

// targetsOf are a rule's targets, by their ids.
func targetsOf(rule cloudformation.Resource) map[string]map[string]any {
	targets := map[string]map[string]any{}
	list, _ := rule.Properties["Targets"].([]any)
	for _, one := range list {
		target, _ := one.(map[string]any)
		id, _ := target["Id"].(string)
		targets[id] = target
	}
	return targets
}

// sent is what a target is sent of an event.
func sent(t *testing.T, target map[string]any, event []byte) string {
	t.Helper()
	its, _ := target["InputTransformer"].(map[string]any)
	transformer := eventrule.Transformer{Paths: map[string]string{}}
	transformer.Template, _ = its["InputTemplate"].(string)
	paths, _ := its["InputPathsMap"].(map[string]any)
	for name, path := range paths {
		transformer.Paths[name], _ = path.(string)
	}
	message, err := transformer.Apply(event)
	if err != nil {
		t.Errorf("%v: %v", target["Id"], err)
	}
	return message
}

func TestTheRuleOfNoticesTakesWhatHasOneAndNothingElse(t *testing.T) {
	t.Parallel()
	parsed := parse(t)
	idle := report.Report{Schema: report.Schema, Action: "reconcile", Secrets: []report.Secret{{Name: "mautic-prod-secrets", Notices: []string{}}}}
	for name, tc := range map[string]struct {
		event            []byte
		always, troubled bool // with NotifySuccess, and without
	}{
		"held":                         {answered(t, functionARN, noticed("held")), true, true},
		"retired":                      {answered(t, functionARN, noticed("retired")), true, false},
		"one of each":                  {answered(t, functionARN, noticed("retired", "held")), true, true},
		"no notice":                    {answered(t, functionARN, idle), false, false},
		"a step, which answers null":   {answered(t, functionARN, nil), false, false},
		"another function":             {answered(t, functionARN+"-2", noticed("held")), false, false},
		"an event of Secrets Manager":  {labelUpdated(t, arnOf("mautic-prod-secrets")), false, false},
		"an event from somebody else":  {[]byte(strings.Replace(string(answered(t, functionARN, noticed("held"))), `"source":"lambda"`, `"source":"mine"`, 1)), false, false},
		"an event of another account":  {[]byte(strings.Replace(string(answered(t, functionARN, noticed("held"))), `"account":"123456789012"`, `"account":"1"`, 1)), false, false},
		"a failure, which has no such": {[]byte(strings.Replace(string(answered(t, functionARN, noticed("held"))), "Result - Success", "Result - Failure", 1)), false, false},
	} {
		for success, want := range map[string]bool{"true": tc.always, "false": tc.troubled} {
			stack := render(t, parsed, cloudformation.Options{Parameters: changedTo(given, with("NotifySuccess", success))})
			got, err := patternOf(t, stack.Resources["NoticeRule"]).Matches(tc.event)
			if err != nil || got != want {
				t.Errorf("%s, NotifySuccess %s: matches is %t, %v", name, success, got, err)
			}
		}
	}
}

// labelUpdated is Secrets Manager's event of a move of AWSCURRENT.
func labelUpdated(t *testing.T, secret string) []byte {
	t.Helper()
	return marshal(t, map[string]any{
		"version": "0", "id": "0f2c3f5e-7b0a-4d62-9c5e-3a1d5e7f9b21", "detail-type": "Secret Label Updated", "source": "aws.secretsmanager",
		"account": "123456789012", "time": "2026-11-22T12:33:07Z", "region": "us-east-1", "resources": []string{secret},
		"detail": map[string]any{"labelUpdated": []string{"AWSCURRENT"}, "name": "mautic-prod-secrets", "versionId": "9c11b2aa-5a0e-4d0c-9f57-0123456789ab"},
	})
}

// rotationFailed is CloudTrail's event of a rotation that failed.
func rotationFailed(t *testing.T, secret string) []byte {
	t.Helper()
	return marshal(t, map[string]any{
		"version": "0", "detail-type": "AWS Service Event via CloudTrail", "source": "aws.secretsmanager",
		"account": "123456789012", "time": "2026-11-22T12:33:07Z", "region": "us-east-1", "resources": []string{},
		"detail": map[string]any{
			"eventSource": "secretsmanager.amazonaws.com", "eventName": "RotationFailed", "additionalEventData": map[string]any{"SecretId": secret},
		},
	})
}

// What a rule sends by mail is a sentence and what to do next; to chat, the form in which
// the chat integration takes a notice of one's own, within its bounds.
func TestWhatPeopleAreToldIsASentenceAndTheNextCommand(t *testing.T) {
	t.Parallel()
	secret := arnOf("mautic-prod-secrets")
	stack := render(t, parse(t), cloudformation.Options{
		StackName: "mautic-prod", Parameters: changedTo(given, with("ChatNotices", "true", "FunctionName", "mautic-rotation")),
	})
	status := "mautic-rotation status --stack mautic-prod"
	for id, tc := range map[string]struct {
		event      []byte
		text, next string
	}{
		"NoticeRule": {
			answered(t, functionARN, noticed("held")),
			"mautic-prod-secrets: the rotation of database is held: '10.0.1.7' uses it.", "mautic-rotation release --secret mautic-prod-secrets",
		},
		"FailureRule": {rotationFailed(t, secret), "Secrets Manager says RotationFailed of " + secret + ", at 2026-11-22T12:33:07Z. The log of mautic-rotation says why.", status},
		"CurrentRule": {
			labelUpdated(t, secret),
			"mautic-prod-secrets has a new current version, 9c11b2aa-5a0e-4d0c-9f57-0123456789ab, since 2026-11-22T12:33:07Z. A rotation moved it there, a rollback, or somebody by hand.",
			status + " tells what follows",
		},
	} {
		rule := stack.Resources[id]
		if matches, err := patternOf(t, rule).Matches(tc.event); err != nil || !matches {
			t.Errorf("%s does not match its event: %v", id, err)
		}
		targets := targetsOf(rule)
		if len(targets) != 2 || targets["topic"]["Arn"] != stack.Outputs["TopicArn"] || targets["chat"]["Arn"] != stack.Outputs["ChatTopicArn"] {
			t.Errorf("%s has the targets %v", id, targets)
		}
		var lines []string
		for line := range strings.SplitSeq(strings.TrimSpace(sent(t, targets["topic"], tc.event)), "\n") {
			var text string
			if err := json.Unmarshal([]byte(line), &text); err != nil {
				t.Errorf("%s: %s: %v", id, line, err)
			}
			lines = append(lines, text)
		}
		if len(lines) < 2 || lines[0] != tc.text || lines[1] != "Next: "+tc.next {
			t.Errorf("%s sends %q", id, lines)
		}
		var chat struct {
			Version, Source string
			Content         struct {
				TextType, Title, Description string
				NextSteps                    []string
			}
		}
		decoder := json.NewDecoder(strings.NewReader(sent(t, targets["chat"], tc.event)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&chat); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		c := chat.Content
		if chat.Version != "1.0" || chat.Source != "custom" || c.TextType != "client-markdown" || c.Description != tc.text || !slices.Equal(c.NextSteps, []string{tc.next}) {
			t.Errorf("%s sends %+v", id, chat)
		}
	}
}

// The chat integration takes a title of 250 characters, a description of 8000 and steps of
// 350, and a rule's template has 8192.
func TestTheLongestNamesAndNoticesFitIntoAChat(t *testing.T) {
	t.Parallel()
	stack := render(t, parse(t), cloudformation.Options{
		StackName: strings.Repeat("s", 128), Region: "ap-southeast-1", Parameters: changedTo(full(), with("FunctionName", strings.Repeat("f", 52))),
	})
	answer := noticed("held")
	answer.Notice, answer.Next = report.Plain(strings.Repeat("é", 9000), report.NoticeMost), report.Plain(strings.Repeat("n", 9000), report.NextMost)
	long := arnOf(strings.Repeat("s", 512))
	for id, event := range map[string][]byte{
		"NoticeRule": answered(t, "", answer), "FailureRule": rotationFailed(t, long), "CurrentRule": labelUpdated(t, long),
	} {
		target := targetsOf(stack.Resources[id])["chat"]
		var chat struct {
			Content struct {
				Title, Description string
				NextSteps          []string
			}
		}
		if err := json.Unmarshal([]byte(sent(t, target, event)), &chat); err != nil {
			t.Fatal(err)
		}
		c := chat.Content
		if title, text, step := len([]rune(c.Title)), len([]rune(c.Description)), len([]rune(c.NextSteps[0])); title > 250 || text > 8000 || step > 350 || text < 100 {
			t.Errorf("%s: a title of %d, a description of %d, a step of %d", id, title, text, step)
		}
		if template := target["InputTransformer"].(map[string]any)["InputTemplate"].(string); len(template) > 8192 {
			t.Errorf("%s has a template of %d", id, len(template))
		}
	}
}

func TestAnswersGoToTheBusOnWhichTheRuleOfNoticesIs(t *testing.T) {
	t.Parallel()
	stack := render(t, parse(t), cloudformation.Options{Parameters: given})
	bus := "arn:aws:events:us-east-1:123456789012:event-bus/default"
	invoked, _ := stack.Resources["RotationFunction"].Properties["EventInvokeConfig"].(map[string]any)
	want := map[string]any{"OnSuccess": map[string]any{"Type": "EventBridge", "Destination": bus}}
	if got := fmt.Sprint(invoked["DestinationConfig"]); got != fmt.Sprint(want) {
		t.Errorf("answers go to %s", got)
	}
	if other := stack.Resources["NoticeRule"].Properties["EventBusName"]; other != nil { // none is the default bus
		t.Errorf("the rule is on %v", other)
	}
	role, err := policy.FromRole(stack.Resources["RotationRole"].Properties)
	if err != nil {
		t.Fatal(err)
	}
	// Lambda's own call has no source function; one by the code has.
	for by, may := range map[string]bool{"": true, functionARN: false} {
		request := policy.Request{Action: "events:PutEvents", Resource: bus}
		if by != "" {
			request.Context = map[string][]string{"lambda:SourceFunctionArn": {by}}
		}
		if role.Evaluate(request).Allowed() != may {
			t.Errorf("from %q it may be sent: %t", by, !may)
		}
	}
}

// publishing is what a topic's policy lets a service do. It is read as an identity's
// policy, for which a principal is no element.
func publishing(t *testing.T, topicPolicy cloudformation.Resource, service string) policy.Policy {
	t.Helper()
	document, _ := topicPolicy.Properties["PolicyDocument"].(map[string]any)
	all, _ := document["Statement"].([]any)
	var its []any
	for _, one := range all {
		statement := maps.Clone(one.(map[string]any))
		if principal, _ := statement["Principal"].(map[string]any); statement["Principal"] == "*" || principal["Service"] == service {
			delete(statement, "Principal")
			its = append(its, statement)
		}
	}
	p, err := policy.FromManaged(map[string]any{"PolicyDocument": map[string]any{"Version": document["Version"], "Statement": its}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestATopicTakesWhatTheStacksOwnRulesAndAlarmsSendAndNothingElse(t *testing.T) {
	t.Parallel()
	stack := render(t, parse(t), cloudformation.Options{Parameters: full()})
	topics := map[string]cloudformation.Resource{
		stack.Outputs["TopicArn"]: stack.Resources["TopicPolicy"], stack.Outputs["ChatTopicArn"]: stack.Resources["ChatTopicPolicy"],
	}
	publishes := func(service, topic, source, account, tls string) bool {
		return publishing(t, topics[topic], service).Evaluate(policy.Request{Action: "sns:Publish", Resource: topic, Context: map[string][]string{
			"aws:SourceArn": {source}, "aws:SourceAccount": {account}, "aws:SecureTransport": {tls},
		}}).Allowed()
	}
	rules, alarms := 0, 0
	for _, resource := range stack.Resources {
		switch resource.Type {
		case "AWS::Events::Rule":
			arn := fmt.Sprint("arn:aws:events:us-east-1:123456789012:rule/", resource.Properties["Name"])
			for _, target := range targetsOf(resource) {
				topic, _ := target["Arn"].(string)
				if _, is := topics[topic]; !is {
					continue
				}
				rules++
				if !publishes("events.amazonaws.com", topic, arn, "123456789012", "true") {
					t.Errorf("%s cannot send to %s", arn, topic)
				}
				if publishes("events.amazonaws.com", topic, arn, "210987654321", "true") || publishes("events.amazonaws.com", topic, arn, "123456789012", "false") {
					t.Errorf("%s takes what is sent for another account, or without TLS", topic)
				}
			}
		case "AWS::CloudWatch::Alarm":
			alarms++
			arn := fmt.Sprint("arn:aws:cloudwatch:us-east-1:123456789012:alarm:", resource.Properties["AlarmName"])
			if !publishes("cloudwatch.amazonaws.com", stack.Outputs["TopicArn"], arn, "123456789012", "true") {
				t.Errorf("%s cannot send to the topic", arn)
			}
		}
	}
	if rules != 6 || alarms < 9 {
		t.Errorf("%d targets of rules, %d alarms", rules, alarms)
	}
	for topic := range topics {
		if publishes("events.amazonaws.com", topic, "arn:aws:events:us-east-1:123456789012:rule/another", "123456789012", "true") {
			t.Errorf("%s takes what another rule sends", topic)
		}
	}
}

func TestACentralBusGetsTheNoticesByARoleOfTheRuleAlone(t *testing.T) {
	t.Parallel()
	stack := render(t, parse(t), cloudformation.Options{Parameters: full()})
	target := targetsOf(stack.Resources["NoticeRule"])["bus"]
	role := stack.Resources["NoticeBusRole"].Properties
	if target["Arn"] != noticeBus || target["InputTransformer"] != nil || target["RoleArn"] == nil {
		t.Errorf("the target is %v", target)
	}
	may, err := policy.FromRole(role)
	if err != nil {
		t.Fatal(err)
	}
	for bus, want := range map[string]bool{noticeBus: true, "arn:aws:events:us-east-1:123456789012:event-bus/default": false} {
		if may.Evaluate(policy.Request{Action: "events:PutEvents", Resource: bus}).Allowed() != want {
			t.Errorf("the rule may put events on %s: %t", bus, !want)
		}
	}
	trust := fmt.Sprint(role["AssumeRolePolicyDocument"])
	if !strings.Contains(trust, "aws:SourceArn:arn:aws:events:us-east-1:123456789012:rule/mautic-rotation-notices") || !strings.Contains(trust, "aws:SourceAccount:123456789012") {
		t.Errorf("the role is assumed by %s", trust)
	}
	without := render(t, parse(t), cloudformation.Options{Parameters: given})
	if _, made := without.Resources["NoticeBusRole"]; made || len(targetsOf(without.Resources["NoticeRule"])) != 1 {
		t.Errorf("without a bus and chat: %v", targetsOf(without.Resources["NoticeRule"]))
	}
}
