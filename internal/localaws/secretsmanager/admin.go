package secretsmanager

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/localaws/wire"
)

// SecretIDInput names a secret by name, ARN, or partial ARN.
type SecretIDInput struct {
	SecretID string `json:"SecretId"`
}

// SecretDescription is what DescribeSecret answers and, in a list, ListSecrets.
type SecretDescription struct {
	SecretRef
	Description       string              `json:",omitempty"`
	KmsKeyID          string              `json:"KmsKeyId,omitempty"`
	RotationEnabled   *bool               `json:",omitempty"`
	RotationLambdaARN string              `json:",omitempty"`
	RotationRules     *RotationRules      `json:",omitempty"`
	LastRotatedDate   wire.Epoch          `json:",omitzero"`
	LastChangedDate   wire.Epoch          `json:",omitzero"`
	LastAccessedDate  wire.Epoch          `json:",omitzero"`
	DeletedDate       wire.Epoch          `json:",omitzero"`
	NextRotationDate  wire.Epoch          `json:",omitzero"`
	Tags              []Tag               `json:",omitzero"` // empty, not left out, once the last tag has been removed
	Stages            map[string][]string `json:"VersionIdsToStages,omitempty"`
	StagesInList      map[string][]string `json:"SecretVersionsToStages,omitempty"`
	OwningService     string              `json:",omitempty"`
	CreatedDate       wire.Epoch
	PrimaryRegion     string              `json:",omitempty"`
	ReplicationStatus []ReplicationStatus `json:",omitempty"`
}

// ReplicationStatus tells of a replica.
type ReplicationStatus struct{ Region, Status string }

// DescribeSecret answers with all but the value, also of a secret that is marked for deletion.
func (c *Core) DescribeSecret(_ context.Context, in SecretIDInput) (*SecretDescription, error) {
	s, err := c.read(in.SecretID)
	if err != nil {
		return nil, err
	}
	d := c.describe(s)
	d.Stages = s.stages()
	return d, nil
}

// describe fills in all that DescribeSecret and ListSecrets have in common. Fields without a value are left out, and
// so are the dates of a rotation that is not configured, or turned off.
func (c *Core) describe(s *secret) *SecretDescription {
	d := &SecretDescription{
		SecretRef:       s.ref(),
		Description:     s.description,
		KmsKeyID:        s.kmsKeyID,
		LastChangedDate: wire.Epoch(s.changed),
		DeletedDate:     wire.Epoch(s.deletion),
		OwningService:   s.owningService,
		CreatedDate:     wire.Epoch(s.created),
		PrimaryRegion:   s.primaryRegion,
	}
	if c := s.rotation; c.configured {
		d.RotationEnabled = &c.enabled
		d.RotationLambdaARN = c.function
		d.RotationRules = c.described()
	}
	if s.rotation.enabled {
		d.LastRotatedDate = wire.Epoch(s.rotated)
		d.NextRotationDate = wire.Epoch(s.rotation.next)
	}
	if s.tags != nil {
		d.Tags = []Tag{}
	}
	for _, key := range slices.Sorted(maps.Keys(s.tags)) {
		d.Tags = append(d.Tags, Tag{key, s.tags[key]})
	}
	for _, region := range s.replicas {
		d.ReplicationStatus = append(d.ReplicationStatus, ReplicationStatus{region, "InSync"})
	}
	d.LastAccessedDate = wire.Epoch(c.lastAccess(s.arn, ""))
	return d
}

// stages maps the versions that have labels to them.
func (s *secret) stages() map[string][]string {
	stages := map[string][]string{}
	for _, v := range s.versions {
		if len(v.labels) > 0 {
			stages[v.id] = v.labels
		}
	}
	return stages
}

// ListSecretsInput asks for a page of the list.
type ListSecretsInput struct {
	Filters                []Filter
	MaxResults             int
	NextToken              string
	IncludePlannedDeletion bool
}

// ListSecretsOutput is the answer of ListSecrets.
type ListSecretsOutput struct {
	SecretList []*SecretDescription
	NextToken  string `json:",omitempty"`
}

