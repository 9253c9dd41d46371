package localaws

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

type secretIDInput struct {
	SecretID string `json:"SecretId"`
}

// secretDescription is what DescribeSecret answers and, in a list, ListSecrets.
type secretDescription struct {
	secretRef
	Description       string              `json:",omitempty"`
	KmsKeyID          string              `json:"KmsKeyId,omitempty"`
	RotationEnabled   *bool               `json:",omitempty"`
	RotationLambdaARN string              `json:",omitempty"`
	RotationRules     *rotationRules      `json:",omitempty"`
	LastRotatedDate   epoch               `json:",omitzero"`
	LastChangedDate   epoch               `json:",omitzero"`
	LastAccessedDate  epoch               `json:",omitzero"`
	DeletedDate       epoch               `json:",omitzero"`
	NextRotationDate  epoch               `json:",omitzero"`
	Tags              []tag               `json:",omitempty"`
	Stages            map[string][]string `json:"VersionIdsToStages,omitempty"`
	StagesInList      map[string][]string `json:"SecretVersionsToStages,omitempty"`
	OwningService     string              `json:",omitempty"`
	CreatedDate       epoch
	PrimaryRegion     string              `json:",omitempty"`
	ReplicationStatus []replicationStatus `json:",omitempty"`
}

type replicationStatus struct{ Region, Status string }

func (m *secretsManager) describeSecret(_ context.Context, in secretIDInput) (*secretDescription, error) {
	s, err := m.read(in.SecretID)
	if err != nil {
		return nil, err
	}
	d := m.describe(s)
	d.Stages = s.stages()
	return d, nil
}

// describe fills in all that DescribeSecret and ListSecrets have in common. Fields without a value are left out, and
// so are the dates of a rotation that is not configured, or turned off.
func (m *secretsManager) describe(s *secret) *secretDescription {
	d := &secretDescription{
		secretRef:       s.ref(),
		Description:     s.description,
		KmsKeyID:        s.kmsKeyID,
		LastChangedDate: epoch(s.changed),
		DeletedDate:     epoch(s.deletion),
		OwningService:   s.owningService,
		CreatedDate:     epoch(s.created),
		PrimaryRegion:   s.primaryRegion,
	}
	if c := s.rotation; c.configured {
		d.RotationEnabled = &c.enabled
		d.RotationLambdaARN = c.function
		d.RotationRules = c.described()
	}
	if s.rotation.enabled {
		d.LastRotatedDate = epoch(s.rotated)
		d.NextRotationDate = epoch(s.rotation.next)
	}
	for _, key := range slices.Sorted(maps.Keys(s.tags)) {
		d.Tags = append(d.Tags, tag{key, s.tags[key]})
	}
	for _, region := range s.replicas {
		d.ReplicationStatus = append(d.ReplicationStatus, replicationStatus{region, "InSync"})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, err := m.find(s.arn); err == nil && !r.accessed.IsZero() {
		d.LastAccessedDate = epoch(r.accessed.Truncate(24 * time.Hour)) // AWS tells the day
	}
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

type listSecretsInput struct {
	MaxResults             int
	NextToken              string
	IncludePlannedDeletion bool
}

type listSecretsOutput struct {
	SecretList []*secretDescription
	NextToken  string `json:",omitempty"`
}

// listSecrets lists all secrets by name. Filters are not supported.
func (m *secretsManager) listSecrets(_ context.Context, in listSecretsInput) (*listSecretsOutput, error) {
	m.mu.Lock()
	var states []*secret
	for _, r := range m.records {
		if r.state.deletion.IsZero() || in.IncludePlannedDeletion {
			states = append(states, r.state)
		}
	}
	m.mu.Unlock()
	slices.SortFunc(states, func(a, b *secret) int { return cmp.Compare(a.name, b.name) })
	part, next, err := page(states, in.MaxResults, 100, in.NextToken)
	if err != nil {
		return nil, &Error{Code: "InvalidNextTokenException", Message: "Invalid pagination token."}
	}
	out := &listSecretsOutput{SecretList: []*secretDescription{}, NextToken: next}
	for _, s := range part {
		d := m.describe(s)
		d.StagesInList = s.stages()
		out.SecretList = append(out.SecretList, d)
	}
	return out, nil
}

type deleteSecretInput struct {
	SecretID                   string `json:"SecretId"`
	RecoveryWindowInDays       *int
	ForceDeleteWithoutRecovery bool
}

type deleteSecretOutput struct {
	secretRef
	DeletionDate epoch
}

// deleteSecret marks a secret for deletion, or deletes it at once. One that is marked stays until it is restored: the
// end of the recovery window is not played out.
func (m *secretsManager) deleteSecret(_ context.Context, in deleteSecretInput) (*deleteSecretOutput, error) {
	days := 30
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
		if in.ForceDeleteWithoutRecovery {
			return nil, invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
		if days < 7 || days > 30 {
			return nil, invalidParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.find(in.SecretID)
	if err != nil {
		return nil, err
	}
	now := m.srv.clock.Now()
	out := &deleteSecretOutput{r.state.ref(), epoch(now)}
	if in.ForceDeleteWithoutRecovery {
		m.records = slices.DeleteFunc(m.records, func(other *secretRecord) bool { return other == r })
		r.stopSchedule()
		return out, nil
	}
	out.DeletionDate = epoch(now.AddDate(0, 0, days))
	_, err = m.change(r, func(s *secret) error {
		s.deletion = time.Time(out.DeletionDate)
		return nil
	})
	return out, err
}

func (m *secretsManager) restoreSecret(_ context.Context, in secretIDInput) (secretRef, error) {
	s, err := m.update(in.SecretID, func(s *secret) error {
		s.deletion = time.Time{}
		return nil
	})
	if err != nil {
		return secretRef{}, err
	}
	return s.ref(), nil
}

type tagResourceInput struct {
	SecretID string `json:"SecretId"`
	Tags     []tag
	TagKeys  []string // of UntagResource
}

func (m *secretsManager) tagResource(_ context.Context, in tagResourceInput) (struct{}, error) {
	_, err := m.update(in.SecretID, func(s *secret) error {
		for _, t := range in.Tags {
			s.tags[t.Key] = t.Value
		}
		return s.writable()
	})
	return struct{}{}, err
}

func (m *secretsManager) untagResource(_ context.Context, in tagResourceInput) (struct{}, error) {
	_, err := m.update(in.SecretID, func(s *secret) error {
		for _, key := range in.TagKeys {
			delete(s.tags, key)
		}
		return s.writable()
	})
	return struct{}{}, err
}
