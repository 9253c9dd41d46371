package secretsmanager

import (
	"cmp"
	"context"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// SecretRef are the members of answers that name a secret.
type SecretRef struct {
	ARN  string
	Name string
}

func (s *secret) ref() SecretRef { return SecretRef{ARN: s.arn, Name: s.name} }

// VersionRef is a SecretRef with the version that the call was about.
type VersionRef struct {
	SecretRef
	VersionID string `json:"VersionId,omitempty"`
}

// CreateSecretInput describes a new secret.
type CreateSecretInput struct {
	Name               string
	ClientRequestToken string
	Description        string
	KmsKeyID           string `json:"KmsKeyId"`
	SecretString       *string
	SecretBinary       []byte
	Tags               []Tag
}

// Tag is a tag of a secret.
type Tag struct{ Key, Value string }

// CreateSecretOutput is the answer of CreateSecret.
type CreateSecretOutput struct{ VersionRef }

// CreateSecret makes a secret, with a current version if a value is given.
func (c *Core) CreateSecret(_ context.Context, in CreateSecretInput) (out CreateSecretOutput, err error) {
	if err := wire.CheckLength("name", in.Name, 1, 512); err != nil {
		return out, err
	}
	if err := checkName(in.Name); err != nil {
		return out, err
	}
	var val value
	if in.SecretString != nil || in.SecretBinary != nil {
		if val, err = newValue(in.SecretString, in.SecretBinary); err != nil {
			return out, err
		}
	}
	token := in.ClientRequestToken
	if err := checkToken(token, invalidRequestCode); err != nil {
		return out, err
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if r, err := c.find(in.Name); err == nil {
		out.VersionRef, err = createAgain(r.state, token, val)
		return out, err
	}
	now := c.env.Now()
	s := &secret{
		arn:         c.newARN(in.Name),
		name:        in.Name,
		description: in.Description,
		kmsKeyID:    in.KmsKeyID,
		created:     now,
		changed:     now,
	}
	s.tag(in.Tags)
	out.SecretRef = s.ref()
	if val.isSet() {
		v := s.add(token, now, val)
		v.key = s.kmsKeyID
		s.move(current, v)
		out.VersionID = token
	}
	r := &record{accessed: map[string]time.Time{}}
	if err := c.store(r, s); err != nil {
		return out, err
	}
	c.records = append(c.records, r)
	return out, nil
}

// createAgain answers CreateSecret for a name that is taken: by a retry of the same call, or by something else.
func createAgain(s *secret, token string, val value) (VersionRef, error) {
	if !s.deletion.IsZero() {
		return VersionRef{}, invalidRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if v := s.version(token); v != nil && v.value.equal(val) {
		return VersionRef{s.ref(), token}, nil
	}
	return VersionRef{}, &wire.Error{
		Code:    "ResourceExistsException",
		Message: "The operation failed because the secret " + s.name + " already exists.",
	}
}

// newARN makes up an ARN for a new secret.
func (c *Core) newARN(name string) string {
	return c.env.Account.ARN("secretsmanager", "secret:"+name+"-"+cmp.Or(c.opts.SecretSuffix, c.env.Random.Text(6, host.Letters)))
}
