package secretsmanager

import (
	"context"
	"time"

	"mautic-rotation/internal/localaws/wire"
)

// GetSecretValueInput names a version by its id, its label, or both; by default the current one.
type GetSecretValueInput struct {
	SecretID     string `json:"SecretId"`
	VersionID    string `json:"VersionId"`
	VersionStage string
}

// GetSecretValueOutput is the answer of GetSecretValue.
type GetSecretValueOutput struct {
	VersionRef
	SecretString  *string `json:",omitempty"`
	SecretBinary  []byte  `json:",omitempty"`
	VersionStages []string
	CreatedDate   wire.Epoch
}

// GetSecretValue retrieves the value of one version.
func (c *Core) GetSecretValue(_ context.Context, in GetSecretValueInput) (out GetSecretValueOutput, err error) {
	if err := wire.CheckOptional("versionId", in.VersionID, 32, 64); err != nil {
		return out, err
	}
	s, err := c.read(in.SecretID)
	if err != nil {
		return out, err
	}
	if !s.deletion.IsZero() {
		return out, errDeleted
	}
	v, err := s.wanted(in.VersionID, in.VersionStage)
	if err != nil {
		return out, err
	}
	c.touch(s.arn, v.id)
	return GetSecretValueOutput{
		VersionRef:    VersionRef{s.ref(), v.id},
		SecretString:  v.value.text,
		SecretBinary:  v.value.binary,
		VersionStages: v.labels,
		CreatedDate:   wire.Epoch(v.created),
	}, nil
}

// wanted is the version that GetSecretValue is asked for. One that was registered for a rotation and has no value yet
// counts as not there.
func (s *secret) wanted(id, label string) (*version, error) {
	if id == "" && label == "" {
		label = current
	}
	missing := func() error {
		if id != "" {
			return wire.NotFound("Secrets Manager can't find the specified secret value for VersionId: %s", id)
		}
		return wire.NotFound("Secrets Manager can't find the specified secret value for staging label: %s", label)
	}
	v := s.labelled(label)
	if id != "" {
		v = s.version(id)
	}
	switch {
	case v == nil:
		return nil, missing()
	case label != "" && !v.has(label):
		return nil, invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.")
	case !v.value.isSet():
		return nil, missing()
	}
	return v, nil
}

// touch notes that the value of a version was retrieved.
func (c *Core) touch(arn, version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, err := c.find(arn); err == nil {
		r.accessed[version] = c.env.Now()
		r.accessed[""] = c.env.Now()
	}
}

// lastAccess is the day on which a version was retrieved last, or for "" any version; AWS tells no more than the day.
func (c *Core) lastAccess(arn, version string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(arn)
	if err != nil {
		return time.Time{}
	}
	return r.accessed[version].Truncate(24 * time.Hour)
}

// PutSecretValueInput is a value and the version that it becomes.
type PutSecretValueInput struct {
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
	SecretString       *string
	SecretBinary       []byte
	VersionStages      []string
	RotationToken      string
}

// PutSecretValueOutput is the answer of PutSecretValue.
type PutSecretValueOutput struct {
	VersionRef
	VersionStages []string
}

// PutSecretValue stores a value as a version of its own, or in the one that a rotation has registered.
func (c *Core) PutSecretValue(_ context.Context, in PutSecretValueInput) (out PutSecretValueOutput, err error) {
	val, err := newValue(in.SecretString, in.SecretBinary)
	if err != nil {
		return out, err
	}
	token := in.ClientRequestToken
	if err := checkToken(token, invalidRequestCode); err != nil {
		return out, err
	}
	if len(in.VersionStages) == 0 {
		in.VersionStages = []string{current}
	}
	for _, label := range in.VersionStages {
		if err := wire.CheckLength("versionStages", label, 1, 256); err != nil {
			return out, err
		}
	}
	s, err := c.write(in.SecretID, token, val, in.VersionStages, in.RotationToken)
	if err != nil {
		return out, err
	}
	return PutSecretValueOutput{VersionRef{s.ref(), token}, s.version(token).labels}, nil
}

// UpdateSecretInput is what to change of a secret.
type UpdateSecretInput struct {
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
	Description        *string
	KmsKeyID           *string `json:"KmsKeyId"`
	SecretString       *string
	SecretBinary       []byte
}

// UpdateSecretOutput is the answer of UpdateSecret.
type UpdateSecretOutput struct{ VersionRef }

// UpdateSecret changes the description or the key, and stores a value that is given as the current one.
func (c *Core) UpdateSecret(_ context.Context, in UpdateSecretInput) (out UpdateSecretOutput, err error) {
	if in.SecretString != nil || in.SecretBinary != nil {
		val, err := newValue(in.SecretString, in.SecretBinary)
		if err != nil {
			return out, err
		}
		token := in.ClientRequestToken
		if err := checkToken(token, invalidRequestCode); err != nil {
			return out, err
		}
		if _, err := c.write(in.SecretID, token, val, []string{current}, ""); err != nil {
			return out, err
		}
		out.VersionID = token
	}
	s, err := c.update(in.SecretID, func(s *secret) error {
		if err := s.writable(); err != nil {
			return err
		}
		if in.Description != nil {
			s.description = *in.Description
		}
		if in.KmsKeyID != nil {
			s.kmsKeyID = *in.KmsKeyID
		}
		s.changed = c.env.Now()
		return nil
	})
	if err != nil {
		return out, err
	}
	out.SecretRef = s.ref()
	return out, nil
}

// write stores a value as the version named by the token, and gives that version the labels. A repeated call with the
// same value changes nothing; another value for the same token is refused, unless the version was registered by a
// rotation and has none yet.
func (c *Core) write(id, token string, val value, labels []string, rotationToken string) (*secret, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(id)
	if err != nil {
		return nil, err
	}
	if err := r.state.writable(); err != nil {
		return nil, err
	}
	if v := r.state.version(token); v != nil && v.value.isSet() {
		if !v.value.equal(val) {
			return nil, tokenInUse(token, r.state)
		}
		return r.state, nil
	}

	now := c.env.Now()
	abandoned := ""
	next, err := c.change(r, func(s *secret) error {
		v := s.version(token)
		byHand := v == nil // a rotation registers its version beforehand
		if byHand {
			abandoned = s.abandonPending()
			v = s.add(token, now, val)
		}
		v.value, v.key = val, s.kmsKeyID
		v.rotationToken = rotationToken
		s.changed = now
		for _, label := range labels {
			s.move(label, v)
		}
		// The first version of a secret is its current one, whatever else it is.
		if s.labelled(current) == nil {
			s.move(current, v)
		}
		if byHand && v.has(current) && s.rotation.enabled {
			s.rotated = now // a value written by hand counts as a rotation
			s.rotation.advance(now)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if abandoned != "" {
		c.abandon(r, abandoned)
	}
	c.reschedule(r)
	return next, nil
}

// abandonPending takes AWSPENDING off the version that has it, for a new version is about to come from elsewhere. It
// returns the id of the version if that was one of a rotation under way or left incomplete.
func (s *secret) abandonPending() string {
	id := ""
	if v := s.pendingElsewhere(); v != nil {
		id = v.id
	}
	s.drop(pending)
	return id
}

func tokenInUse(token string, s *secret) *wire.Error {
	return &wire.Error{
		Code:    "ResourceExistsException",
		Message: "You can't use ClientRequestToken " + token + " because that value is already in use for a version of secret " + s.arn + ".",
	}
}
