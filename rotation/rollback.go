package rotation

import (
	"context"
	"errors"
	"slices"
)

// rollBack makes the version old current again in place of bad. The order
// makes each cut harmless: from the first write on, finishRollBack takes over.
// Values that have an overlap need no write at their target, which accepts
// them still.
func (r *run) rollBack(ctx context.Context, old, bad record, m metadata) error {
	if err := enoughTime(ctx); err != nil {
		return err
	}
	e := entry{phase: phaseRolledBack, live: old.entry.live, next: old.id}
	bad, err := r.write(ctx, bad, e)
	if err != nil {
		return err
	}
	return r.makeCurrentAgain(ctx, old, bad, m)
}

// finishRollBack goes on with a rollback whose bad version is marked, and
// still current.
func (r *run) finishRollBack(ctx context.Context, bad record, journal []record, m metadata) error {
	old, ok := promotedOver(journal, bad.id)
	if !ok {
		return errors.New("the journal does not say which version was current before: move AWSCURRENT by hand")
	}
	return r.makeCurrentAgain(ctx, old, bad, m)
}

func (r *run) makeCurrentAgain(ctx context.Context, old, bad record, m metadata) error {
	// An AWSPENDING left on the bad version would block every later rotation,
	// and have this one tried again.
	if slices.Contains(m.labels[bad.id], labelPending) {
		if err := r.moveLabel(ctx, labelPending, "", bad.id); err != nil {
			return err
		}
	}
	moved, err := r.moveCurrent(ctx, bad.id, old.id)
	if err != nil {
		return err
	}
	if !moved {
		// Another invocation has, and redeploys. Should it not come so far, the
		// bad version's entry says that no redeploy has begun.
		return nil
	}
	r.log.Error("rolled back: the old version is AWSCURRENT again", "from", bad.id, "to", old.id)
	if err := r.forget(ctx, old); err != nil {
		return err
	}
	return r.redeployAndNote(ctx, bad, m)
}
