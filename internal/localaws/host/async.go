package host

import (
	"slices"
	"sync"
	"time"
)

// Async counts the work that somebody has set going and nobody waits for, such as asynchronous invocations, so that a test
// can wait until none is left.
type Async struct {
	host *Host

	mu      sync.Mutex
	busy    int
	changed chan struct{} // closed and replaced when busy becomes 0
	later   []*later
}

// later is work that waits for its time.
type later struct {
	at    time.Time
	start func() // once; returns when the work counts
}

// NewAsync makes a counter that stands at zero.
func NewAsync(h *Host) *Async { return &Async{host: h, changed: make(chan struct{})} }

// Go runs f in the background and counts it until it returns. Once the host is closing it does nothing.
func (a *Async) Go(f func()) {
	a.Begin()
	spawned := a.host.Spawn(func() {
		defer a.End()
		f()
	})
	if !spawned {
		a.End()
	}
}

// Begin counts one more. Each Begin needs its End.
func (a *Async) Begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy++
}

// End counts one less.
func (a *Async) End() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy--; a.busy == 0 {
		close(a.changed)
		a.changed = make(chan struct{})
	}
}

// At has f run in the background once the clock shows t or later, and counts it from then on. While it waits it does not
// count.
func (a *Async) At(t time.Time, f func()) {
	l := &later{at: t}
	started := make(chan struct{})
	l.start = sync.OnceFunc(func() {
		a.Go(f)
		a.mu.Lock()
		a.later = slices.DeleteFunc(a.later, func(o *later) bool { return o == l })
		a.mu.Unlock()
		close(started)
	})
	a.mu.Lock()
	a.later = append(a.later, l)
	a.mu.Unlock()
	cancel := a.host.Clock.At(t, l.start)
	spawned := a.host.Spawn(func() { // the clock may outlive the host
		defer cancel()
		select {
		case <-started:
		case <-a.host.Context().Done():
		}
	})
	if !spawned {
		cancel()
	}
}

// startDue starts the work whose time has come, which the clock's alarms are about to do.
func (a *Async) startDue() {
	a.mu.Lock()
	waiting := slices.Clone(a.later)
	a.mu.Unlock()
	now := a.host.Clock.Now()
	for _, l := range waiting {
		if !l.at.After(now) {
			l.start()
		}
	}
}

// State tells whether nothing is under way or, if something is, when to ask again.
func (a *Async) State() (changed <-chan struct{}, idle bool) {
	a.startDue()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed, a.busy == 0
}
