package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"mautic-rotation/internal/scrub"
)

// Reconcile brings what rotations of the secret have left open nearer to its
// end: it redeploys, takes old values out of service once nothing needs them,
// or rolls back. It looks at what is, and does the next thing, for each version
// that the journal names; it may be called at any time, also beside a rotation.
//
// An error says that something could not be done now; a later call tries
// again.
func (r *Rotator) Reconcile(ctx context.Context, secretARN string, log *slog.Logger, secrets *scrub.Secrets) error {
	run := &run{Rotator: r, event: Event{SecretID: secretARN}, secrets: secrets, log: log}
	if err := run.reconcile(ctx); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	return nil
}

func (r *run) reconcile(ctx context.Context) error {
	m, err := r.describe(ctx)
	if err != nil {
		return err
	}
	journal, err := readJournal(m.labels)
	if err != nil {
		return err
	}
	var faults []error
	for _, rec := range journal {
		s, err := r.observe(ctx, m, journal, rec)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		act, why := decide(rec.entry, s, r.limits)
		log := r.log.With("version", rec.id, "phase", rec.entry.phase, "action", act, "why", why)
		if act == doAlarm || act == doHold || act == doRollBack {
			log.Warn("reconcile")
		} else {
			log.Info("reconcile")
		}
		if err := r.act(ctx, act, why, rec, journal, m); err != nil {
			faults = append(faults, fmt.Errorf("%s version %s: %w", act, rec.id, err))
		}
		if act == doRollBack || act == doFinishRollBack {
			break // the labels have moved: what is next is for the next reconcile
		}
	}
	return errors.Join(faults...)
}

// observe looks at what the decision about a version depends on.
func (r *run) observe(ctx context.Context, m metadata, journal []record, rec record) (situation, error) {
	current := versionWith(m.labels, labelCurrent)
	s := situation{
		now:      m.now,
		current:  rec.id == current,
		pending:  slices.Contains(m.labels[rec.id], labelPending),
		promoted: rec.entry.next != "" && rec.entry.next == endOf(current),
		services: r.redeployer != nil,
	}
	pending := versionWith(m.labels, labelPending)
	s.promoting = rec.entry.phase == phaseOld && pending != "" && endOf(pending) == rec.entry.next
	for _, other := range journal {
		if other.id != rec.id && other.id != current && other.entry.phase == phaseSet &&
			slices.Contains(m.labels[other.id], labelPending) && m.now.Sub(other.entry.since) < rotationLimit {
			s.rotating = true
		}
	}
	rolling := rec.entry.phase == phaseOld || rec.entry.phase == phaseRolledBack
	if s.current || !rolling || rec.entry.since.IsZero() {
		return s, nil
	}
	var err error
	if s.services {
		if s.rollout, err = r.redeployer.Rollout(ctx, rec.entry.since); err != nil {
			return s, err
		}
	}
	s.sick = r.sick(ctx)
	return s, nil
}

func (r *run) sick(ctx context.Context) string {
	if r.health == nil {
		return ""
	}
	return r.health.Sick(ctx)
}

func (r *run) act(ctx context.Context, act action, why string, rec record, journal []record, m metadata) error {
	switch act {
	case doNothing, doAlarm:
		return nil
	case doForget:
		return r.forget(ctx, rec)
	case doRedeploy:
		return r.redeployAndNote(ctx, rec, m)
	case doClose:
		if err := r.enoughTimeToWatch(ctx); err != nil {
			return err
		}
		return r.exclusively(ctx, rec, r.closeOverlap)
	case doRetire:
		return r.exclusively(ctx, rec, r.retire)
	case doHold:
		return r.exclusively(ctx, rec, func(ctx context.Context, o opened) error { return r.hold(ctx, o, why) })
	case doRollBack:
		bad := versionWith(m.labels, labelCurrent)
		badRecord, _ := entryOf(journal, bad)
		return r.rollBack(ctx, rec, badRecord, m)
	case doFinishRollBack:
		return r.finishRollBack(ctx, rec, journal, m)
	default:
		return fmt.Errorf("no such action: %s", act)
	}
}

// write puts an entry on a version: the new label first and the old ones off
// after it, for a version whose last label goes may be deleted.
func (r *run) write(ctx context.Context, rec record, e entry) (record, error) {
	label := e.label(rec.id)
	if !slices.Contains(rec.labels, label) {
		if err := r.moveLabel(ctx, label, rec.id, ""); err != nil {
			return rec, err
		}
	}
	next := record{id: rec.id, entry: e, labels: []string{label}}
	for _, superseded := range rec.labels {
		if superseded == label {
			continue
		}
		if err := r.moveLabel(ctx, superseded, "", rec.id); err != nil {
			return next, err
		}
	}
	return next, nil
}

// forget takes a version's entry away.
func (r *run) forget(ctx context.Context, rec record) error {
	for _, label := range rec.labels {
		if err := r.moveLabel(ctx, label, "", rec.id); err != nil {
			return err
		}
	}
	return nil
}

// redeployAndNote starts the redeploy and notes when: what was created since
// then runs with what is current now.
func (r *run) redeployAndNote(ctx context.Context, rec record, m metadata) error {
	e := rec.entry
	e.since = m.now
	if r.redeployer != nil {
		since, err := r.redeployer.Redeploy(ctx, r.log)
		if err != nil {
			return err
		}
		e.since = since
	}
	_, err := r.write(ctx, rec, e)
	return err
}

