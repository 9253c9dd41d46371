// Package sns stands in for AWS's Simple Notification Service: topics, which keep all that was published to them, and hand it to
// Go funcs and to functions.
//
//	topic := srv.SNS.CreateTopic("mautic-rotation")
//	cancel, err := srv.SNS.Subscribe(topic, func(m sns.Message) { … })
//	…
//	for _, m := range srv.SNS.Inbox(topic) { … }
//
// What it does not do: mail, text messages, HTTP and queues. A subscription by e-mail is taken and stays pending, as it does until
// somebody follows the link. FIFO topics, attributes, filter policies, encryption and the policies of topics.
package sns

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Message is a message of a topic.
type Message struct {
	ID      string
	Topic   string // ARN
	Subject string
	Text    string
	At      time.Time
}

// Published tells that a message was published.
type Published struct {
	At      time.Time
	Message Message
}

// When is the event's time.
func (e Published) When() time.Time { return e.At }

// Functions are what a topic invokes.
type Functions interface {
	// Exists returns an error if there is no such function.
	Exists(function string) error

	// Invoke invokes a function and waits for its end.
	Invoke(function string, payload []byte) (wire.InvokeResult, error)
}

// StandIn is SNS.
type StandIn struct {
	host      *host.Host
	functions Functions
	async     *host.Async

	mu     sync.Mutex
	topics map[string]*topic // by ARN
}

type topic struct {
	inbox         []Message
	subscriptions []*subscription
}

// subscription is of a Go func, or by an operation.
type subscription struct {
	arn       string
	protocol  string
	endpoint  string
	receive   func(Message)
	confirmed bool
}

// New makes a stand-in without topics. The invocations that its topics make are counted by async.
func New(h *host.Host, functions Functions, async *host.Async) *StandIn {
	return &StandIn{host: h, functions: functions, async: async, topics: map[string]*topic{}}
}

// CreateTopic makes a topic, and returns its ARN. One that is there stays as it is.
func (s *StandIn) CreateTopic(name string) (arn string) {
	arn = s.host.Account.ARN("sns", name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics[arn] == nil {
		s.topics[arn] = &topic{}
	}
	return arn
}

// Exists returns an error if there is no such topic.
func (s *StandIn) Exists(arn string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.find(arn)
	return err
}

// find finds a topic. The caller holds the lock.
func (s *StandIn) find(arn string) (*topic, error) {
	if t := s.topics[arn]; t != nil {
		return t, nil
	}
	return nil, &wire.Error{Code: "NotFound", Message: "Topic does not exist", Status: http.StatusNotFound}
}

// Subscribe has receive called with every message of a topic from now on, before its publication returns, until cancelled.
// It may call the server, and is called concurrently if messages are published concurrently.
func (s *StandIn) Subscribe(topicARN string, receive func(Message)) (cancel func(), err error) {
	sub := &subscription{receive: receive, confirmed: true}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.find(topicARN)
	if err != nil {
		return nil, err
	}
	t.subscriptions = append(t.subscriptions, sub)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		t.subscriptions = slices.DeleteFunc(t.subscriptions, func(o *subscription) bool { return o == sub })
	}, nil
}

// Inbox returns all messages of a topic so far, in the order in which they were published; none if there is no such topic.
func (s *StandIn) Inbox(topicARN string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.find(topicARN)
	if err != nil {
		return nil
	}
	return slices.Clone(t.inbox)
}

// Publish publishes a message. Subject may be empty. Functions that subscribed are invoked in the background.
func (s *StandIn) Publish(topicARN, subject, text string) (Message, error) {
	if err := check(subject, text); err != nil {
		return Message{}, err
	}
	m := Message{ID: s.host.Random.UUID(), Topic: topicARN, Subject: subject, Text: text, At: s.host.Clock.Now()}
	s.mu.Lock()
	t, err := s.find(topicARN)
	if err != nil {
		s.mu.Unlock()
		return Message{}, err
	}
	t.inbox = append(t.inbox, m)
	subscriptions := slices.Clone(t.subscriptions)
	s.mu.Unlock()
	s.host.Events.Emit(Published{At: m.At, Message: m})
	for _, sub := range subscriptions {
		switch {
		case sub.receive != nil:
			sub.receive(m)
		case sub.protocol == "lambda":
			s.async.Go(func() { _, _ = s.functions.Invoke(sub.endpoint, notification(sub.arn, m)) })
		}
	}
	return m, nil
}

