package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
)

// opened is a version of the journal beside the one that is current.
type opened struct {
	record
	now      time.Time
	old      version
	current  version
	overlaps map[string]credential.Overlap // of its live kinds, where the target may accept both values
	singles  map[string]credential.Change  // of those with one value: what gives the target the current one
}

// only leaves some of the kinds.
func (o opened) only(kinds []string) opened {
	overlaps := map[string]credential.Overlap{}
	for _, name := range kinds {
		if overlap, ok := o.overlaps[name]; ok {
			overlaps[name] = overlap
		}
	}
	o.overlaps = overlaps
	return o
}

// tellTime tells each overlap what time it is by now.
func (o *opened) tellTime(now time.Time) {
	o.now = now
	for name, overlap := range o.overlaps {
		overlap.Now = now
		o.overlaps[name] = overlap
	}
}

// open reads a version of the journal, and the current one.
func (r *run) open(ctx context.Context, rec record, m metadata) (o opened, err error) {
	o = opened{record: rec, now: m.now, overlaps: map[string]credential.Overlap{}, singles: map[string]credential.Change{}}
	if o.current, err = r.readCurrent(ctx, versionWith(m.labels, labelCurrent)); err != nil {
		return opened{}, err
	}
	if o.old, err = r.readRetrying(ctx, rec.id, rec.labels[0]); err != nil {
		return opened{}, fmt.Errorf("read the old version: %w", err)
	}
	confirm := func(ctx context.Context) error { return r.confirmQuiet(ctx, o.current.id) }
	for _, name := range rec.entry.live {
		kind, ok := r.kind(name)
		if !ok {
			return opened{}, fmt.Errorf("this function has no kind %q, whose value of version %s may be accepted still: set it up again until that is over", name, rec.id)
		}
		fields, err := kind.Fields(o.old.doc)
		if err != nil {
			return opened{}, err
		}
		if len(fields) == 0 {
			return opened{}, fmt.Errorf("version %s has no %s credential where the settings say it is (*_POINTER): put them back until its overlap is over", rec.id, name)
		}
		if same, err := sameValues(fields, o.current.doc, o.old.doc); err != nil || same {
			if err != nil {
				return opened{}, err
			}
			continue // current again: nothing to take away
		}
		log := r.log.With("kind", name)
		if _, overlaps := kind.(credential.Retirer); overlaps {
			o.overlaps[name] = credential.Overlap{Current: o.current.doc, Old: o.old.doc, Confirm: confirm, Now: o.now, Log: log}
		} else {
			o.singles[name] = credential.Change{Current: o.current.doc, Pending: o.old.doc, Confirm: confirm, Log: log}
		}
	}
	return o, nil
}

// kind returns the kind of a name.
func (r *Rotator) kind(name string) (credential.Kind, bool) {
	at := slices.IndexFunc(r.kinds, func(k credential.Kind) bool { return k.Name() == name })
	if at < 0 {
		return nil, false
	}
	return r.kinds[at], true
}

// retirer returns the kind of an overlap, which open has seen to be one.
func (r *Rotator) retirer(name string) credential.Retirer {
	kind, _ := r.kind(name)
	return kind.(credential.Retirer)
}

// needsRestart tells whether one of the kinds does; of one that is not known
// any more it is assumed.
func (r *Rotator) needsRestart(kinds []string) bool {
	return slices.ContainsFunc(kinds, func(name string) bool {
		kind, ok := r.kind(name)
		return !ok || kind.NeedsRestart()
	})
}

// ready are the live kinds whose old value has been kept for long enough. AWS
// tells its time to the second alone, so since may seem to come still.
func (r *Rotator) ready(e entry, now time.Time) (ready []string) {
	for _, name := range e.live {
		kind, _ := r.kind(name)
		if retirer, ok := kind.(credential.Retirer); !ok || max(0, now.Sub(e.since)) >= retirer.MinOverlap() {
			ready = append(ready, name)
		}
	}
	return ready
}

// confirmQuiet is credential.Overlap.Confirm.
func (r *run) confirmQuiet(ctx context.Context, currentID string) error {
	m, err := r.describe(ctx)
	if err != nil {
		return err
	}
	if now := versionWith(m.labels, labelCurrent); now != currentID {
		return fmt.Errorf("AWSCURRENT has moved to version %s meanwhile", now)
	}
	journal, err := readJournal(m.labels)
	if err != nil {
		return err
	}
	for _, rec := range journal {
		if rec.id != currentID && rec.entry.phase == phaseSet && slices.Contains(m.labels[rec.id], labelPending) {
			return fmt.Errorf("the rotation to version %s is under way", rec.id)
		}
	}
	return nil
}

// errBusy says that another invocation holds the lock of an overlap.
var errBusy = errors.New("another invocation holds the lock of this overlap: try again in a minute")

// exclusively calls f under the lock of an overlap, with its entry as it is then.
// It does nothing if another invocation holds the lock, or has changed the phase
// since the journal was read.
func (r *run) exclusively(ctx context.Context, rec record, f func(context.Context, opened) error) error {
	err := r.underLock(ctx, rec, f)
	if errors.Is(err, errBusy) {
		r.log.Info("another invocation holds the lock; skipping", "version", rec.id)
		return nil
	}
	return err
}

