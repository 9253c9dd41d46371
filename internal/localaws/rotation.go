package localaws

import (
	"context"
	"fmt"
)

type rotateSecretInput struct {
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
	RotationLambdaARN  string
	RotationRules      *rotationRules
	RotateImmediately  *bool
}

// rotateSecret configures rotation and starts one, or a test of one. It answers at once; the rotation goes on by itself.
func (m *secretsManager) rotateSecret(_ context.Context, in rotateSecretInput) (versionRef, error) {
	token, err := versionToken(in.ClientRequestToken)
	if err != nil {
		return versionRef{}, err
	}
	if _, err := parseRules(in.RotationRules); err != nil {
		return versionRef{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.find(in.SecretID)
	if err != nil {
		return versionRef{}, err
	}
	if err := m.configureRotation(r, in, token); err != nil {
		return versionRef{}, err
	}
	ref := versionRef{r.state.ref(), token}
	if r.state.version(token) != nil { // a repeated call: it stands for the rotation that the first one started
		if v := r.state.pendingElsewhere(); v != nil && v.id == token && r.run == nil {
			m.start(r, token, false)
		}
		return ref, nil
	}
	if in.RotateImmediately != nil && !*in.RotateImmediately {
		return ref, m.beginTest(r, token)
	}
	return ref, m.begin(r, token)
}

// configureRotation checks that a secret can be rotated and takes over what the call says of how. It leaves the
// configuration alone, and takes up the older rotation again, if that is not complete. The caller holds the lock.
func (m *secretsManager) configureRotation(r *secretRecord, in rotateSecretInput, token string) error {
	if err := r.state.writable(); err != nil {
		return err
	}
	function := in.RotationLambdaARN
	if function == "" {
		function = r.state.rotation.function
	}
	if function == "" {
		return invalidRequest("No Lambda rotation function ARN is associated with this secret.")
	}
	if !m.srv.lambda.secretsManagerMayInvoke(function) {
		return &Error{
			Code: "AccessDeniedException",
			Message: "Secrets Manager cannot invoke the specified Lambda function. " +
				"Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.",
		}
	}
	if v := r.state.pendingElsewhere(); v != nil && v.id != token {
		if r.run == nil {
			m.start(r, v.id, false)
		}
		return invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.")
	}
	_, err := m.change(r, func(s *secret) error {
		now := m.srv.clock.Now()
		c := &s.rotation
		turnedOn := !c.enabled
		c.configured, c.enabled, c.function = true, true, function
		if in.RotationRules != nil {
			c.rules = in.RotationRules
		}
		if in.RotationRules != nil || turnedOn {
			c.advance(now)
		}
		s.changed = now
		return nil
	})
	m.reschedule(r)
	return err
}

// begin registers the token as the pending version, without a value, and starts its rotation. The caller holds the
// lock.
func (m *secretsManager) begin(r *secretRecord, token string) error {
	now := m.srv.clock.Now()
	_, err := m.change(r, func(s *secret) error {
		s.move(pending, s.add(token, now, value{}))
		if m.srv.variants.Load().NextRotationDate == NextRotationDateOnStart {
			s.rotation.advance(now)
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.reschedule(r)
	m.start(r, token, false)
	return nil
}

// beginTest starts a test of a rotation: testSecret alone, on a pending version that goes away afterwards. The caller
// holds the lock.
func (m *secretsManager) beginTest(r *secretRecord, token string) error {
	_, err := m.change(r, func(s *secret) error {
		var val value
		if v := s.labelled(current); v != nil && m.srv.variants.Load().TestRotationValue == TestRotationCurrentValue {
			val = v.value
		}
		s.move(pending, s.add(token, m.srv.clock.Now(), val))
		return nil
	})
	if err != nil {
		return err
	}
	m.start(r, token, true)
	return nil
}

// cancelRotateSecret turns rotation off and ends the one under way after the step that is running. AWSPENDING stays
// where it is: the operator decides what becomes of that version.
func (m *secretsManager) cancelRotateSecret(_ context.Context, in secretIDInput) (versionRef, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.find(in.SecretID)
	if err != nil {
		return versionRef{}, err
	}
	if err := r.state.writable(); err != nil {
		return versionRef{}, err
	}
	if !r.state.rotation.configured {
		return versionRef{}, invalidRequest("You tried to enable rotation on a secret that doesn't already have a Lambda function ARN " +
			"configured and you didn't include such an ARN as a parameter in this call.")
	}
	next, err := m.change(r, func(s *secret) error {
		s.rotation.enabled = false
		s.changed = m.srv.clock.Now()
		return nil
	})
	if err != nil {
		return versionRef{}, err
	}
	r.stopSchedule()
	if r.run != nil {
		r.run.stop(ErrRotationCancelled)
	}
	out := versionRef{secretRef: next.ref()}
	if v := next.pendingElsewhere(); v != nil {
		out.VersionID = v.id
	}
	return out, nil
}

// abandon ends the rotation of a token, because a value written by hand has taken its AWSPENDING away. The caller holds
// the lock.
func (m *secretsManager) abandon(r *secretRecord, token string) {
	if r.run != nil && r.run.token == token {
		r.run.stop(ErrRotationAbandoned)
		return
	}
	// It had failed and was waiting to be taken up again.
	m.srv.events.emit(RotationEvent{At: m.srv.clock.Now(), Name: RotationAbandoned, Secret: r.state.arn, Token: token})
}

// WaitRotation waits for the end of a rotation, retries included, that was started for the token; an empty token stands
// for the secret's latest rotation. It returns nil on success, else why the last attempt failed: a [*StepError],
// [ErrRotationAbandoned], [ErrRotationCancelled] or another. It works for test-only rotations as well.
func (s *Server) WaitRotation(ctx context.Context, secretID, token string) error {
	run, err := s.secrets.lookupRun(secretID, token)
	if err != nil {
		return err
	}
	select {
	case <-run.done:
		return run.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the rotation of %s: %w", secretID, context.Cause(ctx))
	}
}

func (m *secretsManager) lookupRun(secretID, token string) (*rotationRun, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.find(secretID)
	if err != nil {
		return nil, err
	}
	run := m.runs[runKey{r.state.arn, token}]
	if run == nil {
		return nil, fmt.Errorf("localaws: no rotation of %s with token %q was started", secretID, token)
	}
	return run, nil
}
