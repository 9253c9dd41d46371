package localaws

import (
	"context"
	"strings"
)

type getSecretValueInput struct {
	SecretID     string `json:"SecretId"`
	VersionID    string `json:"VersionId"`
	VersionStage string
}

type getSecretValueOutput struct {
	versionRef
	SecretString  *string `json:",omitempty"`
	SecretBinary  []byte  `json:",omitempty"`
	VersionStages []string
	CreatedDate   epoch
}

func (m *secretsManager) getSecretValue(_ context.Context, in getSecretValueInput) (*getSecretValueOutput, error) {
	if err := checkOptional("versionId", in.VersionID, 32, 64); err != nil {
		return nil, err
	}
	s, err := m.read(in.SecretID)
	if err != nil {
		return nil, err
	}
	if !s.deletion.IsZero() {
		return nil, errDeleted
	}
	v, err := s.wanted(in.VersionID, in.VersionStage)
	if err != nil {
		return nil, err
	}
	m.touch(s.arn)
	return &getSecretValueOutput{
		versionRef:    versionRef{s.ref(), v.id},
		SecretString:  v.value.text,
		SecretBinary:  v.value.binary,
		VersionStages: v.labels,
		CreatedDate:   epoch(v.created),
	}, nil
}

// wanted is the version that GetSecretValue is asked for. One that was registered for a rotation and has no value yet
// counts as not there.
func (s *secret) wanted(id, label string) (*version, error) {
	if id == "" && label == "" {
		label = current
	}
	missing := notFound("Secrets Manager can't find the specified secret value for staging label: %s", label)
	v := s.labelled(label)
	if id != "" {
		missing = notFound("Secrets Manager can't find the specified secret value for VersionId: %s", id)
		v = s.version(id)
	}
	switch {
	case v == nil:
		return nil, missing
	case label != "" && !v.has(label):
		return nil, invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.")
	case !v.value.isSet():
		return nil, missing
	}
	return v, nil
}

// touch notes that a secret's value was retrieved.
func (m *secretsManager) touch(arn string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, err := m.find(arn); err == nil {
		r.accessed = m.srv.clock.Now()
	}
}

type putSecretValueInput struct {
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
	SecretString       *string
	SecretBinary       []byte
	VersionStages      []string
	RotationToken      string
}

type putSecretValueOutput struct {
	versionRef
	VersionStages []string
}

func (m *secretsManager) putSecretValue(_ context.Context, in putSecretValueInput) (*putSecretValueOutput, error) {
	val, err := newValue(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	token, err := versionToken(in.ClientRequestToken)
	if err != nil {
		return nil, err
	}
	if len(in.VersionStages) == 0 {
		in.VersionStages = []string{current}
	}
	for _, label := range in.VersionStages {
		if err := checkLength("versionStages", label, 1, 256); err != nil {
			return nil, err
		}
	}
	s, err := m.write(in.SecretID, token, val, in.VersionStages, in.RotationToken)
	if err != nil {
		return nil, err
	}
	return &putSecretValueOutput{versionRef{s.ref(), token}, s.version(token).labels}, nil
}

type updateSecretInput struct {
	SecretID           string `json:"SecretId"`
	ClientRequestToken string
	Description        *string
	KmsKeyID           *string `json:"KmsKeyId"`
	SecretString       *string
	SecretBinary       []byte
}

func (m *secretsManager) updateSecret(_ context.Context, in updateSecretInput) (versionRef, error) {
	var ref versionRef
	if in.SecretString != nil || in.SecretBinary != nil {
		val, err := newValue(in.SecretString, in.SecretBinary)
		if err != nil {
			return ref, err
		}
		token, err := versionToken(in.ClientRequestToken)
		if err != nil {
			return ref, err
		}
		if _, err := m.write(in.SecretID, token, val, []string{current}, ""); err != nil {
			return ref, err
		}
		ref.VersionID = token
	}
	s, err := m.update(in.SecretID, func(s *secret) error {
		if err := s.writable(); err != nil {
			return err
		}
		if in.Description != nil {
			s.description = *in.Description
		}
		if in.KmsKeyID != nil {
			s.kmsKeyID = *in.KmsKeyID
		}
		s.changed = m.srv.clock.Now()
		return nil
	})
	if err != nil {
		return ref, err
	}
	ref.secretRef = s.ref()
	return ref, nil
}

// write stores a value as the version named by the token, and gives that version the labels. A repeated call with the
// same value changes nothing; another value for the same token is refused, unless the version was registered by a
// rotation and has none yet.
func (m *secretsManager) write(id, token string, val value, labels []string, rotationToken string) (*secret, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.find(id)
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

	now := m.srv.clock.Now()
	abandoned := ""
	next, err := m.change(r, func(s *secret) error {
		v := s.version(token)
		byHand := v == nil // a rotation registers its version beforehand
		if byHand {
			abandoned = s.abandonPending()
			v = s.add(token, now, val)
		}
		v.value = val
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
		m.abandon(r, abandoned)
	}
	m.reschedule(r)
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

func tokenInUse(token string, s *secret) *Error {
	return &Error{
		Code:    "ResourceExistsException",
		Message: "You can't use ClientRequestToken " + token + " because that value is already in use for a version of secret " + s.arn + ".",
	}
}

// writable refuses changes to a secret that is marked for deletion, and to a replica.
func (s *secret) writable() error {
	if !s.deletion.IsZero() {
		return errDeleted
	}
	if region := strings.Split(s.arn, ":")[3]; s.primaryRegion != "" && s.primaryRegion != region {
		return invalidParameter("Operation not permitted on a replica secret. Call must be made in primary secret's region.")
	}
	return nil
}