// ListSecrets lists the secrets that all filters match, by name. AWS lists them by CreatedDate, unless SortBy says otherwise.
func (c *Core) ListSecrets(_ context.Context, in ListSecretsInput) (out ListSecretsOutput, err error) {
	if err := checkFilters(in.Filters); err != nil {
		return out, err
	}
	c.mu.Lock()
	var states []*secret
	for _, r := range c.records {
		if (r.state.deletion.IsZero() || in.IncludePlannedDeletion) && r.state.matches(in.Filters) {
			states = append(states, r.state)
		}
	}
	c.mu.Unlock()
	slices.SortFunc(states, func(a, b *secret) int { return cmp.Compare(a.name, b.name) })
	part, next, err := wire.Page(states, in.MaxResults, 100, in.NextToken)
	if err != nil {
		return out, &wire.Error{Code: "InvalidNextTokenException", Message: "Invalid pagination token."}
	}
	out = ListSecretsOutput{SecretList: []*SecretDescription{}, NextToken: next}
	for _, s := range part {
		d := c.describe(s)
		d.StagesInList = s.stages()
		out.SecretList = append(out.SecretList, d)
	}
	return out, nil
}

// DeleteSecretInput says how to delete.
type DeleteSecretInput struct {
	SecretID                   string `json:"SecretId"`
	RecoveryWindowInDays       *int
	ForceDeleteWithoutRecovery bool
}

// DeleteSecretOutput is the answer of DeleteSecret.
type DeleteSecretOutput struct {
	SecretRef
	DeletionDate wire.Epoch
}

// DeleteSecret marks a secret for deletion, or deletes it at once. One that is marked stays until it is restored: the
// end of the recovery window is not played out.
func (c *Core) DeleteSecret(_ context.Context, in DeleteSecretInput) (out DeleteSecretOutput, err error) {
	days := 30
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
		if in.ForceDeleteWithoutRecovery {
			return out, invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
		if days < 7 || days > 30 {
			return out, invalidParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.env.Now()
	r, err := c.find(in.SecretID)
	if errors.Is(err, errNoSecret) && in.ForceDeleteWithoutRecovery {
		return DeleteSecretOutput{c.refOfNone(in.SecretID), wire.Epoch(now)}, nil
	}
	if err != nil {
		return out, err
	}
	out = DeleteSecretOutput{r.state.ref(), wire.Epoch(now)}
	if in.ForceDeleteWithoutRecovery {
		c.records = slices.DeleteFunc(c.records, func(other *record) bool { return other == r })
		c.schedule(r, time.Time{})
		return out, nil
	}
	out.DeletionDate = wire.Epoch(now.AddDate(0, 0, days))
	_, err = c.change(r, func(s *secret) error {
		s.deletion = time.Time(out.DeletionDate)
		return nil
	})
	return out, err
}

// refOfNone names a secret that does not exist. To delete it at once is no error, so that the call can be repeated.
func (c *Core) refOfNone(id string) SecretRef {
	if strings.HasPrefix(id, "arn:") {
		return SecretRef{ARN: id, Name: id[strings.LastIndexByte(id, ':')+1:]}
	}
	return SecretRef{ARN: c.newARN(id), Name: id}
}

// RestoreSecretOutput is the answer of RestoreSecret.
type RestoreSecretOutput struct{ SecretRef }

// RestoreSecret takes the mark for deletion away.
func (c *Core) RestoreSecret(_ context.Context, in SecretIDInput) (out RestoreSecretOutput, err error) {
	s, err := c.update(in.SecretID, func(s *secret) error {
		s.deletion = time.Time{}
		return nil
	})
	if err != nil {
		return out, err
	}
	return RestoreSecretOutput{s.ref()}, nil
}

// TagResourceInput are tags to set.
type TagResourceInput struct {
	SecretID string `json:"SecretId"`
	Tags     []Tag
}

// TagResource sets tags, in place of those with the same keys.
func (c *Core) TagResource(_ context.Context, in TagResourceInput) (struct{}, error) {
	_, err := c.update(in.SecretID, func(s *secret) error {
		s.tag(in.Tags)
		return s.writable()
	})
	return struct{}{}, err
}

// Tags are the tags of the secrets that are not marked for deletion, by their ARNs.
func (c *Core) Tags() map[string]map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]map[string]string{}
	for _, r := range c.records {
		if r.state.deletion.IsZero() {
			all[r.state.arn] = maps.Clone(r.state.tags)
		}
	}
	return all
}

// UntagResourceInput are tags to remove, by their keys.
type UntagResourceInput struct {
	SecretID string `json:"SecretId"`
	TagKeys  []string
}

// UntagResource removes tags.
func (c *Core) UntagResource(_ context.Context, in UntagResourceInput) (struct{}, error) {
	_, err := c.update(in.SecretID, func(s *secret) error {
		for _, key := range in.TagKeys {
			delete(s.tags, key)
		}
		return s.writable()
	})
	return struct{}{}, err
}
