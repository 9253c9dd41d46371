package secretsmanager

import (
	"context"
	"time"

	"mautic-rotation/internal/localaws/wire"
)

// RotateSecretInput configures a rotation and starts one.
type RotateSecretInput struct {
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
	RotationLambdaARN  string
	RotationRules      *RotationRules
	RotateImmediately  *bool
}

// RotateSecretOutput is the answer of RotateSecret.
type RotateSecretOutput struct{ VersionRef }

// RotateSecret configures rotation and registers one, or a test of one: AWSPENDING is on a version of its own, without a
// value. It answers at once; the steps are invoked by whoever is told by [Hooks.Begun].
func (c *Core) RotateSecret(_ context.Context, in RotateSecretInput) (out RotateSecretOutput, err error) {
	token := in.ClientRequestToken
	if err := checkToken(token, invalidParameterCode); err != nil {
		return out, err
	}
	if _, err := parseRules(in.RotationRules); err != nil {
		return out, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(in.SecretID)
	if err != nil {
		return out, err
	}
	if err := c.configureRotation(r, in, token); err != nil {
		return out, err
	}
	out.VersionRef = VersionRef{r.state.ref(), token}
	if r.state.version(token) != nil { // a repeated call: it stands for the rotation that the first one started
		if v := r.state.pendingElsewhere(); v != nil && v.id == token && r.rotation == nil {
			c.start(r, token, false)
		}
		return out, nil
	}
	if in.RotateImmediately != nil && !*in.RotateImmediately {
		return out, c.beginTest(r, token)
	}
	return out, c.begin(r, token)
}

// configureRotation checks that a secret can be rotated and takes over what the call says of how. It leaves the
// configuration alone, and takes up the older rotation again, if that is not complete. The caller holds the lock.
func (c *Core) configureRotation(r *record, in RotateSecretInput, token string) error {
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
	if c.hooks.MayInvoke != nil && !c.hooks.MayInvoke(function, r.state.arn) {
		return &wire.Error{
			Code: "AccessDeniedException",
			Message: "Secrets Manager cannot invoke the specified Lambda function. " +
				"Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.",
		}
	}
	if v := r.state.pendingElsewhere(); v != nil && v.id != token {
		if r.rotation == nil {
			c.start(r, v.id, false)
		}
		return invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.")
	}
	_, err := c.change(r, func(s *secret) error {
		now := c.env.Now()
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
	c.reschedule(r)
	return err
}

// begin registers the token as the pending version, without a value, and starts its rotation. The caller holds the
// lock.
func (c *Core) begin(r *record, token string) error {
	now := c.env.Now()
	_, err := c.change(r, func(s *secret) error {
		s.move(pending, s.add(token, now, value{}))
		if c.variants.Load().NextRotationDate == NextRotationDateOnStart {
			s.rotation.advance(now)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.reschedule(r)
	c.start(r, token, false)
	return nil
}

// beginTest starts a test of a rotation: testSecret alone, on a pending version that goes away afterwards. The caller
// holds the lock.
func (c *Core) beginTest(r *record, token string) error {
	_, err := c.change(r, func(s *secret) error {
		v := s.add(token, c.env.Now(), value{})
		if from := s.labelled(current); from != nil && c.variants.Load().TestRotationValue == TestRotationCurrentValue {
			v.value, v.key = from.value, from.key
		}
		s.move(pending, v)
		return nil
	})
	if err != nil {
		return err
	}
	c.start(r, token, true)
	return nil
}

// CancelRotateSecretOutput is the answer of CancelRotateSecret, which names the pending version if there is one.
type CancelRotateSecretOutput struct{ VersionRef }

// CancelRotateSecret turns rotation off and ends the one under way after the step that is running. AWSPENDING stays
// where it is: the operator decides what becomes of that version.
func (c *Core) CancelRotateSecret(_ context.Context, in SecretIDInput) (out CancelRotateSecretOutput, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(in.SecretID)
	if err != nil {
		return out, err
	}
	if err := r.state.writable(); err != nil {
		return out, err
	}
	if !r.state.rotation.configured {
		return out, invalidRequest("You tried to enable rotation on a secret that doesn't already have a Lambda function ARN " +
			"configured and you didn't include such an ARN as a parameter in this call.")
	}
	next, err := c.change(r, func(s *secret) error {
		s.rotation.enabled = false
		s.changed = c.env.Now()
		return nil
	})
	if err != nil {
		return out, err
	}
	c.schedule(r, time.Time{})
	if r.rotation != nil {
		r.rotation.stop(ErrRotationCancelled)
	}
	out.SecretRef = next.ref()
	if v := next.pendingElsewhere(); v != nil {
		out.VersionID = v.id
	}
	return out, nil
}

// abandon ends the rotation of a token, because a value written by hand has taken its AWSPENDING away. The caller holds
// the lock.
func (c *Core) abandon(r *record, token string) {
	if r.rotation != nil && r.rotation.Token == token {
		r.rotation.stop(ErrRotationAbandoned)
		return
	}
	// It had failed and was waiting to be taken up again.
	c.env.Emit(RotationEvent{At: c.env.Now(), Name: RotationAbandoned, Secret: r.state.arn, Token: token})
}
