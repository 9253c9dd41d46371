package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/rollout"
)

// Decisions about replacing tasks, and about rolling back.

// decideRollout decides about the secret's one rollout.
func decideRollout(o Observation) []Action {
	r := o.Rollout
	if o.RollingBack() {
		return []Action{goOnRollingBack(o)}
	}
	if changed := unexplained(o); changed != "" {
		return []Action{{Do: BeginRollout, Rollout: follows(o), Why: changed}}
	}
	switch {
	case !r.Open():
		return nil
	case unsettled(o) != "":
		return waiting("the function needs to know whether AWSCURRENT's value of %s is accepted", unsettled(o))
	case !o.Looked:
		return []Action{{Do: Look, Why: "the rollout has not converged"}}
	}
	var alarms, redeploys []Action
	for _, s := range r.Services {
		switch {
		case s.Missing != "":
			alarms = append(alarms, Action{Do: Alarm, Service: s.Name, Why: fmt.Sprintf("service %s: %s", s.Name, s.Missing), Remedy: remedyService})
		case isToRedeploy(s):
			if !o.Finishing && o.Now.Sub(r.Since) < aboutToRedeploy {
				return until(r.Since.Add(aboutToRedeploy), waiting("the redeploy is about to begin")...)
			}
			redeploys = append(redeploys, Action{Do: Redeploy, Service: s.Name, Why: "it has had no deployment since the values changed"})
		}
	}
	refusal, reason := refusedNow(o), failing(o)
	switch {
	case len(redeploys) > 0:
		return append(alarms, redeploys...)
	case refusal != "":
		return append(alarms, fail(o, refusal)...)
	case reason != "" && mayRollBack(o) == (obstacle{}) && o.Others.Unseen:
		return append(alarms, Action{Do: LookElsewhere, Why: "of several promotions, only the last one is rolled back"})
	case reason != "" && laterPromotion(o) != "":
		return append(alarms, waiting("%s; the promotion of %s came later, so that one is rolled back first", reason, laterPromotion(o))...)
	case reason != "": // another service than the missing one
		return append(alarms, fail(o, reason)...)
	case len(alarms) > 0:
		return alarms
	}
	return awaitRollout(o)
}

// isToRedeploy reports whether a service has had no deployment since the rollout began, and has
// tasks, or should have some.
func isToRedeploy(s rollout.Service) bool {
	return s.Missing == "" && !s.Deployed && (s.Desired > 0 || len(s.Older) > 0)
}

// began is when the services were last redeployed with a new value of any secret: their time
// starts then.
func began(o Observation) time.Time {
	at := o.Rollout.Since
	for _, other := range o.Others.Rollouts {
		if other.Since.After(at) {
			at = other.Since
		}
	}
	return at
}

// laterPromotion returns another secret whose promotion came after this one's and has not
// converged. If the services fail, that one is rolled back first. "": there is none, or it should
// have been rolled back long ago and was not.
func laterPromotion(o Observation) string {
	for _, other := range o.Others.Rollouts {
		could := other.Open() && other.Promoted && !other.Emergency && !other.RolledBack
		if could && other.Since.After(o.Rollout.Since) && o.Now.Sub(other.Since) <= 2*(o.Limits.Rollout+bake(o)) {
			return other.Secret
		}
	}
	return ""
}

// aboutToRedeploy is how long the invocation that began a rollout takes, at most, to begin
// redeploying every service.
const aboutToRedeploy = 15 * time.Second

