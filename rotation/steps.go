package rotation

import (
	"context"
	"errors"
	"fmt"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/secret"
)

// createSecret makes the pending value: the current document with new values for the kinds to
// rotate. It keeps a value that already exists, because an earlier attempt may have given it to a
// target.
func (r *run) createSecret(ctx context.Context) error {
	state, m, err := r.guard(ctx)
	if err != nil {
		return err
	}
	if state.Promoted() {
		return r.alreadyPromoted()
	}
	// The ledger's label is written with the value. A value without one is kept too, but
	// is noticed only when another one cannot be stored in its place: see putPending.
	book, err := ledger.Read(map[string][]string{r.event.Token: m.Labels[r.event.Token]})
	if err != nil {
		return err
	}
	if len(book.Pages) > 0 {
		r.log.Info("the pending version already has its value, from an earlier attempt")
		return nil
	}
	// Finish what is open as far as possible: the rotation is about to replace those values.
	seen, _, faults := r.settle(ctx, false)
	if seen == nil {
		return errors.Join(faults...)
	}
	for _, fault := range faults {
		r.log.Warn("before the rotation", "error", fault)
	}
	state = r.rotation(seen.m)
	if err := plan.Guard(state); err != nil {
		return err
	}
	if r.found.unfinished { // AWSCURRENT may be about to move, and an emergency deletes what it would move to
		return errors.Join(append([]error{errors.New("a rollback could not be finished now: the rotation begins when it is complete")}, faults...)...)
	}
	current, err := r.read.Current(ctx, state.Current)
	if err != nil {
		return err
	}
	chosen, err := r.toRotate(current, seen)
	m = seen.m
	if err != nil {
		return r.refuse(ctx, m, err)
	}
	if err := seen.hasRoomForLabels(); err != nil {
		return r.refuse(ctx, m, refused{err})
	}
	if err := r.readyToChange(ctx, chosen); err != nil {
		return err
	}
	// Check before a target makes a value, which is already a change, and after it, because it
	// may take long.
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
	// Before the first rotation no label protects AWSCURRENT's values: if it were moved by hand,
	// and edited, its version would be deleted, with the only copy of what tasks use. An
	// emergency does not want them kept.
	if !chosen.Emergency {
		if err := r.labelOld(ctx, current, secret.Version{ID: r.event.Token, Doc: pending}, r.named(chosen.Kinds), first, m); err != nil {
			return err
		}
	}
	stored, err := r.putPending(ctx, pending, chosen.Kinds, m.At)
	if err != nil {
		return err
	}
	if !stored {
		// Another delivery of the event stored its value first. What this one has made is
		// superfluous, and must not be mistaken for the other's.
		if _, err := r.readPending(ctx); err != nil {
			return err
		}
		return r.sweep(ctx, r.named(chosen.Kinds))
	}
	r.log.Info("made the pending version", audit, didStore, "kinds", chosen.Kinds)
	return nil
}

// setSecret makes each target accept the pending value beside the current one.
func (r *run) setSecret(ctx context.Context) error {
	current, pending, err := r.readBoth(ctx)
	if err != nil {
		return err
	}
	if current.ID == r.event.Token {
		return r.alreadyPromoted()
	}
	kinds, err := r.made(ctx, current, pending)
	if err != nil {
		return err
	}
	if err := r.notEdited(ctx, kinds, current.Doc, pending.Doc); err != nil {
		return err
	}
	for _, kind := range kinds {
		if err := enoughTime(ctx); err != nil {
			return err
		}
		if err := kind.Set(ctx, r.change(kind, current, pending)); err != nil {
			return r.giveUpLost(ctx, fmt.Errorf("set the %s credential: %w", kind.Name(), err))
		}
		r.log.Info("the target accepts the pending value", audit, didSet, "kind", kind.Name(), "over", current.ID)
	}
	return nil
}

