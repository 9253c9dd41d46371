package plan

import (
	"fmt"
	"slices"
	"time"

	"mautic-rotation/rotation/ledger"
)

// Decisions about AWSCURRENT's values.

// wanted decides about AWSCURRENT's value of a kind. settled says that nothing has to be done
// before old values may be retired.
func wanted(k Kind, o Observation) (actions []Action, settled bool) {
	w := k.Wanted
	do := func(d Do, format string, args ...any) []Action {
		return []Action{{Do: d, Kind: k.Name, Version: w.Version, Why: fmt.Sprintf(format, args...)}}
	}
	switch {
	case k.Lost != "":
		return remedied(remedyLost, do(Alarm, "%s, so nothing is retired: put it back, or release", k.Lost)...), false
	case w.Entry.State == ledger.Revoking && slices.Contains(o.RotatingKinds, k.Name):
		return do(Wait, "an emergency is replacing it"), false
	case w.Entry.State == ledger.Revoking:
		return mayHaveLeaked(k, do)
	case w.Entry.State == ledger.Quarantined:
		return do(Restore, "it is wanted again"), false
	case marked(k, o):
		return nil, false // the rollout's decision is to go on with the rollback
	case w.Probe == Denied && k.Single() && slices.Contains(o.RotatingKinds, k.Name):
		return do(Wait, "a rotation has given its target the pending value in place of this one"), false
	case w.Probe == Denied && len(toPutBack(k)) > 0 && (!w.Entry.State.Live() || w.Entry.Count == 0): // as in denied
		return noted(ledger.GivenUp, do(NoteToSet, "its target is given it next, and no label records it: if AWSCURRENT moves away, nobody would know what the target accepts")), false // not proven: someone may have mistyped it
	case w.Probe == Denied && len(toPutBack(k)) > 0:
		return toPutBack(k)[:1], false
	case w.Probe == Denied && proven(k):
		return denied(k, o), false
	case w.Probe == Denied && len(unasked(k)) > 0:
		return unasked(k), false
	case w.Probe == Denied:
		return remedied(remedyRefused(k), do(Alarm, "the target refuses AWSCURRENT's value, which it never accepted: %s", whereLive(k))...), false
	case w.Probe == NotAsked && (w.Entry.State != ledger.Proven || o.Rollout.Open() || o.Tick && (ProofIsOver(w.Entry, o.Now) || k.Restarts && hasOther(k))):
		return do(Ask, "the function needs to know whether AWSCURRENT's value is accepted"), false
	case w.Probe == NoAnswer:
		return do(Wait, "the target does not answer, which proves nothing about the value"), false
	case w.Entry.State == ledger.Proven && !w.Current && unsettled(o) != "":
		return do(Wait, "the rollout begins first"), true
	case w.Entry.State == ledger.Proven && !w.Current:
		return do(Carry, "AWSCURRENT stores it too"), true
	case w.Entry.State == ledger.Proven && w.Probe == Accepted && ProofIsOver(w.Entry, o.Now):
		return do(Prove, "its target still accepts it"), true
	case w.Entry.State == ledger.Proven:
		return nil, true
	default:
		return do(Prove, "its target accepts it"), false
	}
}

// noted gives actions the state that they note.
func noted(s ledger.State, actions []Action) []Action {
	for i := range actions {
		actions[i].State = s
	}
	return actions
}

// mayHaveLeaked decides about a wanted value that an emergency was to replace. It is never set
// again.
func mayHaveLeaked(k Kind, do func(Do, string, ...any) []Action) (actions []Action, settled bool) {
	switch {
	case k.Wanted.Probe == NotAsked:
		return do(Ask, "AWSCURRENT's value may have leaked, and the function needs to know whether its target accepts it"), false
	case k.Wanted.Probe == Denied && len(unasked(k)) > 0:
		return unasked(k), false
	case k.Wanted.Probe == Denied:
		return remedied(remedyRefused(k), do(Alarm, "AWSCURRENT's value may have leaked, and its target refuses it: %s", whereLive(k))...), false
	case k.Wanted.Probe == NoAnswer:
		return remedied(remedyNoAnswer, do(Alarm, "not rotated: the value may have leaked, and its target does not answer: start the emergency rotation again, or release")...), false
	}
	return remedied(remedyLeaked, do(Alarm, "not rotated: the value may have leaked, and its target accepts it: start the emergency rotation again, or release")...), true
}

// marked reports whether the wanted value is marked as rolled back, but AWSCURRENT was not moved
// away from it yet. If an edit came between, the mark is on the version before.
func marked(k Kind, o Observation) bool {
	e := k.Wanted.Entry
	return e.State == ledger.RolledBack && !isEarlier(e, o.Rollout.Rollout) && o.Rollout.Promoted && o.Rollout.Open()
}

// isEarlier reports whether an entry is from a promotion before the one that a rollout follows: an
// emergency takes over what is still to be done about it.
func isEarlier(e ledger.Entry, of ledger.Rollout) bool {
	return !e.At.IsZero() && e.At.Before(begun(of))
}

