package rotation

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/secret"
)

// The versions that the engine stores, each with its ledger label in the same call.

// putPending stores the value of the token's version, in which these kinds are new, with the
// label that says so. If another delivery of the same event has already stored a value, that one
// stays, and stored is false.
func (r *run) putPending(ctx context.Context, d document.Document, made []string, now time.Time) (stored bool, err error) {
	v := secret.NewVersion{ID: r.event.Token, Doc: d, Labels: []string{secret.Pending}, RotationToken: r.event.RotationToken}
	if len(made) > 0 {
		page := ledger.Page{Version: r.event.Token}
		for _, name := range made {
			page = page.With(name, ledger.Pending, now)
		}
		label, err := page.Label()
		if err != nil {
			return false, err
		}
		v.Labels = append(v.Labels, label)
	}
	if stored, err = r.write.Put(ctx, v); err != nil {
		return false, fmt.Errorf("store the pending version: %w", err)
	}
	if !stored {
		r.log.Info("another attempt has stored the pending version's value, which is kept")
	}
	return stored, nil
}

// store stores a document as a version whose only label is a ledger label. It is idempotent for
// the version's id.
func (r *run) store(ctx context.Context, d document.Document, page ledger.Page) error {
	label, err := page.Label()
	if err != nil {
		return err
	}
	stored, err := r.write.Put(ctx, secret.NewVersion{ID: page.Version, Doc: d, Labels: []string{label}})
	switch {
	case err != nil:
		return fmt.Errorf("store a version to make current: %w", err)
	case !stored:
		return fmt.Errorf("version %s already exists with another value: try again", page.Version)
	}
	return nil
}

// derived is the id of a version that the function stores besides a rotation's, so that a retry
// after a crash finds it again.
func derived(what string, ids ...string) string {
	sum := sha256.New()
	fmt.Fprint(sum, what)
	for _, id := range ids {
		fmt.Fprintf(sum, "\x00%s", id)
	}
	h := sum.Sum(nil)
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
