package secretsmanager

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"mautic-rotation/internal/localaws/wire"
)

// Labels with a meaning to the service.
const (
	current  = "AWSCURRENT"
	pending  = "AWSPENDING"
	previous = "AWSPREVIOUS"
)

const (
	maxLabels   = 20 // in a secret, over all its versions
	maxVersions = 100
	maxValue    = 65536 // bytes

	// Versions younger than this are never deleted to make room.
	keepVersions = 24 * time.Hour
)

// secret is the state of a secret after a write. It is not changed once stored: a write stores a changed clone, so
// that a write that fails leaves nothing behind, and a reader may be shown the state before.
type secret struct {
	arn, name, description, kmsKeyID string

	owningService string // "rds" for a secret that RDS manages
	primaryRegion string // "" for a secret that is not replicated
	replicas      []string

	tags     map[string]string // nil until there has been one
	created  time.Time
	changed  time.Time
	rotated  time.Time // last successful rotation, writing a value by hand included
	deletion time.Time // zero unless marked for deletion

	rotation rotationConfig
	versions []*version // oldest first

	sum []byte // see digest; nil: not computed yet
}

// version is one version of a secret's value.
type version struct {
	id            string
	created       time.Time
	labels        []string
	value         value
	key           string // KmsKeyId of the secret when the value was written
	rotationToken string // as PutSecretValue passed it on
}

// keys are what a version's value is encrypted with, as ListSecretVersionIds names it.
func (v *version) keys() []string {
	switch {
	case !v.value.isSet():
		return nil
	case v.key == "":
		return []string{"DefaultEncryptionKey"}
	}
	return []string{v.key}
}

// tag sets tags, in place of those with the same keys.
func (s *secret) tag(tags []Tag) {
	if s.tags == nil && len(tags) > 0 {
		s.tags = map[string]string{}
	}
	for _, t := range tags {
		s.tags[t.Key] = t.Value
	}
}

// value is a secret value. The zero value stands for none: a version that a rotation registered and nothing wrote.
type value struct {
	text   *string
	binary []byte
}

func (v value) isSet() bool { return v.text != nil || v.binary != nil }

func (v value) equal(w value) bool {
	if v.text != nil && w.text != nil {
		return *v.text == *w.text
	}
	return v.text == nil && w.text == nil && bytes.Equal(v.binary, w.binary)
}

func (s *secret) clone() *secret {
	c := *s
	c.sum = nil
	c.tags = maps.Clone(s.tags)
	c.replicas = slices.Clone(s.replicas)
	c.versions = make([]*version, len(s.versions))
	for i, v := range s.versions {
		w := *v
		w.labels = slices.Clone(v.labels)
		c.versions[i] = &w
	}
	return &c
}

// version finds a version by id, or returns nil.
func (s *secret) version(id string) *version {
	i := slices.IndexFunc(s.versions, func(v *version) bool { return v.id == id })
	if i < 0 {
		return nil
	}
	return s.versions[i]
}

// labelled finds the version that a label is on, or returns nil. A label is on one version at most.
func (s *secret) labelled(label string) *version {
	i := slices.IndexFunc(s.versions, func(v *version) bool { return v.has(label) })
	if i < 0 {
		return nil
	}
	return s.versions[i]
}

func (v *version) has(label string) bool { return slices.Contains(v.labels, label) }

// add appends a version without labels.
func (s *secret) add(id string, now time.Time, val value) *version {
	v := &version{id: id, created: now, value: val}
	s.versions = append(s.versions, v)
	return v
}

func (s *secret) remove(id string) {
	s.versions = slices.DeleteFunc(s.versions, func(v *version) bool { return v.id == id })
}

// move puts a label on a version and takes it off the one that had it. AWSCURRENT draws AWSPREVIOUS after it, onto the
// version that it leaves.
func (s *secret) move(label string, to *version) {
	from := s.labelled(label)
	if from == to {
		return
	}
	s.drop(label)
	to.labels = append(to.labels, label)
	if label == current && from != nil {
		s.move(previous, from)
	}
}

// drop takes a label off the version that has it.
func (s *secret) drop(label string) {
	if v := s.labelled(label); v != nil {
		v.labels = slices.DeleteFunc(v.labels, func(l string) bool { return l == label })
	}
}

// pendingElsewhere is the version whose AWSPENDING makes the service take a rotation for incomplete: one that is not
// current.
func (s *secret) pendingElsewhere() *version {
	if v := s.labelled(pending); v != nil && !v.has(current) {
		return v
	}
	return nil
}

// settle holds a changed secret to the service's limits, and deletes the versions that the service may delete.
func (s *secret) settle(now time.Time, deleteUnlabelled bool) error {
	labels := 0
	for _, v := range s.versions {
		labels += len(v.labels)
	}
	if labels > maxLabels {
		return &wire.Error{
			Code:    "LimitExceededException",
			Message: "The request failed because it would exceed the quota of 20 staging labels attached across all versions of a secret.",
		}
	}
	if deleteUnlabelled {
		s.versions = slices.DeleteFunc(s.versions, func(v *version) bool { return len(v.labels) == 0 })
	}
	for len(s.versions) > maxVersions {
		i := slices.IndexFunc(s.versions, func(v *version) bool {
			return len(v.labels) == 0 && now.Sub(v.created) > keepVersions
		})
		if i < 0 {
			return &wire.Error{
				Code:    "LimitExceededException",
				Message: "The request failed because it would exceed the quota of 100 versions in a secret.",
			}
		}
		s.versions = slices.Delete(s.versions, i, i+1)
	}
	return nil
}

// movedLabels lists the labels whose place differs between two states of a secret, as far as "Secret Label Updated"
// tells of them.
func movedLabels(before, after *secret) (moved []string) {
	told := func(l string) bool { return l != pending && l != previous }
	for _, v := range after.versions {
		for _, l := range v.labels {
			if was := before.labelled(l); told(l) && (was == nil || was.id != v.id) {
				moved = append(moved, l)
			}
		}
	}
	for _, v := range before.versions {
		for _, l := range v.labels {
			if told(l) && after.labelled(l) == nil {
				moved = append(moved, l)
			}
		}
	}
	slices.Sort(moved)
	return moved
}
