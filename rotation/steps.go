package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// createSecret makes the pending value: the current document with new values
// for the kinds to rotate. A value that is already there is kept, for an
// earlier attempt may have given it to a target.
func (r *run) createSecret(ctx context.Context) error {
	state, m, err := r.guard(ctx)
	if err != nil {
		return err
	}
	if state.promoted {
		return r.alreadyPromoted()
	}
	switch _, err := r.read(ctx, r.event.Token, labelPending); {
	case err == nil:
		r.log.Info("the pending version has its value already, from an earlier attempt")
		return nil
	case !isMissing(err):
		return err
	}
	if state, m, err = r.catchUp(ctx, state, m); err != nil {
		return err
	}
	current, err := r.readCurrent(ctx, state.currentID)
	if err != nil {
		return err
	}
	chosen, err := r.toRotate(current, m)
	if err != nil {
		return r.refuse(ctx, m, err)
	}
	// Before a target makes a value, which is a change already, and after it, for
	// that may take long.
	if err := enoughTime(ctx); err != nil {
		return err
	}
	pending, chosen, err := r.generate(ctx, current, chosen)
	if err != nil {
		return r.refuse(ctx, m, err)
	}
	if err := enoughTime(ctx); err != nil {
		return err
	}
	r.tellLeftOut(chosen)
	stored, err := r.putPending(ctx, pending, chosen.kinds)
	if err != nil {
		return err
	}
	if !stored {
		// What this delivery has made is too much. The other's must not be
		// taken for it.
		if _, err := r.readPending(ctx); err != nil {
			return err
		}
		return r.sweep(ctx, r.named(chosen.kinds))
	}
	r.log.Info("made the pending version", audit, didStore, "kinds", chosen.kinds)
	return nil
}

// setSecret makes each target accept the pending value beside the current one.
func (r *run) setSecret(ctx context.Context) error {
	current, pending, err := r.readBoth(ctx)
	if err != nil {
		return err
	}
	if current.id == r.event.Token {
		return r.alreadyPromoted()
	}
	kinds, err := r.changed(current.doc, pending.doc)
	if err != nil {
		return err
	}
	if err := r.notEdited(ctx, kinds, current.doc, pending.doc); err != nil {
		return err
	}
	if err := r.noteSet(ctx, pending, kinds); err != nil {
		return err
	}
	for _, kind := range kinds {
		if err := enoughTime(ctx); err != nil {
			return err
		}
		if err := kind.Set(ctx, r.change(kind, current, pending)); err != nil {
			return r.giveUpLost(ctx, fmt.Errorf("set the %s credential: %w", kind.Name(), err))
		}
		r.log.Info("the target accepts the pending value", audit, didSet, "kind", kind.Name(), "over", current.id)
	}
	return nil
}

// notEdited gives the rotation up when the secret was edited after its pending
// version was made. Left as it is, Secrets Manager would try that version again
// and again.
func (r *run) notEdited(ctx context.Context, kinds []credential.Kind, current, pending document.Document) error {
	if err := editedMeanwhile(kinds, current, pending); !errors.Is(err, errEdited) {
		return err
	}
	// The current document may have been read too early: once more, by its id.
	state, m, err := r.guard(ctx)
	if err != nil {
		return err
	}
	again, err := r.readCurrent(ctx, state.currentID)
	if err != nil {
		return err
	}
	if editedMeanwhile(kinds, again.doc, pending) == nil {
		return errors.New("the secret is being edited: try again")
	}
	return r.giveUp(ctx, m, errEdited)
}

// giveUpLost gives the rotation up if its target has lost the value.
func (r *run) giveUpLost(ctx context.Context, err error) error {
	if !errors.Is(err, credential.ErrLost) {
		return err
	}
	_, m, refused := r.guard(ctx)
	if refused != nil {
		return errors.Join(err, refused)
	}
	return r.giveUp(ctx, m, err)
}

