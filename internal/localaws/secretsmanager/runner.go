package secretsmanager

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// StepError is a step of a rotation that failed: the error that the function returned, or how it ended without.
type StepError struct {
	Step    string
	Type    string // errorType, such as "Sandbox.Timedout"
	Message string // errorMessage
}

func (e *StepError) Error() string { return fmt.Sprintf("%s: %s: %s", e.Step, e.Type, e.Message) }

// run is a rotation on its way through its steps.
type run struct {
	*Rotation
	done chan struct{}
	err  error // set when done
}

type runKey struct{ secret, token string }

// begun runs a rotation in the background.
func (s *StandIn) begun(r *Rotation) {
	run := &run{Rotation: r, done: make(chan struct{})}
	s.mu.Lock()
	s.runs[runKey{r.Secret, r.Token}] = run
	s.runs[runKey{r.Secret, ""}] = run
	s.mu.Unlock()
	spawned := s.host.Spawn(func() {
		defer close(run.done)
		run.err = s.attempts(run)
		s.Conclude(r, run.err)
	})
	if !spawned {
		run.err = host.ErrClosed
		close(run.done)
	}
}

// attempts tries the rotation as often as the service does, each time from its first step on and with the same token.
func (s *StandIn) attempts(run *run) error {
	retries := max(s.retries, 0)
	if run.Test {
		retries = 0
	}
	for attempt := 1; ; attempt++ {
		err := s.attempt(run, attempt)
		if stopped := s.stopped(run); stopped != nil {
			return stopped
		}
		if err == nil || attempt > retries || !s.Retryable(run.Rotation) {
			return err
		}
		select {
		case <-run.ctx.Done():
		case <-s.host.Context().Done():
		case <-time.After(s.retryDelay):
		}
	}
}

// stopped is why a run is to go no further, nil if it is to go on.
func (s *StandIn) stopped(run *run) error {
	if stopped := run.Stopped(); stopped != nil {
		return stopped
	}
	return context.Cause(s.host.Context())
}

// attempt invokes the steps once and looks at what they achieved.
func (s *StandIn) attempt(run *run, attempt int) error {
	for _, step := range run.Steps() {
		if stopped := s.stopped(run); stopped != nil {
			return stopped
		}
		if err := s.invokeStep(run.Rotation, step, attempt); err != nil {
			return err
		}
	}
	return s.Verify(run.Rotation)
}

func (s *StandIn) invokeStep(r *Rotation, step string, attempt int) error {
	event, err := json.Marshal(r.Event(step))
	if err != nil {
		return err
	}
	s.env.Emit(StepStarted{s.env.Now(), r.Secret, r.Token, step, attempt})
	began := time.Now()
	result, err := s.functions.InvokeStep(r.Function, event, step)
	err = stepError(step, result, err)
	s.env.Emit(StepFinished{s.env.Now(), r.Secret, r.Token, step, attempt, time.Since(began), err})
	return err
}

func stepError(step string, result wire.InvokeResult, err error) error {
	switch {
	case err != nil:
		return &StepError{Step: step, Type: "InvokeFailed", Message: err.Error()}
	case result.FunctionError == "":
		return nil
	}
	var failure wire.FunctionFailure
	if json.Unmarshal(result.Payload, &failure) != nil {
		failure.Message = string(result.Payload)
	}
	return &StepError{Step: step, Type: failure.Type, Message: failure.Message}
}

// WaitRotation waits for the end of a rotation, retries included, that was started for the token; an empty token stands
// for the secret's latest rotation. It returns nil on success, else why the last attempt failed: a [*StepError],
// [ErrRotationAbandoned], [ErrRotationCancelled] or another. It works for test-only rotations as well.
func (s *StandIn) WaitRotation(ctx context.Context, secretID, token string) error {
	state, err := s.State(secretID)
	if err != nil {
		return err
	}
	s.mu.Lock()
	run := s.runs[runKey{state.ARN, token}]
	s.mu.Unlock()
	if run == nil {
		return fmt.Errorf("localaws: no rotation of %s with token %q was started", secretID, token)
	}
	select {
	case <-run.done:
		return run.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the rotation of %s: %w", secretID, context.Cause(ctx))
	}
}
