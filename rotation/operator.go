package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/report"
	"mautic-rotation/rotation/secret"
)

// Abandon gives up the secret's pending rotation: it removes AWSPENDING from its version, and
// retires what the rotation has set. A promoted rotation cannot be given up. If nothing is
// pending, Abandon does nothing.
func (r *Rotator) Abandon(ctx context.Context, secretARN string, log *slog.Logger, secrets *scrub.Secrets) (report.Secret, error) {
	run := r.newRun(Event{SecretID: secretARN}, log, secrets)
	if err := run.abandon(ctx); err != nil {
		return run.answer(nil, nil), fmt.Errorf("abandon: %w", err)
	}
	after := r.newRun(Event{SecretID: secretARN}, log, secrets)
	after.gaveUp = run.gaveUp
	return after.reconcile(ctx, true)
}

func (r *run) abandon(ctx context.Context) error {
	m, err := r.read.Describe(ctx)
	if err != nil {
		return err
	}
	if err := r.forgetUnreadableRequests(ctx, m); err != nil {
		return err
	}
	pending := m.Labels.Version(secret.Pending)
	switch pending {
	case "":
		r.log.Info("nothing is pending")
		return nil
	case m.Labels.Version(secret.Current):
		return errors.New("the pending version is AWSCURRENT, so its rotation is complete")
	}
	// Its ledger label, written with its value, keeps the version.
	if err := r.write.MoveLabel(ctx, secret.Pending, "", pending); err != nil {
		return err
	}
	r.gaveUp = true
	r.log.Warn("the rotation was given up", audit, didAbandon, "version", pending)
	return nil
}

// Release is an operator's order not to wait any longer. What is held may be retired, whatever
// was seen of its use. A rollout that does not converge is over. A value with an alarm, because
// its field or its target has changed or another secret stores it, is never touched again; a
// value that merely waits stays as it is. The schedule may rotate again after a rollback.
// Services whose old value was held are redeployed once more, because a correction may take
// effect only at start.
func (r *Rotator) Release(ctx context.Context, secretARN string, log *slog.Logger, secrets *scrub.Secrets) (report.Secret, error) {
	run := r.newRun(Event{SecretID: secretARN}, log, secrets)
	if err := run.release(ctx); err != nil {
		return run.answer(nil, nil), fmt.Errorf("release: %w", err)
	}
	return r.Reconcile(ctx, secretARN, log, secrets)
}

// release writes its labels without the lock of an overlap: a target that has changed has another
// lock than before, IAM has none, and an operator's order must not wait for a target that cannot
// be reached. It loses nothing to a retirement in progress. Nothing retires a held value. A value
// released as foreign may still be retired by a decision made before, as if the release had come
// a moment later. If both write about the value, both labels stay until they are merged; if the
// retirement's entry counts, the value is restored, and the alarm asks for the release again. An
// emergency is different: its mark counts more than a release decided before (see labelOld), and
// mayStay stops later ones.
func (r *run) release(ctx context.Context) error {
	s, err := r.lookToWrite(ctx)
	if err != nil || s.idle() && !s.heldOff() {
		return err
	}
	if rollout := s.rollout(); rollout.Open() {
		if err := r.lookAround(ctx, rollout); err != nil {
			return err
		}
		if s, err = r.lookToWrite(ctx); err != nil {
			return err
		}
	}
	if s.plan.Others.Unseen {
		r.lookElsewhere(ctx)
		if s, err = r.lookToWrite(ctx); err != nil {
			return err
		}
	}
	for _, page := range r.released(s, r.log) {
		if err := r.writePage(ctx, page); err != nil {
			return err
		}
		if page.Version == s.current && page.Rollout.Since.After(s.rollout().Since) {
			return r.beginRollout(ctx, page.Rollout)
		}
	}
	return nil
}

