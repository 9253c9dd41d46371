package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/secret"
)

// errBusy says that another invocation holds the lock of an overlap, or has just changed it.
var errBusy = errors.New("another invocation holds the lock of this overlap: try again in a minute")

// errAnew says that the decision no longer holds, so that a new one must be made.
var errAnew = errors.New("the secret has changed in the meantime: decide again")

// overlap is AWSCURRENT's value of a kind and an old one.
func (r *run) overlap(ctx context.Context, s *sight, a plan.Action) (credential.Retirer, credential.Overlap, error) {
	kind, _ := r.kind(a.Kind)
	retirer, ok := kind.(credential.Retirer)
	if !ok {
		return nil, credential.Overlap{}, fmt.Errorf("the target of %s accepts one value at a time, so there is nothing to retire", a.Kind)
	}
	current, old, err := r.both(ctx, s, a.Version)
	if err == nil && a.Do == plan.Restore {
		current, err = r.beside(ctx, s, a.Kind)
	}
	if err != nil {
		return nil, credential.Overlap{}, err
	}
	e := s.book.Page(a.Version).Entries[a.Kind]
	o := credential.Overlap{
		Current: current, Old: old,
		Confirm:     r.confirmUnchanged(s, a, e),
		Now:         r.aws.Now(),
		Quarantined: e.State == ledger.Quarantined,
		Since:       e.At,
		Log:         r.log.With("kind", a.Kind),
	}
	if converged := s.rollout().Converged; kind.NeedsRestart() && converged.After(o.Since) {
		o.Since = converged // before that, old tasks used it
	}
	o.Since = o.Since.Add(time.Second) // the label has no fractions
	if !o.Quarantined && r.limits.Observe == 0 {
		o.Since = time.Time{} // nothing is observed: only the watch counts
	}
	if b := e.Before; b != nil {
		o.Before = &credential.Baseline{Refused: b.Refused, Server: b.Server, Up: b.Up}
	}
	return retirer, o, nil
}

// beside is a document with a value beside which the target is made to accept an old one again:
// AWSCURRENT or, if its value cannot be used, another accepted one.
func (r *run) beside(ctx context.Context, s *sight, kind string) (document.Document, error) {
	version := s.current
	for _, k := range s.plan.Kinds {
		if live, ok := k.Live(); k.Name == kind && k.Wanted.Probe != plan.Accepted && ok {
			version = live.Version
		}
	}
	return r.document(ctx, version)
}

func (r *run) both(ctx context.Context, s *sight, version string) (current, old document.Document, err error) {
	if current, err = r.document(ctx, s.current); err != nil {
		return current, old, err
	}
	old, err = r.document(ctx, version)
	return current, old, err
}

// reachable returns another version's document with AWSCURRENT's fields, but for the kind's own. What is
// asked with it reaches the target with the credentials of today: a kind in Mautic's tables logs in to the
// database, and a login with the old database password would pass for somebody's use of it.
// Where that password is known to be refused, the other version's may still open them.
func (s *sight) reachable(current, other document.Document, kind credential.Kind) document.Document {
	if d, ok := kind.(credential.Dependent); ok && s.kind(d.Needs()).Wanted.Probe == plan.Denied {
		return other
	}
	if today, err := withFields(current, other, kind); err == nil {
		return today
	}
	return other // AWSCURRENT has no place for the fields
}

// confirmUnchanged returns credential.Overlap.Confirm for an action that was decided when the ledger
// had this entry about the value. It fails with errAnew if AWSCURRENT or the entry has changed: the
// server may have dropped the invocation's lock, and another invocation may have acted.
func (r *run) confirmUnchanged(s *sight, a plan.Action, decided ledger.Entry) func(context.Context) error {
	return func(ctx context.Context) error {
		book, err := r.confirmQuiet(ctx, s.current, a.Kind)
		if err != nil {
			return err
		}
		if now := book.Page(a.Version).Entries[a.Kind]; now.State != decided.State || now.Count != decided.Count {
			return fmt.Errorf("another invocation has changed what the ledger says about the %s value of version %s: %w", a.Kind, a.Version, errAnew)
		}
		return nil
	}
}

