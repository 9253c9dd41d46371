// Package host is what the services of the stand-in run on: a clock that tests can move, a source of randomness, the
// record of what happened, background work that ends with the stand-in, and child processes that do not outlive it.
//
// It knows nothing of AWS but the account and its ARNs. The core of a service, which works without goroutines, needs only
// an [Env]. What runs by itself around a core needs a [Host]:
//
//	h := host.New(host.Account{Region: "us-east-1", ID: "123456789012"}, nil, nil)
//	defer h.Close()
//	h.Spawn(func() { <-h.Context().Done() })
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// ErrClosed is returned by what waits on a stand-in that is closed meanwhile.
var ErrClosed = errors.New("localaws: server closed")

// Account is the AWS account that the stand-in plays, in one region.
type Account struct {
	Region string
	ID     string
}

// ARN builds the ARN of a resource of the account.
func (a Account) ARN(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, a.Region, a.ID, resource)
}

// Env is all that the answers of a service depend on besides the calls that were made to it. With the same calls, times and
// random bytes a service answers the same.
type Env struct {
	Account Account

	// Now is the time of AWS, which dates and schedules follow.
	Now func() time.Time

	// RealNow is the real time. Delays that other processes live through are measured by it: stale reads, the spread of an
	// access key, the restart of a task.
	RealNow func() time.Time

	Random *Random
	Emit   func(Event)
}

// Host runs a stand-in's background work. Close ends it.
type Host struct {
	Account Account
	Clock   *Clock
	Random  *Random
	Events  *Events

	ctx    context.Context // ends, with ErrClosed, when the host is closed
	cancel context.CancelCauseFunc

	mu   sync.Mutex // orders the start of work before the wait for its end
	work sync.WaitGroup
}

// New makes a host. Without a clock it has the real time, and without a source crypto/rand.
func New(account Account, clock *Clock, random io.Reader) *Host {
	if clock == nil {
		clock = &Clock{}
	}
	h := &Host{Account: account, Clock: clock, Random: NewRandom(random), Events: newEvents()}
	h.ctx, h.cancel = context.WithCancelCause(context.Background())
	return h
}

// Env is what the host offers to the core of a service.
func (h *Host) Env() Env {
	return Env{Account: h.Account, Now: h.Clock.Now, RealNow: time.Now, Random: h.Random, Emit: h.Events.Emit}
}

// Context ends, with [ErrClosed] as its cause, when the host is closed.
func (h *Host) Context() context.Context { return h.ctx }

// Spawn runs f in a goroutine that Close waits for. Once the host is closing it does nothing and returns false.
func (h *Host) Spawn(f func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		return false
	}
	h.work.Go(f)
	return true
}

// Stop ends the context. No work is started any more.
func (h *Host) Stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cancel(ErrClosed)
}

// Close stops the host, and waits for its work and for the subscribers to its events.
func (h *Host) Close() {
	h.Stop()
	h.work.Wait()
	h.Events.end()
}
