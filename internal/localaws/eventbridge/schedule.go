package eventbridge

import (
	"fmt"
	"slices"
	"time"

	"mautic-rotation/internal/localaws/host"
)

// Schedule is a scheduled rule of EventBridge: it invokes the function asynchronously each time that the Clock has gone
// on by every. A Clock that is moved past several of these times fires once. The payload is by default a "Scheduled
// Event" of EventBridge.
func (s *StandIn) Schedule(function string, every time.Duration, payload []byte) (stop func(), err error) {
	if err := s.functions.Exists(function); err != nil {
		return nil, err
	}
	if every <= 0 {
		return nil, fmt.Errorf("localaws: a schedule every %v", every)
	}
	t := &eventTimer{bus: s, function: function, every: every, payload: payload, next: s.host.Clock.Now().Add(every)}
	t.rule = s.host.Account.ARN("events", "rule/"+s.host.Random.Text(8, host.Letters))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timers = append(s.timers, t)
	t.cancel = s.host.Clock.At(t.next, t.fire)
	return t.stop, nil
}

// eventTimer is a schedule. The lock of its stand-in guards what changes.
type eventTimer struct {
	bus      *StandIn
	function string
	rule     string // ARN
	every    time.Duration
	payload  []byte

	next   time.Time
	cancel func() // of the clock's alarm
}

// fire publishes the schedule's event if its time has come, and sets the alarm for the next.
func (t *eventTimer) fire() {
	s, now := t.bus, t.bus.host.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(t.next) || s.host.Context().Err() != nil || !slices.Contains(s.timers, t) {
		return
	}
	t.next = t.next.Add((now.Sub(t.next)/t.every + 1) * t.every)
	t.cancel()
	t.cancel = s.host.Clock.At(t.next, t.fire)
	ev := Event{
		Source: "aws.events", DetailType: "Scheduled Event", Resource: t.rule, Function: t.function, Payload: t.payload,
	}
	s.complete(&ev, []string{t.rule}, struct{}{})
	s.enqueue(ev)
}

func (t *eventTimer) stop() {
	t.bus.mu.Lock()
	defer t.bus.mu.Unlock()
	t.cancel()
	t.bus.timers = slices.DeleteFunc(t.bus.timers, func(o *eventTimer) bool { return o == t })
}
