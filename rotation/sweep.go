package rotation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/secret"
)

// A value that its target makes is accepted before it is stored. A crash in
// between leaves it without a version, and a rotation that is given up before
// it was set leaves its version without a label: the ledger knows of neither.

// ownership is what an Issuer is told of the secret.
func (r *run) ownership(kind credential.Kind) credential.Ownership {
	return credential.Ownership{Owner: r.event.SecretID, Stored: r.stored, Log: r.log.With("kind", kind.Name())}
}

// stored reads what the labelled versions of all secrets store: a credential may
// have been moved from one to another. It fails when one cannot be read, for what
// that one stores would be taken for lost.
func (r *run) stored(ctx context.Context) (credential.Stored, error) {
	s, err := r.storedHere(ctx)
	if err != nil {
		return credential.Stored{}, err
	}
	for other := range r.besides() {
		there, err := other.storedHere(ctx)
		if err != nil {
			return credential.Stored{}, fmt.Errorf("the secret %s: %w", other.event.SecretID, err)
		}
		s.Documents = append(s.Documents, there.Documents...)
		s.Busy = s.Busy || there.Busy
	}
	return s, nil
}

// storedHere is stored for one secret.
func (r *run) storedHere(ctx context.Context) (s credential.Stored, err error) {
	m, err := r.read.Describe(ctx)
	if err != nil {
		return credential.Stored{}, err
	}
	for _, id := range slices.Sorted(maps.Keys(m.Labels)) {
		labels := m.Labels[id]
		if len(labels) == 0 {
			continue
		}
		pending := slices.Contains(labels, secret.Pending)
		read, label := r.read.Await, labels[0]
		if pending {
			// It has no value until createSecret has succeeded. One that has lost the label
			// meanwhile, to an edit, stores its value still: AWSCURRENT may have the same.
			read, label = r.read.Read, ""
		}
		v, err := read(ctx, id, label)
		switch {
		case secret.IsMissing(err) && pending:
			s.Busy = id != r.event.Token
		case err != nil:
			return credential.Stored{}, fmt.Errorf("read version %s: %w", id, err)
		default:
			s.Documents = append(s.Documents, v.Doc)
		}
	}
	return s, nil
}

// sweep has the issuers among the kinds take away what no version holds.
func (r *run) sweep(ctx context.Context, kinds []credential.Kind) error {
	var faults []error
	for _, kind := range kinds {
		issuer, ok := kind.(credential.Issuer)
		if !ok {
			continue
		}
		removed, err := issuer.Sweep(ctx, r.ownership(kind))
		for _, what := range removed {
			r.log.Warn("a value that no version of the secret holds was taken away", audit, didSweep, "kind", kind.Name(), "what", what)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("look for lost %s credentials: %w", kind.Name(), err))
		}
	}
	return errors.Join(faults...)
}
