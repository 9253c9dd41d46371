package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/report"
	"mautic-rotation/rotation/secret"
)

// Verify is Status, and also checks whether everything is as it should be: each target accepts
// AWSCURRENT's value, the application is healthy, every task is new, and the copies of a
// credential agree. It logs in at the targets with AWSCURRENT's values only, and changes nothing.
func (r *Rotator) Verify(ctx context.Context, secretARN string, log *slog.Logger, secrets *scrub.Secrets) report.Secret {
	run := r.toLook(asking, secretARN, log, secrets)
	run.checks = "verify"
	s, actions, err := run.status(ctx)
	if s != nil {
		run.verify(ctx, s)
		if again, fault := run.sightOf(ctx, s.m); fault == nil { // with the targets' answers
			s, actions = again, plan.Decide(again.plan)
		}
	}
	found := run.answer(s, actions)
	for i, c := range found.Credentials {
		found.Credentials[i].Accepted = string(run.found.probes[place{c.Kind, c.Version}])
	}
	found.Checks = run.found.checks()
	if err != nil {
		found.Error = err.Error()
	}
	return found
}

// verify makes the checks of Verify.
func (r *run) verify(ctx context.Context, s *sight) {
	if current, read := r.read.Seen(s.current); read {
		var lost []string
		for _, kind := range neededFirst(r.kinds) {
			_, has, err := kind.Value(current.Doc)
			switch {
			case err != nil:
				r.takeUp(kind.Name(), credential.Check{What: "it can be read", Problem: err})
				continue
			case !has || r.notReached(kind.Name(), kind, lost):
				continue
			}
			if !r.verifyKind(ctx, s, kind, current) {
				lost = append(lost, kind.Name())
			}
		}
	}
	r.verifyTasks(s)
	switch healthy := (report.Check{Part: "health", What: "the application is healthy", Text: r.found.ill}); {
	case !r.found.looked:
	case r.found.health == plan.NotObserved:
		healthy.Result, healthy.Text = report.Skipped, "MAUTIC_URL is not set"
		r.checked(finding{Check: healthy})
	case r.found.health == plan.Healthy:
		healthy.Result = report.OK
		r.checked(finding{Check: healthy})
	default:
		healthy.Result = report.Problem
		r.checked(finding{Check: healthy})
	}
}

// verifyKind asks a target about AWSCURRENT's value, and reports what the ledger says about
// AWSPREVIOUS's. reached reports whether the target could be reached and accepted AWSCURRENT's.
func (r *run) verifyKind(ctx context.Context, s *sight, kind credential.Kind, current secret.Version) (reached bool) {
	name := kind.Name()
	accepted := credential.Check{What: "its target accepts AWSCURRENT's value"}
	answer, err := r.probe(ctx, kind, current)
	if answer != plan.Accepted {
		accepted.Problem = orElse(err, "its target does not")
		if answer == plan.Denied && s.kind(name).Single() && slices.Contains(s.plan.RotatingKinds, name) {
			accepted.Problem, accepted.Warning = nil, errors.New("a rotation has given its target the pending value in place of this one")
		}
	}
	r.takeUp(name, accepted)
	if copied, err := r.checkCopies(kind, current.Doc); err == nil {
		r.takeUp(name, copied...)
	}
	if answer == plan.NoAnswer {
		return false
	}
	r.verifyPrevious(s, kind, current)
	return answer == plan.Accepted
}

// probe asks a target about a version's value, and keeps the answer.
func (r *run) probe(ctx context.Context, kind credential.Kind, v secret.Version) (plan.Probe, error) {
	outcome, err := kind.Probe(ctx, v.Doc)
	answer := plan.NoAnswer
	switch outcome {
	case credential.Accepted:
		answer = plan.Accepted
	case credential.Denied:
		answer = plan.Denied
	}
	if err != nil {
		r.log.Warn("the target does not accept a value", "kind", kind.Name(), "of", v.ID, "outcome", string(outcome), "error", err)
	}
	r.found.probes[place{kind.Name(), v.ID}] = answer
	return answer, err
}

