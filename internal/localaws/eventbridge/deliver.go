package eventbridge

import (
	"slices"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/wire"
)

// Fault says what goes wrong with the delivery of one event: EventBridge promises at least once, and no order. The
// zero Fault delivers the event once and at once. Of Late and Delay one is taken, in this order.
type Fault struct {
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

// Intercept lets f decide about the delivery of every event from now on; it replaces an earlier f, and nil ends
// it. f is called for one event at a time, in the order in which they happened, and may call the server.
func (s *StandIn) Intercept(f func(Event) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Delivered tells how the delivery of an event ended, each time that it was delivered. Result and Err are those of
// [Functions.Invoke]; for a topic there is no Result. The event's Payload is what its target got.
type Delivered struct {
	At       time.Time
	Event    Event
	Duration time.Duration // with the start of an environment
	Result   wire.InvokeResult
	Err      error
}

// When is the event's time.
func (e Delivered) When() time.Time { return e.At }

// enqueue has an event delivered. The caller holds the lock.
func (s *StandIn) enqueue(ev Event) {
	s.queue = append(s.queue, ev)
	s.async.Begin()
	if !s.pumping {
		s.pumping = s.host.Spawn(s.pump)
	}
}

// pump delivers what is in the queue.
func (s *StandIn) pump() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.pumping = false
			s.mu.Unlock()
			return
		}
		ev, fault := s.queue[0], s.fault
		s.queue = s.queue[1:]
		s.mu.Unlock()

		var f Fault
		if fault != nil {
			f = fault(ev)
		}
		s.deliver(ev, f)
		s.async.End()
	}
}

func (s *StandIn) deliver(ev Event, f Fault) {
	if f.Lose {
		return
	}
	if f.Twice {
		s.invoke(ev)
	}
	if f.Late == nil && f.Delay <= 0 {
		s.invoke(ev)
		return
	}
	s.hold(ev, f)
}

// invoke invokes the event's function, or publishes to its topic, in the background.
func (s *StandIn) invoke(ev Event) {
	s.async.Go(func() {
		began := time.Now()
		result, err := s.hand(&ev)
		s.host.Events.Emit(Delivered{
			At: s.host.Clock.Now(), Event: ev, Duration: time.Since(began), Result: result, Err: err,
		})
	})
}

// hand hands an event to its target, as the transformer words it.
func (s *StandIn) hand(ev *Event) (result wire.InvokeResult, err error) {
	if ev.transformer != nil {
		if ev.Payload, err = ev.transformer.apply(ev.Payload, ev.Rule, s.host.Clock.Now()); err != nil {
			return result, err
		}
	}
	if ev.Topic != "" {
		return result, s.topics.Publish(ev.Topic, string(ev.Payload))
	}
	return s.functions.Invoke(ev.Function, ev.Payload)
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

func (s *StandIn) hold(ev Event, f Fault) {
	h := &heldEvent{late: f.Late, cancel: func() {}}
	released := make(chan struct{})
	h.release = sync.OnceFunc(func() {
		s.mu.Lock()
		s.held = slices.DeleteFunc(s.held, func(o *heldEvent) bool { return o == h })
		s.async.Begin() // in one move, so that WaitIdle sees no gap
		s.mu.Unlock()
		s.invoke(ev)
		s.async.End()
		close(released)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, h)
	if h.late == nil {
		h.until = s.host.Clock.Now().Add(f.Delay)
		h.cancel = s.host.Clock.At(h.until, h.release)
		return
	}
	s.host.Spawn(func() {
		select {
		case <-h.late:
			h.release()
		case <-released:
		case <-s.host.Context().Done():
		}
	})
}
