package localaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Ends of a rotation, from [Server.WaitRotation].
var (
	// ErrRotationAbandoned: a value was written by hand meanwhile.
	ErrRotationAbandoned = errors.New("rotation abandoned: a new version of the secret was created meanwhile")
	// ErrRotationCancelled: CancelRotateSecret was called meanwhile.
	ErrRotationCancelled = errors.New("rotation cancelled")
)

// StepError is a step of a rotation that failed: the error that the function returned, or how it ended without.
type StepError struct {
	Step    string
	Type    string // errorType, such as "Sandbox.Timedout"
	Message string // errorMessage
}

func (e *StepError) Error() string { return fmt.Sprintf("%s: %s: %s", e.Step, e.Type, e.Message) }

var rotationSteps = []string{"createSecret", "setSecret", "testSecret", "finishSecret"}

// rotationRun is one run of the rotation service for one token.
type rotationRun struct {
	secret        string // ARN
	token         string
	rotationToken string
	function      string // ARN
	test          bool   // testSecret only

	ctx  context.Context // ends, with its cause, when the run is to invoke no further step
	stop context.CancelCauseFunc

	// pendingRemoved is set when AWSPENDING was taken off the version by a call of its own. The service reads that as a
	// rotation that is not complete, even when AWSCURRENT has moved.
	pendingRemoved atomic.Bool

	done chan struct{}
	err  error // set when done
}

type runKey struct{ secret, token string }

// rotationEvent is what the function is invoked with.
type rotationEvent struct {
	Step               string
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
	RotationToken      string `json:",omitempty"`
}

// start runs a rotation in the background. The caller holds the lock.
func (m *secretsManager) start(r *secretRecord, token string, test bool) {
	run := &rotationRun{
		secret:   r.state.arn,
		token:    token,
		function: r.state.rotation.function,
		test:     test,
		done:     make(chan struct{}),
	}
	if m.srv.variants.Load().RotationTokenSent {
		run.rotationToken = newUUID()
	}
	run.ctx, run.stop = context.WithCancelCause(m.srv.ctx)
	r.run = run
	m.runs[runKey{run.secret, token}] = run
	m.runs[runKey{run.secret, ""}] = run
	spawned := m.srv.spawn(func() {
		defer close(run.done)
		defer run.stop(nil)
		m.report(run, RotationStarted, nil)
		run.err = m.attempts(run)
		m.conclude(run)
	})
	if !spawned {
		run.err = ErrClosed
		close(run.done)
	}
}

// attempts tries the rotation as often as the service does, each time from its first step on and with the same token.
func (m *secretsManager) attempts(run *rotationRun) error {
	retries := max(m.srv.opts.RotationRetries, 0)
	if run.test {
		retries = 0
	}
	for attempt := 1; ; attempt++ {
		err := m.attempt(run, attempt)
		if stopped := context.Cause(run.ctx); stopped != nil {
			return stopped
		}
		if err == nil || attempt > retries || !m.worthwhile(run) {
			return err
		}
		select {
		case <-run.ctx.Done():
		case <-time.After(m.srv.opts.RotationRetryDelay):
		}
	}
}

// worthwhile tells whether the version is still there to be rotated to: someone may have taken its label.
func (m *secretsManager) worthwhile(run *rotationRun) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.find(run.secret)
	if err != nil {
		return false
	}
	v := r.state.version(run.token)
	return v != nil && (v.has(pending) || v.has(current))
}

// attempt invokes the steps once and looks at what they achieved.
func (m *secretsManager) attempt(run *rotationRun, attempt int) error {
	steps := rotationSteps
	if run.test {
		steps = []string{"testSecret"}
	}
	for _, step := range steps {
		if run.ctx.Err() != nil {
			return context.Cause(run.ctx)
		}
		if err := m.invokeStep(run, step, attempt); err != nil {
			return err
		}
	}
	if run.test {
		return nil
	}
	return m.verify(run)
}

func (m *secretsManager) invokeStep(run *rotationRun, step string, attempt int) error {
	event, err := json.Marshal(rotationEvent{step, run.secret, run.token, run.rotationToken})
	if err != nil {
		return err
	}
	m.srv.events.emit(StepStarted{m.srv.clock.Now(), run.secret, run.token, step, attempt})
	began := time.Now()
	result, err := m.srv.lambda.invoke(run.function, event, step)
	err = stepError(step, result, err)
	m.srv.events.emit(StepFinished{m.srv.clock.Now(), run.secret, run.token, step, attempt, time.Since(began), err})
	return err
}

func stepError(step string, result InvokeResult, err error) error {
	switch {
	case err != nil:
		return &StepError{Step: step, Type: "InvokeFailed", Message: err.Error()}
	case result.FunctionError == "":
		return nil
	}
	var failure functionFailure
	if json.Unmarshal(result.Payload, &failure) != nil {
		failure.Message = string(result.Payload)
	}
	return &StepError{Step: step, Type: failure.Type, Message: failure.Message}
}

// verify checks after finishSecret that the new version is the current one.
func (m *secretsManager) verify(run *rotationRun) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.find(run.secret)
	if err != nil {
		return err
	}
	if v := r.state.version(run.token); v == nil || !v.has(current) {
		return fmt.Errorf("rotation incomplete: the steps succeeded, and AWSCURRENT is not on version %s", run.token)
	}
	if run.pendingRemoved.Load() {
		return fmt.Errorf("rotation incomplete: AWSPENDING was removed from version %s by a call of its own", run.token)
	}
	return nil
}

// conclude records the end of a run. A rotation that failed leaves its version and AWSPENDING in place.
func (m *secretsManager) conclude(run *rotationRun) {
	m.mu.Lock()
	if r, err := m.find(run.secret); err == nil {
		if r.run == run {
			r.run = nil
		}
		switch {
		case run.test:
			m.amend(r, func(s *secret) { s.remove(run.token) })
		case run.err == nil:
			m.amend(r, func(s *secret) { s.rotatedTo(run.token, m.srv.clock.Now(), m.srv.variants.Load()) })
			m.reschedule(r)
		}
	}
	m.mu.Unlock()

	switch {
	case run.err == nil:
		m.report(run, RotationSucceeded, nil)
	case errors.Is(run.err, ErrRotationAbandoned):
		m.report(run, RotationAbandoned, nil)
	case errors.Is(run.err, ErrRotationCancelled):
		m.report(run, RotationCancelled, nil)
	default:
		m.report(run, RotationFailed, run.err)
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
	s.rotation.days = int(s.rotation.window.start.Sub(now.Truncate(24*time.Hour)).Hours() / 24)
}

// report tells of the run. A test has names of its own for all that can happen to it.
func (m *secretsManager) report(run *rotationRun, name RotationEventName, err error) {
	if run.test {
		switch name {
		case RotationStarted:
			name = TestRotationStarted
		case RotationSucceeded:
			name = TestRotationSucceeded
		default:
			name = TestRotationFailed
		}
	}
	m.srv.events.emit(RotationEvent{At: m.srv.clock.Now(), Name: name, Secret: run.secret, Token: run.token, Err: err})
}
