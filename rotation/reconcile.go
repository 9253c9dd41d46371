package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/smithy-go"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/report"
)

// Reconcile continues what rotations of the secret have left open: it redeploys, retires old
// values once nothing needs them, or rolls back. It is for scheduled ticks and for an operator.
// It may be called at any time, even beside a rotation and beside itself.
//
// It returns what it found at its end, and what is left; the log has what it did. An error means
// that something could not be done now; a later call tries again.
func (r *Rotator) Reconcile(ctx context.Context, secretARN string, log *slog.Logger, secrets *scrub.Secrets) (report.Secret, error) {
	return r.reconcile(ctx, secretARN, true, time.Time{}, "", log, secrets)
}

// ReconcileOnEvent is Reconcile for an event that may be the last one. It begins no quarantine,
// because only a tick that others follow can watch one to its end.
func (r *Rotator) ReconcileOnEvent(ctx context.Context, secretARN string, log *slog.Logger, secrets *scrub.Secrets) (report.Secret, error) {
	return r.reconcile(ctx, secretARN, false, time.Time{}, "", log, secrets)
}

// ReconcileOnMove is ReconcileOnEvent for an event about a move of AWSCURRENT: when, and to which
// version ("": the event does not say). Tasks that started between a move away and one back have
// other values. It also reports a promotion, if that was the move.
func (r *Rotator) ReconcileOnMove(ctx context.Context, secretARN string, at time.Time, to string, log *slog.Logger, secrets *scrub.Secrets) (report.Secret, error) {
	return r.reconcile(ctx, secretARN, false, at, to, log, secrets)
}

func (r *Rotator) reconcile(ctx context.Context, secretARN string, tick bool, moved time.Time, to string, log *slog.Logger, secrets *scrub.Secrets) (report.Secret, error) {
	run := r.newRun(Event{SecretID: secretARN}, log, secrets)
	run.moved, run.movedTo = moved, to
	return run.reconcile(ctx, tick)
}

// maxRounds bounds how often one invocation observes anew. The longest sequence, a rollback of
// five kinds, takes eight rounds.
const maxRounds = 20

// reconcile observes, decides and acts until there is nothing left but to wait.
func (r *run) reconcile(ctx context.Context, tick bool) (report.Secret, error) {
	s, actions, faults := r.settle(ctx, tick)
	if s == nil && tick && notDescribed(errors.Join(faults...)) {
		return r.notAdmitted(errors.Join(faults...)), nil
	}
	if s == nil {
		return r.answer(nil, nil), reconciling(faults)
	}
	if tick || !s.idle() {
		faults = append(faults, r.sweep(ctx, r.kinds))
	}
	r.gauge(s, actions)
	return r.answer(s, actions), reconciling(faults)
}

// reconciling is the error of a reconcile; nil without a fault.
func reconciling(faults []error) error {
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	return nil
}

// notDescribed reports whether AWS denies the function DescribeSecret. A version that it may not
// read is different: that one may store what is accepted.
func notDescribed(err error) bool {
	call, called := errors.AsType[*smithy.OperationError](err)
	refusal, refused := errors.AsType[smithy.APIError](err)
	return called && refused && call.Operation() == "DescribeSecret" && refusal.ErrorCode() == "AccessDeniedException"
}

// notAdmitted is a tick's answer about a secret that it may not describe. That happens briefly
// whenever a secret is added to a deployment: the function serves it before its schedule exists,
// and until then the role's condition AllowRotationLambdaArn is not met. So the tick has not
// failed. It is a condition that needs an operator if it lasts, and the alarm on those waits for
// half an hour.
func (r *run) notAdmitted(err error) report.Secret {
	const why = "this function may not describe the secret: its role lacks the permission, or another function rotates the secret"
	const remedy = "wait until the deployment is complete. If it is: have this function rotate the secret (RotateSecret with its ARN), and check that its role may describe it"
	r.log.Warn("reconcile", "decision", string(plan.Alarm), "why", why, "remedy", remedy, "error", err)
	r.measure(Metric{Name: metricAttention, Unit: count, Value: 1})
	found := r.answer(nil, nil)
	found.Needs = append(found.Needs, report.Entry{Text: why, Remedy: remedy})
	return found
}

