package host

import (
	"context"
	"sync"
	"time"
)

// Event is something that happened in the stand-in. Each service declares its own. An event never holds a secret value, except that a function's own log lines and results hold what
// the function put there.
type Event interface {
	// When is the time of the stand-in's clock at which it happened.
	When() time.Time
}

// Events is the record of what happened. Every subscriber reads it at its own pace and in its order, so that a slow
// or re-entrant one holds up nothing.
type Events struct {
	mu      sync.Mutex
	log     []Event
	changed chan struct{} // closed and replaced when log grows or the record ends
	ended   bool
	readers sync.WaitGroup
}

func newEvents() *Events { return &Events{changed: make(chan struct{})} }

// Emit records an event.
func (e *Events) Emit(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return
	}
	e.log = append(e.log, ev)
	close(e.changed)
	e.changed = make(chan struct{})
}

// All returns what happened so far.
func (e *Events) All() []Event {
	log, _, _ := e.from(0)
	return log
}

// Changed returns a channel that closes at the next event or when the record ends, and tells whether it has ended.
func (e *Events) Changed() (changed <-chan struct{}, ended bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changed, e.ended
}

// from returns what was recorded from index i on, and a channel that closes when there is more to ask for.
func (e *Events) from(i int) (more []Event, changed <-chan struct{}, ended bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.log[min(i, len(e.log)):len(e.log):len(e.log)], e.changed, e.ended
}

// end lets the subscribers read what is left and waits for them.
func (e *Events) end() {
	e.mu.Lock()
	if !e.ended {
		e.ended = true
		close(e.changed)
	}
	e.mu.Unlock()
	e.readers.Wait()
}

// Subscribe calls f with every event from now on, in order and one at a time, until cancelled or until the record ends. f
// may do anything but close the host.
func (e *Events) Subscribe(f func(Event)) (cancel func()) {
	stop := make(chan struct{})
	e.mu.Lock()
	i := len(e.log)
	e.mu.Unlock()
	e.readers.Go(func() {
		for {
			more, changed, ended := e.from(i)
			for _, ev := range more {
				select {
				case <-stop:
					return
				default:
					f(ev)
				}
			}
			i += len(more)
			if ended && len(more) == 0 {
				return
			}
			if len(more) > 0 {
				continue
			}
			select {
			case <-stop:
				return
			case <-changed:
			}
		}
	})
	return sync.OnceFunc(func() { close(stop) })
}

// Wait returns once an event, past or to come, satisfies the condition. It returns that event, the error of the context, or
// [ErrClosed].
func (e *Events) Wait(ctx context.Context, condition func(Event) bool) (Event, error) {
	for i := 0; ; {
		more, changed, ended := e.from(i)
		for _, ev := range more {
			if condition(ev) {
				return ev, nil
			}
		}
		i += len(more)
		if ended {
			return nil, ErrClosed
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		}
	}
}
