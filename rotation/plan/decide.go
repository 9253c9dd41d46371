package plan

import (
	"fmt"
	"slices"
	"time"

	"mautic-rotation/rotation/ledger"
)

// A Do is what to do next.
type Do string

// What concerns the secret as a whole.
const (
	// GiveUp: the rotation that is under way has not finished in time.
	GiveUp Do = "give the rotation up"
	// Fence: move AWSCURRENT to a copy of its own document, so that a promotion of
	// a rotation that was given up fails should it be in progress, and note that.
	Fence Do = "fence AWSCURRENT"
	// DropPending takes AWSPENDING off a version whose rotation has ended.
	DropPending Do = "take AWSPENDING off"
	// Look at the services and at the application.
	Look Do = "look at the services"
	// LookElsewhere: read what the function's other secrets store, and how far their
	// rollouts have come.
	LookElsewhere Do = "look at the other secrets"
	// FinishRollBack: go on with a rollback that was interrupted.
	FinishRollBack Do = "finish the rollback"
	// BeginRollout: a value that tasks read at start has changed, and not by a
	// promotion. Note since when, and redeploy.
	BeginRollout Do = "begin a rollout"
	// Redeploy one service, which has had no deployment since the rollout began.
	Redeploy Do = "redeploy"
	// NoteUnhealthy and NoteHealthy keep when the application was first found
	// unhealthy.
	NoteUnhealthy Do = "note that the application is unhealthy"
	NoteHealthy   Do = "note that the application is healthy again"
	// Converge: note that every task has the wanted values.
	Converge Do = "note that the rollout has converged"
	// RollBack: make the old values of the kinds in Kinds current again.
	RollBack Do = "roll back"
)

// What concerns a value of a kind.
const (
	// Ask the target whether it accepts the value.
	Ask Do = "ask the target"
	// AskRoute: find out whether a target that accepts one value can be given another.
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
	// Carry: note the value on AWSCURRENT, which stores it now too.
	Carry Do = "note the value on AWSCURRENT"
	// NoteOld: note that the value is not wanted any more, and since when.
	NoteOld Do = "note that the value is old"
	// NoteLeaked: note that the value may have leaked.
	NoteLeaked Do = "note that the value may have leaked"
	// LookForUse of the value before its quarantine.
	LookForUse Do = "look for its use"
	// Quarantine, Watch and Retire take an old value out of service.
	Quarantine Do = "quarantine the value"
	Watch      Do = "watch whether anything misses it"
	Retire     Do = "retire the value"
	// Hold: keep the value accepted until an operator acts.
	Hold Do = "hold the value"
	// Revoke: take the value away at once, with whatever was issued under it.
	Revoke Do = "revoke the value"
	// Tidy: another version has the entry that counts for the value.
	Tidy Do = "remove an entry that another one replaces"
	// Forget: nothing is left to do about the value.
	Forget Do = "forget the value"
)

// What concerns either.
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

	// Remedy is what a person does about it: every Alarm has one, and nothing else has.
	Remedy string

	// Until is when a Wait ends by the clock. Zero: it ends by something else.
	Until time.Time
}

// Idle tells that an action changes nothing and finds nothing out.
func (a Action) Idle() bool { return a.Do == Wait || a.Do == Alarm }

// Decide tells what to do next about the secret and about each of its kinds. Of
// one kind, and of the secret, the first thing that has to be done comes alone:
// what follows it is decided on a new observation. It is empty where the ledger
// has nothing open.
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
	// A fence takes the rollout's label along. One that no label tells of yet comes first.
	if version := givenUp(o); version != "" && !o.Rotating && unsettled(o) == "" && unexplained(o) == "" {
		return []Action{{Do: Fence, Version: version, Why: "its rotation was given up, and its promotion may be in progress"}}
	}
	if promotedNow(o) {
		return []Action{{Do: Wait, Why: "whoever has promoted AWSCURRENT, or rolled it back, begins the rollout"}}
	}
	if unnoted := noteReplaced(o); len(unnoted) > 0 {
		return unnoted // before AWSCURRENT's values count as proven: from then on nobody would look for these
	}
	settled := map[string]bool{} // kinds whose wanted value is accepted, and known to be
	for _, k := range o.Kinds {
		a, done := wanted(k, o)
		settled[k.Name] = done
		actions = append(actions, a...)
	}
	rollout := decideRollout(o)
	actions = append(actions, rollout...)
	if slices.ContainsFunc(rollout, func(a Action) bool { return a.Do == RollBack || a.Do == FinishRollBack || a.Do == BeginRollout }) {
		return actions // which values are wanted, or may go, is about to change
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
	return actions
}

// tidy removes the entries that a crash, or an edit, has left of a value on other
// versions than that whose entry counts.
func tidy(kind string, v Value) (actions []Action) {
	for _, version := range v.Also {
		actions = append(actions, Action{Do: Tidy, Kind: kind, Version: version, Why: "version " + v.Version + " stores the same value, and has the entry that counts"})
	}
	return actions
}

// stuck tells that a rotation has been under way for longer than it may.
func stuck(o Observation) bool {
	return !o.RotatingSince.IsZero() && o.Now.Sub(o.RotatingSince) > o.Limits.Rotation
}

// givenUp is a version whose rotation was given up, or was promoted and left before
// that was noted. It may still be promoted by an invocation that began before.
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

// noteReplaced has values labelled that AWSCURRENT's have replaced, and that no label tells
// of. What its target refuses is not live; only where a target accepts one value
// is that of no account, for it was the old one until the rotation.
func noteReplaced(o Observation) (actions []Action) {
	for _, k := range o.Kinds {
		a := Action{Kind: k.Name, Version: k.Unnoted.Version}
		switch {
		case a.Version == "":
			continue
		case o.Emergency:
			a.Do, a.Why = NoteLeaked, "an emergency has replaced it, and no label tells of it"
		case !k.Single() && k.Unnoted.Probe == Denied:
			continue
		case !k.Single() && k.Unnoted.Probe == NotAsked:
			a.Do, a.Why = Ask, "AWSCURRENT was moved away from it by hand, and no label tells of it"
		default:
			a.Do, a.Why = NoteOld, "AWSCURRENT was moved away from it by hand, and no label tells of it"
		}
		actions = append(actions, a)
	}
	return actions
}

// promotedNow tells that AWSCURRENT was promoted or rolled back, and that this was
// woken by that. Should the step not come so far, it is tried again, and a tick
// of the schedule sees to it.
func promotedNow(o Observation) bool {
	if !o.Tick && !o.Moved && rolledBack(o) {
		return true
	}
	return !o.Tick && !o.Finishing && slices.ContainsFunc(o.Kinds, func(k Kind) bool {
		return k.Restarts && k.Wanted.Current && k.Wanted.Entry.State == ledger.Pending
	})
}