// notEdited gives the rotation up if the secret was edited after its pending version was made.
// Otherwise Secrets Manager would try that version again and again.
func (r *run) notEdited(ctx context.Context, kinds []credential.Kind, current, pending document.Document) error {
	if err := editedMeanwhile(kinds, current, pending); !errors.Is(err, errEdited) {
		return err
	}
	// The current document may have been read too early: read it once more, by its id.
	state, m, err := r.guard(ctx)
	if err != nil {
		return err
	}
	again, err := r.read.Current(ctx, state.Current)
	if err != nil {
		return err
	}
	if editedMeanwhile(kinds, again.Doc, pending) == nil {
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

// made returns the kinds that the pending version was made for, according to its label. They were
// fixed when it was stored: a rotation never changes any other kind.
func (r *run) made(ctx context.Context, current, pending secret.Version) ([]credential.Kind, error) {
	book, err := ledger.Read(map[string][]string{pending.ID: pending.Labels})
	if err != nil {
		return nil, err
	}
	var kinds []credential.Kind
	entries := book.Page(pending.ID).Entries
	for _, kind := range r.kinds {
		if entries[kind.Name()].State == ledger.Pending {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) > 0 || pending.Doc.Raw() == current.Doc.Raw() {
		return kinds, nil
	}
	_, m, err := r.guard(ctx)
	if err != nil {
		return nil, err
	}
	return nil, r.giveUp(ctx, m, fmt.Errorf("version %s has no label that says which credentials it was made for, so another program stored it: its rotation is given up; rotate again", pending.ID))
}

// testSecret uses the pending values for real. A rotation without any is test-only
// (RotateImmediately=false): then it checks whether a rotation would work.
func (r *run) testSecret(ctx context.Context) error {
	current, pending, err := r.readBoth(ctx)
	if secret.IsMissing(err) {
		return r.preflight(ctx)
	}
	if err != nil {
		return err
	}
	if current.ID == r.event.Token {
		return r.alreadyPromoted()
	}
	kinds, err := r.made(ctx, current, pending)
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

// testNothing is testSecret for a pending document that equals the current one. Either the
// rotation is test-only, and its version had a value from the start. Or it is the schedule's and
// changes nothing: that one succeeds, because createSecret has reported what is wrong, and a
// failure would block the next rotation.
func (r *run) testNothing(ctx context.Context) error {
	_, m, err := r.guard(ctx)
	if err != nil {
		return err
	}
	problem := r.preflight(ctx)
	if problem != nil && plan.Schedule(m.Schedule).Starts(m.At) {
		r.log.Info("this rotation changes nothing, so the preflight's findings do not make it fail")
		return nil
	}
	return problem
}

// putAllBack makes the targets accept the current values after a test of the pending ones has
// failed: those that accept one value would refuse the current one until the next attempt.
func (r *run) putAllBack(ctx context.Context, kinds []credential.Kind, current, pending secret.Version) error {
	if err := r.noteToSet(ctx, kinds, current, pending); err != nil {
		return err
	}
	var faults []error
	for _, kind := range kinds {
		if err := kind.PutBack(ctx, r.change(kind, current, pending)); err != nil {
			faults = append(faults, fmt.Errorf("put the current %s credential back: %w", kind.Name(), err))
		}
	}
	return errors.Join(faults...)
}

// noteToSet is plan.NoteToSet for a step. createSecret has labelled the values that were current
// then; someone may have moved AWSCURRENT to a version without a label since.
func (r *run) noteToSet(ctx context.Context, kinds []credential.Kind, current, pending secret.Version) error {
	m, err := r.read.Describe(ctx)
	if err != nil {
		return err
	}
	book, err := ledger.Read(m.Labels)
	if err != nil {
		return err
	}
	page := book.Page(current.ID)
	was := page
	for _, kind := range kinds {
		if page.Entries[kind.Name()].State.Live() {
			continue
		}
		single, err := r.acceptsOne(ctx, kind, current.Doc, pending.Doc)
		if err != nil {
			return err
		}
		if single {
			page = page.With(kind.Name(), ledger.GivenUp, m.At)
		}
	}
	if changedEntries(was, page) {
		return r.writePage(ctx, page)
	}
	return nil
}

// finishSecret promotes the pending version, after logging in with it, and begins the rollout. If
// its token is already current, an earlier attempt has promoted it, and what follows the
// promotion may be incomplete.
func (r *run) finishSecret(ctx context.Context) error {
	state, m, err := r.guard(ctx)
	if err != nil {
		return err
	}
	// AWSCURRENT has to be on the token's version when Secrets Manager looks.
	without := []plan.Do{plan.Fence, plan.RollBack, plan.FinishRollBack}
	if !state.Promoted() {
		// At first only what follows at once: whether the services start is for a reconcile to
		// see.
		without = append(without, plan.Look)
		if err := r.proveAndPromote(ctx, state.Current, m); err != nil {
			// Another delivery of the same event may have promoted it.
			var refused error
			if state, m, refused = r.guard(ctx); refused != nil || !state.Promoted() {
				return err
			}
		}
	}
	if _, _, faults := r.settle(ctx, false, without...); len(faults) > 0 {
		return fmt.Errorf("the new version is AWSCURRENT, but what follows is not complete yet: %w", errors.Join(faults...))
	}
	return r.forgetRequest(ctx, m)
}

// proveAndPromote moves AWSCURRENT to the token's version. First it makes sure that the version
// with the old values is labelled.
func (r *run) proveAndPromote(ctx context.Context, currentID string, m secret.Metadata) error {
	current, err := r.read.Current(ctx, currentID)
	if err != nil {
		return err
	}
	pending, err := r.readPending(ctx)
	if err != nil {
		return err
	}
	kinds, err := r.made(ctx, current, pending)
	if err != nil {
		return err
	}
	if err := r.notEdited(ctx, kinds, current.Doc, pending.Doc); err != nil {
		return err
	}
	for _, kind := range kinds {
		outcome, err := kind.Probe(ctx, pending.Doc)
		if outcome != credential.Accepted {
			return fmt.Errorf("the pending %s credential is not promoted, since its target does not accept it (%s): %w", kind.Name(), outcome, err)
		}
	}
	if err := enoughTime(ctx); err != nil {
		return err
	}
	asked, err := plan.RequestInToken(r.event.Token, names(r.kinds))
	if err != nil {
		return err
	}
	when := last
	if asked.Emergency {
		when = leaked
	}
	if err := r.labelOld(ctx, current, pending, kinds, when, m); err != nil {
		return err
	}
	// What has been told meanwhile counts, though nothing is asked again.
	if told, known := r.read.Known(); known {
		if err := plan.Guard(r.rotation(told)); err != nil {
			return err
		}
	}
	if _, err := r.write.MoveCurrent(ctx, current.ID, r.event.Token); err != nil {
		return err
	}
	for _, kind := range kinds {
		r.found.probes[place{kind.Name(), r.event.Token}] = plan.Accepted
	}
	r.log.Info("promoted the pending version", audit, didPromote, "from", current.ID, "kinds", names(kinds))
	if !asked.Emergency || len(kinds) == 0 { // an emergency's notice comes when the old values are refused
		r.notice(didPromote, "%s", promotedInWords(r.event.Token, kinds, current.Doc, pending.Doc))
	}
	return nil
}

// occasion says when the old values are labelled.
type occasion int

const (
	first  occasion = iota // before another value is stored: what is unknown can wait
	last                   // before another one is promoted: each must be known
	leaked                 // the same, in an emergency: each is marked for revocation
)

// labelOld makes sure that each kind's old value is in the ledger before another one becomes
// wanted. A value without a label must first be seen accepted: a refused one is not live, and
// nothing may go back to it.
func (r *run) labelOld(ctx context.Context, current, pending secret.Version, kinds []credential.Kind, when occasion, m secret.Metadata) error {
	book, err := ledger.Read(m.Labels)
	if err != nil {
		return err
	}
	page := book.Page(current.ID)
	was := page
	for _, kind := range kinds {
		name := kind.Name()
		switch e := page.Entries[name]; {
		case when == leaked: // again: a release at the same time may be about to keep it
			page = page.With(name, ledger.Revoking, r.aws.Told())
		case !e.State.Live(), e.State == ledger.GivenUp: // noted before its target was given it, and not proven since
			accepted, err := r.accepted(ctx, kind, current, pending)
			switch {
			case err != nil && when == first:
				r.log.Info("the function must know whether AWSCURRENT's value is accepted before the promotion", "kind", name, "error", err)
			case err != nil:
				return err
			}
			if accepted {
				page = page.With(name, ledger.Proven, r.aws.Now()) // after the probe, which also uses the value
			}
		}
	}
	if len(page.Entries) != len(was.Entries) || changedEntries(was, page) {
		if err := r.writePage(ctx, page); err != nil {
			return err
		}
	}
	return nil
}

// accepted asks a target that accepts two values whether it accepts AWSCURRENT's. A target that
// accepts one value had it until setSecret replaced it, which counts as well.
func (r *run) accepted(ctx context.Context, kind credential.Kind, current, pending secret.Version) (bool, error) {
	name := kind.Name()
	single, err := r.acceptsOne(ctx, kind, pending.Doc, current.Doc)
	if err != nil || single {
		return single, err
	}
	if err := r.ask(ctx, nil, plan.Action{Kind: name, Version: current.ID}); err != nil {
		return false, err
	}
	switch r.found.probes[place{name, current.ID}] {
	case plan.Accepted:
		return true, nil
	case plan.Denied:
		r.log.Warn("the old value is refused already, so it gets no label", "kind", name, "of", current.ID)
		return false, nil
	}
	return false, fmt.Errorf("the pending %s credential is not promoted yet, since its target does not say whether it accepts the old one, which has no label: see the log, and try again", name)
}

// promotedInWords describes what a promotion has changed for each kind.
func promotedInWords(version string, kinds []credential.Kind, current, pending document.Document) string {
	if len(kinds) == 0 {
		return "nothing was rotated: the log of createSecret says why"
	}
	var accepted, refused, published []string
	for _, kind := range kinds {
		before, _, errBefore := kind.Value(current)
		after, _, errAfter := kind.Value(pending)
		_, overlaps := kind.(credential.Retirer)
		switch {
		case errBefore == nil && errAfter == nil && before == after:
			published = append(published, kind.Name())
		case overlaps:
			accepted = append(accepted, kind.Name())
		default:
			refused = append(refused, kind.Name())
		}
	}
	text := fmt.Sprintf("%s rotated: version %s is AWSCURRENT.", inWords(names(kinds)), version)
	if len(accepted) > 0 {
		text += fmt.Sprintf(" The old value of %s may be accepted until it is retired, when nothing needs it any more.", inWords(accepted))
	}
	if len(refused) > 0 {
		text += fmt.Sprintf(" The old value of %s is no longer accepted.", inWords(refused))
	}
	if len(published) > 0 {
		text += fmt.Sprintf(" The value of %s stays the same, and the next one is published with it.", inWords(published))
	}
	return text
}

func (r *run) alreadyPromoted() error {
	r.log.Info("the version is AWSCURRENT already: nothing to do in this step")
	return nil
}

func (r *run) change(kind credential.Kind, current, pending secret.Version) credential.Change {
	return credential.Change{
		Current: current.Doc,
		Pending: pending.Doc,
		Confirm: func(ctx context.Context) error { return r.confirm(ctx, current.ID) },
		Previous: func(ctx context.Context) (document.Document, bool, error) {
			v, err := r.read.Read(ctx, "", secret.Previous)
			if secret.IsMissing(err) {
				return document.Document{}, false, nil
			}
			return v.Doc, err == nil, err
		},
		Log: r.log.With("kind", kind.Name()),
	}
}
