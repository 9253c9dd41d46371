package template_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/eventbridge"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/sns"
	"mautic-rotation/internal/policy"
	"mautic-rotation/rotation/report"
)

// A system is a stack's topics and rules, in the stand-in.
type system struct {
	*localtest.Fixture
	stack *cloudformation.Stack
}

// event is what comes to the bus; the stand-in adds account, region, id and time.
type event struct {
	source, detailType string
	resources          []string
	detail             map[string]any
}

const eventTime = "2026-11-22T12:33:07Z"

// deploy puts a stack into the stand-in, as far as messages for people go.
func deploy(t *testing.T, o cloudformation.Options) *system {
	t.Helper()
	now, err := time.Parse(time.RFC3339, eventTime)
	if err != nil {
		t.Fatal(err)
	}
	s := &system{localtest.Start(t, localaws.Options{Region: o.Region, Clock: host.ClockAt(now)}), render(t, parse(t), o)}
	for _, resource := range s.stack.Resources {
		if name, _ := resource.Properties["TopicName"].(string); resource.Type == "AWS::SNS::Topic" {
			s.SNS.CreateTopic(name)
		}
	}
	for id, resource := range s.stack.Resources {
		pattern, matches := resource.Properties["EventPattern"]
		if resource.Type != "AWS::Events::Rule" || !matches {
			continue
		}
		rule := eventbridge.Rule{Name: id, Pattern: string(marshal(t, typed(pattern)))}
		for _, target := range targetsOf(resource) {
			if arn, _ := target["Arn"].(string); strings.HasPrefix(arn, "arn:aws:sns:") {
				rule.Targets = append(rule.Targets, eventbridge.Target{ARN: arn, Transformer: transformerOf(target)})
			}
		}
		if _, err := s.EventBridge.PutRule(rule); err != nil {
			t.Fatal(id, err)
		}
	}
	return s
}

// sent are the messages that an event brings to a topic.
func (s *system) sent(e event, topic string) (messages []string) {
	s.T.Helper()
	before := len(s.SNS.Inbox(topic))
	s.EventBridge.PublishTo("default", e.source, e.detailType, e.resources, marshal(s.T, e.detail))
	s.idle()
	for _, m := range s.SNS.Inbox(topic)[before:] {
		messages = append(messages, m.Text)
	}
	return messages
}

// idle waits until every event has been sent on.
func (s *system) idle() {
	s.T.Helper()
	if err := s.EventBridge.WaitIdle(s.Ctx); err != nil {
		s.T.Fatal(err)
	}
}

// mail and chat are the ARNs of the two topics.
func (s *system) mail() string { return s.stack.Outputs["TopicArn"] }
func (s *system) chat() string { return s.stack.Outputs["ChatTopicArn"] }

// answered is the event that Lambda's destination makes of an answer, in the form of
// Lambda's developer guide ("Capturing records of Lambda asynchronous invocations").
func answered(function string, answer any) event {
	return event{
		"lambda", "Lambda Function Invocation Result - Success",
		[]string{"arn:aws:events:us-east-1:123456789012:event-bus/default", function + ":$LATEST"},
		map[string]any{
			"version": "1.0", "timestamp": "2026-11-22T12:33:07.568Z",
			"requestContext": map[string]any{
				"requestId": "e4b46cbf-b738-4f3e-8880-a18cdf61200e", "functionArn": function + ":$LATEST", "condition": "Success", "approximateInvokeCount": 1,
			},
			"requestPayload":  map[string]any{"source": "aws.events", "detail-type": "Scheduled Event"},
			"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST"},
			"responsePayload": answer,
		},
	}
}

// labelUpdated is Secrets Manager's event of a move of AWSCURRENT.
func labelUpdated(secret string) event {
	return event{"aws.secretsmanager", "Secret Label Updated", []string{secret}, map[string]any{
		"name": "mautic-prod-secrets", "labelUpdated": "AWSCURRENT", "versionId": "9c11b2aa-5a0e-4d0c-9f57-0123456789ab",
	}}
}

