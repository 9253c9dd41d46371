package localaws_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"mautic-rotation/internal/localaws"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/sns"
)

// call makes a call of the Query protocol, and returns what the element of the reply holds.
func (f *fixture) call(element string, parameters ...string) string {
	f.T.Helper()
	form := url.Values{"Version": {"2010-03-31"}}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	req, err := http.NewRequestWithContext(f.Ctx, http.MethodPost, f.URL(), strings.NewReader(form.Encode()))
	if err != nil {
		f.T.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/sns/aws4_request")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.T.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.T.Fatal(err)
	}
	found := regexp.MustCompile("<" + element + ">([^<]*)</").FindSubmatch(body)
	if found == nil {
		f.T.Fatalf("no %s in %s", element, body)
	}
	return string(found[1])
}

func TestAMessageReachesTheInboxAndTheSubscribers(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	topic := f.call("TopicArn", "Action", "CreateTopic", "Name", "notices")
	if want := f.SNS.CreateTopic("notices"); topic != want || topic != "arn:aws:sns:us-east-1:123456789012:notices" {
		t.Fatalf("got %s, want %s", topic, want)
	}
	var received []sns.Message
	cancel, err := f.SNS.Subscribe(topic, func(m sns.Message) { received = append(received, m) })
	if err != nil {
		t.Fatal(err)
	}
	id := f.call("MessageId", "Action", "Publish", "TopicArn", topic, "Message", "rotated", "Subject", "Mautic")
	cancel()
	if _, err := f.SNS.Publish(topic, "", "again"); err != nil {
		t.Fatal(err)
	}
	if len(received) != 1 || received[0].ID != id || received[0].Text != "rotated" || received[0].Subject != "Mautic" || received[0].Topic != topic {
		t.Errorf("received %+v", received)
	}
	if inbox := f.SNS.Inbox(topic); len(inbox) != 2 || inbox[0] != received[0] || inbox[1].Text != "again" {
		t.Errorf("the inbox has %+v", inbox)
	}
	for _, c := range f.Calls() {
		if strings.Contains(c.Detail, "rotated") {
			t.Errorf("the record of calls tells the message: %s", c.Detail)
		}
	}
}

func TestATopicInvokesTheFunctionsThatSubscribed(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	topic := f.SNS.CreateTopic("notices")
	var event struct {
		Records []struct {
			EventSource, EventSubscriptionArn string
			Sns                               struct {
				Type, MessageID, TopicArn, Message, Timestamp string
				Subject                                       *string
			}
		}
	}
	function := f.Handler(locallambda.Function{Name: "fn", Handler: func(_ context.Context, payload []byte) ([]byte, error) {
		return nil, json.Unmarshal(payload, &event)
	}})
	subscription := f.call("SubscriptionArn", "Action", "Subscribe", "TopicArn", topic, "Protocol", "lambda", "Endpoint", function)
	m, err := f.SNS.Publish(topic, "", "rotated")
	if err != nil {
		t.Fatal(err)
	}
	f.AwaitIdle()
	if len(event.Records) != 1 {
		t.Fatalf("%+v", event)
	}
	if r := event.Records[0]; r.EventSource != "aws:sns" || r.EventSubscriptionArn != subscription || r.Sns.Type != "Notification" ||
		r.Sns.MessageID != m.ID || r.Sns.TopicArn != topic || r.Sns.Message != "rotated" || r.Sns.Subject != nil || len(r.Sns.Timestamp) != 24 {
		t.Errorf("%+v", r)
	}
	if got := f.call("SubscriptionArn", "Action", "Subscribe", "TopicArn", topic, "Protocol", "email", "Endpoint", "a@example.com"); got != "pending confirmation" {
		t.Error(got)
	}
}

func TestWhatCannotBePublishedOrSubscribedIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	topic := f.SNS.CreateTopic("notices")
	none := topic + "-none"
	for _, c := range []struct {
		code       string
		parameters []string
	}{
		{"NotFound", []string{"Action", "Publish", "TopicArn", none, "Message", "a"}},
		{"InvalidParameter", []string{"Action", "Publish", "TopicArn", topic, "Message", ""}},
		{"InvalidParameter", []string{"Action", "Publish", "TopicArn", topic, "Message", strings.Repeat("a", 256<<10+1)}},
		{"InvalidParameter", []string{"Action", "Publish", "TopicArn", topic, "Message", "a", "Subject", "two\nlines"}},
		{"InvalidParameterValue", []string{"Action", "Publish", "TopicArn", topic, "Message", "a", "MessageStructure", "json"}},
		{"NotFound", []string{"Action", "Subscribe", "TopicArn", none, "Protocol", "email", "Endpoint", "a@example.com"}},
		{"InvalidParameter", []string{"Action", "Subscribe", "TopicArn", topic, "Protocol", "sqs", "Endpoint", "arn"}},
		{"InvalidParameter", []string{"Action", "Subscribe", "TopicArn", topic, "Protocol", "lambda", "Endpoint", "none"}},
		{"InvalidParameter", []string{"Action", "CreateTopic", "Name", "not a name"}},
		{"InvalidAction", []string{"Action", "DeleteTopic", "TopicArn", topic}},
	} {
		if got := f.call("Code", c.parameters...); got != c.code {
			t.Errorf("%.100q: got %s, want %s", c.parameters, got, c.code)
		}
	}
	if _, err := f.SNS.Subscribe(none, nil); err == nil {
		t.Error("a subscription to a topic that is not there")
	}
	if len(f.SNS.Inbox(topic)) != 0 || f.SNS.Inbox(none) != nil {
		t.Error("something was published")
	}
}
