package rotation

import (
	"context"
	"fmt"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/plan"
)

// revoke retires an old value at once, even if it is in use, and ends what was issued under it.
func (r *run) revoke(ctx context.Context, s *sight, a plan.Action, retirer credential.Retirer, o credential.Overlap) error {
	if err := retirer.Retire(ctx, o); err != nil {
		return fmt.Errorf("retire the %s credential: %w", a.Kind, err)
	}
	r.log.Info("retired: the target was seen to refuse the old value", audit, didRetire, "kind", a.Kind, "of", a.Version)
	return r.endIssued(ctx, s, a, o)
}

// revokeSingle is revoke for a target that accepts one value at a time: it accepts AWSCURRENT's, so
// it refuses the old one already.
func (r *run) revokeSingle(ctx context.Context, s *sight, a plan.Action) error {
	if a.Do != plan.Revoke {
		return fmt.Errorf("the target of %s accepts one value at a time", a.Kind)
	}
	current, old, err := r.both(ctx, s, a.Version)
	if err != nil {
		return err
	}
	return r.endIssued(ctx, s, a, credential.Overlap{
		Current: current, Old: old, Now: r.aws.Told(), Log: r.log.With("kind", a.Kind),
		Confirm: r.confirmUnchanged(s, a, s.book.Page(a.Version).Entries[a.Kind]),
	})
}

func (r *run) endIssued(ctx context.Context, s *sight, a plan.Action, o credential.Overlap) error {
	kind, _ := r.kind(a.Kind)
	ended := ""
	if revoker, ok := kind.(credential.Revoker); ok {
		what, err := revoker.Revoke(ctx, o)
		if err != nil {
			return fmt.Errorf("end what was issued under the old %s credential: %w", a.Kind, err)
		}
		if what != "" {
			ended = " Ended with it: " + what + "."
		}
	}
	if err := r.writeEntry(ctx, s, a.Kind, a.Version, ""); err != nil {
		return err
	}
	if kind.NeedsRestart() {
		ended = " Running tasks that need it fail until they are replaced." + ended
	}
	r.notice(didRevoke, "emergency: %s rotated, and the old value is refused.%s", a.Kind, ended)
	return nil
}
