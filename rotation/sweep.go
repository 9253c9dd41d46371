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

// A value that its target makes is accepted before it is stored. After a crash in between, no
// version stores it; and if a rotation is given up before its value was set, the version has no
// label. The ledger knows neither.

// ownership is what an Issuer gets to know about the secret.
func (r *run) ownership(kind credential.Kind) credential.Ownership {
	return credential.Ownership{Owner: r.event.SecretID, Stored: r.stored, Log: r.log.With("kind", kind.Name())}
}

// stored reads what the labelled versions of all secrets store: a credential may have been moved
// from one secret to another. It fails if one cannot be read, because that one's values would
// count as lost.
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
			// It has no value until createSecret has succeeded. If an edit has moved the label
			// away since, the version still stores its value, and AWSCURRENT may have the same.
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

// sweep makes the issuers among the kinds remove what no version stores.
func (r *run) sweep(ctx context.Context, kinds []credential.Kind) error {
	var faults []error
	for _, kind := range kinds {
		issuer, ok := kind.(credential.Issuer)
		if !ok {
			continue
		}
		removed, err := issuer.Sweep(ctx, r.ownership(kind))
		for _, what := range removed {
			r.log.Warn("removed a value that no version of the secret stores", audit, didSweep, "kind", kind.Name(), "what", what)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("look for lost %s credentials: %w", kind.Name(), err))
		}
	}
	return errors.Join(faults...)
}
