package rotation

import (
	"context"
	"slices"
)

// catchUp does before a rotation what a reconcile has not come to: it takes
// note of what was moved by hand, or left by a crash. The rotation is about to
// write its own entry where that stands, and to replace values that it speaks
// of.
func (r *run) catchUp(ctx context.Context, state stage, m metadata) (stage, metadata, error) {
	journal, err := readJournal(m.labels)
	if err != nil {
		return stage{}, metadata{}, err
	}
	caughtUp := true
	for _, rec := range journal {
		act, why, err := r.behind(ctx, rec, journal, state, m)
		if err != nil {
			return stage{}, metadata{}, err
		}
		if act == doNothing {
			continue
		}
		caughtUp = false
		r.log.Info("before the rotation", "version", rec.id, "phase", rec.entry.phase, "decision", act, "why", why)
		if err := r.act(ctx, act, why, rec, journal, m); err != nil {
			return stage{}, metadata{}, err
		}
	}
	if caughtUp {
		return state, m, nil
	}
	return r.guard(ctx)
}

// behind tells what is to be done about a version before a rotation begins.
func (r *run) behind(ctx context.Context, rec record, journal []record, state stage, m metadata) (action, string, error) {
	switch {
	case rec.id == state.currentID:
		s, err := r.observe(ctx, m, journal, rec)
		if err != nil {
			return doNothing, "", err
		}
		act, why := decide(rec.entry, s, r.limits)
		return act, why, nil
	case rec.entry.phase == phaseSet && !slices.Contains(m.labels[rec.id], labelPending):
		// Given up; or promoted, and AWSCURRENT has moved on with its values.
		o, err := r.open(ctx, rec, m)
		if err != nil || len(o.overlaps)+len(o.singles) > 0 {
			return doNothing, "", err
		}
		return doForget, "its values are AWSCURRENT's", nil
	}
	return doNothing, "", nil
}
