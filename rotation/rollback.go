package rotation

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"mautic-rotation/rotation/credential"
)

// rollBack makes the version old current again in place of bad. The order
// makes each cut harmless: from the first label on, finishRollBack takes over.
// Values that have an overlap need no write at their target, which accepts
// them still; that they are accepted is tried before anything is moved. Where a
// target accepts one value alone, it is given the old one again.
func (r *run) rollBack(ctx context.Context, old opened, bad record, m metadata) error {
	if err := enoughTime(ctx); err != nil {
		return err
	}
	if err := r.putBack(ctx, old); err != nil {
		return err
	}
	bad, err := r.write(ctx, bad, entry{phase: phaseRolledBack, live: old.entry.live, next: endOf(old.id)})
	if err != nil {
		return err
	}
	return r.makeCurrentAgain(ctx, old.record, bad, m)
}

// putBack fails unless the targets accept the values to go back to.
func (r *run) putBack(ctx context.Context, old opened) error {
	kinds, err := r.changed(old.old.doc, old.current.doc)
	if err != nil {
		return err
	}
	// First those that only look, then those that write.
	slices.SortStableFunc(kinds, func(a, b credential.Kind) int { return cmp.Compare(rank(a), rank(b)) })
	for _, kind := range kinds {
		c := credential.Change{
			Current: old.old.doc, Pending: old.current.doc,
			Confirm: func(ctx context.Context) error { return r.confirmQuiet(ctx, old.current.id) },
			Log:     r.log.With("kind", kind.Name()),
		}
		if err := kind.PutBack(ctx, c); err != nil {
			return fmt.Errorf("the application does not come up, and cannot be rolled back: the old %s credential: %w", kind.Name(), err)
		}
	}
	return nil
}

func rank(kind credential.Kind) int {
	if _, overlaps := kind.(credential.Retirer); overlaps {
		return 0
	}
	return 1
}

// finishRollBack goes on with a rollback whose bad version is marked, and
// still current. Where the version to go back to is not there any more, the
// mark goes.
func (r *run) finishRollBack(ctx context.Context, bad record, journal []record, m metadata) error {
	old, ok := promotedOver(journal, bad.id)
	if !ok || old.entry.phase != phaseOld {
		r.log.Error("a rollback was cut off, and there is no version left to go back to: AWSCURRENT stays", "version", bad.id)
		return r.forget(ctx, bad)
	}
	return r.exclusively(ctx, old, func(ctx context.Context, o opened) error {
		if err := r.putBack(ctx, o); err != nil {
			return err
		}
		return r.makeCurrentAgain(ctx, o.record, bad, m)
	})
}

func (r *run) makeCurrentAgain(ctx context.Context, old, bad record, m metadata) error {
	if err := r.takePendingOff(ctx, bad.id, m); err != nil {
		return err
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
	r.log.Error("rolled back: the old version is AWSCURRENT again", audit, didRollBack, "from", bad.id, "to", old.id)
	r.measure(Metric{Name: metricRolledBack, Unit: count, Value: 1})
	if err := r.forget(ctx, old); err != nil {
		return err
	}
	return r.redeployAndNote(ctx, bad, m)
}

// takePendingOff takes AWSPENDING off a version, if it has it: left there it
// would block every later rotation, and have that version's tried again.
func (r *run) takePendingOff(ctx context.Context, id string, m metadata) error {
	if !slices.Contains(m.labels[id], labelPending) {
		return nil
	}
	return r.moveLabel(ctx, labelPending, "", id)
}

// adopt takes up what somebody did by hand: a version that had been promoted
// over is current again. Its values are accepted again, should they have been
// taken out of service, and what was promoted over it is on its way out.
func (r *run) adopt(ctx context.Context, again record, m metadata) error {
	for id := range m.labels {
		if endOf(id) != again.entry.next || id == again.id {
			continue
		}
		other, err := r.readRetrying(ctx, id, m.labels[id][0])
		if err != nil {
			return err
		}
		if err := r.acceptAgain(ctx, again, other); err != nil {
			return err
		}
		journal, err := readJournal(m.labels)
		if err != nil {
			return err
		}
		rec, _ := entryOf(journal, id)
		if _, err := r.write(ctx, rec, entry{phase: phaseRolledBack, live: append(slices.Clone(again.entry.live), again.entry.gone...), next: endOf(again.id)}); err != nil {
			return err
		}
		if err := r.takePendingOff(ctx, id, m); err != nil {
			return err
		}
		r.log.Warn("a version was made AWSCURRENT again by hand: going on as after a rollback", audit, didAdopt, "from", id, "to", again.id)
	}
	return r.forget(ctx, again)
}

// acceptAgain makes the targets accept the values of a version that is current
// again, by way of those that were promoted over them.
func (r *run) acceptAgain(ctx context.Context, again record, other version) error {
	current, err := r.readCurrent(ctx, again.id)
	if err != nil {
		return err
	}
	kinds, err := r.changed(current.doc, other.doc)
	if err != nil {
		return err
	}
	confirm := func(ctx context.Context) error { return r.confirmQuiet(ctx, again.id) }
	taken := append(slices.Clone(again.entry.closing), again.entry.gone...)
	for _, kind := range kinds {
		log := r.log.With("kind", kind.Name())
		retirer, overlaps := kind.(credential.Retirer)
		switch {
		case !overlaps:
			err = kind.PutBack(ctx, credential.Change{Current: current.doc, Pending: other.doc, Confirm: confirm, Log: log})
		case slices.Contains(taken, kind.Name()):
			err = retirer.Restore(ctx, credential.Overlap{Current: other.doc, Old: current.doc, Now: r.now, Log: log})
		}
		if err != nil {
			return fmt.Errorf("make the target accept the AWSCURRENT %s credential again: %w", kind.Name(), err)
		}
	}
	return nil
}
