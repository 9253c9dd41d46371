package host

import "sync"

// Async counts the work that somebody has set going and nobody waits for, such as asynchronous invocations, so that a test
// can wait until none is left.
type Async struct {
	host *Host

	mu      sync.Mutex
	busy    int
	changed chan struct{} // closed and replaced when busy becomes 0
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

// State tells whether nothing is under way or, if something is, when to ask again.
func (a *Async) State() (changed <-chan struct{}, idle bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed, a.busy == 0
}
