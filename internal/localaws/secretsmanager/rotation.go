package secretsmanager

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Ends of a rotation.
var (
	// ErrRotationAbandoned: a value was written by hand meanwhile.
	ErrRotationAbandoned = errors.New("rotation abandoned: a new version of the secret was created meanwhile")
	// ErrRotationCancelled: CancelRotateSecret was called meanwhile.
	ErrRotationCancelled = errors.New("rotation cancelled")
)

// Rotation is one run of the rotation service for one token. Whoever is told of it by [Hooks.Begun] invokes the function for
// each of its steps, until a step fails or [Rotation.Stopped] says to stop, then asks [Core.Verify], and tells the end by
// [Core.Conclude]. It may try all of this again before the end, as AWS does.
type Rotation struct {
	Secret        string // ARN
	Token         string
	RotationToken string // "" unless [Variants.RotationTokenSent]
	Function      string // ARN
	Test          bool   // testSecret only

	ctx  context.Context // ends, with its cause, when no further step is to be invoked
	stop context.CancelCauseFunc
}

// Steps are the steps for which the function is invoked, in order.
func (r *Rotation) Steps() []string {
	if r.Test {
		return []string{"testSecret"}
	}
	return []string{"createSecret", "setSecret", "testSecret", "finishSecret"}
}

// Stopped is why no further step is to be invoked; nil if the rotation is to go on.
func (r *Rotation) Stopped() error { return context.Cause(r.ctx) }

// Event is what the function is invoked with for a step.
func (r *Rotation) Event(step string) StepEvent {
	return StepEvent{step, r.Secret, r.Token, r.RotationToken}
}

// StepEvent is the event of a step, which the function gets as JSON.
type StepEvent struct {
	Step               string
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
	RotationToken      string `json:",omitempty"`
}

// start registers a rotation as under way. The caller holds the lock.
func (c *Core) start(r *record, token string, test bool) {
	rotation := &Rotation{Secret: r.state.arn, Token: token, Function: r.state.rotation.function, Test: test}
	if c.variants.Load().RotationTokenSent {
		rotation.RotationToken = c.env.Random.UUID()
	}
	rotation.ctx, rotation.stop = context.WithCancelCause(context.Background())
	r.rotation = rotation
	c.report(rotation, RotationStarted, nil)
	if c.hooks.Begun != nil {
		c.hooks.Begun(rotation)
	}
}

// Rotation returns the rotation of a secret that is under way, or nil.
func (c *Core) Rotation(secretID string) *Rotation {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(secretID)
	if err != nil {
		return nil
	}
	return r.rotation
}

// Retryable tells whether the version is still there to be rotated to, after an attempt that failed: someone may have taken
// its label.
func (c *Core) Retryable(rotation *Rotation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(rotation.Secret)
	if err != nil {
		return false
	}
	v := r.state.version(rotation.Token)
	return v != nil && (v.has(pending) || v.has(current))
}

// Verify checks, when all steps have succeeded, that the rotation has: the new version has to be the current one. Whether the
// function has taken AWSPENDING off it by a call of its own does not matter: AWS then tells a LastRotatedDate all the same. A
// test has nothing to show.
func (c *Core) Verify(rotation *Rotation) error {
	if rotation.Test {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(rotation.Secret)
	if err != nil {
		return err
	}
	if v := r.state.version(rotation.Token); v == nil || !v.has(current) {
		return fmt.Errorf("rotation incomplete: the steps succeeded, and AWSCURRENT is not on version %s", rotation.Token)
	}
	return nil
}

// Conclude records the end of a rotation: err is nil if it succeeded, else why its last attempt failed, [Rotation.Stopped]
// included. A rotation that failed leaves its version and AWSPENDING in place.
func (c *Core) Conclude(rotation *Rotation, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer rotation.stop(nil)
	if r, notFound := c.find(rotation.Secret); notFound == nil {
		if r.rotation == rotation {
			r.rotation = nil
		}
		switch {
		case rotation.Test:
			c.amend(r, func(s *secret) { s.remove(rotation.Token) })
		case err == nil:
			c.amend(r, func(s *secret) { s.rotatedTo(rotation.Token, c.env.Now(), c.variants.Load()) })
			c.reschedule(r)
		}
	}
	switch {
	case err == nil:
		c.report(rotation, RotationSucceeded, nil)
	case errors.Is(err, ErrRotationAbandoned):
		c.report(rotation, RotationAbandoned, nil)
	case errors.Is(err, ErrRotationCancelled):
		c.report(rotation, RotationCancelled, nil)
	default:
		c.report(rotation, RotationFailed, err)
	}
}

// rotatedTo records a successful rotation.
func (s *secret) rotatedTo(token string, now time.Time, variants *Variants) {
	s.rotated = now
	if v := s.version(token); v.has(pending) && variants.PendingAfterSuccess != PendingStays {
		s.drop(pending)
	}
	if variants.NextRotationDate == NextRotationDateOnSuccess {
		s.rotation.advance(now)
	}
	s.rotation.days = 0
	if start := s.rotation.window.start; !start.IsZero() {
		s.rotation.days = int(start.Sub(now.Truncate(24*time.Hour)).Hours() / 24)
	}
}

// report tells of a rotation. A test has names of its own for all that can happen to it.
func (c *Core) report(r *Rotation, name RotationEventName, err error) {
	if r.Test {
		switch name {
		case RotationStarted:
			name = TestRotationStarted
		case RotationSucceeded:
			name = TestRotationSucceeded
		default:
			name = TestRotationFailed
		}
	}
	c.env.Emit(RotationEvent{At: c.env.Now(), Name: name, Secret: r.Secret, Token: r.Token, Err: err})
}