// hasOther reports whether the target may accept a value other than the wanted one.
func hasOther(k Kind) bool {
	return slices.ContainsFunc(k.Old, Value.MayBeAccepted)
}

// MayBeAccepted reports whether the target may accept the value, and the engine may use it. The
// engine may not use one that an operator has released as foreign, whose target may be a
// different one.
func (v Value) MayBeAccepted() bool { return v.Entry.State.Live() && v.Entry.State != ledger.Foreign }

// proofHolds is how long a proof that a target accepts a value lasts: the target is asked once a
// day.
const proofHolds = 24 * time.Hour

// ProofIsOver reports whether a proven value must be probed again.
func ProofIsOver(e ledger.Entry, now time.Time) bool { return now.Sub(e.At) >= proofHolds }

// proven reports whether the target accepted the wanted value before.
func proven(k Kind) bool {
	switch k.Wanted.Entry.State {
	case ledger.Pending: // nothing is promoted before its target has accepted it
		return k.Wanted.Current
	case ledger.Proven, ledger.Old, ledger.Held, ledger.Released:
		return true
	}
	return false
}

// Single reports whether the target accepts only one value at a time.
func (k Kind) Single() bool { return !k.Overlaps || k.Swaps }

// toPutBack handles values of rotations that were rolled back or given up: a target that accepts
// one value may have one of them in place of the wanted one.
func toPutBack(k Kind) (actions []Action) {
	for _, old := range k.Old {
		if s := old.Entry.State; k.Single() && old.Probe != Denied && (s == ledger.RolledBack || s == ledger.GivenUp) {
			actions = append(actions, Action{Do: PutBack, Kind: k.Name, Version: old.Version, Why: "its rotation was rolled back or given up, and the target refuses AWSCURRENT's value"})
		}
	}
	return actions
}

// unasked asks the target about each old value that it may accept.
func unasked(k Kind) (actions []Action) {
	for _, old := range k.Old {
		if old.Probe == NotAsked && old.MayBeAccepted() {
			actions = append(actions, Action{Do: Ask, Kind: k.Name, Version: old.Version, Why: "AWSCURRENT's value cannot be used, so another one may be accepted"})
		}
	}
	return actions
}

// denied decides about a wanted value that its target accepted before and refuses now: after a
// failover, on a restored server, or after a manual change.
func denied(k Kind, o Observation) []Action {
	a := Action{Kind: k.Name, Version: k.Wanted.Version}
	switch {
	case k.Wanted.Entry.Count == 0: // a label of the first edition, on another version, is all that tells of it
		a.Do, a.State, a.Why = NoteToSet, k.Wanted.Entry.State, "it is set again next, and no label of its own tells of it: if AWSCURRENT moves away, nobody would know what the target accepts"
	case k.Wanted.SetFailed == "":
		a.Do, a.Why = SetAgain, "its target accepted it before, and refuses it now"
	case mayRollBack(o) == (obstacle{}) && unsettled(o) == "" && slices.ContainsFunc(k.Old, isAccepted):
		return nil // the rollout's decision is to roll back
	default:
		a.Do, a.Why = Alarm, fmt.Sprintf("the target refuses AWSCURRENT's value, and it could not be set again (%s): %s", k.Wanted.SetFailed, whereLive(k))
		a.Remedy = remedyRefused(k)
	}
	return []Action{a}
}

// MayReturn reports whether an old value can become wanted again: its target accepts it, or can
// be made to. That is so for a quarantined value, and for one that a single-valued target had.
func (k Kind) MayReturn(old Value) bool {
	switch old.Entry.State {
	case ledger.Old, ledger.Proven, ledger.Held, ledger.Released:
		return old.Probe != Denied || k.Single()
	case ledger.Quarantined:
		return true
	}
	return false
}

// righterThan reports which of two accepted values is the better one to go back to: the one that
// was wanted last or, otherwise, the newer one.
func (v Value) righterThan(other Value) bool {
	if proven := v.Entry.State == ledger.Proven; proven != (other.Entry.State == ledger.Proven) {
		return proven
	}
	return v.Entry.At.After(other.Entry.At)
}

func isAccepted(v Value) bool { return v.Probe == Accepted }

// whereLive is the remedy if AWSCURRENT's value is refused.
func whereLive(k Kind) string {
	newest, ok := k.Live()
	if !ok {
		return "no labelled version has a value that it accepts; set the value at the target, or store the right one"
	}
	return fmt.Sprintf("version %s has the value that it accepts", newest.Version)
}

// useless reports whether AWSCURRENT's value is refused, or cannot be compared.
func (k Kind) useless() bool { return k.Lost != "" || k.Wanted.Probe == Denied }

// Live returns the old value that the target is known to accept and that is the best one to go
// back to.
func (k Kind) Live() (newest Value, ok bool) {
	for _, old := range k.Old {
		if isAccepted(old) && (!ok || old.righterThan(newest)) {
			newest, ok = old, true
		}
	}
	return newest, ok
}
