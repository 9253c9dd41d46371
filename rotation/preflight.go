package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mautic-rotation/rotation/credential"
	"slices"
)

// preflight checks what a rotation needs and reports every fault at once.
func (r *run) preflight(ctx context.Context) error {
	current, err := r.read.Current(ctx, "")
	if err != nil {
		return err
	}
	kinds, err := r.present(current.Doc)
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
	// What depends on a target that cannot be reached would only find the same.
	var lost []string
	skipped := func(part string, of any) bool {
		d, ok := of.(credential.Dependent)
		if ok = ok && slices.Contains(lost, d.Needs()); ok {
			r.log.Warn("preflight", "part", part, "result", "not looked at", "before", d.Needs())
		}
		return ok
	}
	for _, kind := range neededFirst(kinds) {
		if skipped(kind.Name(), kind) {
			continue
		}
		checks := kind.Preflight(ctx, current.Doc)
		report(kind.Name(), checks)
		if copied, err := r.checkCopies(kind, current.Doc); err == nil { // else the kind's own checks have told why
			report(kind.Name(), copied)
		}
		if !credential.Reached(checks) {
			lost = append(lost, kind.Name())
		}
	}
	if r.services != nil && r.needsRestart(names(kinds)) {
		report("redeploy", r.services.Preflight(ctx, r.event.SecretID))
	}
	if r.health != nil && !skipped("health", r.health) {
		check := credential.Check{What: "the application is healthy"}
		if _, what := r.askHealth(ctx); what != "" {
			check.Problem = errors.New(what)
		}
		report("health", []credential.Check{check})
	}
	if len(problems) > 0 {
		return fmt.Errorf("preflight: a rotation would fail, and nothing was changed: %w", errors.Join(problems...))
	}
	return nil
}

// neededFirst puts kinds that need no other one before the rest.
func neededFirst(kinds []credential.Kind) []credential.Kind {
	ordered := slices.Clone(kinds)
	slices.SortStableFunc(ordered, func(a, b credential.Kind) int { return cmp.Compare(rank(a), rank(b)) })
	return ordered
}

func rank(k credential.Kind) int {
	if d, ok := k.(credential.Dependent); ok && d.Needs() != "" {
		return 1
	}
	return 0
}
