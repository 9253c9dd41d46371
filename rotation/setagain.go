package rotation

import (
	"context"
	"errors"
	"fmt"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
)

// setAgain makes the target accept AWSCURRENT's value, which it accepted before and refuses now,
// by using an old value that it accepts. It notes a failure for the next decision.
func (r *run) setAgain(ctx context.Context, s *sight, a plan.Action) error {
	at := place{a.Kind, a.Version}
	// Another invocation may have set it since the target was asked.
	if err := r.ask(ctx, s, a); err != nil || r.found.probes[at] != plan.Denied {
		return err
	}
	err := r.trySetAgain(ctx, s, a)
	if credential.MayPass(err) {
		// Nobody has answered, so the statement may still take effect, after whatever is asked
		// now. It keeps its lock at the server until then: once more, under the lock, is the last word.
		if err := r.ask(ctx, s, a); err != nil {
			return err
		}
		if r.found.probes[at] == plan.Denied {
			err = r.trySetAgain(ctx, s, a)
		}
	}
	r.found.changed(a.Kind)
	switch {
	case err == nil:
	case errors.Is(err, errAnew), errors.Is(err, ErrTooLittleTime):
		return err
	case errors.Is(err, errNoOther), credential.OutcomeOf(err) == credential.Denied:
		r.found.probes[at] = plan.Denied
	default: // it may have been set, and the answer lost
		if err := r.ask(ctx, s, a); err != nil {
			return err
		}
	}
	if credential.MayPass(err) && r.found.probes[at] != plan.Accepted {
		return fmt.Errorf("whether AWSCURRENT's %s value is set again is not known: %w", a.Kind, err) // nothing is rolled back for that
	}
	if err == nil || r.found.probes[at] == plan.Accepted {
		r.log.Warn("AWSCURRENT's value was refused, and was set again", audit, didRestore, "kind", a.Kind, "of", s.current)
		r.notice(didRestore, "the target of %s refused AWSCURRENT's value, which it had accepted before. It was set again", a.Kind)
		return nil
	}
	r.log.Error("AWSCURRENT's value could not be set again", "kind", a.Kind, "error", err)
	r.found.unset[a.Kind] = err.Error()
	return r.askOld(ctx, s, a.Kind)
}

// errNoOther says that there is no other value to set it with.
var errNoOther = errors.New("no labelled version has another value to set it with")

// askOld asks the target about each old value of a kind: an accepted one may be the one to go
// back to, and an operator has to know its version.
func (r *run) askOld(ctx context.Context, s *sight, kind string) error {
	for _, k := range s.plan.Kinds {
		if k.Name != kind {
			continue
		}
		for _, old := range k.Old {
			if !old.MayBeAccepted() {
				continue
			}
			if err := r.ask(ctx, s, plan.Action{Kind: kind, Version: old.Version}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) trySetAgain(ctx context.Context, s *sight, a plan.Action) error {
	if err := enoughTime(ctx); err != nil {
		return err
	}
	kind, _ := r.kind(a.Kind)
	retirer, overlaps := r.retirer(a.Kind)
	var faults []error
	for _, k := range s.plan.Kinds {
		if k.Name != a.Kind {
			continue
		}
		for _, old := range k.Old {
			if !old.MayBeAccepted() {
				continue
			}
			current, other, err := r.both(ctx, s, old.Version)
			if err != nil {
				return err
			}
			confirm := func(ctx context.Context) error {
				_, err := r.confirmQuiet(ctx, s.current, a.Kind)
				return err
			}
			log := r.log.With("kind", a.Kind)
			if overlaps && !k.Swaps {
				// The wanted value takes the part of an old one here, and the other way round.
				err = retirer.Restore(ctx, credential.Overlap{Current: s.reachable(current, other, kind), Old: current, Confirm: confirm, Now: r.aws.Told(), Log: log})
			} else {
				err = kind.PutBack(ctx, credential.Change{Current: current, Pending: other, Confirm: confirm, Log: log})
			}
			if err == nil {
				outcome, err := kind.Probe(ctx, current)
				if outcome == credential.Accepted {
					return nil
				}
				faults = append(faults, err)
				continue
			}
			if credential.MayPass(err) {
				return err
			}
			faults = append(faults, err)
		}
	}
	if len(faults) == 0 {
		return errNoOther
	}
	return errors.Join(faults...)
}

// restoreWanted makes the target accept AWSCURRENT's value, which the function has
// quarantined.
func (r *run) restoreWanted(ctx context.Context, s *sight, a plan.Action) error {
	if err := r.trySetAgain(ctx, s, a); err != nil {
		return fmt.Errorf("make the target accept AWSCURRENT's %s value again: %w", a.Kind, err)
	}
	r.log.Warn("AWSCURRENT's value is accepted again", audit, didRestore, "kind", a.Kind, "of", s.current)
	return r.writeEntry(ctx, s, a.Kind, a.Version, ledger.Old)
}
