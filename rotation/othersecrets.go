package rotation

import (
	"context"
	"errors"
	"iter"
	"slices"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
)

// others are the function's other secrets, as of one look.
type others struct {
	current  map[string]document.Document // of AWSCURRENT, by the secret's ARN
	rollouts []plan.OtherRollout
	unread   string // why one of them could not be read
}

// besides are the function's other secrets, each ready to be read.
func (r *run) besides() iter.Seq[*run] {
	return func(yield func(*run) bool) {
		for _, arn := range r.listed {
			if arn != r.event.SecretID && !yield(r.newRun(Event{SecretID: arn}, r.log.With("other", arn), r.secrets)) {
				return
			}
		}
	}
}

// lookElsewhere reads the function's other secrets. A secret that cannot be read is logged, and
// decisions take it into account: it may store anything.
func (r *run) lookElsewhere(ctx context.Context) {
	found := &others{current: map[string]document.Document{}}
	for other := range r.besides() {
		if err := found.add(ctx, other); err != nil {
			arn := other.event.SecretID
			r.log.Warn("another secret cannot be read", "other", arn, "error", err)
			found.unread = arn + " cannot be read: restore it, or remove it from SECRET_ARNS"
		}
	}
	r.found.others = found
}

// add reads another secret. Its rollout is known even if its value cannot be read, and the other
// way round.
func (o *others) add(ctx context.Context, other *run) error {
	arn := other.event.SecretID
	m, err := other.read.Describe(ctx)
	if err != nil {
		return err
	}
	book, errLabels := ledger.Read(m.Labels)
	if errLabels == nil {
		o.rollouts = append(o.rollouts, plan.OtherRollout{Secret: arn, Rollout: book.Rollout()})
	}
	current, errValue := other.read.Current(ctx, "")
	if errValue == nil {
		o.current[arn] = current.Doc
	}
	return errors.Join(errLabels, errValue)
}

// seenElsewhere is what is known of the other secrets.
func (r *run) seenElsewhere() plan.Others {
	if r.found.others == nil {
		return plan.Others{Unseen: slices.ContainsFunc(r.listed, func(arn string) bool { return arn != r.event.SecretID })}
	}
	return plan.Others{Unread: r.found.others.unread, Rollouts: r.found.others.rollouts}
}

// elsewhere is the ARN of another secret whose AWSCURRENT stores this value of a kind; "" if none
// is known.
func (r *run) elsewhere(kind credential.Kind, value credential.Value) string {
	if r.found.others == nil {
		return ""
	}
	for _, arn := range r.listed {
		doc, ok := r.found.others.current[arn]
		if !ok {
			continue
		}
		if theirs, has, err := kind.Value(doc); err == nil && has && theirs == value {
			return arn
		}
	}
	return ""
}