// released returns the pages that a release writes, AWSCURRENT's last. There are none if it has
// nothing to do, because writing the same again could remove a label that replaces another one.
// log gets the meaning of each change.
func (r *run) released(s *sight, log *slog.Logger) (pages []ledger.Page) {
	if s.idle() && !s.heldOff() {
		return nil
	}
	unjudged := map[place]bool{} // values with an alarm because they may belong to something else by now
	for _, k := range s.plan.Kinds {
		for _, old := range k.Old {
			for _, version := range s.stores[place{k.Name, old.Version}] {
				unjudged[place{k.Name, version}] = s.plan.KeptFor(k, old)
			}
		}
		for _, page := range s.book.Pages {
			if k.Lost != "" && page.Version != s.current {
				unjudged[place{k.Name, page.Version}] = true
			}
		}
	}
	restart := false
	for _, page := range s.book.Pages {
		released := s.pageOf(page.Version)
		for _, name := range page.Kinds() {
			switch e := page.Entries[name]; {
			case e.State == ledger.Failed:
				released = released.Without(name)
				log.Warn("the schedule may rotate again", audit, didRelease, "version", page.Version)
			case unjudged[place{name, page.Version}]:
				released = released.With(name, ledger.Foreign, s.m.At)
				log.Warn("a value that cannot be judged is never touched again", audit, didRelease, "kind", name, "of", page.Version)
			case e.State == ledger.Revoking && s.storesWanted(name, page.Version) && mayStay(s, name, log):
				released = released.With(name, ledger.Proven, s.m.At)
				log.Warn("a value that an emergency was to replace stays", audit, didRelease, "kind", name, "of", page.Version)
			case e.State == ledger.Held && page.Version != s.current: // one that AWSCURRENT was moved back to is wanted
				released = released.With(name, ledger.Released, s.m.At)
				restart = restart || r.restarts(name) == 1
				log.Warn("what was held is released", audit, didRelease, "kind", name, "of", page.Version)
			}
		}
		if page.Version == s.current {
			continue // below
		}
		if len(released.Kinds()) != len(page.Kinds()) || changedEntries(page, released) {
			pages = append(pages, released)
		}
	}
	page, rollout := s.page(), s.rollout()
	for _, name := range page.Kinds() {
		switch page.Entries[name].State {
		case ledger.Failed:
			page = page.Without(name)
		case ledger.Revoking:
			if !mayStay(s, name, log) {
				continue
			}
			page = page.With(name, ledger.Proven, s.m.At)
			log.Warn("a value that an emergency was to replace stays", audit, didRelease, "kind", name, "of", s.current)
		}
	}
	switch {
	case rollout.Open() && s.plan.CannotConverge() && len(s.plan.ToRedeploy()) > 0:
		log.Warn("the rollout is not ended, since tasks with the old values run in services that could not be redeployed: force a new deployment of each, or take it out of the services that are redeployed, then release again",
			"since", rollout.Since, "services", s.plan.ToRedeploy())
	case rollout.Open() && !s.plan.MayBeEnded():
		log.Info("the rollout is in progress, and was not ended", "since", rollout.Since)
	case rollout.Open():
		page.Rollout = rollout.ConvergedAt(soon(s.m.At))
		log.Warn("an operator has ended the rollout", audit, didRelease)
	case restart && r.services != nil:
		page.Rollout = ledger.Rollout{Since: r.soon()}
	}
	if was := s.page(); len(page.Kinds()) != len(was.Kinds()) || changedEntries(was, page) || page.Rollout != was.Rollout {
		pages = append(pages, page)
	}
	return pages
}

// RollBack is an operator's order to roll back the last promotion, as the engine does by itself
// if the services fail: the old values become current again, and edits stay. It works until the
// rollout has converged; after that nothing changes, and the error says what to do instead.
func (r *Rotator) RollBack(ctx context.Context, secretARN string, log *slog.Logger, secrets *scrub.Secrets) (report.Secret, error) {
	run := r.newRun(Event{SecretID: secretARN}, log, secrets)
	run.whole = true // so that the error says so if nothing is open
	if err := run.rollBackAsAsked(ctx); err != nil {
		return run.answer(nil, nil), fmt.Errorf("roll back: %w", err)
	}
	return r.Reconcile(ctx, secretARN, log, secrets)
}

// rollBackAsAsked asks the targets about the old values, and rolls back.
func (r *run) rollBackAsAsked(ctx context.Context) error {
	for range maxRounds {
		s, err := r.lookToWrite(ctx)
		if err != nil {
			return err
		}
		actions, err := plan.AskedToRollBack(s.plan)
		if err != nil {
			return err
		}
		for _, a := range actions {
			r.tell(a)
			err := r.do(ctx, s, a)
			if errors.Is(err, errAnew) {
				break
			}
			if err != nil || a.Do == plan.RollBack || a.Do == plan.FinishRollBack {
				return err
			}
		}
	}
	return errors.New("no decision in time: try again")
}

// mayStay reports whether a value that may have leaked can be released. It cannot while a
// rotation is replacing it: the promotion would leave it accepted.
func mayStay(s *sight, kind string, log *slog.Logger) bool {
	replaced := slices.Contains(s.plan.RotatingKinds, kind)
	if replaced {
		log.Warn("a value that may have leaked is not released, since a rotation is replacing it", "kind", kind)
	}
	return !replaced
}

// storesWanted reports whether a labelled version stores AWSCURRENT's value of a kind.
func (s *sight) storesWanted(kind, version string) bool {
	return slices.ContainsFunc(s.plan.Kinds, func(k plan.Kind) bool {
		return k.Name == kind && slices.Contains(s.stores[place{kind, k.Wanted.Version}], version)
	})
}

// heldOff reports whether the schedule is held off after a rollback.
func (s *sight) heldOff() bool { return len(failedVersions(s.book)) > 0 }

// failedVersions returns the versions remembered as rolled back.
func failedVersions(book ledger.Book) (versions []string) {
	for _, page := range book.Pages {
		for _, e := range page.Entries {
			if e.State == ledger.Failed {
				versions = append(versions, page.Version)
				break
			}
		}
	}
	return versions
}

func changedEntries(a, b ledger.Page) bool {
	for name, e := range b.Entries {
		if a.Entries[name] != e {
			return true
		}
	}
	return false
}