// confirmQuiet reads the labels again. It fails if a rotation of the kind is in progress, and with
// errAnew if AWSCURRENT has moved.
func (r *run) confirmQuiet(ctx context.Context, currentID, kind string) (ledger.Book, error) {
	m, err := r.read.Describe(ctx)
	if err != nil {
		return ledger.Book{}, err
	}
	if now := m.Labels.Version(secret.Current); now != currentID {
		return ledger.Book{}, fmt.Errorf("AWSCURRENT has moved to version %s: %w", now, errAnew)
	}
	book, err := ledger.Read(m.Labels)
	if err != nil {
		return ledger.Book{}, err
	}
	pending := m.Labels.Version(secret.Pending)
	if pending == currentID || pending == r.event.Token || pending == "" {
		return book, nil
	}
	if book.Page(pending).Entries[kind].State == ledger.Pending {
		return ledger.Book{}, fmt.Errorf("the rotation to version %s is in progress", pending)
	}
	return book, nil
}

// underLock calls f under the lock of an overlap, with its entry as it is then. It fails with
// errBusy if another invocation holds the lock, or has changed the entry or AWSCURRENT since the
// labels were read. It repeats the decision on the labels as they are under the lock, and fails
// with errAnew if the result differs.
func (r *run) underLock(ctx context.Context, s *sight, a plan.Action, f func(context.Context, *sight, credential.Retirer, credential.Overlap) error) error {
	retirer, o, err := r.overlap(ctx, s, a)
	if err != nil {
		return err
	}
	release, ok, err := retirer.Exclusive(ctx, o)
	if err != nil {
		return err
	}
	if !ok {
		r.log.Info("another invocation holds the lock; skipping", "kind", a.Kind, "of", a.Version)
		return errBusy
	}
	defer release()
	again, err := r.look(ctx, s.plan.Tick)
	if err != nil {
		return err
	}
	before, now := s.book.Page(a.Version).Entries[a.Kind], again.book.Page(a.Version).Entries[a.Kind]
	if now.State != before.State || now.Count != before.Count || again.current != s.current {
		r.log.Info("another invocation has already done it", "kind", a.Kind, "of", a.Version)
		return errBusy
	}
	if !slices.ContainsFunc(plan.Decide(again.plan), func(b plan.Action) bool { return keyOf(b) == keyOf(a) }) {
		return errAnew
	}
	o.Now = r.aws.Told()
	return f(ctx, again, retirer, o)
}

// watch looks for use of an old value. It holds no lock while it does.
func (r *run) watch(ctx context.Context, s *sight, a plan.Action) error {
	retirer, o, err := r.overlap(ctx, s, a)
	if err != nil {
		return err
	}
	if err := r.enoughTimeToWatch(ctx); err != nil {
		return err
	}
	// What another invocation does to retire the value, or to prove that it is refused, would
	// look like use of it.
	release, ok, err := retirer.Exclusive(ctx, o)
	switch {
	case err != nil:
		return err
	case !ok:
		r.log.Info("another invocation holds the lock; skipping", "kind", a.Kind, "of", a.Version)
		return errBusy
	}
	release()
	watch := r.limits.Watch
	if a.Do == plan.LookForUse && r.limits.Observe > 0 {
		watch = 0 // it was observed for long enough: looking back is enough
	}
	use, err := retirer.InUse(ctx, o, watch)
	if err != nil {
		return fmt.Errorf("look for use of the old %s credential: %w", a.Kind, err)
	}
	if use.Gap != "" {
		r.log.Warn("the use of an old value was not fully observed", "kind", a.Kind, "of", a.Version, "gap", use.Gap)
	}
	at := place{a.Kind, a.Version}
	e := s.book.Page(a.Version).Entries[a.Kind]
	r.found.use[at] = watched{e.State, plan.Use{
		Asked: true, Seen: use.Seen + r.whoIs(ctx, use.From), Told: use.Told,
		Covered: r.limits.Watch + max(0, s.m.At.Sub(e.At)),
	}}
	if a.Do == plan.Watch {
		r.found.looked = false // a quarantine may show in the application's health
	}
	return nil
}