// giveUp takes AWSPENDING off the token's version, so that the next rotation
// starts anew; what was set is taken away by a reconcile. It returns the cause.
func (r *run) giveUp(ctx context.Context, m metadata, cause error) error {
	if slices.Contains(m.labels[r.event.Token], labelPending) {
		if err := r.moveLabel(ctx, labelPending, "", r.event.Token); err != nil {
			return errors.Join(cause, err)
		}
		r.log.Warn("the rotation was given up", audit, didAbandon, "why", cause)
	}
	return cause
}

// noteSet makes sure that the application is healthy and that its services can be
// redeployed, and notes that the pending values are live from now on, or may be:
// should the rotation be given up, a reconcile takes them away again.
func (r *run) noteSet(ctx context.Context, pending version, kinds []credential.Kind) error {
	journal, err := readJournal(map[string][]string{pending.id: pending.labels})
	if err != nil || len(kinds) == 0 {
		return err
	}
	rec, noted := entryOf(journal, pending.id)
	if noted && slices.Equal(rec.entry.live, names(kinds)) {
		return nil // by an earlier attempt
	}
	if err := r.readyToSet(ctx, kinds); err != nil {
		return err
	}
	_, err = r.write(ctx, rec, entry{phase: phaseSet, live: names(kinds), since: r.now})
	return err
}

// readyToSet fails when the rotation could not be seen to its end: the
// application is not healthy, or a service cannot be redeployed. It is asked only
// before the first change: a target that accepts one value alone makes the
// application unhealthy from then on, until it is redeployed. An emergency does
// not wait for either.
func (r *run) readyToSet(ctx context.Context, kinds []credential.Kind) error {
	asked, err := wishIn(r.event.Token, names(r.kinds))
	if err != nil {
		return err
	}
	if !asked.emergency {
		if what := r.sick(ctx); what != "" {
			return fmt.Errorf("the application is not healthy (%s), so what a rotation does to it could not be told: mend it, or unset MAUTIC_URL", what)
		}
	}
	if r.redeployer == nil || !r.needsRestart(names(kinds)) {
		return nil
	}
	var problems []error
	for _, check := range r.redeployer.Preflight(ctx, r.event.SecretID) {
		if check.Problem == nil {
			continue
		}
		if asked.emergency {
			r.log.Error("the services cannot all be redeployed; the emergency goes on", "check", check.What, "problem", check.Problem)
		}
		problems = append(problems, fmt.Errorf("%s: %w", check.What, check.Problem))
	}
	if asked.emergency || len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("the services could not be redeployed after the promotion, so nothing is set: %w", errors.Join(problems...))
}

// testSecret uses the pending values for real. A rotation that has none is a
// test-only one (RotateImmediately=false): then it finds out whether a
// rotation would work.
func (r *run) testSecret(ctx context.Context) error {
	current, pending, err := r.readBoth(ctx)
	if isMissing(err) {
		return r.preflight(ctx)
	}
	if err != nil {
		return err
	}
	if current.id == r.event.Token {
		return r.alreadyPromoted()
	}
	kinds, err := r.changed(current.doc, pending.doc)
	if err != nil {
		return err
	}
	if len(kinds) == 0 {
		return r.testNothing(ctx)
	}
	for _, kind := range kinds {
		if err := kind.Test(ctx, r.change(kind, current, pending)); err != nil {
			err = fmt.Errorf("test the %s credential: %w", kind.Name(), err)
			err = errors.Join(err, r.putAllBack(ctx, kinds, current, pending))
			return r.giveUpLost(ctx, err)
		}
		r.log.Info("the pending value works", "kind", kind.Name())
	}
	return nil
}

// testNothing is testSecret of a pending document that is the current one. The
// rotation is a test-only one, whose version has a value from the start; or the
// schedule's, which changes nothing: that one succeeds, for what is wrong has been
// told by createSecret, and a failure would block the next rotation.
func (r *run) testNothing(ctx context.Context) error {
	_, m, err := r.guard(ctx)
	if err != nil {
		return err
	}
	problem := r.preflight(ctx)
	if problem != nil && m.scheduled() {
		r.log.Info("this rotation changes nothing, so what the preflight has found does not make it fail")
		return nil
	}
	return problem
}