// orElse returns the error, or one with the text if it is nil.
func orElse(err error, text string) error {
	if err != nil {
		return err
	}
	return errors.New(text)
}

// verifyPrevious reports what the ledger says about AWSPREVIOUS's value. It does not try the
// value: a refused login may lock the account, and a watch of an old value would mistake it for
// use.
func (r *run) verifyPrevious(s *sight, kind credential.Kind, current secret.Version) {
	previous, read := r.read.Seen(s.m.Labels.Version(secret.Previous))
	if !read {
		return
	}
	name := kind.Name()
	now, _, errNow := kind.Value(current.Doc)
	before, had, errBefore := kind.Value(previous.Doc)
	if errNow != nil || errBefore != nil || !had {
		return
	}
	check := report.Check{Part: name, What: "AWSPREVIOUS's value", Result: report.OK}
	k := s.kind(name)
	label := r.labelOf(kind, k, before)
	switch {
	case now == before:
		check.Text = "unchanged: AWSCURRENT has the same"
	case now.Target != before.Target:
		check.Result, check.Text = report.Skipped, "it is for another target than AWSCURRENT's"
	case label == ledger.Quarantined:
		check.Text = "refused, but can be restored: it is in quarantine"
	case label == ledger.Foreign:
		check.Result, check.Text = report.Skipped, "an operator has released it, and it is never touched"
	case label.Live() && !k.Single():
		check.Text = "accepted, since its overlap is open (" + string(label) + ")"
	case label == ledger.Pending, label == ledger.GivenUp, label == ledger.RolledBack, label == ledger.Revoking:
		check.Result, check.Text = report.Skipped, "its target is about to be changed: "+string(label)
	default:
		check.Result, check.Text = report.Skipped, "its overlap is over, so it is not tried; the history shows when it was seen refused"
	}
	r.checked(finding{Check: check})
}

// labelOf is the label entry of a value that is not AWSCURRENT's; "" if there is none.
func (r *run) labelOf(kind credential.Kind, k plan.Kind, value credential.Value) ledger.State {
	for _, old := range k.Old {
		v, read := r.read.Seen(old.Version)
		if !read {
			continue
		}
		if has, ok, err := kind.Value(v.Doc); err == nil && ok && has == value {
			return old.Entry.State
		}
	}
	return ""
}

// verifyTasks checks whether every task has AWSCURRENT's values.
func (r *run) verifyTasks(s *sight) {
	of := s.rollout()
	check := report.Check{Part: "tasks", What: "every one has AWSCURRENT's values", Result: report.Skipped}
	switch {
	case r.services == nil:
		check.Text = "no services are set"
		r.checked(finding{Check: check})
		return
	case of.Since.IsZero():
		check.Text = "there was no rotation yet, so it is not known which values the tasks started with"
		r.checked(finding{Check: check})
		return
	case !r.found.looked:
		return // the error says why
	}
	inTime := of.Open() && !s.plan.CannotConverge()
	for _, service := range r.found.services {
		check := credential.Check{What: "every one of service " + service.Name + " has AWSCURRENT's values"}
		if service.Name == "" {
			check.What = "every task outside a service has AWSCURRENT's values"
		}
		var wrong error
		switch {
		case service.Missing != "":
			check.Problem = errors.New(service.Missing)
		case service.Failed != "":
			check.Problem = errors.New("its deployment failed: " + service.Failed)
		case len(service.Older) > 0:
			wrong = errors.New("old tasks are left: " + strings.Join(service.Older, "; "))
		case service.Fresh < service.Desired:
			wrong = fmt.Errorf("it runs %d of %d new tasks", service.Fresh, service.Desired)
		}
		if inTime {
			check.Warning = wrong
		} else if wrong != nil {
			check.Problem = wrong
		}
		r.takeUp("tasks", check)
	}
}
