package secretsmanager

import "slices"

// SecretState is a secret as it is, unlike what a stale read shows.
type SecretState struct {
	ARN      string
	Name     string
	Versions []VersionState // oldest first, those without labels included
}

// VersionState is one version of a SecretState.
type VersionState struct {
	ID            string
	Labels        []string
	HasValue      bool
	Value         string // the text, or the bytes of a binary value
	RotationToken string // that the value was written with
}

// Labelled returns the version that has a label, or the zero VersionState.
func (s SecretState) Labelled(label string) VersionState {
	for _, v := range s.Versions {
		if slices.Contains(v.Labels, label) {
			return v
		}
	}
	return VersionState{}
}

// State returns the state of a secret, by name or ARN.
func (c *Core) State(id string) (SecretState, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(id)
	if err != nil {
		return SecretState{}, err
	}
	state := SecretState{ARN: r.state.arn, Name: r.state.name}
	for _, v := range r.state.versions {
		text := string(v.value.binary)
		if v.value.text != nil {
			text = *v.value.text
		}
		state.Versions = append(state.Versions, VersionState{
			ID: v.id, Labels: slices.Clone(v.labels), HasValue: v.value.isSet(), Value: text, RotationToken: v.rotationToken,
		})
	}
	return state, nil
}

// SetOwningService marks a secret as managed by another service, such as "rds"; "" takes the mark away. Rotation by a
// function is not refused: code under test is to notice by itself.
func (c *Core) SetOwningService(secretID, service string) error {
	_, err := c.update(secretID, func(s *secret) error {
		s.owningService = service
		return nil
	})
	return err
}

// SetReplication marks a secret as replicated: from primaryRegion, to the other regions. If primaryRegion is not the
// stand-in's own, the secret here is a replica, and every write to it is refused.
func (c *Core) SetReplication(secretID, primaryRegion string, replicas ...string) error {
	_, err := c.update(secretID, func(s *secret) error {
		s.primaryRegion, s.replicas = primaryRegion, replicas
		return nil
	})
	return err
}
