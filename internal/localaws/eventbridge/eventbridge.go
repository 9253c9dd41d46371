// Package eventbridge stands in for AWS's EventBridge: the rules that wake a function, for changes of the state of ECS's
// deployments and by a schedule, and rules with event patterns.
//
// [StandIn.SendEvents] and [StandIn.Schedule] invoke a function as rules do, asynchronously, and [StandIn.Intercept] loses,
// doubles and reorders what they deliver. A test that has moved the clock or awaited a deployment calls [StandIn.WaitIdle]
// before it looks at what the function made of it:
//
//	err = srv.EventBridge.SendEvents("rotate")
//	stop, err := srv.EventBridge.Schedule("rotate", 15*time.Minute, nil)
//	…
//	srv.Clock().Advance(time.Hour)
//	err = srv.EventBridge.WaitIdle(ctx)
//
// [StandIn.PutRule] makes a rule with an event pattern, whose targets are functions and topics; an [InputTransformer] words
// what they get. It is about the events that the stand-in's services publish, and those of the operation PutEvents:
//
//	arn, err := srv.EventBridge.PutRule(eventbridge.Rule{
//		Name:    "failures",
//		Pattern: `{"source": ["aws.secretsmanager"], "detail": {"eventName": [{"prefix": "Rotation"}]}}`,
//		Targets: []eventbridge.Target{{ARN: topic, Transformer: &eventbridge.InputTransformer{
//			PathsMap: map[string]string{"event": "$.detail.eventName"}, Template: `"<event>"`,
//		}}},
//	})
//
// What it does not do: rules by an operation, cron expressions, archives, dead-letter queues, and other targets. EventBridge delivers at least once and in no order; here what is not intercepted is delivered once
// and in order.
package eventbridge

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Functions are what rules invoke, asynchronously.
type Functions interface {
	// Exists returns an error if there is no such function.
	Exists(function string) error

	// Invoke invokes a function and waits for its end. The error is a [*wire.Error] if Lambda refused.
	Invoke(function string, payload []byte) (wire.InvokeResult, error)
}

// Event is an event of EventBridge's default bus on its way to a function.
type Event struct {
	ID         string
	Time       time.Time // to the second, as in the payload
	Source     string    // aws.ecs, aws.events
	DetailType string    // ECS Deployment State Change, Scheduled Event
	Resource   string    // ARN of the service, or of the schedule's rule
	Name       string    // eventName of a deployment event: SERVICE_DEPLOYMENT_COMPLETED
	Deployment string    // id, of a deployment event
	Function   string    // that it is for, as given to SendEvents, Schedule or a rule
	Topic      string    // ARN of the topic that it is for instead
	Rule       string    // ARN, of what PutRule made
	Payload    []byte    // the event, or what the function is invoked with

	transformer *InputTransformer
}

// SendEvents is a rule of EventBridge with a Lambda target: from now on the function, which has to be there, is invoked
// asynchronously with each "ECS Deployment State Change" of the services with the ARNs, or of all services if none is
// given. Every invocation is tried once, where Lambda would try it twice more if the function fails.
func (s *StandIn) SendEvents(function string, services ...string) error {
	if err := s.functions.Exists(function); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, eventRule{function, services})
	return nil
}

// WaitIdle waits until no asynchronous invocation is under way or about to be: by an event, by a schedule whose time has
// come, or by Invoke with the type Event. Events that an [Fault] holds up do not count until they are let go. What a
// function sets going, such as a deployment, is not waited for.
func (s *StandIn) WaitIdle(ctx context.Context) error {
	for {
		changed, idle := s.settle()
		if s.host.Context().Err() != nil {
			return host.ErrClosed
		}
		if idle {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the end of asynchronous invocations: %w", context.Cause(ctx))
		case <-s.host.Context().Done():
		case <-changed:
		}
	}
}

// StandIn is EventBridge. Events are taken from a queue one by one, so that their sources need not wait for a hook.
type StandIn struct {
	host      *host.Host
	functions Functions
	async     *host.Async // counts the events in the queue and the invocations

	topics Topics

	mu       sync.Mutex
	rules    []eventRule
	patterns []*rule
	buses    []string // besides the default one
	timers   []*eventTimer
	fault    func(Event) Fault
	queue    []Event
	pumping  bool
	held     []*heldEvent
}

// eventRule sends the events of services to a function.
type eventRule struct {
	function string
	services []string // ARNs; none means all
}

// New makes a stand-in without rules. Its asynchronous invocations are counted by async.
func New(h *host.Host, functions Functions, topics Topics, async *host.Async) *StandIn {
	return &StandIn{host: h, functions: functions, topics: topics, async: async}
}

// envelope is what all events of EventBridge have in common.
type envelope struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     any      `json:"detail"`
}

// DeploymentStateChange publishes an event of ECS, to the functions that are to get the events of its service.
func (s *StandIn) DeploymentStateChange(service, name, deployment string, detail any) {
	ev := Event{
		Source: "aws.ecs", DetailType: "ECS Deployment State Change", Resource: service, Name: name, Deployment: deployment,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complete(&ev, []string{service}, detail)
	for _, r := range s.rules {
		if len(r.services) == 0 || slices.Contains(r.services, ev.Resource) {
			to := ev
			to.Function = r.function
			s.enqueue(to)
		}
	}
	s.match(defaultBus, ev)
}

// complete gives an event an id, a time and, unless it has one, a payload.
func (s *StandIn) complete(ev *Event, resources []string, detail any) {
	ev.ID = s.host.Random.UUID()
	if ev.Time.IsZero() {
		ev.Time = s.host.Clock.Now()
	}
	ev.Time = ev.Time.Truncate(time.Second)
	if ev.Payload != nil {
		return
	}
	payload, err := json.Marshal(envelope{
		Version: "0", ID: ev.ID, DetailType: ev.DetailType, Source: ev.Source, Account: s.host.Account.ID,
		Time: ev.Time.Format("2006-01-02T15:04:05Z"), Region: s.host.Account.Region, Resources: append([]string{}, resources...), Detail: detail,
	})
	if err != nil {
		panic(err) // strings
	}
	ev.Payload = payload
}

// settle starts what is due now, and tells whether the bus is idle or, if not, when to ask again.
func (s *StandIn) settle() (changed <-chan struct{}, idle bool) {
	s.mu.Lock()
	held, timers := slices.Clone(s.held), slices.Clone(s.timers)
	s.mu.Unlock()
	for _, h := range held {
		if h.due(s.host.Clock.Now()) {
			h.release()
		}
	}
	for _, t := range timers {
		t.fire()
	}
	return s.async.State()
}

// Stop ends the schedules and what waits for the clock, which may outlive the host.
func (s *StandIn) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.timers {
		t.cancel()
	}
	for _, h := range s.held {
		h.cancel()
	}
}