// underLock is exclusively, but fails with errBusy if another invocation holds
// the lock.
func (r *run) underLock(ctx context.Context, rec record, f func(context.Context, opened) error) error {
	m, err := r.describe(ctx)
	if err != nil {
		return err
	}
	journal, err := readJournal(m.labels)
	if err != nil {
		return err
	}
	before, ok := entryOf(journal, rec.id)
	if !ok {
		r.log.Info("another invocation has done it", "version", rec.id)
		return nil
	}
	o, err := r.open(ctx, before, m)
	if isMissing(err) {
		return nil // the entry has gone: another invocation was faster
	}
	if err != nil {
		return err
	}
	for name, overlap := range o.overlaps {
		release, ok, err := r.retirer(name).Exclusive(ctx, overlap)
		if err != nil {
			return err
		}
		if !ok {
			return errBusy
		}
		defer release()
	}
	again, err := r.describe(ctx)
	if err != nil {
		return err
	}
	if journal, err = readJournal(again.labels); err != nil {
		return err
	}
	now, ok := entryOf(journal, rec.id)
	if !ok || now.entry.phase != rec.entry.phase || versionWith(again.labels, labelCurrent) != versionWith(m.labels, labelCurrent) {
		r.log.Info("another invocation has done it", "version", rec.id)
		return nil
	}
	o.record = now
	o.tellTime(again.now)
	return f(ctx, o)
}

// closeOverlap ends an ordinary overlap, of the kinds whose time is over: when
// nothing is seen to use the old values they are taken out of service, watched,
// and retired; when something turns out to need them, they are accepted again
// at once.
func (r *run) closeOverlap(ctx context.Context, o opened, journal []record) error {
	closing := o.entry.closing
	if o.entry.phase != phaseQuarantined {
		if closing = r.ready(o.entry, o.now); len(closing) == 0 {
			return nil // another invocation has closed what was ready
		}
	}
	o = o.only(closing)
	if o.entry.phase != phaseQuarantined {
		evidence, err := r.inUse(ctx, o.overlaps)
		switch {
		case err != nil:
			return err
		case evidence != "" && o.now.Sub(o.entry.since) > r.limits.Rollout:
			return r.hold(ctx, o, evidence)
		case evidence != "":
			r.log.Warn("something still uses an old value, so it stays for now", "version", o.id, "evidence", evidence)
			return nil
		}
		e := o.entry
		e.phase, e.closing = phaseQuarantined, closing
		if o.record, err = r.write(ctx, o.record, e); err != nil {
			return err
		}
	}
	for name, overlap := range o.overlaps {
		if err := r.retirer(name).Quarantine(ctx, overlap); err != nil {
			return fmt.Errorf("take the old %s credential out of service: %w", name, err)
		}
		r.log.Info("the old value is out of service, for the time being", audit, didQuarantine, "kind", name, "version", o.id)
	}
	o.tellTime(r.now)
	for name, overlap := range o.overlaps {
		overlap.Quarantined = true
		o.overlaps[name] = overlap
	}
	evidence, err := r.inUse(ctx, o.overlaps)
	if err != nil {
		return err // the next reconcile goes on from the quarantine
	}
	if moved := r.confirmAll(ctx, o); moved != nil {
		return errors.Join(moved, r.restore(ctx, o))
	}
	if evidence == "" {
		evidence = r.sick(ctx)
	}
	if evidence != "" {
		return r.hold(ctx, o, evidence)
	}
	if err := r.retire(ctx, o); err != nil {
		return err
	}
	// The application works with the new values: whatever was rolled back
	// before is no reason any more to hold the schedule off.
	for _, rec := range failed(journal) {
		if err := r.forget(ctx, rec); err != nil {
			return err
		}
	}
	if err := r.forgetClosed(ctx, o.record, closing); err != nil {
		return err
	}
	accepted := max(0, r.now.Sub(o.entry.since))
	for _, name := range closing {
		r.measure(Metric{Name: metricOverlap, Unit: seconds, Value: accepted.Seconds(), Kind: name})
	}
	r.notice(didRetire, "the rotation of %s is complete. The value of version %s is refused now; it was accepted beside the new one for %s",
		inWords(closing), o.id, accepted.Round(time.Second))
	return nil
}

// forgetClosed takes kinds whose overlap has ended out of a version's entry,
// and the entry away with the last of them.
func (r *run) forgetClosed(ctx context.Context, rec record, closed []string) error {
	e := rec.entry
	e.phase, e.closing = phaseOld, nil
	e.gone = append(slices.Clone(e.gone), closed...)
	e.live = slices.DeleteFunc(slices.Clone(e.live), func(name string) bool { return slices.Contains(closed, name) })
	if len(e.live) == 0 {
		return r.forget(ctx, rec)
	}
	_, err := r.write(ctx, rec, e)
	return err
}

