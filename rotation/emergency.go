package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
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
		e.emergency, e.refused = true, m.now
		if _, err := r.write(ctx, rec, e); err != nil {
			return err
		}
	}
	return nil
}

// revokeAll revokes the values of every version that is marked so, those that
// are marked on the way included, and returns how things stand then. It tries
// each once.
func (r *run) revokeAll(ctx context.Context) (m metadata, journal []record, err error) {
	tried := map[string]bool{r.event.Token: true}
	var faults []error
	for {
		if m, err = r.describe(ctx); err != nil {
			return metadata{}, nil, errors.Join(append(faults, err)...)
		}
		if journal, err = readJournal(m.labels); err != nil {
			return metadata{}, nil, errors.Join(append(faults, err)...)
		}
		at := slices.IndexFunc(journal, func(rec record) bool {
			return rec.entry.emergency && !rec.entry.revoked && !tried[rec.id]
		})
		if at < 0 {
			return m, journal, errors.Join(faults...)
		}
		tried[journal[at].id] = true
		faults = append(faults, r.exclusively(ctx, journal[at], r.revoke))
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
		revoker, ok := kind.(credential.Revoker)
		if !ok {
			continue
		}
		what, err := revoker.Revoke(ctx, credential.Overlap{
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
	also := ""
	if r.needsRestart(e.gone) {
		also = " Running tasks that need it fail until they are replaced."
	}
	if len(ended) > 0 {
		slices.Sort(ended)
		also += " Ended with it: " + strings.Join(ended, "; ") + "."
	}
	r.notice(didRevoke, "emergency: %s rotated, and the old value is refused.%s", inWords(e.gone), also)
	return nil
}

// endEmergency tells for how long what needed the old values may have failed.
func (r *run) endEmergency(ctx context.Context, rec record) error {
	// Once more for AWS's time: the tasks were looked at after the last answer.
	if _, err := r.describe(ctx); err != nil {
		return err
	}
	if err := r.forget(ctx, rec); err != nil {
		return err
	}
	gone := inWords(rec.entry.gone)
	switch {
	case !r.needsRestart(rec.entry.gone):
		r.notice(didRetire, "emergency: the rotation of %s is complete", gone)
	case r.redeployer == nil:
		r.notice(didRetire, "emergency: the rotation of %s is complete. No services are set, so what uses it fails until somebody restarts it", gone)
	default:
		refused := r.now.Sub(rec.entry.refused) + time.Second // AWS tells its time to the second alone
		r.notice(didRetire, "emergency: everything runs with the new value of %s. The application's tasks were refused for at most %s, from the promotion on", gone, refused)
		r.measure(Metric{Name: metricRefused, Unit: seconds, Value: refused.Seconds()})
	}
	return nil
}
