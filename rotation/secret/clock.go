package secret

import (
	"context"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// A Clock is this machine's time. AWS's time is an [AWSClock].
type Clock interface {
	Now() time.Time
	// Wait returns nil after d, or the context's error if that ends first.
	Wait(ctx context.Context, d time.Duration) error
}

// MachineClock is the real [Clock].
type MachineClock struct{}

// Now is the machine's time.
func (MachineClock) Now() time.Time { return time.Now() }

// Wait returns nil after d, or the context's error if that ends first.
func (MachineClock) Wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// An AWSClock is AWS's time, from the replies of Secrets Manager: the same clock as ECS's
// creation times. AWS's replies have whole seconds only.
type AWSClock struct {
	machine Clock
	second  time.Duration
	told    time.Time // the time in the last reply
	heard   time.Time // when that reply came, by this machine's clock
}

// Told is the time in AWS's last reply, in whole seconds. Zero: there was none yet.
func (c *AWSClock) Told() time.Time { return c.told }

// Now is the time in AWS's last reply, plus the time since. It is never ahead of AWS's clock.
func (c *AWSClock) Now() time.Time { return c.told.Add(c.machine.Now().Sub(c.heard)) }

// Await returns when it is certainly as late as at, and at least a second after the time in AWS's
// last reply; or with the context's error if that ends first.
func (c *AWSClock) Await(ctx context.Context, at time.Time) error {
	seconds := max(1, at.Sub(c.told)/time.Second)
	return c.machine.Wait(ctx, c.heard.Add(seconds*c.second).Sub(c.machine.Now()))
}

func (c *AWSClock) hear(reply middleware.Metadata) {
	if now, ok := awsmiddleware.GetServerTime(reply); ok {
		c.told, c.heard = now, c.machine.Now()
	}
}
