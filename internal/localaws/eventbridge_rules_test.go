package localaws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/localaws"
	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/eventbridge"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/wire"
)

// putEvents makes a call of PutEvents.
func (f *fixture) putEvents(entries ...eventbridge.Entry) (status int, out eventbridge.PutEventsOutput) {
	f.T.Helper()
	body, err := json.Marshal(eventbridge.PutEventsInput{Entries: entries})
	if err != nil {
		f.T.Fatal(err)
	}
	req, err := http.NewRequestWithContext(f.Ctx, http.MethodPost, f.URL(), bytes.NewReader(body))
	if err != nil {
		f.T.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "AWSEvents.PutEvents")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/events/aws4_request")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.T.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		f.T.Fatal(err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		f.T.Fatalf("%v: %s", err, text)
	}
	return resp.StatusCode, out
}

func (f *fixture) rule(r eventbridge.Rule) (arn string) {
	f.T.Helper()
	arn, err := f.EventBridge.PutRule(r)
	if err != nil {
		f.T.Fatal(err)
	}
	return arn
}

// texts are what a topic got.
func (f *fixture) texts(topic string) (list []string) {
	f.T.Helper()
	f.AwaitIdle()
	for _, m := range f.SNS.Inbox(topic) {
		list = append(list, m.Text)
	}
	return list
}

func TestARuleSendsTheEventsThatMatchToATopicAndAFunction(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{Clock: host.ClockAt(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))})
	g, topic := f.Target(), f.SNS.CreateTopic("notices")
	arn := f.rule(eventbridge.Rule{Name: "r", Pattern: `{"source":["my.app"],"detail":{"state":[{"anything-but":"fine"}]}}`, Targets: []eventbridge.Target{
		{ARN: "arn:aws:lambda:us-east-1:123456789012:function:fn"},
		{ARN: topic, Transformer: &eventbridge.InputTransformer{PathsMap: map[string]string{"s": "$.detail.state", "t": "$.time"}, Template: `"<s> at <t>"`}},
	}})
	at := float64(time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC).Unix())
	status, out := f.putEvents(
		eventbridge.Entry{Source: "my.app", DetailType: "State", Detail: `{"state":"broken"}`, Resources: []string{"a", "b"}, Time: &at},
		eventbridge.Entry{Source: "my.app", DetailType: "State", Detail: `{"state":"fine"}`},
		eventbridge.Entry{Source: "other", DetailType: "State", Detail: `{"state":"broken"}`},
	)
	if status != http.StatusOK || out.FailedEntryCount != 0 || len(out.Entries) != 3 {
		t.Fatal(status, out)
	}
	if got := f.texts(topic); !slices.Equal(got, []string{`"broken at 2031-01-01T00:00:00Z"`}) {
		t.Errorf("the topic got %q", got)
	}
	if len(g.Events) != 1 || g.Events[0].ID != out.Entries[0].EventID || g.Events[0].Source != "my.app" || g.Events[0].DetailType != "State" || !slices.Equal(g.Events[0].Resources, []string{"a", "b"}) {
		t.Errorf("the function got %+v", g.Events)
	}
	f.EventBridge.DeleteRule(arn)
	f.putEvents(eventbridge.Entry{Source: "my.app", DetailType: "State", Detail: `{"state":"broken"}`})
	if got := f.texts(topic); len(got) != 1 || len(g.Events) != 1 {
		t.Errorf("after the rule's end: %q, %+v", got, g.Events)
	}
}

func TestAnEventThatIsWrongIsNotTaken(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	good := eventbridge.Entry{Source: "my.app", DetailType: "State", Detail: `{}`}
	for code, change := range map[string]func(*eventbridge.Entry){
		"InvalidArgument":                 func(e *eventbridge.Entry) { e.Detail = "" },
		"MalformedDetail":                 func(e *eventbridge.Entry) { e.Detail = "[1]" },
		"NotAuthorizedForSourceException": func(e *eventbridge.Entry) { e.Source = "aws.ecs" },
		"ResourceNotFoundException":       func(e *eventbridge.Entry) { e.EventBusName = "none" },
	} {
		wrong := good
		change(&wrong)
		_, out := f.putEvents(wrong, good)
		if out.FailedEntryCount != 1 || out.Entries[0].ErrorCode != code || out.Entries[0].EventID != "" || out.Entries[1].EventID == "" {
			t.Errorf("%s: %+v", code, out)
		}
	}
	if status, _ := f.putEvents(slices.Repeat([]eventbridge.Entry{good}, 11)...); status != http.StatusBadRequest {
		t.Errorf("eleven events: %d", status)
	}
}

func TestARuleIsOfOneBus(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	bus, topic, other := f.EventBridge.CreateBus("apps"), f.SNS.CreateTopic("apps"), f.SNS.CreateTopic("default")
	pattern := `{"source":[{"exists":true}]}`
	if arn := f.rule(eventbridge.Rule{Name: "r", Bus: "apps", Pattern: pattern, Targets: []eventbridge.Target{{ARN: topic}}}); arn != "arn:aws:events:us-east-1:123456789012:rule/apps/r" {
		t.Error(arn)
	}
	f.rule(eventbridge.Rule{Name: "r", Pattern: pattern, Targets: []eventbridge.Target{{ARN: other}}})
	f.putEvents(eventbridge.Entry{Source: "a", DetailType: "b", Detail: `{}`, EventBusName: bus})
	if got := f.texts(topic); len(got) != 1 || len(f.texts(other)) != 0 {
		t.Errorf("got %q and %q", got, f.texts(other))
	}
}