// putAllBack makes the targets accept the current values, after a test of the
// pending ones has failed: those that accept one value alone would refuse it
// until the next attempt.
func (r *run) putAllBack(ctx context.Context, kinds []credential.Kind, current, pending version) error {
	var faults []error
	for _, kind := range kinds {
		if err := kind.PutBack(ctx, r.change(kind, current, pending)); err != nil {
			faults = append(faults, fmt.Errorf("put the current %s credential back: %w", kind.Name(), err))
		}
	}
	return errors.Join(faults...)
}

// finishSecret promotes the pending version, once it has logged in with it
// itself, and redeploys. When its token is current already, an earlier attempt
// promoted it, and what follows promotion may not have been done.
func (r *run) finishSecret(ctx context.Context) error {
	state, m, err := r.guard(ctx)
	if err != nil {
		return err
	}
	journal, err := readJournal(m.labels)
	if err != nil {
		return err
	}
	old, noted := promotedOver(journal, r.event.Token)
	if !state.promoted {
		old, noted, err = r.proveAndPromote(ctx, state.currentID, journal)
	}
	if err != nil {
		// A delivery of the same event beside this one may have promoted it.
		var refused error
		if state, m, refused = r.guard(ctx); refused != nil || !state.promoted {
			return err
		}
		if journal, err = readJournal(m.labels); err != nil {
			return err
		}
		old, noted = promotedOver(journal, r.event.Token)
	}
	var left error
	if noted && old.entry.emergency {
		m, journal, left = r.revokeAll(ctx)
		old, noted = promotedOver(journal, r.event.Token)
	}
	if noted && old.entry.since.IsZero() {
		// Also when an old value is left: tasks may fail already.
		if err := r.redeployAndNote(ctx, old, m); err != nil {
			return errors.Join(left, fmt.Errorf("the new version is AWSCURRENT, but the redeploy did not start: %w", err))
		}
	}
	if left != nil {
		return fmt.Errorf("the new version is AWSCURRENT, but the old values are not all taken away yet: %w", left)
	}
	promoted, _ := entryOf(journal, r.event.Token)
	if err := r.forget(ctx, promoted); err != nil {
		return err
	}
	return r.forgetWish(ctx, m)
}

// forgetWish takes a label away whose words this rotation has followed.
func (r *run) forgetWish(ctx context.Context, m metadata) error {
	label, id := wishLabel(m.labels)
	if w, err := wishIn(r.event.Token, names(r.kinds)); label == "" || err != nil || !w.none() {
		return nil //nolint:nilerr // words in the token: the label is for another rotation
	}
	return r.moveLabel(ctx, label, "", id)
}