// settle is reconcile without what comes once at its end. It returns the last observation, and
// the actions that wait. without has the actions that a step leaves to a reconcile.
func (r *run) settle(ctx context.Context, tick bool, without ...plan.Do) (s *sight, actions []plan.Action, faults []error) {
	failed := map[string]bool{} // the next invocation retries what has failed
	left := func(a plan.Action) bool {
		return a.Idle() || failed[keyOf(a)] || slices.Contains(without, a.Do)
	}
	for range maxRounds {
		next, decided, err := r.decide(ctx, tick, left)
		if err != nil {
			return s, actions, append(faults, err)
		}
		s = next
		r.tellPromotion(s)
		r.moved = time.Time{} // it counts once
		if s.idle() {
			return s, nil, faults
		}
		actions = decided
		todo := slices.DeleteFunc(slices.Clone(actions), left)
		if len(todo) == 0 && r.found.begun == nil {
			break
		}
		if len(todo) == 0 {
			faults = append(faults, r.redeployAfterTakeAway(ctx))
			continue
		}
		progress := false
		results := r.act(ctx, s, todo)
		r.read.Outdate()
		for _, err := range results {
			if errors.Is(err.err, errAnew) {
				r.log.Info("the decision is out of date", "why", err.err)
				progress = true
				continue
			}
			progress = progress || err.err == nil
			if err.action.Do == plan.Redeploy {
				failed[keyOf(err.action)] = true // once is enough
			}
			if err.err != nil {
				failed[keyOf(err.action)] = true
				r.found.unfinished = r.found.unfinished || err.action.Do == plan.RollBack || err.action.Do == plan.FinishRollBack
				if !errors.Is(err.err, errBusy) {
					faults = append(faults, err.err)
				}
			}
		}
		if !progress {
			break
		}
	}
	if r.found.begun != nil {
		faults = append(faults, r.redeployAfterTakeAway(ctx))
	}
	for _, a := range actions {
		if !failed[keyOf(a)] { // which was logged when it was tried
			r.tell(a)
		}
	}
	return s, actions, slices.DeleteFunc(faults, func(err error) bool { return err == nil })
}

// decide sees the secret, and what is to be done: on fresh labels if any of it, but for
// what is left for later, needs them.
func (r *run) decide(ctx context.Context, tick bool, left func(plan.Action) bool) (s *sight, actions []plan.Action, err error) {
	if s, err = r.see(ctx, tick); err != nil {
		return nil, nil, err
	}
	actions = plan.Decide(s.plan)
	needsFresh := func(a plan.Action) bool { return a.Do == plan.Alarm || !left(a) && r.needsFresh(a) }
	if r.read.Fresh() || !slices.ContainsFunc(actions, needsFresh) {
		return s, actions, nil
	}
	if s, err = r.look(ctx, tick); err != nil {
		return nil, nil, err
	}
	return s, plan.Decide(s.plan), nil
}

// redeployAfterTakeAway begins the redeploy of an emergency.
func (r *run) redeployAfterTakeAway(ctx context.Context) error {
	rollout := *r.found.begun
	r.found.begun = nil
	return r.beginRollout(ctx, rollout)
}

func keyOf(a plan.Action) string {
	return string(a.Do) + "/" + a.Kind + "/" + a.Version + "/" + a.Service
}

// tell logs a decision.
func (r *run) tell(a plan.Action) {
	log := r.log.With("decision", string(a.Do), "why", a.Why)
	for _, about := range []slog.Attr{slog.String("kind", a.Kind), slog.String("of", a.Version), slog.String("service", a.Service), slog.String("remedy", a.Remedy)} {
		if about.Value.String() != "" {
			log = log.With(about)
		}
	}
	if a.Do == plan.Alarm || a.Do == plan.Hold || a.Do == plan.RollBack {
		log.Warn("reconcile")
		return
	}
	log.Info("reconcile")
}
