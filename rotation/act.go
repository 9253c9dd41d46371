package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/secret"
)

// result is the outcome of an action.
type result struct {
	action plan.Action
	err    error
}

// act carries out what was decided, and decides nothing itself. Notes on AWSCURRENT's label come
// first, in one write, because they belong together. An action that changes which values are
// wanted is done alone, because it changes what is right for the others.
func (r *run) act(ctx context.Context, s *sight, actions []plan.Action) (results []result) {
	noted, rest := split(actions, func(a plan.Action) bool { return notes[a.Do] != nil })
	if len(noted) > 0 {
		err := r.note(ctx, s, noted)
		for _, a := range noted {
			results = append(results, result{a, err})
			if err != nil {
				err = errBusy // it is logged once
			}
		}
		return results // AWSCURRENT has another label now
	}
	for _, alone := range []plan.Do{plan.GiveUp, plan.DropPending, plan.Fence, plan.RollBack, plan.FinishRollBack} {
		if at := slices.IndexFunc(rest, func(a plan.Action) bool { return a.Do == alone }); at >= 0 {
			rest = rest[at : at+1]
			break
		}
	}
	// Values that tasks started with come last: afterwards the application may fail, and could
	// not be asked any more.
	slices.SortStableFunc(rest, func(a, b plan.Action) int { return cmp.Compare(r.restarts(a.Kind), r.restarts(b.Kind)) })
	done := map[string]bool{} // what several kinds ask for is done once
	for _, a := range rest {
		if done[keyOf(a)] {
			continue
		}
		done[keyOf(a)] = true
		if a.Do == plan.Tidy {
			tidied := r.tidy(ctx, s, rest, a.Version)
			results = append(results, tidied...)
			if tidied[0].err == nil {
				return results
			}
			for _, t := range tidied { // what is decided of other kinds goes on
				done[keyOf(t.action)] = true
			}
			continue
		}
		if a.Do != plan.Hold { // which logs it itself, if it still holds under the lock
			r.tell(a)
		}
		if err := r.do(ctx, s, a); err != nil {
			results = append(results, result{a, fmt.Errorf("%s%s: %w", a.Do, of(a), err)})
			if errors.Is(err, errAnew) {
				return results // the others were decided on the same labels
			}
			continue
		}
		results = append(results, result{a, nil})
		if touches[a.Do] {
			return results
		}
	}
	return results
}

// tidy removes, in one write, everything that has to go from a version's label. Entry by entry, the
// text of a label that another invocation has read and is about to remove could come back, and be
// removed with what it says.
func (r *run) tidy(ctx context.Context, s *sight, actions []plan.Action, version string) (results []result) {
	page := s.pageOf(version)
	for _, a := range actions {
		if a.Do == plan.Tidy && a.Version == version {
			r.tell(a)
			page = page.Without(a.Kind)
			results = append(results, result{action: a})
		}
	}
	if err := r.writePage(ctx, page); err != nil {
		err = fmt.Errorf("%s%s: %w", plan.Tidy, of(results[0].action), err)
		for i := range results {
			results[i].err = err
			err = errBusy // it is logged once
		}
	}
	return results
}

// touches are the actions after which a new decision is made: they write a label, move
// AWSCURRENT, or take so long that what was seen of the services is out of date.
var touches = map[plan.Do]bool{
	plan.GiveUp: true, plan.DropPending: true, plan.Fence: true, plan.RollBack: true, plan.FinishRollBack: true, plan.Restore: true, plan.PutBack: true,
	plan.NoteOld: true, plan.NoteLeaked: true, plan.Quarantine: true, plan.Watch: true, plan.Retire: true, plan.Hold: true, plan.Revoke: true, plan.Forget: true, plan.Join: true,
}

// needsFresh reports whether an action needs labels that were read after this invocation last did
// anything. An action that only asks does not, and one that retires a value reads them again
// under the lock.
func (r *run) needsFresh(a plan.Action) bool {
	switch a.Do {
	case plan.Look, plan.LookElsewhere, plan.Ask, plan.AskRoute, plan.LookForUse, plan.Watch:
		return false
	case plan.Quarantine, plan.Hold, plan.Retire, plan.Revoke:
		_, overlaps := r.retirer(a.Kind)
		return !overlaps
	}
	return true
}

