package plan

import (
	"fmt"
	"slices"
	"time"

	"mautic-rotation/rotation/ledger"
)

// A Do is what to do next.
type Do string

// Actions on the secret as a whole.
const (
	// GiveUp: the rotation in progress has not finished in time.
	GiveUp Do = "give the rotation up"
	// Fence: move AWSCURRENT to a copy of its own document, so that a promotion still in progress
	// for a rotation that was given up fails; and note that.
	Fence Do = "fence AWSCURRENT"
	// DropPending removes AWSPENDING from a version whose rotation has ended.
	DropPending Do = "remove AWSPENDING"
	// Look at the services and at the application.
	Look Do = "look at the services"
	// LookElsewhere: read what the function's other secrets store, and how far their
	// rollouts have come.
	LookElsewhere Do = "look at the other secrets"
	// Join: replace the labels that an interrupted write has left on a version by one.
	Join Do = "join a version's labels"
	// FinishRollBack: continue a rollback that was interrupted.
	FinishRollBack Do = "finish the rollback"
	// BeginRollout: a value that tasks read at start has changed, and not by a promotion. Note
	// when it changed, and redeploy.
	BeginRollout Do = "begin a rollout"
	// Redeploy one service, which has had no deployment since the rollout began.
	Redeploy Do = "redeploy"
	// NoteUnhealthy and NoteHealthy record when the application was first found unhealthy.
	NoteUnhealthy Do = "note that the application is unhealthy"
	NoteHealthy   Do = "note that the application is healthy again"
	// Converge: note that every task has the wanted values.
	Converge Do = "note that the rollout has converged"
	// RollBack: make the old values of the kinds in Kinds current again.
	RollBack Do = "roll back"
)

// Actions on a value of a kind.
const (
	// Ask the target whether it accepts the value.
	Ask Do = "ask the target"
	// AskRoute: check whether a target that accepts one value can be given another.
	AskRoute Do = "ask whether the target can be written to"
	// Prove: note that the target accepts the wanted value.
	Prove Do = "note that the value is accepted"
	// SetAgain: make the target accept the wanted value, which it accepted before.
	SetAgain Do = "set the value again"
	// Restore: make the target accept a quarantined value again.
	Restore Do = "restore the value"
	// NoteToSet: note the wanted value, which no label of its own tells of, before its target is
	// made to accept it.
	NoteToSet Do = "note the value before it is set"
	// PutBack: give a target that accepts one value the wanted one.
	PutBack Do = "put the wanted value back"
	// Carry: note the value on AWSCURRENT, which now stores it too.
	Carry Do = "note the value on AWSCURRENT"
	// NoteOld: note that the value is no longer wanted, and since when.
	NoteOld Do = "note that the value is old"
	// NoteLeaked: note that the value may have leaked.
	NoteLeaked Do = "note that the value may have leaked"
	// LookForUse: look for use of the value before its quarantine.
	LookForUse Do = "look for its use"
	// Quarantine, Watch and Retire take an old value out of service.
	Quarantine Do = "quarantine the value"
	Watch      Do = "watch for attempts to use it"
	Retire     Do = "retire the value"
	// Hold: keep the value accepted until an operator acts.
	Hold Do = "hold the value"
	// Revoke: retire the value at once, with whatever was issued under it.
	Revoke Do = "revoke the value"
	// Tidy: another version has the entry that counts for the value, so remove this one.
	Tidy Do = "remove an entry that another one replaces"
	// Forget: nothing is left to do for the value.
	Forget Do = "forget the value"
)

// Actions on either.
const (
	Wait  Do = "wait"
	Alarm Do = "alarm" // and wait: an operator is needed
)

// An Action is one thing to do, and why.
type Action struct {
	Do      Do
	Kind    string         // "" where it concerns the secret
	Kinds   []string       // of RollBack
	Version string         // that stores the value
	Service string         // of Redeploy
	Rollout ledger.Rollout // of BeginRollout: what it follows, without a time
	State   ledger.State   // of NoteToSet: what is noted
	Why     string

	// Remedy is what an operator does about it. Every Alarm has one, and no other action does.
	Remedy string

	// Until is when a Wait ends at a known time. Zero: it ends with some other event.
	Until time.Time
}

// Idle reports whether the action neither changes nor finds out anything.
func (a Action) Idle() bool { return a.Do == Wait || a.Do == Alarm }

