package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

// BusEvent is an event of EventBridge's default bus on its way to a function.
type BusEvent struct {
	ID         string
	Time       time.Time // to the second, as in the payload
	Source     string    // aws.ecs, aws.events
	DetailType string    // ECS Deployment State Change, Scheduled Event
	Resource   string    // ARN of the service, or of the schedule's rule
	Name       string    // eventName of a deployment event: SERVICE_DEPLOYMENT_COMPLETED
	Deployment string    // id, of a deployment event
	Function   string    // that it is for, as given to SendEvents or Schedule
	Payload    []byte    // that the function is invoked with
}

// EventFault says what goes wrong with the delivery of one event: EventBridge promises at least once, and no order. The
// zero EventFault delivers the event once and at once. Of Late and Delay one is taken, in this order.
type EventFault struct {
	// Lose never delivers the event. EventBridge tries for 24 hours; a function whose invocations are throttled or
	// switched off for longer misses it.
	Lose bool

	// Twice delivers the event at once, and once more, which is the delivery that Late and Delay hold up.
	Twice bool

	// Late delivers the event when the channel is closed or receives, so that later ones overtake it.
	Late <-chan struct{}

	// Delay delivers the event when so much time has passed on the Clock.
	Delay time.Duration
}

// SendEvents is a rule of EventBridge with a Lambda target: from now on the function, which has to be there, is invoked
// asynchronously with each "ECS Deployment State Change" of the services with the ARNs, or of all services if none is
// given. Every invocation is tried once, where Lambda would try it twice more if the function fails.
func (s *Server) SendEvents(function string, services ...string) error {
	if _, err := s.lambda.find(function); err != nil {
		return err
	}
	b := s.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = append(b.rules, eventRule{function, services})
	return nil
}

// Schedule is a scheduled rule of EventBridge: it invokes the function asynchronously each time that the Clock has gone
// on by every. A Clock that is moved past several of these times fires once. The payload is by default a "Scheduled
// Event" of EventBridge.
func (s *Server) Schedule(function string, every time.Duration, payload []byte) (stop func(), err error) {
	if _, err := s.lambda.find(function); err != nil {
		return nil, err
	}
	if every <= 0 {
		return nil, fmt.Errorf("localaws: a schedule every %v", every)
	}
	t := &eventTimer{bus: s.bus, function: function, every: every, payload: payload, next: s.clock.Now().Add(every)}
	t.rule = s.arn("events", "rule/"+randomText(8, letters))
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	s.bus.timers = append(s.bus.timers, t)
	t.cancel = s.clock.at(t.next, t.fire)
	return t.stop, nil
}

// InterceptEvents lets f decide about the delivery of every event from now on; it replaces an earlier f, and nil ends
// it. f is called for one event at a time, in the order in which they happened, and may call the server.
func (s *Server) InterceptEvents(f func(BusEvent) EventFault) {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	s.bus.fault = f
}

// WaitIdle waits until no asynchronous invocation is under way or about to be: by an event, by a schedule whose time has
// come, or by Invoke with the type Event. Events that an [EventFault] holds up do not count until they are let go. What a
// function sets going, such as a deployment, is not waited for.
func (s *Server) WaitIdle(ctx context.Context) error {
	for {
		changed, idle := s.bus.settle()
		if s.ctx.Err() != nil {
			return ErrClosed
		}
		if idle {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the end of asynchronous invocations: %w", context.Cause(ctx))
		case <-s.ctx.Done():
		case <-changed:
		}
	}
}

// eventBus is EventBridge. Events are taken from a queue one by one, so that their sources need not wait for a hook.
type eventBus struct {
	srv *Server

	mu      sync.Mutex
	rules   []eventRule
	timers  []*eventTimer
	fault   func(BusEvent) EventFault
	queue   []BusEvent
	pumping bool
	held    []*heldEvent
	busy    int           // events in the queue and invocations
	changed chan struct{} // closed and replaced when busy becomes 0
}

// eventRule sends the events of services to a function.
type eventRule struct {
	function string
	services []string // ARNs; none means all
}

func newEventBus(s *Server) *eventBus { return &eventBus{srv: s, changed: make(chan struct{})} }

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

// publish sends an event of a service to the functions that are to get it.
func (b *eventBus) publish(ev BusEvent, detail any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complete(&ev, detail)
	for _, r := range b.rules {
		if len(r.services) == 0 || slices.Contains(r.services, ev.Resource) {
			ev.Function = r.function
			b.enqueue(ev)
		}
	}
}

// complete gives an event an id, a time and, unless it has one, a payload.
func (b *eventBus) complete(ev *BusEvent, detail any) {
	ev.ID, ev.Time = newUUID(), b.srv.clock.Now().Truncate(time.Second)
	if ev.Payload != nil {
		return
	}
	payload, err := json.Marshal(envelope{
		Version: "0", ID: ev.ID, DetailType: ev.DetailType, Source: ev.Source, Account: b.srv.opts.AccountID,
		Time: eventTime(ev.Time), Region: b.srv.opts.Region, Resources: []string{ev.Resource}, Detail: detail,
	})
	if err != nil {
		panic(err) // strings
	}
	ev.Payload = payload
}

func eventTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// enqueue has an event delivered. The caller holds the lock.
func (b *eventBus) enqueue(ev BusEvent) {
	b.queue = append(b.queue, ev)
	b.busy++
	if !b.pumping {
		b.pumping = b.srv.spawn(b.pump)
	}
}

// pump delivers what is in the queue.
func (b *eventBus) pump() {
	for {
		b.mu.Lock()
		if len(b.queue) == 0 {
			b.pumping = false
			b.mu.Unlock()
			return
		}
		ev, fault := b.queue[0], b.fault
		b.queue = b.queue[1:]
		b.mu.Unlock()

		var f EventFault
		if fault != nil {
			f = fault(ev)
		}
		b.deliver(ev, f)
		b.done()
	}
}

func (b *eventBus) deliver(ev BusEvent, f EventFault) {
	if f.Lose {
		return
	}
	if f.Twice {
		b.invoke(ev)
	}
	if f.Late == nil && f.Delay <= 0 {
		b.invoke(ev)
		return
	}
	b.hold(ev, f)
}

// invoke invokes the event's function in the background.
func (b *eventBus) invoke(ev BusEvent) {
	b.run(func() {
		began := time.Now()
		result, err := b.srv.lambda.invoke(ev.Function, ev.Payload, "")
		b.srv.events.emit(EventDelivered{
			At: b.srv.clock.Now(), Event: ev, Duration: time.Since(began), Result: result, Err: err,
		})
	})
}

// run runs an asynchronous invocation.
func (b *eventBus) run(f func()) {
	b.mu.Lock()
	b.busy++
	b.mu.Unlock()
	spawned := b.srv.spawn(func() {
		defer b.done()
		f()
	})
	if !spawned {
		b.done()
	}
}

// done ends one of what keeps the bus busy.
func (b *eventBus) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.busy--; b.busy == 0 {
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// settle starts what is due now, and tells whether the bus is idle or, if not, when to ask again.
func (b *eventBus) settle() (changed <-chan struct{}, idle bool) {
	b.mu.Lock()
	held, timers := slices.Clone(b.held), slices.Clone(b.timers)
	b.mu.Unlock()
	for _, h := range held {
		if h.due(b.srv.clock.Now()) {
			h.release()
		}
	}
	for _, t := range timers {
		t.fire()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed, b.busy == 0
}

// stop ends the schedules and what waits for the clock, which may outlive the server.
func (b *eventBus) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.timers {
		t.cancel()
	}
	for _, h := range b.held {
		h.cancel()
	}
}

// heldEvent is an event whose delivery is held up.
type heldEvent struct {
	until   time.Time       // on the clock, or
	late    <-chan struct{} // until this is closed or receives
	release func()          // delivers it, once; returns when its invocation counts as under way
	cancel  func()          // of the clock's alarm
}

// due tells whether the event is to be let go; if so, what its channel may have received is taken.
func (h *heldEvent) due(now time.Time) bool {
	if h.late == nil {
		return !now.Before(h.until)
	}
	select {
	case <-h.late:
		return true
	default:
		return false
	}
}

func (b *eventBus) hold(ev BusEvent, f EventFault) {
	h := &heldEvent{late: f.Late, cancel: func() {}}
	released := make(chan struct{})
	h.release = sync.OnceFunc(func() {
		b.mu.Lock()
		b.held = slices.DeleteFunc(b.held, func(o *heldEvent) bool { return o == h })
		b.busy++ // in one move, so that WaitIdle sees no gap
		b.mu.Unlock()
		b.invoke(ev)
		b.done()
		close(released)
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = append(b.held, h)
	if h.late == nil {
		h.until = b.srv.clock.Now().Add(f.Delay)
		h.cancel = b.srv.clock.at(h.until, h.release)
		return
	}
	b.srv.spawn(func() {
		select {
		case <-h.late:
			h.release()
		case <-released:
		case <-b.srv.ctx.Done():
		}
	})
}

// eventTimer is a schedule. The lock of eventBus guards what changes.
type eventTimer struct {
	bus      *eventBus
	function string
	rule     string // ARN
	every    time.Duration
	payload  []byte

	next   time.Time
	cancel func() // of the clock's alarm
}

// fire publishes the schedule's event if its time has come, and sets the alarm for the next.
func (t *eventTimer) fire() {
	b, now := t.bus, t.bus.srv.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(t.next) || b.srv.ctx.Err() != nil || !slices.Contains(b.timers, t) {
		return
	}
	t.next = t.next.Add((now.Sub(t.next)/t.every + 1) * t.every)
	t.cancel()
	t.cancel = b.srv.clock.at(t.next, t.fire)
	ev := BusEvent{
		Source: "aws.events", DetailType: "Scheduled Event", Resource: t.rule, Function: t.function, Payload: t.payload,
	}
	b.complete(&ev, struct{}{})
	b.enqueue(ev)
}

func (t *eventTimer) stop() {
	t.bus.mu.Lock()
	defer t.bus.mu.Unlock()
	t.cancel()
	t.bus.timers = slices.DeleteFunc(t.bus.timers, func(o *eventTimer) bool { return o == t })
}