// whoIs names the tasks that have addresses.
func (r *run) whoIs(ctx context.Context, addresses []string) string {
	if r.services == nil {
		return ""
	}
	var tasks []string
	for _, address := range addresses {
		if task, ok := r.services.TaskAt(ctx, address); ok {
			tasks = append(tasks, address+" is "+task)
		}
	}
	if len(tasks) == 0 {
		return ""
	}
	return " (" + strings.Join(tasks, "; ") + ")"
}

// enoughTimeToWatch is enoughTime for a watch.
func (r *run) enoughTimeToWatch(ctx context.Context) error {
	deadline, ok := ctx.Deadline()
	if needed := r.limits.Watch + timeToChange; ok && time.Until(deadline) < needed {
		return tooLittleTime{fmt.Errorf("retiring a value needs %s of an invocation's time: raise the function's timeout, or lower WATCH_SECONDS", needed)}
	}
	return nil
}

// takeAway does one step of retiring an old value, or undoes it, under the lock of the overlap.
func (r *run) takeAway(ctx context.Context, s *sight, a plan.Action) error {
	if _, overlaps := r.retirer(a.Kind); !overlaps {
		return r.revokeSingle(ctx, s, a)
	}
	if a.Do == plan.Restore && s.isWanted(a) {
		return r.restoreWanted(ctx, s, a)
	}
	if a.Do == plan.Quarantine {
		// A quarantine must not be cut off before its watch.
		if err := r.enoughTimeToWatch(ctx); err != nil {
			return err
		}
	}
	if err := enoughTime(ctx); err != nil {
		return err
	}
	return r.underLock(ctx, s, a, func(ctx context.Context, s *sight, retirer credential.Retirer, o credential.Overlap) error {
		switch a.Do {
		case plan.Quarantine:
			return r.quarantine(ctx, s, a, retirer, o)
		case plan.Restore:
			return r.restore(ctx, s, a, retirer, o, ledger.Old)
		case plan.Hold:
			return r.hold(ctx, s, a, retirer, o)
		case plan.Retire:
			return r.retire(ctx, s, a, retirer, o)
		default:
			return r.revoke(ctx, s, a, retirer, o)
		}
	})
}

// isRefused reports whether the target refuses AWSCURRENT's value, if it was asked.
func (s *sight) isRefused(kind string) bool {
	return slices.ContainsFunc(s.plan.Kinds, func(k plan.Kind) bool { return k.Name == kind && k.Wanted.Probe == plan.Denied })
}

// isWanted reports whether the action is about AWSCURRENT's value.
func (s *sight) isWanted(a plan.Action) bool {
	return slices.ContainsFunc(s.plan.Kinds, func(k plan.Kind) bool { return k.Name == a.Kind && k.Wanted.Version == a.Version })
}

func (r *run) quarantine(ctx context.Context, s *sight, a plan.Action, retirer credential.Retirer, o credential.Overlap) error {
	at := place{a.Kind, a.Version}
	page := s.pageOf(a.Version)
	delete(r.found.use, at)
	if page.Entries[a.Kind].State == ledger.Released {
		// The label stays, so that the operator's release still holds if this is interrupted.
		if err := retirer.Quarantine(ctx, o); err != nil {
			return fmt.Errorf("quarantine the old %s credential: %w", a.Kind, err)
		}
		r.found.mine[at] = true
		r.log.Info("the old value is quarantined", audit, didQuarantine, "kind", a.Kind, "of", a.Version)
		return nil
	}
	if page.Entries[a.Kind].State != ledger.Quarantined {
		var err error
		if page, err = r.noteQuarantine(ctx, a, page, retirer, o); err != nil {
			return err
		}
		o.Confirm = r.confirmUnchanged(s, a, page.Entries[a.Kind])
	}
	if err := retirer.Quarantine(ctx, o); err != nil {
		return fmt.Errorf("quarantine the old %s credential: %w", a.Kind, err)
	}
	r.found.mine[at] = true
	r.log.Info("the old value is quarantined", audit, didQuarantine, "kind", a.Kind, "of", a.Version)
	return r.writePage(ctx, page.Began(a.Kind, r.aws.Told()))
}