// unexplained says what changed a value that tasks read at start if the rollout does not cover
// that change yet; "": nothing did.
func unexplained(o Observation) string {
	switch {
	case o.Rollout.ChangedBy.After(o.Rollout.Since):
		return "AWSCURRENT was moved at " + o.Rollout.ChangedBy.Format(time.RFC3339) + ", and not by a promotion"
	case o.Adopting:
		return "" // what runs is taken as it is
	case rolledBack(o):
		return "AWSCURRENT was rolled back"
	case left(o) != "":
		return "AWSCURRENT was moved away from version " + left(o) + ", which tasks may have been started with"
	case o.Rollout.Here:
		return ""
	}
	for _, k := range o.Kinds {
		switch s := k.Wanted.Entry.State; {
		case !k.Restarts, k.Lost != "", k.Wanted.Probe != Accepted && s != ledger.Proven:
		case slices.ContainsFunc(k.Old, func(v Value) bool { return v.Version == o.Rollout.On || slices.Contains(v.Also, o.Rollout.On) }):
			return "AWSCURRENT has another value of " + k.Name + " than the last rollout was about"
		case s == ledger.Pending:
			return "the new value of " + k.Name + " was promoted"
		case s != ledger.Proven && s != ledger.Quarantined && s != ledger.Revoking:
			return "AWSCURRENT has another value of " + k.Name + " than tasks started with"
		}
	}
	return ""
}

// left returns a version that was promoted, and that AWSCURRENT was moved away from before a
// rollout began; "": there is none.
func left(o Observation) string {
	for _, k := range o.Kinds {
		for _, old := range k.Old {
			if k.Restarts && old.Left && old.Entry.State == ledger.Pending && !old.Pending && !o.Rollout.Since.After(old.Entry.At) {
				return old.Version
			}
		}
	}
	return ""
}

// Unsettled reports whether a rollout may have to begin that no label records yet. Until that is
// known, AWSCURRENT's label must not take over the rollout of another version.
func (o Observation) Unsettled() bool { return unsettled(o) != "" }

// unsettled returns a kind whose tasks may have to be replaced: AWSCURRENT's value differs from
// the one before, and it is not known whether its target accepts it. "": there is none.
func unsettled(o Observation) string {
	if o.Rollout.Here || o.Adopting {
		return ""
	}
	for _, k := range o.Kinds {
		if s := k.Wanted.Entry.State; k.Restarts && s != ledger.Proven && s != ledger.Revoking {
			return k.Name
		}
	}
	return ""
}

// rolledBack reports whether the promotion that this rollout is about was rolled back.
func rolledBack(o Observation) bool {
	if !o.Rollout.Promoted || !o.Rollout.Open() {
		return false
	}
	return slices.ContainsFunc(o.Kinds, func(k Kind) bool {
		return slices.ContainsFunc(k.Old, func(v Value) bool {
			return v.Entry.State == ledger.RolledBack && !isEarlier(v.Entry, o.Rollout.Rollout)
		})
	})
}

// follows returns the properties of a rollout that begins now.
func follows(o Observation) (r ledger.Rollout) {
	if r.RolledBack = rolledBack(o); r.RolledBack {
		return r
	}
	r.Promoted = slices.ContainsFunc(o.Kinds, func(k Kind) bool {
		return k.Wanted.Entry.State == ledger.Pending && k.Wanted.Current
	})
	r.Emergency = r.Promoted && emergency(o)
	return r
}

// awaitRollout waits for the rollout to end, or notes that it has.
func awaitRollout(o Observation) []Action {
	r := o.Rollout
	if len(r.Services) == 0 {
		over := r.Since.Add(o.Limits.WithoutServices)
		if left := over.Sub(o.Now); left > 0 {
			return until(over, waiting("no services are set, and %s are left for restarting the application by hand", left.Round(time.Second))...)
		}
		return []Action{{Do: Converge, Why: "no services are set, and the time for restarting the application by hand is over"}}
	}
	if !slices.ContainsFunc(r.Services, func(s rollout.Service) bool { return s.Desired > 0 }) {
		return waiting("every service is scaled to zero: scale one up, or release")
	}
	var older []string
	for _, s := range r.Services {
		older = append(older, s.Older...)
		if s.Fresh < s.Desired {
			return waiting("service %s runs %d of %d new tasks", s.Name, s.Fresh, s.Desired)
		}
	}
	switch {
	case o.Health == Unhealthy && r.Unhealthy.IsZero():
		return []Action{{Do: NoteUnhealthy, Why: "the application is unhealthy"}}
	case o.Health == Unhealthy:
		return waiting("the application is unhealthy: %s", o.Ill)
	case o.Health != Unclear && !r.Unhealthy.IsZero():
		return []Action{{Do: NoteHealthy, Why: "the application is healthy again"}}
	case len(older) > 0 && overdue(o):
		return []Action{{Do: Alarm, Why: "the new tasks work, but old ones do not stop: " + strings.Join(older, "; "), Remedy: remedyOlder}}
	case len(older) > 0:
		return waiting("old tasks are left: %s", strings.Join(older, "; "))
	case o.Health == Unclear:
		return []Action{{Do: Alarm, Why: "the application answers, but not as a healthy one does: " + o.Ill, Remedy: remedyUnclear}}
	}
	return []Action{{Do: Converge, Why: "every task is new, and the application is healthy"}}
}

