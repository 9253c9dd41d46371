package plan

import (
	"fmt"
	"slices"
	"time"

	"mautic-rotation/rotation/ledger"
)

// What is decided about values that are not wanted.

// decideOld decides about a value that is not wanted. What another secret's tasks
// start with stays.
func decideOld(k Kind, old Value, settled bool, o Observation) Action {
	a := decideAlone(k, old, settled, o)
	switch {
	case a.Do != Quarantine && a.Do != Retire && a.Do != LookForUse:
		return a
	case o.Others.Unseen:
		return Action{Do: LookElsewhere, Why: "nothing is taken away that another secret's AWSCURRENT stores"}
	case o.Others.Unread != "":
		a.Do, a.Why = Alarm, "nothing is taken away, since another secret's AWSCURRENT may store it: "+o.Others.Unread
		a.Remedy = remedyUnread
	case old.Elsewhere != "":
		a.Do, a.Why = Alarm, "the AWSCURRENT of "+old.Elsewhere+" stores it, so it is not taken away: store the new value there too, or take it out there, or release"
		a.Remedy = remedyElsewhere
	default:
		return a
	}
	if old.Entry.State == ledger.Quarantined {
		a.Do, a.Remedy = Restore, ""
	}
	return a
}

// KeptFor tells whether an operator is needed for an old value, and another secret's AWSCURRENT stores it: nothing
// but a release, or a change of that secret, ends it. Otherwise the value waits for something that comes by
// itself.
func (o Observation) KeptFor(k Kind, old Value) bool {
	o.Tick, o.Looked = true, true
	if k.Wanted.Entry.State == ledger.Proven && k.Wanted.Probe == NotAsked {
		k.Wanted.Probe = Accepted // as its target said
	}
	_, settled := wanted(k, o)
	return old.Elsewhere != "" && decideOld(k, old, settled, o).Do == Alarm
}

// decideAlone is decideOld for the only secret that stores the value.
func decideAlone(k Kind, old Value, settled bool, o Observation) Action {
	do := func(d Do, format string, args ...any) Action {
		return Action{Do: d, Kind: k.Name, Version: old.Version, Why: fmt.Sprintf(format, args...)}
	}
	switch old.Entry.State {
	case ledger.Foreign:
		return do(Wait, "an operator has released it: it is never touched")
	case ledger.Failed:
		return do(Wait, "its promotion was rolled back: the schedule rotates again when a rotation by hand has converged, or after a release")
	case ledger.Quarantined:
		return quarantined(k, old, settled, o, do)
	}
	switch {
	case old.Pending:
		return do(Wait, "its rotation is under way")
	case old.Entry.State == ledger.Pending && old.Left:
		return do(NoteOld, "it was promoted, and AWSCURRENT was moved away from it")
	case old.Entry.State == ledger.Pending:
		return do(Wait, "its rotation was given up, and another one is under way")
	case k.Lost != "" || !settled:
		return do(Wait, "nothing is taken away before AWSCURRENT's value is proven")
	case old.Entry.State == ledger.Revoking && isLeakedToo(k) && slices.ContainsFunc(k.Old, unmarked):
		return do(Wait, "older values have leaked no less, and are marked first")
	case old.Entry.State == ledger.Revoking:
		return do(Revoke, "it may have leaked")
	case isLeakedToo(k) && unmarked(old):
		return do(NoteLeaked, "an emergency has replaced a later value")
	case slices.Contains(o.RotatingKinds, k.Name):
		return do(Wait, "another rotation of the kind is under way")
	case old.Entry.State == ledger.GivenUp && k.Single():
		return do(PutBack, "its rotation was given up")
	case old.Entry.State == ledger.GivenUp:
		return do(Retire, "its rotation was given up, and nothing uses it")
	case old.Entry.State == ledger.RolledBack && k.Single():
		return do(PutBack, "its promotion was rolled back")
	case old.Entry.State == ledger.Proven:
		return do(NoteOld, "it is not wanted any more")
	case old.Entry.State == ledger.Held:
		return remedied(remedyHeld, do(Alarm, "held, since something still uses it: find what, correct it, then release"))[0]
	case o.Rollout.Open() && (k.Restarts || !k.Overlaps || old.Entry.State == ledger.RolledBack):
		return do(Wait, "it may be needed until the rollout has converged")
	case old.Entry.State == ledger.RolledBack:
		return do(Retire, "its promotion was rolled back, and no task uses it")
	case !k.Overlaps && old.Shared:
		return do(Wait, "it is remembered for as long as its version is, to be set again should it be wanted again")
	case !k.Overlaps && k.Wanted.Probe == NotAsked:
		return Action{Do: Ask, Kind: k.Name, Version: k.Wanted.Version, Why: "nothing is forgotten before AWSCURRENT's value is known to be the one that is accepted"}
	case !k.Overlaps:
		return do(Forget, "its target has accepted the wanted value alone since the promotion")
	}
	return observed(k, old, o, do)
}