// proveAndPromote moves AWSCURRENT to the token's version. Before that it notes
// in the journal that the old version's values are live, and what was promoted
// over it; it returns that record, if the rotation changes anything.
func (r *run) proveAndPromote(ctx context.Context, currentID string, journal []record) (old record, noted bool, err error) {
	current, err := r.readCurrent(ctx, currentID)
	if err != nil {
		return record{}, false, err
	}
	pending, err := r.readPending(ctx)
	if err != nil {
		return record{}, false, err
	}
	kinds, err := r.changed(current.doc, pending.doc)
	if err != nil {
		return record{}, false, err
	}
	if err := r.notEdited(ctx, kinds, current.doc, pending.doc); err != nil {
		return record{}, false, err
	}
	for _, kind := range kinds {
		outcome, err := kind.Probe(ctx, pending.doc)
		if outcome != credential.Accepted {
			return record{}, false, fmt.Errorf("the pending %s credential is not promoted, since its target does not accept it (%s): %w", kind.Name(), outcome, err)
		}
	}
	if err := enoughTime(ctx); err != nil {
		return record{}, false, err
	}
	old, _ = entryOf(journal, current.id)
	asked, err := wishIn(r.event.Token, names(r.kinds))
	if err != nil {
		return record{}, false, err
	}
	live := names(overlapping(kinds))
	if noted = len(live) > 0 || asked.emergency && len(kinds) > 0; noted {
		e := entry{phase: phaseOld, live: live, emergency: asked.emergency, next: endOf(r.event.Token)}
		if e.emergency {
			e.refused = r.now
		}
		if old, err = r.write(ctx, old, e); err != nil {
			return record{}, false, err
		}
	}
	if _, err := r.moveCurrent(ctx, current.id, r.event.Token); err != nil {
		return record{}, false, err
	}
	if len(kinds) == 0 {
		// The same values under another id: what was promoted before goes on
		// to be what can be rolled back.
		if before, ok := promotedOver(journal, current.id); ok {
			e := before.entry
			e.next = endOf(r.event.Token)
			if _, err := r.write(ctx, before, e); err != nil {
				return record{}, false, err
			}
		}
	}
	r.log.Info("promoted the pending version", audit, didPromote, "from", current.id, "kinds", names(kinds))
	switch {
	case asked.emergency && noted:
		// The notice comes when the old values are gone.
	case noted:
		r.notice(didPromote, "%s rotated: version %s is AWSCURRENT. The old value of %s is still accepted, and is taken out of service when nothing needs it any more",
			inWords(names(kinds)), r.event.Token, inWords(live))
	case len(kinds) > 0:
		r.notice(didPromote, "%s rotated: version %s is AWSCURRENT, and the old value is not accepted any more", inWords(names(kinds)), r.event.Token)
	default:
		r.notice(didPromote, "nothing was rotated: the log of createSecret says why")
	}
	return old, noted, nil
}

// preflight checks what a rotation needs and reports every fault at once.
func (r *run) preflight(ctx context.Context) error {
	current, err := r.readCurrent(ctx, "")
	if err != nil {
		return err
	}
	kinds, err := r.present(current.doc)
	if err != nil {
		return err
	}
	var problems []error
	report := func(part string, checks []credential.Check) {
		for _, check := range checks {
			log := r.log.With("part", part, "check", check.What)
			switch {
			case check.Problem != nil:
				log.Error("preflight", "problem", check.Problem)
				problems = append(problems, fmt.Errorf("%s: %s: %w", part, check.What, check.Problem))
			case check.Warning != nil:
				log.Warn("preflight", "warning", check.Warning)
			default:
				log.Info("preflight", "result", "ok")
			}
		}
	}
	for _, kind := range kinds {
		report(kind.Name(), kind.Preflight(ctx, current.doc))
	}
	if r.redeployer != nil && r.needsRestart(names(kinds)) {
		report("redeploy", r.redeployer.Preflight(ctx, r.event.SecretID))
	}
	if r.health != nil {
		check := credential.Check{What: "the application is healthy"}
		if what := r.sick(ctx); what != "" {
			check.Problem = errors.New(what)
		}
		report("health", []credential.Check{check})
	}
	if len(problems) > 0 {
		return fmt.Errorf("preflight: a rotation would fail, and nothing was changed: %w", errors.Join(problems...))
	}
	return nil
}

func (r *run) alreadyPromoted() error {
	r.log.Info("the version is AWSCURRENT already: nothing to do in this step")
	return nil
}

func (r *run) change(kind credential.Kind, current, pending version) credential.Change {
	return credential.Change{
		Current: current.doc,
		Pending: pending.doc,
		Confirm: func(ctx context.Context) error { return r.confirm(ctx, current.id) },
		Previous: func(ctx context.Context) (document.Document, bool, error) {
			v, err := r.read(ctx, "", labelPrevious)
			if isMissing(err) {
				return document.Document{}, false, nil
			}
			return v.doc, err == nil, err
		},
		Log: r.log.With("kind", kind.Name()),
	}
}