func waiting(format string, args ...any) []Action {
	return []Action{{Do: Wait, Why: fmt.Sprintf(format, args...)}}
}

// overdue reports whether the time for the rollout is over, ECS's own bake time included.
func overdue(o Observation) bool {
	return o.Now.After(timeOf(o))
}

// timeOf is when the time for the rollout is over.
func timeOf(o Observation) time.Time { return began(o).Add(o.Limits.Rollout + bake(o)) }

// RollingBack reports whether AWSCURRENT's values are marked as rolled back, but AWSCURRENT has
// not been moved away yet.
func (o Observation) RollingBack() bool {
	return slices.ContainsFunc(o.Kinds, func(k Kind) bool { return marked(k, o) })
}

// goOnRollingBack continues a rollback that was interrupted. Moving AWSCURRENT relies on the
// marks on its own version, so marks that an edit has left behind are moved first.
func goOnRollingBack(o Observation) Action {
	var behind []string
	for _, k := range o.Kinds {
		if marked(k, o) && !k.Wanted.Current {
			behind = append(behind, k.Name)
		}
	}
	if len(behind) > 0 {
		return Action{Do: RollBack, Kinds: behind, Why: "the secret was edited during the rollback"}
	}
	return Action{Do: FinishRollBack, Why: "the rollback was interrupted"}
}

// Deadline is when a rollout is rolled back if its tasks have not started by then. Zero: it has
// converged, or cannot be rolled back.
func (o Observation) Deadline() time.Time {
	if mayRollBack(o) != (obstacle{}) {
		return time.Time{}
	}
	return timeOf(o)
}

// bake returns the longest time that ECS waits before a deployment completes.
func bake(o Observation) (longest time.Duration) {
	for _, s := range o.Rollout.Services {
		longest = max(longest, s.Bake)
	}
	return longest
}

// CannotConverge reports whether, as far as can be seen, the rollout will not converge by itself:
// its time is over, or no task is to run.
func (o Observation) CannotConverge() bool {
	running := slices.ContainsFunc(o.Rollout.Services, func(s rollout.Service) bool { return s.Desired > 0 })
	return o.Rollout.Open() && o.Looked && (overdue(o) || !running)
}

// MayBeEnded reports whether an operator may end the rollout. While it can still converge, tasks
// may need the old values. They may also need them while AWSCURRENT is being moved away from the
// rollout's values, as in a rollback, until the next rollout has begun and each service was
// redeployed. Its time may be over before the invocation that began it, or a later one, gets there.
func (o Observation) MayBeEnded() bool {
	return o.CannotConverge() && !o.RollingBack() && unexplained(o) == "" && len(o.ToRedeploy()) == 0
}

// ToRedeploy names the services whose redeploy has not begun, for which a release does not end the
// rollout.
func (o Observation) ToRedeploy() (names []string) {
	for _, s := range o.Rollout.Services {
		if isToRedeploy(s) {
			names = append(names, s.Name)
		}
	}
	return names
}

