package rotation

import (
	"cmp"
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
	// AWSCURRENT's own entry first: what was moved by hand changes what is
	// right for the others, and what is done for them may write over it.
	current := versionWith(m.labels, labelCurrent)
	slices.SortStableFunc(journal, func(a, b record) int { return cmp.Compare(rankOf(a, current), rankOf(b, current)) })
	var faults []error
	attention := 0
	for _, rec := range journal {
		s, err := r.observe(ctx, m, journal, rec)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		act, why := decide(rec.entry, s, r.limits)
		log := r.log.With("version", rec.id, "phase", rec.entry.phase, "decision", act, "why", why)
		if act == doAlarm || act == doHold || act == doRollBack {
			attention++
			log.Warn("reconcile")
		} else if rec.entry.phase != phaseFailed { // which may stay for months
			log.Info("reconcile")
		}
		if err := r.act(ctx, act, why, rec, journal, m); err != nil {
			faults = append(faults, fmt.Errorf("%s version %s: %w", act, rec.id, err))
		}
		if act == doRollBack || act == doFinishRollBack || act == doAdopt {
			break // the labels have moved: what is next is for the next reconcile
		}
	}
	faults = append(faults, r.sweep(ctx, r.kinds))
	r.gauge(m, journal, attention)
	return errors.Join(faults...)
}

func rankOf(rec record, currentID string) int {
	if rec.id == currentID {
		return 0
	}
	return 1
}

// observe looks at what the decision about a version depends on.
func (r *run) observe(ctx context.Context, m metadata, journal []record, rec record) (situation, error) {
	current := versionWith(m.labels, labelCurrent)
	s := situation{
		now:      m.now,
		current:  rec.id == current,
		pending:  slices.Contains(m.labels[rec.id], labelPending),
		promoted: rec.entry.next != "" && rec.entry.next == endOf(current),
		untidy:   len(rec.labels) > 1,
		restart:  r.needsRestart(rec.entry.concerned()),
		kept:     len(r.ready(rec.entry, m.now)) == 0,
	}
	if next, found := withEnd(journal, rec.entry.next); found {
		s.undone = next.entry.phase == phaseRolledBack || next.entry.phase == phaseFailed
	}
	s.services = s.restart && r.redeployer != nil
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

// sick asks a few times, since one answer that fails is no illness.
func (r *run) sick(ctx context.Context) (what string) {
	if r.health == nil {
		return ""
	}
	for attempt := range healthAttempts {
		if attempt > 0 {
			select {
			case <-time.After(r.pauses.Health):
			case <-ctx.Done():
				return what
			}
		}
		err := r.health.Check(ctx)
		if err == nil {
			return ""
		}
		what = err.Error()
	}
	return what
}

// healthAttempts is how often an application is asked before it counts as ill.
const healthAttempts = 3

func (r *run) act(ctx context.Context, act action, why string, rec record, journal []record, m metadata) error {
	switch act {
	case doNothing, doAlarm:
		return nil
	case doForget:
		return r.forget(ctx, rec)
	case doRevoke:
		return r.exclusively(ctx, rec, r.revoke)
	case doEndEmergency:
		return r.endEmergency(ctx, rec)
	case doTidy:
		return r.exclusively(ctx, rec, func(ctx context.Context, o opened) error { return r.tidy(ctx, o.record) })
	case doRedeploy:
		return r.exclusively(ctx, rec, func(ctx context.Context, o opened) error {
			if !o.entry.since.IsZero() {
				return nil // another invocation has
			}
			return r.redeployAndNote(ctx, o.record, m)
		})
	case doAdopt:
		return r.adopt(ctx, rec, m)
	case doClose:
		if err := r.enoughTimeToWatch(ctx); err != nil {
			return err
		}
		return r.exclusively(ctx, rec, func(ctx context.Context, o opened) error { return r.closeOverlap(ctx, o, journal) })
	case doRetire:
		return r.exclusively(ctx, rec, func(ctx context.Context, o opened) error { return r.retireGivenUp(ctx, o, journal) })
	case doHold:
		return r.exclusively(ctx, rec, func(ctx context.Context, o opened) error { return r.hold(ctx, o, why) })
	case doRollBack:
		bad, _ := entryOf(journal, versionWith(m.labels, labelCurrent))
		return r.exclusively(ctx, rec, func(ctx context.Context, o opened) error { return r.rollBack(ctx, o, bad, m) })
	case doFinishRollBack:
		return r.finishRollBack(ctx, rec, journal, m)
	default:
		return fmt.Errorf("no such action: %s", act)
	}
}

// write puts an entry on a version, in place of the one that rec has: the new
// label first and the old ones off after it, for a version whose last label goes
// may be deleted. Its number makes it hold from the first moment on, so that
// whoever comes between the two finds the new entry, and leaves it alone.
func (r *run) write(ctx context.Context, rec record, e entry) (record, error) {
	if e.number = rec.entry.number; len(rec.labels) > 0 && e.label(rec.id) == rec.labels[0] {
		return rec, r.tidy(ctx, rec)
	}
	e.number = rec.entry.number + 1
	label := e.label(rec.id)
	if err := r.moveLabel(ctx, label, rec.id, ""); err != nil {
		return rec, err
	}
	next := record{id: rec.id, entry: e, labels: append([]string{label}, rec.labels...)}
	return next, r.tidy(ctx, next)
}

// tidy takes off a version the labels of entries that a newer one has replaced.
// One that has come since rec was read is newer still, and is not touched.
func (r *run) tidy(ctx context.Context, rec record) error {
	for _, replaced := range rec.labels[1:] {
		if err := r.moveLabel(ctx, replaced, "", rec.id); err != nil {
			return err
		}
	}
	return nil
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

// redeployAndNote starts the redeploy, where one of the kinds needs it, and notes
// when: what was created since then runs with what is current now.
func (r *run) redeployAndNote(ctx context.Context, rec record, m metadata) error {
	e := rec.entry
	e.since = m.now
	if r.redeployer != nil && r.needsRestart(e.concerned()) {
		// Noted though a service may have failed: to force the others again at
		// each wake-up, which their deployments cause, would have no end. The
		// rollout tells of the one that is missing.
		since, err := r.redeployer.Redeploy(ctx, r.log)
		if since.IsZero() {
			return err
		}
		if err != nil {
			r.log.Error("not every service is being redeployed", "error", err)
		}
		e.since = since
		r.log.Info("a redeploy has begun", audit, didRedeploy, "since", since)
	}
	_, err := r.write(ctx, rec, e)
	return err
}
