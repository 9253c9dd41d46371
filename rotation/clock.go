package rotation

import (
	"context"
	"time"
)

// A Clock is this machine's time. AWS's own is read from its replies.
type Clock interface {
	Now() time.Time
	// Wait returns nil after d, or the context's error when that ends before.
	Wait(ctx context.Context, d time.Duration) error
}

// realClock is the machine's own.
type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

func (realClock) Wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