// rotationFailed is CloudTrail's event of a rotation that failed.
func rotationFailed(secret string) event {
	return event{"aws.secretsmanager", "AWS Service Event via CloudTrail", nil, map[string]any{
		"eventSource": "secretsmanager.amazonaws.com", "eventName": "RotationFailed", "additionalEventData": map[string]any{"SecretId": secret},
	}}
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

// idle is an answer without a notice.
var idle = report.Report{Schema: report.Schema, Action: "reconcile", Secrets: []report.Secret{{Name: "mautic-prod-secrets", Notices: []string{}}}}

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

// transformerOf is a target's input transformer: nil where it has none.
func transformerOf(target map[string]any) *eventbridge.InputTransformer {
	its, has := target["InputTransformer"].(map[string]any)
	if !has {
		return nil
	}
	transformer := &eventbridge.InputTransformer{PathsMap: map[string]string{}}
	transformer.Template, _ = its["InputTemplate"].(string)
	paths, _ := its["InputPathsMap"].(map[string]any)
	for name, path := range paths {
		transformer.PathsMap[name], _ = path.(string)
	}
	return transformer
}

func TestTheRuleOfNoticesTakesWhatHasOneAndNothingElse(t *testing.T) {
	t.Parallel()
	others, failed := answered(functionARN, noticed("held")), answered(functionARN, noticed("held"))
	others.source, failed.detailType = "mine", "Lambda Function Invocation Result - Failure"
	for name, tc := range map[string]struct {
		event            event
		always, troubled int // messages with NotifySuccess, and without
	}{
		"held":                         {answered(functionARN, noticed("held")), 1, 1},
		"retired":                      {answered(functionARN, noticed("retired")), 1, 0},
		"one of each":                  {answered(functionARN, noticed("retired", "held")), 1, 1},
		"no notice":                    {answered(functionARN, idle), 0, 0},
		"nothing is answered":          {answered(functionARN, nil), 0, 0},
		"another function":             {answered(functionARN+"-2", noticed("held")), 0, 0},
		"an event from somebody else":  {others, 0, 0},
		"a failure, which has no such": {failed, 0, 0},
	} {
		for success, want := range map[string]int{"true": tc.always, "false": tc.troubled} {
			s := deploy(t, cloudformation.Options{Parameters: changedTo(given, with("NotifySuccess", success))})
			if got := s.sent(tc.event, s.mail()); len(got) != want {
				t.Errorf("%s, NotifySuccess %s: %q", name, success, got)
			}
		}
	}
}

// linesOf are the lines of a mail. EventBridge leaves each in its quotation marks.
func linesOf(t *testing.T, message string) (lines []string) {
	t.Helper()
	for line := range strings.SplitSeq(message, "\n") {
		var text string
		if err := json.Unmarshal([]byte(line), &text); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		lines = append(lines, text)
	}
	return lines
}

// A chat is the form in which the chat integration takes a notice of one's own.
type chat struct {
	Version, Source string
	Content         struct {
		TextType, Title, Description string
		NextSteps                    []string
	}
}

func chatOf(t *testing.T, message string) (c chat) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(message))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		t.Errorf("%s: %v", message, err)
	}
	if c.Version != "1.0" || c.Source != "custom" || c.Content.TextType != "client-markdown" || len(c.Content.NextSteps) != 1 {
		t.Fatalf("%+v", c)
	}
	return c
}

func TestWhatPeopleAreToldIsASentenceAndTheNextCommand(t *testing.T) {
	t.Parallel()
	secret := arnOf("mautic-prod-secrets")
	s := deploy(t, cloudformation.Options{StackName: "mautic-prod", Parameters: changedTo(given, with("ChatNotices", "true"))})
	status := "mautic-rotation status --stack mautic-prod"
	for id, tc := range map[string]struct {
		event      event
		text, next string
	}{
		"notices": {
			answered(functionARN, noticed("held")),
			"mautic-prod-secrets: the rotation of database is held: '10.0.1.7' uses it.", "mautic-rotation release --secret mautic-prod-secrets",
		},
		"failures": {rotationFailed(secret), "Secrets Manager reported RotationFailed for " + secret + " at " + eventTime + ". The log of mautic-rotation has the reason.", status},
		"current": {
			labelUpdated(secret),
			"mautic-prod-secrets has a new current version, 9c11b2aa-5a0e-4d0c-9f57-0123456789ab, since " + eventTime + ". A rotation, a rollback or a person moved AWSCURRENT to it.",
			status + " shows what happens next",
		},
	} {
		mails := s.sent(tc.event, s.mail())
		if len(mails) != 1 {
			t.Fatalf("%s: %q", id, mails)
		}
		if lines := linesOf(t, mails[0]); len(lines) < 2 || lines[0] != tc.text || lines[1] != "Next: "+tc.next {
			t.Errorf("%s sends %q", id, lines)
		}
		chats := s.sent(tc.event, s.chat())
		if len(chats) != 1 {
			t.Fatalf("%s: %q", id, chats)
		}
		if c := chatOf(t, chats[0]).Content; c.Description != tc.text || c.NextSteps[0] != tc.next || !strings.Contains(c.Title, "mautic-prod, us-east-1") {
			t.Errorf("%s sends %+v", id, c)
		}
	}
}