func split(actions []plan.Action, first func(plan.Action) bool) (a, b []plan.Action) {
	for _, x := range actions {
		if first(x) {
			a = append(a, x)
		} else {
			b = append(b, x)
		}
	}
	return a, b
}

func of(a plan.Action) string {
	switch {
	case a.Service != "":
		return " service " + a.Service
	case a.Kind != "":
		return fmt.Sprintf(" (%s, version %s)", a.Kind, a.Version)
	}
	return ""
}

// restarts is 1 for a kind that needs a restart; it is used for sorting.
func (r *run) restarts(name string) int {
	if kind, ok := r.kind(name); ok && kind.NeedsRestart() {
		return 1
	}
	return 0
}

// do carries out one action.
func (r *run) do(ctx context.Context, s *sight, a plan.Action) error {
	switch a.Do {
	case plan.Look:
		return r.lookAround(ctx, s.rollout())
	case plan.LookElsewhere:
		r.lookElsewhere(ctx)
		return nil
	case plan.Ask:
		return r.ask(ctx, s, a)
	case plan.AskRoute:
		return r.askRoute(ctx, s, a)
	case plan.SetAgain:
		return r.setAgain(ctx, s, a)
	case plan.Redeploy:
		return r.redeploy(ctx, a.Service)
	case plan.GiveUp:
		return r.giveUp(ctx, s.m, errors.New(a.Why))
	case plan.DropPending:
		return r.write.MoveLabel(ctx, secret.Pending, "", a.Version)
	case plan.Fence:
		return r.fence(ctx, s, a.Version)
	case plan.Join:
		return r.writePage(ctx, s.pageOf(a.Version).Joined())
	case plan.RollBack:
		return r.rollBack(ctx, s, a.Kinds)
	case plan.FinishRollBack:
		return r.finishRollBack(ctx, s)
	case plan.NoteOld:
		return r.writeEntry(ctx, s, a.Kind, a.Version, ledger.Old)
	case plan.NoteLeaked:
		return r.writeEntry(ctx, s, a.Kind, a.Version, ledger.Revoking)
	case plan.Forget:
		return r.writeEntry(ctx, s, a.Kind, a.Version, "")
	case plan.PutBack:
		return r.putBack(ctx, s, a)
	case plan.LookForUse, plan.Watch:
		return r.watch(ctx, s, a)
	case plan.Restore, plan.Quarantine, plan.Hold, plan.Retire, plan.Revoke:
		return r.takeAway(ctx, s, a)
	}
	return fmt.Errorf("no such action: %s", a.Do)
}

// ask asks the target whether it accepts a version's value. s is nil if the version is AWSCURRENT.
func (r *run) ask(ctx context.Context, s *sight, a plan.Action) error {
	kind, _ := r.kind(a.Kind)
	v, err := r.read.Version(ctx, a.Version)
	if err != nil {
		return err
	}
	if s != nil && a.Version != s.current {
		today, err := r.document(ctx, s.current)
		if err != nil {
			return err
		}
		v.Doc = s.reachable(today, v.Doc, kind)
	}
	_, _ = r.probe(ctx, kind, v) // the log has why it is not accepted
	return nil
}

// notes are the actions that change AWSCURRENT's label.
var notes = map[plan.Do]func(p ledger.Page, a plan.Action, now time.Time) ledger.Page{
	plan.Prove: func(p ledger.Page, a plan.Action, now time.Time) ledger.Page {
		return p.With(a.Kind, ledger.Proven, now)
	},
	plan.Carry: func(p ledger.Page, a plan.Action, now time.Time) ledger.Page {
		return p.With(a.Kind, ledger.Proven, now)
	},
	plan.NoteToSet: func(p ledger.Page, a plan.Action, now time.Time) ledger.Page {
		return p.With(a.Kind, a.State, now)
	},
	plan.BeginRollout: func(p ledger.Page, a plan.Action, now time.Time) ledger.Page {
		p.Rollout = a.Rollout
		p.Rollout.Since = soon(now)
		return p
	},
	plan.Converge: func(p ledger.Page, _ plan.Action, now time.Time) ledger.Page {
		p.Rollout = p.Rollout.ConvergedAt(soon(now)) // old tasks may have logged in until now, within this second
		return p
	},
	plan.NoteUnhealthy: func(p ledger.Page, _ plan.Action, now time.Time) ledger.Page {
		p.Rollout.Unhealthy = now.Truncate(time.Second)
		return p
	},
	plan.NoteHealthy: func(p ledger.Page, _ plan.Action, _ time.Time) ledger.Page {
		p.Rollout.Unhealthy = time.Time{}
		return p
	},
}