// noteQuarantine records that a quarantine is about to begin, so that it is resumed after an
// interruption.
func (r *run) noteQuarantine(ctx context.Context, a plan.Action, page ledger.Page, retirer credential.Retirer, o credential.Overlap) (ledger.Page, error) {
	page = page.With(a.Kind, ledger.Quarantined, time.Time{})
	if baseliner, ok := retirer.(credential.Baseliner); ok {
		b, err := baseliner.Baseline(ctx, o)
		if err != nil {
			return page, err
		}
		if b != (credential.Baseline{}) {
			page = page.WithBaseline(a.Kind, ledger.Baseline{Refused: b.Refused, Server: b.Server, Up: b.Up})
		}
	}
	if err := r.writePage(ctx, page); err != nil {
		return page, err
	}
	label, err := page.Label()
	page.Labels = []string{label}
	return page, err
}

// restore makes the target accept an old value again.
func (r *run) restore(ctx context.Context, s *sight, a plan.Action, retirer credential.Retirer, o credential.Overlap, state ledger.State) error {
	if err := retirer.Restore(ctx, o); err != nil {
		return fmt.Errorf("make the target accept the old %s credential again: %w", a.Kind, err)
	}
	r.log.Warn("the old value is accepted", audit, didRestore, "kind", a.Kind, "of", a.Version, "why", a.Why)
	delete(r.found.use, place{a.Kind, a.Version})
	return r.writeEntry(ctx, s, a.Kind, a.Version, state)
}

// hold keeps an old value accepted until an operator acts.
func (r *run) hold(ctx context.Context, s *sight, a plan.Action, retirer credential.Retirer, o credential.Overlap) error {
	if err := r.restore(ctx, s, a, retirer, o, ledger.Held); err != nil {
		return err
	}
	r.log.Error("held: the target accepts both the old and the new value, since something still uses the old one: find what, fix it, then "+howToRelease, audit, didHold, "kind", a.Kind, "of", a.Version, "evidence", a.Why)
	r.measure(Metric{Name: metricHeld, Unit: count, Value: 1})
	r.notice(didHold, "the rotation of %s is held: the new value is AWSCURRENT, and the old one, of version %s, is accepted too: %s. Find what, fix it, then %s",
		a.Kind, a.Version, a.Why, howToRelease)
	return nil
}

// retire removes an old value for good.
func (r *run) retire(ctx context.Context, s *sight, a plan.Action, retirer credential.Retirer, o credential.Overlap) error {
	if err := retirer.Retire(ctx, o); err != nil {
		return fmt.Errorf("retire the %s credential: %w", a.Kind, err)
	}
	r.log.Info("retired: the target was seen to refuse the old value", audit, didRetire, "kind", a.Kind, "of", a.Version)
	return r.ended(ctx, s, a)
}

// ended records and reports that a value that is not wanted is refused.
func (r *run) ended(ctx context.Context, s *sight, a plan.Action) error {
	state := s.book.Page(a.Version).Entries[a.Kind].State
	switch state {
	case ledger.RolledBack:
		// Remember it, so that the schedule does not repeat it. Of several failures the last one
		// is enough.
		if err := r.forgetFailedOf(ctx, s, a); err != nil {
			return err
		}
		if err := r.writeEntry(ctx, s, a.Kind, a.Version, ledger.Failed); err != nil {
			return err
		}
		r.log.Info("the value of a rotation that was rolled back is refused", audit, didRetire, "kind", a.Kind, "of", a.Version)
		return nil
	case ledger.GivenUp:
		if err := r.writeEntry(ctx, s, a.Kind, a.Version, ""); err != nil {
			return err
		}
		r.notice(didAbandon, "the %s value of version %s was given up, and is refused now", a.Kind, a.Version)
		return nil
	}
	accepted := max(0, s.m.At.Sub(r.acceptedSince(s, a.Kind, a.Version)))
	if err := r.writeEntry(ctx, s, a.Kind, a.Version, ""); err != nil {
		return err
	}
	r.measure(Metric{Name: metricOverlap, Unit: seconds, Value: accepted.Seconds(), Kind: a.Kind})
	r.notice(didRetire, "the rotation of %s is complete. The value of version %s is refused now; it was accepted beside the new one for %s",
		a.Kind, a.Version, accepted.Round(time.Second))
	return nil
}

