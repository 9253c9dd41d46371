package rotation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An emergency rotation has no overlap: what was there before may be in the
// wrong hands. Its price is that running tasks fail until they are replaced.

// raiseEmergency marks the versions of which still older values are accepted:
// those have leaked no less than the ones that are being taken away. It comes
// after the promotion, for an emergency that is given up before is none.
func (r *run) raiseEmergency(ctx context.Context, o opened) error {
	m, err := r.describe(ctx)
	if err != nil {
		return err
	}
	journal, err := readJournal(m.labels)
	if err != nil {
		return err
	}
	for _, rec := range journal {
		concerned := slices.ContainsFunc(rec.entry.live, func(name string) bool { return slices.Contains(o.entry.live, name) })
		if !concerned || rec.id == o.id || rec.id == o.current.id || rec.entry.emergency || rec.entry.phase == phaseSet {
			continue // what was given up is retired without delay anyway
		}
		e := rec.entry
		e.emergency = true
		if _, err := r.write(ctx, rec, e); err != nil {
			return err
		}
	}
	return nil
}

// revokeAll revokes the values of every version that is marked so, those that
// are marked on the way included, and returns how things stand then.
func (r *run) revokeAll(ctx context.Context) (m metadata, journal []record, err error) {
	tried := map[string]bool{r.event.Token: true}
	for {
		if m, err = r.describe(ctx); err != nil {
			return metadata{}, nil, err
		}
		if journal, err = readJournal(m.labels); err != nil {
			return metadata{}, nil, err
		}
		at := slices.IndexFunc(journal, func(rec record) bool {
			return rec.entry.emergency && !rec.entry.revoked && !tried[rec.id]
		})
		if at < 0 {
			return m, journal, nil
		}
		tried[journal[at].id] = true
		if err := r.exclusively(ctx, journal[at], r.revoke); err != nil {
			return metadata{}, nil, err
		}
	}
}

// revoke takes a version's old values away at once, whoever uses them, and ends
// what was issued under them.
func (r *run) revoke(ctx context.Context, o opened) error {
	if err := r.raiseEmergency(ctx, o); err != nil {
		return err
	}
	if err := r.retire(ctx, o); err != nil {
		return err
	}
	kinds, err := r.changed(o.old.doc, o.current.doc)
	if err != nil {
		return err
	}
	var ended []string
	for _, kind := range kinds {
		revoker, ok := kind.(Revoker)
		if !ok {
			continue
		}
		what, err := revoker.Revoke(ctx, Overlap{
			Current: o.current.doc, Old: o.old.doc,
			Confirm: func(ctx context.Context) error { return r.confirmQuiet(ctx, o.current.id) },
			Now:     r.now,
			Log:     r.log.With("kind", kind.Name()),
		})
		if err != nil {
			return fmt.Errorf("end what was issued under the old %s credential: %w", kind.Name(), err)
		}
		if what != "" {
			ended = append(ended, what)
		}
	}
	e := o.entry
	e.live, e.gone, e.revoked = nil, names(kinds), true
	if !e.since.IsZero() && e.next != endOf(o.current.id) {
		// Of an older rotation, whose redeploy has long begun: what is awaited
		// is the redeploy of the one that replaces the values now.
		err = r.forget(ctx, o.record)
	} else {
		_, err = r.write(ctx, o.record, e)
	}
	if err != nil {
		return err
	}
	slices.Sort(ended)
	also := ""
	if len(ended) > 0 {
		also = " Ended with it: " + strings.Join(ended, "; ") + "."
	}
	r.notice(didRevoke, "emergency: %s rotated, and the old value is refused. Running tasks that need it fail until they are replaced.%s", inWords(e.gone), also)
	return nil
}

// endEmergency tells how long it took until everything ran with the new values.
func (r *run) endEmergency(ctx context.Context, rec record, m metadata) error {
	if err := r.forget(ctx, rec); err != nil {
		return err
	}
	r.notice(didRetire, "emergency: everything runs with the new value of %s. Tasks that had the old one were replaced within %s of the redeploy",
		inWords(rec.entry.gone), max(0, m.now.Sub(rec.entry.since)).Round(time.Second))
	return nil
}