// leaked tells that an emergency has replaced a value of the kind: older ones have
// leaked no less.
func leaked(k Kind) bool {
	return slices.ContainsFunc(k.Old, func(v Value) bool { return v.Entry.State == ledger.Revoking })
}

// isLeakedToo tells that what is old, and not marked, has leaked as well. Where AWSCURRENT's own value
// may have leaked, somebody has moved AWSCURRENT back to it, or given the emergency up: then an old
// value may be the emergency's, which tasks use.
func isLeakedToo(k Kind) bool { return leaked(k) && k.Wanted.Entry.State != ledger.Revoking }

// unmarked tells of a value that an emergency of its kind is to mark.
func unmarked(v Value) bool {
	s := v.Entry.State
	return s.Live() && s != ledger.Revoking && s != ledger.Foreign && !v.Pending
}

// observed decides about an old value that no task needs any more.
func observed(k Kind, old Value, o Observation, do func(Do, string, ...any) Action) Action {
	from := old.Entry.At
	if from.IsZero() {
		from = o.Rollout.Since // a label of the first edition does not tell when it was promoted
	}
	if k.Restarts && o.Rollout.Converged.After(from) {
		from = o.Rollout.Converged // before, old tasks used it
	}
	if from.After(o.Now) {
		from = o.Now // a rollout begins with the second after the one that AWS told
	}
	released := old.Entry.State == ledger.Released
	over := from.Add(max(k.MinOverlap, o.Limits.Observe))
	switch left := over.Sub(o.Now); {
	case left > 0 && !released:
		return until(over, do(Wait, "its use is looked for, for %s more", left.Round(time.Second)))[0]
	case !o.Tick:
		return do(Wait, "its quarantine begins with the next tick of the schedule")
	case !o.Looked:
		return Action{Do: Look, Why: "nothing is taken away while the application is unhealthy or being deployed"}
	case postponed(o) != "" && released && old.Mine:
		return do(Restore, "%s", postponed(o))
	case postponed(o) != "":
		return do(Wait, "%s", postponed(o))
	case k.Wanted.Probe == NotAsked:
		return Action{Do: Ask, Kind: k.Name, Version: k.Wanted.Version, Why: "nothing is taken away before AWSCURRENT's value is proven"}
	case released && !old.Mine:
		return do(Quarantine, "an operator has released it")
	case released && !old.Use.Asked:
		return do(Watch, "an operator has released it, and only ill health counts")
	case released:
		return do(Retire, "an operator has released it")
	case !old.Use.Asked:
		return do(LookForUse, "the time for observing it is over")
	case old.Use.Seen != "":
		return do(Hold, "something still uses it: %s", old.Use.Seen)
	}
	return do(Quarantine, "nothing was seen to use it")
}

// quarantined decides about a value that its target refuses now.
func quarantined(k Kind, old Value, settled bool, o Observation, do func(Do, string, ...any) Action) Action {
	long := o.Limits.Watch
	if !old.Use.Told {
		long = max(long, o.Limits.Observe)
	}
	left := long - max(o.Now.Sub(old.Entry.At), old.Use.Covered)
	switch {
	case !settled && k.useless():
		for _, a := range unasked(k) {
			if a.Version != old.Version {
				return a // it may be restored beside that one
			}
		}
		return do(Restore, "AWSCURRENT's value is refused, or cannot be compared")
	case !settled:
		return do(Wait, "nothing more is done before AWSCURRENT's value is proven")
	case isLeakedToo(k):
		return do(NoteLeaked, "an emergency has replaced a later value")
	case k.Restarts && o.Rollout.Open():
		return do(Restore, "a rollout has begun, and its tasks may use it")
	case old.Entry.At.IsZero():
		return do(Quarantine, "its quarantine was interrupted")
	case !old.Mine && o.Now.Sub(old.Entry.At) < 2*o.Limits.Watch:
		return until(old.Entry.At.Add(2*o.Limits.Watch), do(Wait, "whoever has quarantined it watches it"))[0]
	case !old.Use.Asked:
		return do(Watch, "its quarantine has begun")
	case !o.Looked:
		return Action{Do: Look, Why: "what a quarantine does shows at the application, too"}
	case old.Use.Seen != "":
		return do(Hold, "something still uses it: %s", old.Use.Seen)
	case o.Health == Unhealthy:
		return do(Hold, "something still uses it: the application became unhealthy when it was refused")
	case postponed(o) != "":
		return do(Restore, "%s", postponed(o))
	case left > 0:
		return until(o.Now.Add(left), do(Wait, "it is watched for %s more", left.Round(time.Second)))[0]
	}
	return do(Retire, "nothing has missed it")
}

// postponed is why no value is kept in quarantine now: what goes on could not be
// told from what the quarantine does.
func postponed(o Observation) string {
	if o.Health == Unhealthy {
		return "the application is unhealthy"
	}
	for _, s := range o.Rollout.Services {
		if s.Deploying {
			return "service " + s.Name + " is being deployed"
		}
	}
	return ""
}
