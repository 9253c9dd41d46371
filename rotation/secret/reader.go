package secret

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/rotation/document"
)

// A Reader reads a secret, and remembers what it has read.
type Reader struct {
	api   ReadAPI
	arn   string
	learn func(document.Document)
	clock *AWSClock
	retry retry
	known *knowledge
}

// Describe reads the secret's metadata and labels, which are fresh from then on.
func (r *Reader) Describe(ctx context.Context) (Metadata, error) {
	out, err := r.api.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: &r.arn})
	if err != nil {
		return Metadata{}, fmt.Errorf("describe the secret: %w", explained(err)) // the SDK has already retried what can be
	}
	r.clock.hear(out.ResultMetadata)
	m := Metadata{
		At:              r.clock.Told(),
		OwningService:   aws.ToString(out.OwningService),
		RotationEnabled: aws.ToBool(out.RotationEnabled),
		Schedule:        Schedule{Last: aws.ToTime(out.LastRotatedDate), Next: aws.ToTime(out.NextRotationDate)},
		Labels:          out.VersionIdsToStages,
	}
	if rules := out.RotationRules; rules != nil {
		m.Schedule.Expression, m.Schedule.Window = aws.ToString(rules.ScheduleExpression), aws.ToString(rules.Duration)
		m.Schedule.Days = aws.ToInt64(rules.AutomaticallyAfterDays)
	}
	for _, tag := range out.Tags {
		if m.Tags == nil {
			m.Tags = map[string]string{}
		}
		m.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	if k := r.known; k.expected != nil && !sameVersions(k.expected, m.Labels) {
		k.surprises++
	}
	r.known.metadata, r.known.expected, r.known.fresh = &m, m.Labels, true
	return m, nil
}

// sameVersions reports whether the same versions have labels in both, and AWSCURRENT and
// AWSPENDING are on the same ones.
func sameVersions(a, b Labels) bool {
	if a.Version(Current) != b.Version(Current) || a.Version(Pending) != b.Version(Pending) {
		return false
	}
	return maps.Equal(a.labelled(), b.labelled())
}

// Surprises counts the readings that found versions, AWSCURRENT or AWSPENDING different from what
// this invocation knew: someone else may have changed them.
func (r *Reader) Surprises() int { return r.known.surprises }

// DescribeWith is Describe, repeated while the secret has no labelled version with this id: it
// may have been made just before. It is no error if the version does not appear.
func (r *Reader) DescribeWith(ctx context.Context, version string) (m Metadata, err error) {
	err = r.retry.do(ctx, func() error {
		if m, err = r.Describe(ctx); err != nil {
			return err
		}
		if _, labelled := m.Labels[version]; !labelled {
			return lagging{errNoVersion}
		}
		return nil
	})
	if errors.Is(err, errNoVersion) {
		return m, ctx.Err()
	}
	return m, err
}

var errNoVersion = errors.New("no such version")

// Known returns what is known of the secret without another call, including the labels that this
// invocation has moved since the last one. If ok is false, the secret must be described.
func (r *Reader) Known() (m Metadata, ok bool) {
	if r.known.metadata == nil {
		return Metadata{}, false
	}
	m = *r.known.metadata
	if !r.known.fresh {
		m.At = r.clock.Now()
	}
	return m, true
}

// Fresh reports whether the known labels were read, and this invocation has done nothing since. A
// decision to write needs fresh labels, because another invocation may have written.
func (r *Reader) Fresh() bool { return r.known.fresh }

// Outdate says that this invocation has done something that may have taken long, so that what is
// known is no longer fresh.
func (r *Reader) Outdate() { r.known.fresh = false }

// Current reads the AWSCURRENT version; also by its id, unless that is "".
func (r *Reader) Current(ctx context.Context, id string) (Version, error) {
	v, err := r.Await(ctx, id, Current)
	if err != nil {
		return Version{}, fmt.Errorf("read the AWSCURRENT version: %w", err)
	}
	return v, nil
}

// Version reads a version by its id. Its value never changes, so it is read once.
func (r *Reader) Version(ctx context.Context, id string) (Version, error) {
	if v, ok := r.Seen(id); ok {
		return v, nil
	}
	v, err := r.Await(ctx, id, "")
	if err != nil {
		return Version{}, fmt.Errorf("read version %s: %w", id, err)
	}
	return v, nil
}

// Seen returns a version that this invocation has read.
func (r *Reader) Seen(id string) (Version, bool) {
	v, ok := r.known.versions[id]
	return v, ok
}

// Await is Read, repeated for some seconds while the version is missing.
func (r *Reader) Await(ctx context.Context, id, label string) (v Version, err error) {
	err = r.retry.do(ctx, func() error {
		if v, err = r.Read(ctx, id, label); IsMissing(err) {
			r.known.fresh = false // this takes time, and the version may be gone since the labels were read
			return lagging{err}
		}
		return err
	})
	return v, err
}

// Read reads the version that has an id and a label; one of them may be "". It fails if the
// version does not have the label (see [IsMissing]), if it has no value yet, and if the value is
// not a JSON object.
func (r *Reader) Read(ctx context.Context, id, label string) (Version, error) {
	in := &sm.GetSecretValueInput{SecretId: &r.arn}
	if id != "" {
		in.VersionId = &id
	}
	if label != "" {
		in.VersionStage = &label
	}
	out, err := r.api.GetSecretValue(ctx, in)
	if err != nil {
		return Version{}, explained(err)
	}
	if out.SecretString == nil {
		return Version{}, errors.New("the secret holds binary data (SecretBinary): store a JSON object as SecretString")
	}
	doc, err := document.Parse(*out.SecretString)
	if err != nil {
		return Version{}, fmt.Errorf("version %s: %w: store a JSON object", aws.ToString(out.VersionId), err)
	}
	r.learn(doc)
	r.clock.hear(out.ResultMetadata)
	v := Version{ID: aws.ToString(out.VersionId), Labels: out.VersionStages, Created: aws.ToTime(out.CreatedDate), Doc: doc}
	r.known.versions[v.ID] = v
	return v, nil
}

// moved applies a label move that this invocation has made. Other invocations may have written in
// the meantime, so what is known is no longer fresh.
func (k *knowledge) moved(label, to, from string) {
	k.fresh = false
	k.expected = afterMove(k.expected, label, to, from)
	if k.metadata == nil {
		return
	}
	m := *k.metadata
	m.Labels = afterMove(m.Labels, label, to, from)
	k.metadata = &m
}

// afterMove returns the labels after one has moved. It copies them, because callers may still
// hold the old ones.
func afterMove(labels Labels, label, to, from string) Labels {
	if labels == nil {
		return nil
	}
	labels = maps.Clone(labels)
	if from != "" {
		labels[from] = without(labels[from], label)
	}
	if to != "" {
		labels[to] = append(without(labels[to], label), label)
	}
	if label == Current && from != "" && to != "" { // Secrets Manager moves AWSPREVIOUS as well
		if last := labels.Version(Previous); last != "" {
			labels[last] = without(labels[last], Previous)
		}
		labels[from] = append(labels[from], Previous)
	}
	return labels
}

// forget discards the known labels: a write may have changed more of them than it reports.
func (k *knowledge) forget() { k.metadata, k.fresh = nil, false }

func without(labels []string, label string) []string {
	return slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return l == label })
}
