package rotation

import (
	"fmt"
	"strings"
	"time"

	"mautic-rotation/rotation/rollout"
)

// An action is what a reconcile does next about one version of the journal.
type action string

const (
	// doNothing: something is not over yet. A later reconcile looks again.
	doNothing action = "wait"
	// doAlarm: it is not over, and will not be by itself.
	doAlarm action = "alarm"
	// doForget: nothing is live; the entry goes.
	doForget action = "forget"
	// doRedeploy: the redeploy has not begun, or it is not known to have.
	doRedeploy action = "redeploy"
	// doClose: take the version's values out of service reversibly, watch,
	// and retire them.
	doClose action = "close"
	// doRetire: remove the version's values, which nothing uses.
	doRetire action = "retire"
	// doHold: leave the values accepted, for something still uses them.
	doHold action = "hold"
	// doRollBack: make the version current again.
	doRollBack action = "roll back"
	// doAdopt: somebody has made the version current again by hand. Go on as
	// after a rollback.
	doAdopt action = "adopt"
	// doRevoke: take the version's values away at once, with what was issued
	// under them.
	doRevoke action = "revoke"
	// doEndEmergency: everything runs with the new values.
	doEndEmergency action = "end the emergency"
	// doTidy: take superseded labels off.
	doTidy action = "tidy up"
	// doFinishRollBack: go on with a rollback that was cut off.
	doFinishRollBack action = "finish the rollback"
)

// Limits bound how long things may take.
type Limits struct {
	// Rollout is how long the services may take to replace their tasks and
	// to become healthy, after which the rotation is rolled back.
	Rollout time.Duration
	// Observe is how long an old value's use is looked for after the rollout has
	// converged, before the value is quarantined. 0 is for tests.
	Observe time.Duration

	// Watch is for how long the use of an old value is looked for, once
	// before it is taken out of service and once after.
	Watch time.Duration
	// OverlapWithoutServices is how long an old value is accepted when there
	// are no services whose tasks would tell when it can go.
	OverlapWithoutServices time.Duration
}

// DefaultLimits are for services of the usual size.
var DefaultLimits = Limits{Rollout: 30 * time.Minute, Observe: time.Hour, Watch: 15 * time.Second, OverlapWithoutServices: 24 * time.Hour}

// howToRelease is what an operator does about an overlap that is held.
const howToRelease = `invoke this function with {"Action": "release", "SecretId": "…"}`

// rotationLimit is how long a rotation may be under way before it counts as
// stuck: four invocations of at most 15 minutes.
const rotationLimit = time.Hour

// A situation is what was observed about one version of the journal.
type situation struct {
	now      time.Time
	current  bool // the version is AWSCURRENT
	pending  bool // it is AWSPENDING
	rotating bool // another version is AWSPENDING, and its values are being set
	promoted bool // the version that was promoted over it is AWSCURRENT

	// promoting: the version that is to be promoted over it is still
	// AWSPENDING. finishSecret writes the entry first and moves AWSCURRENT
	// then, and a reconcile may come between the two.
	promoting bool

	restart  bool          // what uses its values reads them only when it starts
	kept     bool          // each of its live kinds is to be kept for longer
	undone   bool          // the version that was promoted over it is marked as rolled back
	untidy   bool          // it has more labels than the one of its entry
	services bool          // that are services to be redeployed
	rollout  rollout.State // of the redeploy that the entry notes
	sick     string        // what is wrong with the application; "" when it is healthy or not looked at
}

// decide is the plan: what to do about a version, and why.
func decide(e entry, s situation, limits Limits) (action, string) {
	act, why := next(e, s, limits)
	if s.untidy && (act == doNothing || act == doAlarm) {
		return doTidy, "a label from before was left on it"
	}
	return act, why
}

