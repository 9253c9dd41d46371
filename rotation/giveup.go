package rotation

import (
	"context"
	"errors"
	"slices"
	"time"

	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/secret"
)

// giveUp removes AWSPENDING from the token's version, so that the next rotation starts afresh; a
// reconcile retires what was set. It returns the cause.
func (r *run) giveUp(ctx context.Context, m secret.Metadata, cause error) error {
	pending := m.Labels.Version(secret.Pending)
	if r.event.Token != "" {
		pending = r.event.Token
	}
	if pending == "" || !slices.Contains(m.Labels[pending], secret.Pending) || slices.Contains(m.Labels[pending], secret.Current) {
		return cause
	}
	if err := r.write.MoveLabel(ctx, secret.Pending, "", pending); err != nil {
		return errors.Join(cause, err)
	}
	r.gaveUp = true
	r.log.Warn("the rotation was given up", audit, didAbandon, "version", pending, "why", cause)
	if r.event.Token == "" {
		r.notice(didAbandon, "the rotation to version %s was given up: %v", pending, cause)
		return nil // this step decided to give it up
	}
	// Retire what was set at once: until then a target that accepts one value refuses
	// AWSCURRENT's.
	_, _, faults := r.settle(ctx, false)
	return errors.Join(append([]error{cause}, faults...)...)
}

// fence moves AWSCURRENT to a copy of its own document, after AWSPENDING was removed from a
// version. A promotion of that version that is still in progress names the version that it read
// as AWSCURRENT, so it fails from now on.
func (r *run) fence(ctx context.Context, s *sight, givenUp string) error {
	doc, err := r.document(ctx, s.current)
	if err != nil {
		return err
	}
	page := s.page()
	old := page
	page.Version, page.Labels = derived("fence", s.current, givenUp), nil
	page.Rollout = s.rollout()
	if page.Empty() {
		// A label keeps the version from being deleted. It must not claim that the values are
		// accepted, since no target was asked. There was no rollout yet, so the running tasks are
		// taken as they are.
		page.Rollout = ledger.Rollout{Since: soon(s.m.At)}.ConvergedAt(soon(s.m.At))
	}
	if err := r.store(ctx, doc, page); err != nil {
		return err
	}
	if slices.Contains(s.m.Labels[s.current], secret.Pending) {
		// A rotation that succeeded may leave it. On a version that is not current it would block
		// every later rotation.
		if err := r.write.MoveLabel(ctx, secret.Pending, "", s.current); err != nil {
			return err
		}
	}
	fenced := s.book.Page(givenUp)
	if slices.Contains(s.m.Labels[givenUp], secret.Previous) {
		// It was AWSCURRENT, so tasks may have started with its values. Only AWSPREVIOUS shows
		// that, and the move removes it. If this invocation ends before the move, nothing is
		// fenced, but an old value is observed for longer than an invocation lives that may
		// promote it.
		if fenced, err = r.noteFenced(ctx, fenced, ledger.Old, s.m.At); err != nil {
			return err
		}
	}
	if _, err := r.write.MoveCurrent(ctx, s.current, page.Version); err != nil {
		return errors.Join(errors.New("AWSCURRENT was moved in the meantime: decide again"), err)
	}
	r.log.Warn("AWSCURRENT has the same value under another version id, so no promotion of the rotation that was given up can succeed", audit, didFence, "from", s.current, "to", page.Version, "version", givenUp)
	if err := r.write.Relabel(ctx, old.Version, "", old.Labels); err != nil {
		return err
	}
	// From here on its values may be retired.
	_, err = r.noteFenced(ctx, fenced, ledger.GivenUp, s.m.At)
	return err
}

// noteFenced changes pending entries of a version's label to another state.
func (r *run) noteFenced(ctx context.Context, page ledger.Page, state ledger.State, at time.Time) (ledger.Page, error) {
	pending := false
	for name, e := range page.Entries {
		if e.State == ledger.Pending {
			page, pending = page.With(name, state, at), true
		}
	}
	if !pending {
		return page, nil
	}
	if err := r.writePage(ctx, page); err != nil {
		return page, err
	}
	return page, nil
}
