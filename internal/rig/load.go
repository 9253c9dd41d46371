package rig

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Load logs in afresh, over and over, in the two ways an application does: with
// the password that it read when it started, and with the one that it reads
// just before. Its logins are paced, so that it loads the server as an
// application would and not as much as it can.
type Load struct {
	attempts, failures atomic.Int64
	firstFailure       atomic.Pointer[string]
	stop               context.CancelFunc
	running            sync.WaitGroup
}

// loadInterval between two logins of one worker: four workers make some 100 a
// second.
const loadInterval = 40 * time.Millisecond

// StartLoad starts the load; it ends with Stop.
func (r *Rig) StartLoad(ctx context.Context) (*Load, error) {
	pinned, err := r.PasswordLabelled("AWSCURRENT")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	load := &Load{stop: cancel}
	for range 2 {
		load.running.Go(func() {
			load.repeat(ctx, "with the password read at the start", func() error { return r.Login(ctx, pinned) })
		})
		load.running.Go(func() {
			load.repeat(ctx, "with AWSCURRENT", func() error { return r.CurrentLogsIn(ctx) })
		})
	}
	return load, nil
}

func (l *Load) repeat(ctx context.Context, how string, login func() error) {
	pace := time.NewTicker(loadInterval)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		err := login()
		if ctx.Err() != nil {
			return
		}
		l.attempts.Add(1)
		if err != nil {
			l.failures.Add(1)
			text := fmt.Sprintf("%s: %v", how, err)
			l.firstFailure.CompareAndSwap(nil, &text)
		}
	}
}

// Stop ends the load and returns how often it logged in and how often that
// failed, with the first failure's text.
func (l *Load) Stop() (attempts, failures int64, first string) {
	l.stop()
	l.running.Wait()
	if text := l.firstFailure.Load(); text != nil {
		first = *text
	}
	return l.attempts.Load(), l.failures.Load(), first
}