// note writes AWSCURRENT's label, with everything that was decided about it.
func (r *run) note(ctx context.Context, s *sight, actions []plan.Action) error {
	was := s.rollout()
	page := s.page()
	if !s.plan.Unsettled() {
		page.Rollout = was // an edit has left it on the previous version
	}
	for _, a := range actions {
		now := s.m.At
		if a.Do == plan.BeginRollout {
			now = r.aws.Told() // its time starts now: reading the versions may have taken long
		}
		page = notes[a.Do](page, a, now)
		if a.Do == plan.BeginRollout && !page.Rollout.Since.After(was.Since) {
			page.Rollout.Since = was.Since.Add(time.Second) // rollouts are told apart by their times
		}
	}
	if err := r.writePage(ctx, page); err != nil {
		return err
	}
	for _, a := range actions {
		r.tell(a)
		switch a.Do {
		case plan.Prove, plan.Carry:
			delete(r.found.unset, a.Kind)
		case plan.BeginRollout:
			r.found.looked = false
			r.log.Info("a rollout has begun", "since", page.Rollout.Since)
			if page.Rollout.Emergency {
				r.found.begun = &page.Rollout // the old values are retired first
				continue
			}
			if err := r.beginRollout(ctx, page.Rollout); err != nil {
				return err
			}
		case plan.Converge:
			if err := r.converged(ctx, s, was); err != nil {
				return err
			}
		}
	}
	return nil
}

// soon is the second after the one that AWS reported: whatever was created since then was created
// after that answer.
func soon(now time.Time) time.Time { return now.Truncate(time.Second).Add(time.Second) }

func (r *run) soon() time.Time { return soon(r.aws.Told()) }

// beginRollout starts a redeploy of every service. What could not be started is
// found by the next look at ECS.
func (r *run) beginRollout(ctx context.Context, rollout ledger.Rollout) error {
	if r.services == nil {
		return nil
	}
	// AWS reports whole seconds only, and a deployment counts only if it was created after the
	// rollout began.
	if err := r.aws.Await(ctx, rollout.Since); err != nil {
		return err
	}
	var faults []error
	for _, name := range r.services.Names() {
		faults = append(faults, r.redeploy(ctx, name))
	}
	return errors.Join(faults...)
}

func (r *run) redeploy(ctx context.Context, service string) error {
	r.found.looked = false
	if err := r.services.RedeployService(ctx, service, r.log); err != nil {
		return fmt.Errorf("redeploy service %s: %w", service, err)
	}
	r.log.Info("the redeploy has begun", audit, didRedeploy, "service", service)
	return nil
}

// converged finishes what was waiting for a rollout.
func (r *run) converged(ctx context.Context, s *sight, was ledger.Rollout) error {
	if was.Promoted {
		// The application works with the new values, so an earlier rollback no longer holds off
		// the schedule.
		if err := r.forgetFailed(ctx, s); err != nil {
			return err
		}
	}
	if !was.Emergency {
		return nil
	}
	refused := max(0, s.m.At.Sub(was.Since)) + time.Second // AWS reports whole seconds only
	if r.services == nil {
		r.notice(didRetire, "emergency: the rotation is complete. No services are set, so what uses the old value fails until someone restarts it")
		return nil
	}
	r.notice(didRetire, "emergency: every task runs with the new value. The application's tasks were refused for at most %s, from the promotion on", refused)
	r.measure(Metric{Name: metricRefused, Unit: seconds, Value: refused.Seconds()})
	return nil
}

// forgetFailed lets the schedule rotate again.
func (r *run) forgetFailed(ctx context.Context, s *sight) error {
	for _, page := range s.book.Pages {
		kept := s.pageOf(page.Version)
		for name, e := range page.Entries {
			if e.State == ledger.Failed {
				kept = kept.Without(name)
			}
		}
		if len(kept.Entries) < len(page.Entries) {
			if page.Version == s.current {
				continue // it has just been written
			}
			if err := r.writePage(ctx, kept); err != nil {
				return err
			}
		}
	}
	return nil
}