// check holds a message to SNS's limits.
func check(subject, text string) error {
	switch {
	case text == "":
		return invalid("Invalid parameter: Empty message")
	case len(text) > 256<<10:
		return invalid("Invalid parameter: Message too long")
	case utf8.RuneCountInString(subject) > 100 || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r > '~' }):
		return invalid("Invalid parameter: Subject")
	}
	return nil
}

func invalid(message string) *wire.Error {
	return &wire.Error{Code: "InvalidParameter", Message: message}
}

// notification is the event with which a topic invokes a function.
// (https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html)
func notification(subscription string, m Message) []byte {
	var subject any
	if m.Subject != "" {
		subject = m.Subject
	}
	payload, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription,
		"Sns": map[string]any{
			"Type": "Notification", "MessageId": m.ID, "TopicArn": m.Topic, "Subject": subject, "Message": m.Text,
			"Timestamp": m.At.Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "1", "Signature": "EXAMPLE",
			"SigningCertUrl": "EXAMPLE", "UnsubscribeUrl": "EXAMPLE", "MessageAttributes": map[string]any{},
		},
	}}})
	if err != nil {
		panic(err) // texts
	}
	return payload
}

// API describes the operations for the wire.
func (s *StandIn) API() *wire.QueryService {
	return &wire.QueryService{
		Name: "sns", Version: "2010-03-31",
		Operations: map[string]wire.QueryOperation{
			"CreateTopic": wire.HandleQuery(s.createTopic),
			"Publish":     wire.HandleQuery(s.publish),
			"Subscribe":   wire.HandleQuery(s.subscribe),
		},
	}
}

type createTopicInput struct{ Name string }

type createTopicOutput struct{ TopicArn string }

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

const maxTopicName = 256 // not in the pattern: a repetition is compiled as often, at each start of a program

func (s *StandIn) createTopic(_ context.Context, in createTopicInput) (createTopicOutput, error) {
	if len(in.Name) > maxTopicName || !topicName.MatchString(in.Name) {
		return createTopicOutput{}, invalid("Invalid parameter: Topic Name")
	}
	return createTopicOutput{s.CreateTopic(in.Name)}, nil
}

type publishInput struct {
	TopicArn, Subject string
	Message           string `query:"Message,secret"` // whoever publishes may say anything
}

type publishOutput struct {
	MessageID string `xml:"MessageId"`
}

func (s *StandIn) publish(_ context.Context, in publishInput) (publishOutput, error) {
	m, err := s.Publish(in.TopicArn, in.Subject, in.Message)
	return publishOutput{m.ID}, err
}

type subscribeInput struct{ TopicArn, Protocol, Endpoint, ReturnSubscriptionArn string }

type subscribeOutput struct{ SubscriptionArn string }

// subscribe takes the protocols lambda and email.
func (s *StandIn) subscribe(_ context.Context, in subscribeInput) (out subscribeOutput, err error) {
	sub := &subscription{protocol: in.Protocol, endpoint: in.Endpoint}
	switch in.Protocol {
	case "lambda":
		if err := s.functions.Exists(in.Endpoint); err != nil {
			return out, invalid("Invalid parameter: Lambda endpoint")
		}
		sub.confirmed = true
	case "email":
		if !strings.Contains(in.Endpoint, "@") {
			return out, invalid("Invalid parameter: Email address")
		}
	default:
		return out, invalid("Invalid parameter: localaws does not have the protocol " + in.Protocol)
	}
	sub.arn = in.TopicArn + ":" + s.host.Random.UUID()
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.find(in.TopicArn)
	if err != nil {
		return out, err
	}
	t.subscriptions = append(t.subscriptions, sub)
	if !sub.confirmed && in.ReturnSubscriptionArn != "true" {
		return subscribeOutput{"pending confirmation"}, nil
	}
	return subscribeOutput{sub.arn}, nil
}