// refusedNow is a reason to roll back that does not depend on the services: a target refuses what
// was promoted. "": none does.
func refusedNow(o Observation) string {
	for _, k := range o.Kinds {
		if k.Wanted.Probe == Denied && k.Wanted.SetFailed != "" && slices.ContainsFunc(k.Old, isAccepted) {
			return "the target refuses the new " + k.Name + " value, and accepts the old one"
		}
	}
	return ""
}

// failing is why the services have failed; "" if they have not.
func failing(o Observation) string {
	idle := !slices.ContainsFunc(o.Rollout.Services, func(s rollout.Service) bool { return s.Desired > 0 })
	if len(o.Rollout.Services) == 0 || idle {
		return ""
	}
	for _, s := range o.Rollout.Services {
		switch {
		case s.Failed != "":
			return fmt.Sprintf("the deployment of service %s failed: %s", s.Name, s.Failed)
		case s.Fresh < s.Desired && overdue(o):
			return fmt.Sprintf("service %s runs %d of %d new tasks at its deadline", s.Name, s.Fresh, s.Desired)
		}
	}
	first := o.Rollout.Unhealthy
	if o.Health == Unhealthy && !first.IsZero() && o.Now.Sub(first) >= o.Limits.Ill && o.Now.Sub(began(o)) >= o.Limits.Ill {
		return "the application has been unhealthy since " + first.Format(time.RFC3339) + ": " + o.Ill
	}
	return ""
}

// An obstacle is why a rollout is not rolled back, and what an operator does about it.
type obstacle struct{ why, remedy string }

// mayRollBack returns what keeps a failing rollout from being rolled back; the zero obstacle if
// nothing does.
func mayRollBack(o Observation) obstacle {
	r := o.Rollout
	switch {
	case !r.Open():
		return obstacle{"the rollout has converged", remedyConverged}
	case r.Emergency || emergency(o):
		return obstacle{"an emergency is never rolled back", remedyEmergency}
	case emergencyIsPending(o):
		return obstacle{"an emergency is pending", remedyPending}
	case r.RolledBack:
		return obstacle{"it is a rollback already", remedyTwice}
	case !r.Promoted:
		return obstacle{"AWSCURRENT was not changed by a rotation", remedyByHand}
	}
	for _, k := range o.Kinds {
		for _, old := range k.Old {
			if old.Entry.State == ledger.Quarantined {
				return obstacle{"the old " + k.Name + " value is in quarantine", remedyRestored}
			}
		}
	}
	return obstacle{}
}

// emergency reports whether old values have leaked and are still to be retired.
func emergency(o Observation) bool { return slices.ContainsFunc(o.Kinds, leaked) }

// emergencyIsPending reports whether an emergency is about to replace values. One of its calls may
// be under way, and would take away what a rollback makes current. A rollback of other kinds would
// give up the emergency, because AWSCURRENT moves. The emergency's createSecret rolls back first.
func emergencyIsPending(o Observation) bool {
	return o.EmergencyPending || slices.ContainsFunc(o.Kinds, func(k Kind) bool {
		return k.Wanted.Entry.State == ledger.Revoking && slices.Contains(o.RotatingKinds, k.Name)
	})
}

// longestCall is longer than a step takes from its last look at the labels to the end of the
// statement that follows.
const longestCall = time.Minute

// lastGivenUp is when a rotation was last given up whose values are still to be retired, as far as
// is known; zero: none was. If a step of it had looked at the labels before, its statement may still
// take effect. A rotation that has stored nothing leaves no label.
func lastGivenUp(o Observation) (at time.Time) {
	if o.GaveUp {
		at = o.Now
	}
	for _, k := range o.Kinds {
		for _, old := range k.Old {
			if old.Entry.State == ledger.GivenUp && old.Entry.At.After(at) {
				at = old.Entry.At
			}
		}
	}
	return at
}