// The chat integration takes a title of 250 characters, a description of 8000 and steps of
// 350, and a rule's template has 8192.
func TestTheLongestNamesAndNoticesFitIntoAChat(t *testing.T) {
	t.Parallel()
	function, secret := strings.Repeat("f", 52), strings.Replace(arnOf(strings.Repeat("s", 512)), "us-east-1", "ap-southeast-1", 1)
	s := deploy(t, cloudformation.Options{
		StackName: strings.Repeat("s", 128), Region: "ap-southeast-1",
		Parameters: changedTo(given, with("FunctionName", function, "ChatNotices", "true", "SecretArn", secret)),
	})
	answer := noticed("held")
	answer.Notice, answer.Next = report.Plain(strings.Repeat("é", 9000), report.NoticeMost), report.Plain(strings.Repeat("n", 9000), report.NextMost)
	for id, e := range map[string]event{
		"NoticeRule":  answered("arn:aws:lambda:ap-southeast-1:123456789012:function:"+function, answer),
		"FailureRule": rotationFailed(secret), "CurrentRule": labelUpdated(secret),
	} {
		messages := s.sent(e, s.chat())
		if len(messages) != 1 {
			t.Fatalf("%s: %q", id, messages)
		}
		c := chatOf(t, messages[0]).Content
		if title, text, step := len([]rune(c.Title)), len([]rune(c.Description)), len([]rune(c.NextSteps[0])); title > 250 || text > 8000 || step > 350 || text < 100 {
			t.Errorf("%s: a title of %d, a description of %d, a step of %d", id, title, text, step)
		}
		if template := transformerOf(targetsOf(s.stack.Resources[id])["chat"]).Template; len(template) > 8192 {
			t.Errorf("%s has a template of %d", id, len(template))
		}
	}
}

// The whole way: the function answers an event, Lambda sends the answer to the destination
// that the template sets, the rule finds the notice, and the topics' subscribers are told.
func TestANoticeGoesFromTheFunctionsAnswerToWhoeverSubscribed(t *testing.T) {
	t.Parallel()
	s := deploy(t, cloudformation.Options{StackName: "mautic-prod", Parameters: changedTo(given, with("ChatNotices", "true"))})
	answers := []report.Report{idle, noticed("held"), idle}
	s.Handler(locallambda.Function{Name: "mautic-rotation", Timeout: time.Minute, Handler: func(context.Context, []byte) ([]byte, error) {
		answer := answers[0]
		answers = answers[1:]
		return json.Marshal(answer)
	}})
	var c locallambda.EventInvokeConfig
	its, _ := s.stack.Resources["RotationFunction"].Properties["EventInvokeConfig"].(map[string]any)
	if err := json.Unmarshal(marshal(t, map[string]any{"DestinationConfig": its["DestinationConfig"]}), &c); err != nil {
		t.Fatal(err)
	}
	if err := s.Lambda.PutEventInvokeConfig("mautic-rotation", c); err != nil {
		t.Fatal(err)
	}
	var mails, chats []string
	for topic, into := range map[string]*[]string{s.mail(): &mails, s.chat(): &chats} {
		cancel, err := s.SNS.Subscribe(topic, func(m sns.Message) { *into = append(*into, m.Text) })
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
	}
	for range len(answers) {
		if _, err := s.Lambda.InvokeEvent("mautic-rotation", []byte(`{"Action": "reconcile"}`)); err != nil {
			t.Fatal(err)
		}
		s.idle()
	}
	if len(mails) != 1 || len(chats) != 1 {
		t.Fatalf("mails %q, chats %q", mails, chats)
	}
	text, next := noticed().Notice, noticed().Next
	if want := []string{text, "Next: " + next, "(stack mautic-prod in us-east-1)"}; !slices.Equal(linesOf(t, mails[0]), want) {
		t.Errorf("the mail is %q, want %q", mails[0], want)
	}
	if c := chatOf(t, chats[0]).Content; c.Description != text || c.NextSteps[0] != next {
		t.Errorf("the chat is %+v", c)
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
	rule := stack.Resources["NoticeRule"].Properties
	if other := rule["EventBusName"]; other != nil { // none is the default bus
		t.Errorf("the rule is on %v", other)
	}
	// Other accounts may be let put events on the bus, too.
	if pattern, _ := rule["EventPattern"].(map[string]any); fmt.Sprint(pattern["account"]) != "[123456789012]" {
		t.Errorf("the rule takes events of %v", pattern["account"])
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