// Decide returns what to do next for the secret and for each of its kinds. It returns only the
// first step for each kind, and for the secret: the step after it is decided on a new
// observation. The result is empty if the ledger has nothing open.
func Decide(o Observation) (actions []Action) {
	if o.Edited {
		return []Action{{Do: GiveUp, Why: "the secret was edited after this rotation began, and promoting its version would undo the edit"}}
	}
	if stuck(o) {
		return []Action{{Do: GiveUp, Why: fmt.Sprintf("the rotation began at %s and has not finished within %s", o.RotatingSince.Format(time.RFC3339), o.Limits.Rotation)}}
	}
	if o.Left != "" {
		return []Action{{Do: DropPending, Version: o.Left, Why: "it was promoted, and AWSCURRENT was moved away from it: AWSPENDING would block every later rotation"}}
	}
	// A fence takes the rollout's label along, so a rollout that no label records yet begins
	// first.
	if version := givenUp(o); version != "" && !o.Rotating && unsettled(o) == "" && unexplained(o) == "" {
		return []Action{{Do: Fence, Version: version, Why: "its rotation was given up, and its promotion may be in progress"}}
	}
	if promotedNow(o) {
		return []Action{{Do: Wait, Why: "the invocation that promoted AWSCURRENT, or rolled it back, begins the rollout"}}
	}
	if unnoted := noteReplaced(o); len(unnoted) > 0 {
		return unnoted // before AWSCURRENT's values count as proven: after that nothing would look for these
	}
	settled := map[string]bool{} // kinds whose wanted value is known to be accepted
	for _, k := range o.Kinds {
		a, done := wanted(k, o)
		settled[k.Name] = done
		actions = append(actions, a...)
	}
	rollout := decideRollout(o)
	actions = append(actions, rollout...)
	if slices.ContainsFunc(rollout, func(a Action) bool { return a.Do == RollBack || a.Do == FinishRollBack || a.Do == BeginRollout }) {
		return actions // the rollout is about to change which values are wanted, or may be retired
	}
	for _, k := range o.Kinds {
		if settled[k.Name] {
			actions = append(actions, tidy(k.Name, k.Wanted)...)
		}
		for _, old := range k.Old {
			actions = append(actions, decideOld(k, old, settled[k.Name], o))
			actions = append(actions, tidy(k.Name, old)...)
		}
	}
	return append(actions, join(actions, o)...)
}

// join makes one label of those that an interrupted write has left on a version. Every other write
// on the version does so too, so this is for a version of which nothing else is to be written,
// perhaps for good: an operator who removes its label must not uncover an older one. It is left to
// a tick, because an invocation may be about to remove the other label itself.
func join(decided []Action, o Observation) (actions []Action) {
	if !o.Tick || slices.ContainsFunc(decided, func(a Action) bool { return !a.Idle() }) {
		return nil
	}
	for _, version := range o.Torn {
		actions = append(actions, Action{Do: Join, Version: version, Why: "the write of one of them was interrupted"})
	}
	return actions
}

// tidy removes entries for a value that a crash or an edit has left on versions other than the
// one whose entry counts.
func tidy(kind string, v Value) (actions []Action) {
	for _, version := range v.Also {
		actions = append(actions, Action{Do: Tidy, Kind: kind, Version: version, Why: "version " + v.Version + " stores the same value and has the entry that counts"})
	}
	return actions
}

// stuck reports whether a rotation has been in progress for longer than allowed.
func stuck(o Observation) bool {
	return !o.RotatingSince.IsZero() && o.Now.Sub(o.RotatingSince) > o.Limits.Rotation
}

// givenUp returns a version whose rotation was given up, or was promoted and then left before
// that was noted. An invocation that began earlier may still promote it.
func givenUp(o Observation) (version string) {
	for _, k := range o.Kinds {
		for _, old := range k.Old {
			if old.Entry.State == ledger.Pending && !old.Pending {
				return old.Version
			}
		}
	}
	return ""
}

// noteReplaced labels the values that AWSCURRENT's have replaced if no label records them. A
// value that its target refuses is not live, except where a target accepts one value: there the
// old value was accepted until the rotation.
func noteReplaced(o Observation) (actions []Action) {
	for _, k := range o.Kinds {
		a := Action{Kind: k.Name, Version: k.Unnoted.Version}
		switch {
		case a.Version == "":
			continue
		case o.Emergency:
			a.Do, a.Why = NoteLeaked, "an emergency has replaced it, and no label records it"
		case !k.Single() && k.Unnoted.Probe == Denied:
			continue
		case !k.Single() && k.Unnoted.Probe == NotAsked:
			a.Do, a.Why = Ask, "AWSCURRENT was moved away from it by hand, and no label records it"
		default:
			a.Do, a.Why = NoteOld, "AWSCURRENT was moved away from it by hand, and no label records it"
		}
		actions = append(actions, a)
	}
	return actions
}

// promotedNow reports whether AWSCURRENT was promoted or rolled back, and that event woke this
// reconcile. If the step does not get to beginning the rollout, it is retried, and a scheduled
// tick takes over in the end.
func promotedNow(o Observation) bool {
	if !o.Tick && !o.Moved && rolledBack(o) {
		return true
	}
	return !o.Tick && !o.Finishing && slices.ContainsFunc(o.Kinds, func(k Kind) bool {
		return k.Restarts && k.Wanted.Current && k.Wanted.Entry.State == ledger.Pending
	})
}
