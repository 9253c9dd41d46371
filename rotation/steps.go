package rotation

import (
	"context"
	"errors"
	"fmt"
)

// createSecret makes the pending value: the current document with new values
// for the kinds to rotate. A value that is already there is kept, for an
// earlier attempt may have given it to a target.
func (r *run) createSecret(ctx context.Context) error {
	state, err := r.guard(ctx)
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
	current, err := r.readCurrent(ctx, state.currentID)
	if err != nil {
		return err
	}
	kinds, err := r.present(current.doc)
	if err != nil {
		return err
	}
	pending := current.doc
	for _, kind := range kinds {
		if pending, err = kind.Generate(ctx, pending); err != nil {
			return fmt.Errorf("make a new %s credential: %w", kind.Name(), err)
		}
	}
	if err := enoughTime(ctx); err != nil {
		return err
	}
	if err := r.putPending(ctx, pending); err != nil {
		return err
	}
	r.log.Info("made the pending version", "kinds", names(kinds))
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
	for _, kind := range kinds {
		if err := enoughTime(ctx); err != nil {
			return err
		}
		if err := kind.Set(ctx, r.change(kind, current, pending)); err != nil {
			return fmt.Errorf("set the %s credential: %w", kind.Name(), err)
		}
		r.log.Info("the target accepts the pending value and the current one", "kind", kind.Name())
	}
	return nil
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
		return r.preflight(ctx)
	}
	for _, kind := range kinds {
		if err := kind.Test(ctx, r.change(kind, current, pending)); err != nil {
			return fmt.Errorf("test the %s credential: %w", kind.Name(), err)
		}
		r.log.Info("the pending value works", "kind", kind.Name())
	}
	return nil
}

// finishSecret promotes the pending version, once it has logged in with it
// itself, and redeploys. When its token is current already, an earlier attempt
// promoted it, and what follows promotion may not have been done.
func (r *run) finishSecret(ctx context.Context) error {
	state, err := r.guard(ctx)
	if err != nil {
		return err
	}
	if !state.promoted {
		if err := r.proveAndPromote(ctx, state.currentID); err != nil {
			return err
		}
	}
	return r.redeploy(ctx)
}

func (r *run) proveAndPromote(ctx context.Context, currentID string) error {
	current, err := r.readCurrent(ctx, currentID)
	if err != nil {
		return err
	}
	pending, err := r.readPending(ctx)
	if err != nil {
		return err
	}
	kinds, err := r.changed(current.doc, pending.doc)
	if err != nil {
		return err
	}
	if err := editedMeanwhile(kinds, current.doc, pending.doc); err != nil {
		return err
	}
	for _, kind := range kinds {
		outcome, err := kind.Probe(ctx, pending.doc)
		if outcome != Accepted {
			return fmt.Errorf("the pending %s credential is not promoted, since its target does not accept it (%s): %w", kind.Name(), outcome, err)
		}
	}
	if err := enoughTime(ctx); err != nil {
		return err
	}
	if err := r.promote(ctx, current.id); err != nil {
		return err
	}
	r.log.Info("promoted the pending version", "from", current.id, "kinds", names(kinds))
	return nil
}

func (r *run) redeploy(ctx context.Context) error {
	if r.redeployer == nil {
		return nil
	}
	if err := r.redeployer.Redeploy(ctx, r.log); err != nil {
		return fmt.Errorf("the new version is AWSCURRENT, but the redeploy did not start: %w", err)
	}
	return nil
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
	report := func(part string, checks []Check) {
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
	if r.redeployer != nil {
		report("redeploy", r.redeployer.Preflight(ctx))
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

func (r *run) change(kind Kind, current, pending version) Change {
	return Change{
		Current: current.doc,
		Pending: pending.doc,
		Confirm: func(ctx context.Context) error { return r.confirm(ctx, current.id) },
		Log:     r.log.With("kind", kind.Name()),
	}
}