// fail rolls back a failing rollout, if that is allowed. It probes the old values first.
func fail(o Observation, reason string) []Action {
	if why := mayRollBack(o); why != (obstacle{}) {
		return []Action{{Do: Alarm, Why: reason + "; it is not rolled back, since " + why.why, Remedy: why.remedy}}
	}
	if end := lastGivenUp(o).Add(longestCall); o.Now.Before(end) {
		return until(end, waiting("%s; a rotation was given up, and one of its calls may be under way, so nothing is rolled back yet", reason)...)
	}
	var ask []Action
	var back []string
	for _, k := range o.Kinds {
		old, ok := k.PromotedOver(o.Rollout.Rollout)
		if !ok {
			continue
		}
		switch {
		case k.Single() && k.Route == NotAsked:
			ask = append(ask, Action{Do: AskRoute, Kind: k.Name, Version: old.Version, Why: "its target is to be given the old value"})
		case k.Single() && k.Route != Accepted:
			return waiting("%s; the target of %s cannot be written to now, so nothing is rolled back yet", reason, k.Name)
		case k.Single():
			back = append(back, k.Name) // its target is given the old value after AWSCURRENT has moved
		case old.Probe == NotAsked:
			ask = append(ask, Action{Do: Ask, Kind: k.Name, Version: old.Version, Why: "a rollback only goes back to accepted values"})
		case old.Probe == NoAnswer:
			return waiting("%s; the target of the old %s value does not answer, so it is not rolled back yet", reason, k.Name)
		case old.Probe == Accepted:
			back = append(back, k.Name)
		}
	}
	switch {
	case len(ask) > 0:
		return ask
	case len(back) == 0:
		return []Action{{Do: Alarm, Why: reason + "; it is not rolled back, since every old value is refused", Remedy: remedyNoWayBack}}
	}
	return []Action{{Do: RollBack, Kinds: back, Why: reason}}
}

// AskedToRollBack is fail for an operator who asks for it although nothing may have failed. It
// returns what to do next, RollBack last. The error says why nothing is rolled back, and what to
// do instead.
func AskedToRollBack(o Observation) ([]Action, error) {
	switch {
	case o.Rollout.Since.IsZero():
		return nil, errors.New("nothing has been promoted yet, so there is nothing to roll back")
	case o.RollingBack():
		return []Action{goOnRollingBack(o)}, nil
	case unexplained(o) != "" || unsettled(o) != "" || len(noteReplaced(o)) > 0:
		return nil, errors.New("the function does not know yet which values the tasks have: send reconcile, and then roll-back again")
	case mayRollBack(o) == (obstacle{}) && o.Others.Unseen:
		return []Action{{Do: LookElsewhere, Why: "of several promotions, only the last one is rolled back"}}, nil
	case mayRollBack(o) == (obstacle{}) && laterPromotion(o) != "":
		return nil, fmt.Errorf("the promotion of %s came later: roll that one back first", laterPromotion(o))
	}
	actions := fail(o, "an operator asked for it")
	for _, a := range actions {
		if a.Idle() {
			return nil, fmt.Errorf("%s: %s", a.Why, cmp.Or(a.Remedy, tryAgain(a)))
		}
	}
	return actions, nil
}

// tryAgain says when a rollback may be asked for again.
func tryAgain(a Action) string {
	if a.Until.IsZero() {
		return "try again when it answers"
	}
	return "try again in a minute"
}

// begun is a time just before the promotion that a rollout is about: Since is the following
// second, or later.
func begun(of ledger.Rollout) time.Time { return of.Since.Add(-time.Second) }

// PromotedOver returns the value that the rollout's promotion replaced. A value that was old
// before that belongs to an earlier overlap, not to this promotion.
func (k Kind) PromotedOver(of ledger.Rollout) (v Value, ok bool) {
	promoted := begun(of)
	for _, old := range k.Old {
		switch {
		case old.Entry.State == ledger.Old && !old.Entry.At.IsZero() && old.Entry.At.Before(promoted):
		case old.Entry.State != ledger.Old && old.Entry.State != ledger.Proven:
		case !ok || old.Entry.At.After(v.Entry.At):
			v, ok = old, true
		}
	}
	return v, ok
}