// acceptedSince is when the overlap of an old value began, as far as is known: when the rollout
// began, or when AWSCURRENT's version was stored. An entry's own time is that of its state.
func (r *run) acceptedSince(s *sight, kind, version string) time.Time {
	var since time.Time
	e := s.book.Page(version).Entries[kind]
	if e.State != ledger.Proven { // it was proven before the overlap
		since = e.At
	}
	earlier := func(at time.Time) {
		if !at.IsZero() && (since.IsZero() || at.Before(since)) {
			since = at
		}
	}
	if k, ok := r.kind(kind); ok && k.NeedsRestart() {
		earlier(s.rollout().Since)
	}
	if current, read := r.read.Seen(s.current); read {
		earlier(current.Created)
	}
	if since.IsZero() {
		return e.At
	}
	return since
}

// forgetFailedOf forgets earlier rollbacks of a kind.
func (r *run) forgetFailedOf(ctx context.Context, s *sight, a plan.Action) error {
	for _, page := range s.book.Pages {
		for _, name := range []string{a.Kind, ledger.AllKinds} {
			if page.Version == a.Version || page.Entries[name].State != ledger.Failed {
				continue
			}
			if err := r.writePage(ctx, page.Without(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// retirer returns a kind whose target accepts two values.
func (r *Rotator) retirer(name string) (credential.Retirer, bool) {
	kind, _ := r.kind(name)
	retirer, ok := kind.(credential.Retirer)
	return retirer, ok
}

// needsRestart reports whether one of the kinds does.
func (r *Rotator) needsRestart(kinds []string) bool {
	return slices.ContainsFunc(kinds, func(name string) bool {
		kind, ok := r.kind(name)
		return ok && kind.NeedsRestart()
	})
}

// kind returns the kind of a name.
func (r *Rotator) kind(name string) (credential.Kind, bool) {
	at := slices.IndexFunc(r.kinds, func(k credential.Kind) bool { return k.Name() == name })
	if at < 0 {
		return nil, false
	}
	return r.kinds[at], true
}

// putBack gives a target that accepts one value at a time the wanted one.
func (r *run) putBack(ctx context.Context, s *sight, a plan.Action) error {
	if err := enoughTime(ctx); err != nil {
		return err
	}
	current, old, err := r.both(ctx, s, a.Version)
	if err != nil {
		return err
	}
	kind, _ := r.kind(a.Kind)
	err = kind.PutBack(ctx, credential.Change{
		Current: current, Pending: old, Log: r.log.With("kind", a.Kind),
		Confirm: r.confirmUnchanged(s, a, s.book.Page(a.Version).Entries[a.Kind]),
	})
	r.found.changed(a.Kind)
	if credential.OutcomeOf(err) == credential.Denied && s.isRefused(a.Kind) {
		// It has neither value, so it may accept another one.
		r.log.Warn("the target has no value of this rotation", "kind", a.Kind, "of", a.Version, "error", err)
		r.found.probes[place{a.Kind, a.Version}] = plan.Denied
		return nil
	}
	if err != nil {
		return fmt.Errorf("put the current %s credential back: %w", a.Kind, err)
	}
	r.log.Info("the target accepts AWSCURRENT's value again", audit, didRestore, "kind", a.Kind, "of", s.current)
	return r.ended(ctx, s, a)
}