// overlaps are the pairs of values that a record's live kinds have.
func (r *run) overlaps(ctx context.Context, rec record, m metadata) (map[string]Overlap, error) {
	current, err := r.readCurrent(ctx, versionWith(m.labels, labelCurrent))
	if err != nil {
		return nil, err
	}
	old, err := r.readRetrying(ctx, rec.id, rec.labels[0])
	if err != nil {
		return nil, fmt.Errorf("read the old version: %w", err)
	}
	found := map[string]Overlap{}
	for _, name := range rec.entry.live {
		kind, ok := r.retirer(name)
		if !ok {
			return nil, fmt.Errorf("this function has no kind %q that it could take out of service", name)
		}
		fields, err := kind.Fields(old.doc)
		if err != nil {
			return nil, err
		}
		if same, err := sameValues(fields, current.doc, old.doc); err != nil || same {
			if err != nil {
				return nil, err
			}
			continue // current again: nothing to take away
		}
		found[name] = Overlap{
			Current: current.doc,
			Old:     old.doc,
			Confirm: func(ctx context.Context) error { return r.confirmQuiet(ctx, current.id) },
			Log:     r.log.With("kind", name),
		}
	}
	return found, nil
}

// retirerKind is a kind that can be taken out of service.
type retirerKind interface {
	Kind
	Retirer
}

func (r *run) retirer(name string) (retirerKind, bool) {
	at := slices.IndexFunc(r.kinds, func(k Kind) bool { return k.Name() == name })
	if at < 0 {
		return nil, false
	}
	kind, ok := r.kinds[at].(retirerKind)
	return kind, ok
}

// confirmQuiet is Overlap.Confirm.
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
		if rec.entry.phase == phaseSet && slices.Contains(m.labels[rec.id], labelPending) {
			return fmt.Errorf("the rotation to version %s is under way", rec.id)
		}
	}
	return nil
}

// opened is a version whose overlap an invocation has for itself.
type opened struct {
	record
	overlaps map[string]Overlap // by kind
	now      time.Time
}

// exclusively calls f while no other invocation can be at the same overlap. It
// does nothing when another one is, or has been since the journal was read.
func (r *run) exclusively(ctx context.Context, rec record, f func(context.Context, opened) error) error {
	m, err := r.describe(ctx)
	if err != nil {
		return err
	}
	overlaps, err := r.overlaps(ctx, rec, m)
	if isMissing(err) {
		return nil // the entry has gone: another invocation was faster
	}
	if err != nil {
		return err
	}
	for name, o := range overlaps {
		kind, _ := r.retirer(name)
		release, ok, err := kind.Exclusive(ctx, o)
		if err != nil {
			return err
		}
		if !ok {
			r.log.Info("another invocation is at it", "kind", name, "version", rec.id)
			return nil
		}
		defer release()
	}
	again, err := r.describe(ctx)
	if err != nil {
		return err
	}
	journal, err := readJournal(again.labels)
	if err != nil {
		return err
	}
	now, ok := entryOf(journal, rec.id)
	if !ok || now.entry.phase != rec.entry.phase || versionWith(again.labels, labelCurrent) != versionWith(m.labels, labelCurrent) {
		r.log.Info("another invocation has done it", "version", rec.id)
		return nil
	}
	return f(ctx, opened{record: now, overlaps: overlaps, now: again.now})
}

// closeOverlap ends an ordinary overlap: when nothing is seen to use the old
// values they are taken out of service, watched, and retired; when something
// turns out to need them, they are accepted again at once.
func (r *run) closeOverlap(ctx context.Context, o opened) error {
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
		e.phase, e.since = phaseQuarantined, o.now
		if o.record, err = r.write(ctx, o.record, e); err != nil {
			return err
		}
	}
	for name, overlap := range o.overlaps {
		kind, _ := r.retirer(name)
		if err := kind.Quarantine(ctx, overlap); err != nil {
			return fmt.Errorf("take the old %s credential out of service: %w", name, err)
		}
		r.log.Info("the old value is out of service, for the time being", "kind", name, "version", o.id)
	}
	evidence, err := r.inUse(ctx, o.overlaps)
	if err != nil {
		return err // the next reconcile goes on from the quarantine
	}
	if evidence == "" {
		evidence = r.sick(ctx)
	}
	if evidence != "" {
		return r.hold(ctx, o, evidence)
	}
	return r.retire(ctx, o)
}

func (r *run) inUse(ctx context.Context, overlaps map[string]Overlap) (string, error) {
	for name, o := range overlaps {
		kind, _ := r.retirer(name)
		evidence, err := kind.InUse(ctx, o, r.limits.Watch)
		if err != nil {
			return "", fmt.Errorf("watch for the use of the old %s credential: %w", name, err)
		}
		if evidence != "" {
			return evidence, nil
		}
	}
	return "", nil
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
	for name, overlap := range o.overlaps {
		kind, _ := r.retirer(name)
		if err := kind.Restore(ctx, overlap); err != nil {
			return fmt.Errorf("make the target accept the old %s credential again: %w", name, err)
		}
	}
	e := o.entry
	e.phase, e.since = phaseHeld, o.now
	if _, err := r.write(ctx, o.record, e); err != nil {
		return err
	}
	r.log.Error("held: both the old and the new value are accepted, since something still uses the old one: find what, set it right, then "+howToRelease, "version", o.id, "evidence", why)
	return nil
}

// retire removes a version's values for good, and forgets the version.
func (r *run) retire(ctx context.Context, o opened) error {
	for name, overlap := range o.overlaps {
		kind, _ := r.retirer(name)
		if err := kind.Retire(ctx, overlap); err != nil {
			return fmt.Errorf("retire the %s credential: %w", name, err)
		}
		r.log.Info("retired: the old value is refused, as a login has shown", "kind", name, "version", o.id)
	}
	return r.forget(ctx, o.record)
}
