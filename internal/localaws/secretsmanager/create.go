package secretsmanager

import (
	"cmp"
	"context"
	"strings"

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
	if i := strings.IndexFunc(in.Name, notInName); i >= 0 {
		return out, &wire.Error{
			Code:    "ValidationException",
			Message: "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
		}
	}
	var val value
	if in.SecretString != nil || in.SecretBinary != nil {
		if val, err = newValue(in.SecretString, in.SecretBinary); err != nil {
			return out, err
		}
	}
	token, err := c.versionToken(in.ClientRequestToken)
	if err != nil {
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
		arn:         c.env.Account.ARN("secretsmanager", "secret:"+in.Name+"-"+cmp.Or(c.opts.SecretSuffix, c.env.Random.Text(6, host.Letters))),
		name:        in.Name,
		description: in.Description,
		kmsKeyID:    in.KmsKeyID,
		created:     now,
		changed:     now,
		tags:        map[string]string{},
	}
	for _, t := range in.Tags {
		s.tags[t.Key] = t.Value
	}
	out.SecretRef = s.ref()
	if val.isSet() {
		s.move(current, s.add(token, now, val))
		out.VersionID = token
	}
	r := &record{}
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

func notInName(r rune) bool {
	return !strings.ContainsRune("-/_+=.@!", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