// inUse watches the use of all the old values at the same time.
func (r *run) inUse(ctx context.Context, overlaps map[string]credential.Overlap) (string, error) {
	type sighting struct {
		evidence string
		err      error
	}
	seen := make(chan sighting, len(overlaps))
	for name, o := range overlaps {
		go func() {
			use, err := r.retirer(name).InUse(ctx, o, r.limits.Watch)
			if err != nil {
				err = fmt.Errorf("watch for the use of the old %s credential: %w", name, err)
			}
			seen <- sighting{use.Seen, err}
		}()
	}
	var evidence []string
	var faults []error
	for range overlaps {
		s := <-seen
		if s.evidence != "" {
			evidence = append(evidence, s.evidence)
		}
		faults = append(faults, s.err)
	}
	slices.Sort(evidence)
	return strings.Join(evidence, "; "), errors.Join(faults...)
}

// enoughTimeToWatch is enoughTime for a quarantine, which must not be cut off
// between taking a value away and seeing what comes of it.
func (r *run) enoughTimeToWatch(ctx context.Context) error {
	deadline, ok := ctx.Deadline()
	if needed := 2*r.limits.Watch + timeToChange; ok && time.Until(deadline) < needed {
		return fmt.Errorf("taking a value out of service needs %s of an invocation's time: raise the function's timeout, or lower WATCH_SECONDS", needed)
	}
	return nil
}

// hold makes the targets accept the old values again, for as long as it takes
// somebody to find out who uses them.
func (r *run) hold(ctx context.Context, o opened, why string) error {
	if err := r.restore(ctx, o); err != nil {
		return err
	}
	e := o.entry
	e.phase, e.closing, e.since = phaseHeld, nil, o.now
	if _, err := r.write(ctx, o.record, e); err != nil {
		return err
	}
	r.log.Error("held: both the old and the new value are accepted, since something still uses the old one: find what, set it right, then "+howToRelease, audit, didHold, "version", o.id, "evidence", why)
	r.measure(Metric{Name: metricHeld, Unit: count, Value: 1})
	r.notice(didHold, "the rotation of %s is held: the new value is AWSCURRENT, and the old one, of version %s, is accepted too, since something still uses it (%s). Find what, set it right, then %s",
		inWords(o.entry.live), o.id, why, howToRelease)
	return nil
}

func (r *run) confirmAll(ctx context.Context, o opened) error {
	for _, overlap := range o.overlaps {
		if err := overlap.Confirm(ctx); err != nil {
			return err
		}
	}
	return nil
}

// restore makes the targets accept the old values again.
func (r *run) restore(ctx context.Context, o opened) error {
	for name, overlap := range o.overlaps {
		if err := r.retirer(name).Restore(ctx, overlap); err != nil {
			return fmt.Errorf("make the target accept the old %s credential again: %w", name, err)
		}
		r.log.Warn("the old value is accepted", audit, didRestore, "kind", name, "version", o.id)
	}
	return nil
}

// retire removes a version's values for good; where a target accepts one value
// alone, it is given the current one. What tasks were started with comes last:
// from then on the application may fail, and could not be asked any more. One
// that fails keeps none of the others: they may be what it fails by.
func (r *run) retire(ctx context.Context, o opened) error {
	var faults []error
	for name, single := range o.singles {
		kind, _ := r.kind(name)
		if err := kind.PutBack(ctx, single); err != nil {
			faults = append(faults, fmt.Errorf("put the current %s credential back: %w", name, err))
		}
	}
	order := slices.SortedFunc(maps.Keys(o.overlaps), func(a, b string) int {
		return cmp.Compare(r.restarts(a), r.restarts(b))
	})
	for _, name := range order {
		if err := r.retirer(name).Retire(ctx, o.overlaps[name]); err != nil {
			faults = append(faults, fmt.Errorf("retire the %s credential: %w", name, err))
			continue
		}
		r.log.Info("retired: the old value is refused, as trying it has shown", audit, didRetire, "kind", name, "version", o.id)
	}
	return errors.Join(faults...)
}

// restarts is 1 for a kind that needs a restart, for sorting.
func (r *run) restarts(name string) int {
	if r.needsRestart([]string{name}) {
		return 1
	}
	return 0
}

// retireGivenUp ends what was never, or is no longer, meant to be used: a
// rotation that was given up, or the bad version of a rollback. The latter is
// remembered.
func (r *run) retireGivenUp(ctx context.Context, o opened, journal []record) error {
	if err := r.retire(ctx, o); err != nil {
		return err
	}
	if o.entry.phase != phaseRolledBack {
		r.notice(didAbandon, "the rotation of %s to version %s was given up, and its value is refused", inWords(o.entry.live), o.id)
		return r.forget(ctx, o.record)
	}
	if _, err := r.write(ctx, o.record, entry{phase: phaseFailed, since: o.now}); err != nil {
		return err
	}
	for _, rec := range failed(journal) {
		if err := r.forget(ctx, rec); err != nil {
			return err
		}
	}
	r.notice(didRollBack, "the rotation of %s was rolled back, and the value of version %s is refused. The schedule does not rotate again until a rotation by hand has come to a good end, or you %s",
		inWords(o.entry.live), o.id, howToRelease)
	return nil
}
