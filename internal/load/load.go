// Package load uses credentials continuously while something happens to them, as an
// application does, and reports the result:
//
//	logins, err := load.Start(ctx, 25*time.Millisecond, load.Worker{
//		Name: "with the password read at the start",
//		Use:  func(ctx context.Context) error { return server.Login(ctx, user, password, "") },
//	})
//	if err != nil {
//		return err
//	}
//	… rotate …
//	err = logins.Stop()
//
// A load that observed nothing is an error too, so that it does not pass as one without
// failures. It is paced, to load a server like an application, not as much as it can.
package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A Worker uses a credential.
type Worker struct {
	Name string                      // how it uses it, for errors
	Use  func(context.Context) error // returns an error if the credential was refused
}

// A Load is a set of running workers.
type Load struct {
	ctx     context.Context
	stop    chan struct{}
	stopped func() error
	running sync.WaitGroup

	mu       sync.Mutex
	attempts int
	failures int
	first    error
	idle     map[string]bool // the workers that have made no attempt yet between Start and Stop
}

// FailedError reports failed attempts.
type FailedError struct {
	Failures, Attempts int
	First              error
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("%d of %d attempts failed, the first %v", e.Failures, e.Attempts, e.First)
}

// Unwrap returns the first failure.
func (e *FailedError) Unwrap() error { return e.First }

// ErrNothingObserved says that a worker made no attempt between Start and Stop.
var ErrNothingObserved = errors.New("nothing was observed")

// Start starts the workers. It returns once each of them has succeeded, or one of them
// has failed. They continue, with the pause between a worker's attempts, until Stop,
// which must be called, or until ctx ends.
func Start(ctx context.Context, pause time.Duration, workers ...Worker) (*Load, error) {
	l := &Load{ctx: ctx, stop: make(chan struct{}), idle: map[string]bool{}}
	l.stopped = sync.OnceValue(l.end)
	for _, w := range workers {
		l.idle[w.Name] = true
	}
	begun := make(chan error, len(workers))
	for _, w := range workers {
		l.running.Go(func() {
			err := w.Use(ctx)
			if err != nil {
				err = fmt.Errorf("before anything happened, %s: %w", w.Name, err)
			}
			begun <- err
			if err == nil {
				l.repeat(w, pause)
			}
		})
	}
	var faults []error
	for range workers {
		faults = append(faults, <-begun)
	}
	if err := errors.Join(faults...); err != nil {
		_ = l.Stop()
		return nil, err
	}
	return l, nil
}

// repeat continues a worker's attempts. The last one begins after Stop was called, to
// show the credential's final state.
func (l *Load) repeat(w Worker, pause time.Duration) {
	pace := time.NewTicker(pause)
	defer pace.Stop()
	for last := false; ; {
		if !l.once(w, last) || last {
			return
		}
		select {
		case <-l.ctx.Done():
			return
		case <-l.stop:
			last = true
		case <-pace.C:
		}
	}
}

// once makes one attempt. It reports whether that could finish.
func (l *Load) once(w Worker, last bool) bool {
	err := w.Use(l.ctx)
	if l.ctx.Err() != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !last {
		delete(l.idle, w.Name)
	}
	l.attempts++
	if err != nil {
		l.failures++
		if l.first == nil {
			l.first = fmt.Errorf("%s: %w", w.Name, err)
		}
	}
	return true
}

// Attempts returns how many attempts were made since Start, and how many of them failed.
func (l *Load) Attempts() (made, failed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attempts, l.failures
}

// Stop ends the load, after one more attempt of each worker. Its error is a
// [*FailedError] if any attempt since Start failed, or matches
// [ErrNothingObserved]. It may be called again, with the same result.
func (l *Load) Stop() error { return l.stopped() }

func (l *Load) end() error {
	close(l.stop)
	l.running.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	var faults []error
	for name := range l.idle {
		faults = append(faults, fmt.Errorf("%w %s", ErrNothingObserved, name))
	}
	if l.attempts == 0 && len(faults) == 0 {
		faults = append(faults, ErrNothingObserved)
	}
	if err := context.Cause(l.ctx); err != nil {
		faults = append(faults, fmt.Errorf("the load was interrupted: %w", err))
	}
	if l.failures > 0 {
		faults = append(faults, &FailedError{Failures: l.failures, Attempts: l.attempts, First: l.first})
	}
	return errors.Join(faults...)
}