func next(e entry, s situation, limits Limits) (action, string) {
	switch {
	case e.phase == phaseFailed && s.current:
		return doForget, "it was made AWSCURRENT again, by hand"
	case e.phase == phaseFailed:
		return doNothing, "it was rolled back, and the schedule does not try again: rotate by hand, or " + howToRelease
	case s.current && e.phase == phaseRolledBack:
		return doFinishRollBack, "the rollback was cut off"
	case s.current && s.undone:
		return doForget, "what was promoted over it has been rolled back"
	case s.current && e.phase != phaseSet && !e.since.IsZero():
		// The promotion is behind it, though AWSPENDING may have stayed on the
		// version that was promoted.
		return doAdopt, "it was made AWSCURRENT again, by hand"
	case s.current && s.promoting:
		return doNothing, "another version is about to be promoted over it"
	case s.current:
		return doForget, "it is AWSCURRENT"
	case e.emergency:
		return inEmergency(e, s, limits)
	case len(e.live) == 0:
		return doForget, "nothing of it is live"
	case s.pending && s.now.Sub(e.since) > rotationLimit:
		return doAlarm, fmt.Sprintf("its rotation began at %s and has not come to an end: run `rotate-secret` to have it tried again", e.since.Format(time.RFC3339))
	case s.pending:
		return doNothing, "its rotation is under way"
	case s.rotating:
		return doNothing, "another rotation is under way"
	}
	switch e.phase {
	case phaseSet:
		return doRetire, "its rotation was given up"
	case phaseHeld:
		return doAlarm, "held, since something still uses its value: find what, set it right, then " + howToRelease
	case phaseQuarantined:
		return doClose, "it was being taken out of service"
	}
	if e.since.IsZero() {
		return doRedeploy, "no redeploy is known to have begun"
	}
	if done, why := settled(e, s, limits); !done {
		return unsettled(e, s, limits, why)
	}
	if e.phase == phaseRolledBack {
		return doRetire, "no task that was started with it is left"
	}
	if s.kept {
		return doNothing, "old values are kept for a while, since callers of their own may use them"
	}
	return doClose, "every task was started after the promotion"
}

// inEmergency is decide for a version whose values may have leaked.
func inEmergency(e entry, s situation, limits Limits) (action, string) {
	switch {
	case !e.revoked:
		return doRevoke, "its values may have leaked"
	case e.since.IsZero():
		return doRedeploy, "no redeploy is known to have begun"
	}
	done, why := settled(e, s, limits)
	switch {
	case done, !s.restart:
		return doEndEmergency, "every task was started after the promotion"
	case overdue(e, s, limits), len(s.rollout.Failed) > 0 && !s.rollout.Fresh:
		return doAlarm, "an emergency is not rolled back: " + why
	default:
		return doNothing, why
	}
}

// settled tells whether nothing that was started before the redeploy is left,
// and the application is healthy.
func settled(e entry, s situation, limits Limits) (done bool, why string) {
	fresh := s.rollout.Fresh && s.rollout.Steady
	switch {
	case s.restart && !s.services && s.now.Sub(e.since) < limits.OverlapWithoutServices:
		return false, "there are no services to look at, and its time is not over"
	case !fresh && len(s.rollout.Failed) > 0:
		return false, "the rollout failed: " + strings.Join(s.rollout.Failed, "; ")
	case s.services && !s.rollout.Fresh:
		return false, "tasks from before the promotion are left: " + strings.Join(s.rollout.Stale, "; ")
	case s.services && !s.rollout.Steady:
		return false, "the services do not run all their tasks yet"
	case s.sick != "":
		return false, "the application is not healthy: " + s.sick
	}
	return true, ""
}

// unsettled decides whether to go on waiting. A rollback is for the version
// that was promoted, and for no other that came after it.
func unsettled(e entry, s situation, limits Limits, why string) (action, string) {
	late := overdue(e, s, limits)
	failed := len(s.rollout.Failed) > 0 && !s.rollout.Fresh || late && (!s.rollout.Steady || s.sick != "")
	switch {
	case !failed && late:
		return doAlarm, "the new tasks work, but the old ones do not go: " + why
	case !failed:
		return doNothing, why
	case e.phase == phaseOld && s.promoted && len(e.gone) == 0:
		return doRollBack, why
	case e.phase == phaseOld:
		return doHold, why
	default:
		return doAlarm, why
	}
}

// overdue tells that the services have taken longer than they may. What their own
// settings take comes on top.
func overdue(e entry, s situation, limits Limits) bool {
	return s.services && s.now.Sub(e.since) > limits.Rollout+s.rollout.Bake
}