func TestARuleIsChecked(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	topic := f.SNS.CreateTopic("notices")
	for code, r := range map[string]eventbridge.Rule{
		"InvalidEventPatternException": {Pattern: `{"source":"a"}`},
		"ResourceNotFoundException":    {Pattern: `{"source":["a"]}`, Bus: "none"},
		"NotFound":                     {Pattern: `{"source":["a"]}`, Targets: []eventbridge.Target{{ARN: topic + "-none"}}},
		"ValidationException":          {Pattern: `{"source":["a"]}`, Targets: []eventbridge.Target{{ARN: topic, Transformer: &eventbridge.InputTransformer{Template: `"<a>"`}}}},
	} {
		_, err := f.EventBridge.PutRule(r)
		if refused, ok := errors.AsType[*wire.Error](err); !ok || refused.Code != code {
			t.Errorf("got %v, want %s", err, code)
		}
	}
}

func TestTheEventsOfTheServicesGoToTheDefaultBus(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{SecretSuffix: "AbCdEf", RotationRetries: -1})
	topic := f.SNS.CreateTopic("notices")
	word := func(pattern, template string, paths map[string]string) {
		f.rule(eventbridge.Rule{Name: template, Pattern: pattern, Targets: []eventbridge.Target{{ARN: topic, Transformer: &eventbridge.InputTransformer{PathsMap: paths, Template: template}}}})
	}
	word(`{"source":["aws.secretsmanager"],"detail-type":["Secret Label Updated"],"resources":["arn:aws:secretsmanager:us-east-1:123456789012:secret:s-AbCdEf"],"detail":{"labelUpdated":["AWSCURRENT"]}}`,
		`"<name>: <version>"`, map[string]string{"name": "$.detail.name", "version": "$.detail.versionId"})
	word(`{"source":["aws.secretsmanager"],"detail-type":["AWS Service Event via CloudTrail"],"detail":{"eventSource":["secretsmanager.amazonaws.com"],"eventName":["RotationFailed"],"additionalEventData":{"SecretId":[{"prefix":"arn"}]}}}`,
		`"<event> of <secret>"`, map[string]string{"event": "$.detail.eventName", "secret": "$.detail.additionalEventData.SecretId"})
	word(`{"source":["aws.ecs"],"detail":{"eventName":["SERVICE_DEPLOYMENT_COMPLETED"]}}`, `"<event>"`, map[string]string{"event": "$.detail.eventName"})

	arn, first := f.CreateSecret("s", "1")
	if err := f.Put(localtest.Token("two"), "2", "custom"); err != nil {
		t.Fatal(err)
	}
	function := f.Handler(locallambda.Function{Name: "rotate", Handler: func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no") }})
	if err := f.Rotate(function, localtest.Token("three")); err != nil {
		t.Fatal(err)
	}
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", ""); err == nil {
		t.Error("the rotation succeeds")
	}
	f.RunService(localecs.Service{Name: "web", Run: new(localtest.App).Run})
	f.AwaitStable()
	got := f.texts(topic)
	slices.Sort(got)
	want := []string{`"RotationFailed of ` + arn + `"`, `"SERVICE_DEPLOYMENT_COMPLETED"`, `"s: ` + first + `"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRecordsOfInvocationsGoToABusAndATopic(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	topic, told := f.SNS.CreateTopic("failures"), f.SNS.CreateTopic("successes")
	f.rule(eventbridge.Rule{Name: "r", Pattern: `{"source":["lambda"],"detail-type":["Lambda Function Invocation Result - Success"],"detail":{"responsePayload":{"ok":[true]}}}`,
		Targets: []eventbridge.Target{{ARN: told}}})
	f.Handler(locallambda.Function{Name: "fn", Handler: func(_ context.Context, payload []byte) ([]byte, error) {
		if strings.Contains(string(payload), "fail") {
			return nil, errors.New("no luck")
		}
		return []byte(`{"ok":true}`), nil
	}})
	none := 0
	config := locallambda.EventInvokeConfig{Retries: &none}
	config.Destinations.OnSuccess.Destination = "arn:aws:events:us-east-1:123456789012:event-bus/default"
	config.Destinations.OnFailure.Destination = topic
	if err := f.Lambda.PutEventInvokeConfig("fn", config); err != nil {
		t.Fatal(err)
	}
	f.InvokeHTTP("fn", "Event", `{"do":"fail"}`)
	f.InvokeHTTP("fn", "RequestResponse", `{}`) // is not asynchronous
	if _, err := f.EventBridge.Schedule("fn", time.Hour, []byte(`{"do":"tick"}`)); err != nil {
		t.Fatal(err)
	}
	f.Clock().Advance(time.Hour) // a rule's invocation is asynchronous
	failures, successes := f.texts(topic), f.texts(told)
	if len(failures) != 1 || !strings.Contains(failures[0], `"condition":"RetriesExhausted"`) || !strings.Contains(failures[0], `"requestPayload":{"do":"fail"}`) {
		t.Errorf("failures: %q", failures)
	}
	var event struct {
		Resources []string
		Detail    struct {
			RequestPayload  struct{ Do string }
			ResponseContext struct{ StatusCode int }
		}
	}
	if len(successes) != 1 || json.Unmarshal([]byte(successes[0]), &event) != nil || event.Detail.RequestPayload.Do != "tick" || event.Detail.ResponseContext.StatusCode != http.StatusOK ||
		!slices.Equal(event.Resources, []string{config.Destinations.OnSuccess.Destination, "arn:aws:lambda:us-east-1:123456789012:function:fn:$LATEST"}) {
		t.Errorf("successes: %q", successes)
	}
}
