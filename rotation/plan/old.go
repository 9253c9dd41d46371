package plan

import (
	"fmt"
	"slices"
	"time"

	"mautic-rotation/rotation/ledger"
)

// Decisions about values that are not wanted.

// decideOld decides about a value that is not wanted. It keeps a value that another secret's
// tasks start with. It also keeps the entry of a value that a target of one value may have: the
// engine never logs in with such a value, and only the target's answer about AWSCURRENT's shows that it has gone.
func decideOld(k Kind, old Value, settled bool, o Observation) Action {
	a := decideAlone(k, old, settled, o)
	switch {
	case !k.Overlaps && k.Wanted.Probe == NotAsked && (a.Do == Revoke || a.Do == Forget):
		return Action{Do: Ask, Kind: k.Name, Version: k.Wanted.Version, Why: "nothing is forgotten before AWSCURRENT's value is known to be accepted"}
	case a.Do != Quarantine && a.Do != Retire && a.Do != LookForUse:
		return a
	case o.Others.Unseen:
		return Action{Do: LookElsewhere, Why: "nothing is retired that another secret's AWSCURRENT stores"}
	case o.Others.Unread != "":
		a.Do, a.Why = Alarm, "nothing is retired, since another secret's AWSCURRENT may store it: "+o.Others.Unread
		a.Remedy = remedyUnread
	case old.Elsewhere != "":
		a.Do, a.Why = Alarm, "the AWSCURRENT of "+old.Elsewhere+" stores it, so it is not retired: store the new value there too, remove it there, or release"
		a.Remedy = remedyElsewhere
	default:
		return a
	}
	if old.Entry.State == ledger.Quarantined {
		a.Do, a.Remedy = Restore, ""
	}
	return a
}

// KeptFor reports whether an old value needs an operator because another secret's AWSCURRENT
// stores it: only a release, or a change of that secret, ends it. Otherwise the value waits for
// something that happens by itself.
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
		return do(Wait, "its promotion was rolled back: the schedule resumes once a manual rotation has converged, or after a release")
	case ledger.Quarantined:
		return quarantined(k, old, settled, o, do)
	}
	switch {
	case old.Pending:
		return do(Wait, "its rotation is in progress")
	case old.Entry.State == ledger.Pending && old.Left:
		return do(NoteOld, "it was promoted, and AWSCURRENT was moved away from it")
	case old.Entry.State == ledger.Pending:
		return do(Wait, "its rotation was given up, and another one is in progress")
	case k.Lost != "" || !settled:
		return do(Wait, "nothing is retired before AWSCURRENT's value is proven")
	case old.Entry.State == ledger.Revoking && isLeakedToo(k) && slices.ContainsFunc(k.Old, unmarked):
		return do(Wait, "older values are marked first: an emergency treats them as leaked too")
	case old.Entry.State == ledger.Revoking:
		return do(Revoke, "it may have leaked")
	case isLeakedToo(k) && unmarked(old):
		return do(NoteLeaked, "an emergency has replaced a later value")
	case slices.Contains(o.RotatingKinds, k.Name):
		return do(Wait, "another rotation of this kind is in progress")
	case old.Entry.State == ledger.GivenUp && k.Single():
		return do(PutBack, "its rotation was given up")
	case old.Entry.State == ledger.GivenUp:
		return do(Retire, "its rotation was given up, and nothing uses it")
	case old.Entry.State == ledger.RolledBack && k.Single():
		return do(PutBack, "its promotion was rolled back")
	case old.Entry.State == ledger.Proven:
		return do(NoteOld, "it is no longer wanted")
	case old.Entry.State == ledger.Held:
		return remedied(remedyHeld, do(Alarm, "held, since something still uses it: find what, fix it, then release"))[0]
	case o.Rollout.Open() && (k.Restarts || !k.Overlaps || old.Entry.State == ledger.RolledBack):
		return do(Wait, "it may be needed until the rollout has converged")
	case old.Entry.State == ledger.RolledBack:
		return do(Retire, "its promotion was rolled back, and no task uses it")
	case !k.Overlaps && old.Shared:
		return do(Wait, "it is kept for as long as its version is, so that it can be set again")
	case !k.Overlaps:
		return do(Forget, "its target has accepted only the new value since the promotion")
	}
	return observed(k, old, o, do)
}

// leaked reports whether an emergency has replaced a value of the kind: older values count as
// leaked too.
func leaked(k Kind) bool {
	return slices.ContainsFunc(k.Old, func(v Value) bool { return v.Entry.State == ledger.Revoking })
}

// isLeakedToo reports whether old values without a mark have leaked as well. If AWSCURRENT's own
// value may have leaked, someone has moved AWSCURRENT back to it, or given the emergency up: then
// an old value may be the emergency's, which tasks use.
func isLeakedToo(k Kind) bool { return leaked(k) && k.Wanted.Entry.State != ledger.Revoking }

// unmarked reports whether an emergency of its kind still has to mark the value.
func unmarked(v Value) bool {
	s := v.Entry.State
	return s.Live() && s != ledger.Revoking && s != ledger.Foreign && !v.Pending
}

// observed decides about an old value that no task needs any more.
func observed(k Kind, old Value, o Observation, do func(Do, string, ...any) Action) Action {
	from := old.Entry.At
	if from.IsZero() {
		from = o.Rollout.Since // a label of the first edition does not say when it was promoted
	}
	if k.Restarts && o.Rollout.Converged.After(from) {
		from = o.Rollout.Converged // before, old tasks used it
	}
	if from.After(o.Now) {
		from = o.Now // a rollout begins in the second after the one that AWS reported
	}
	released := old.Entry.State == ledger.Released
	over := from.Add(max(k.MinOverlap, o.Limits.Observe))
	switch left := over.Sub(o.Now); {
	case left > 0 && !released:
		return until(over, do(Wait, "the function looks for its use for %s more", left.Round(time.Second)))[0]
	case !o.Tick:
		return do(Wait, "its quarantine begins with the next scheduled tick")
	case !o.Looked:
		return Action{Do: Look, Why: "nothing is retired while the application is unhealthy or being deployed"}
	case postponed(o) != "" && released && old.Mine:
		return do(Restore, "%s", postponed(o))
	case postponed(o) != "":
		return do(Wait, "%s", postponed(o))
	case k.Wanted.Probe == NotAsked:
		return Action{Do: Ask, Kind: k.Name, Version: k.Wanted.Version, Why: "nothing is retired before AWSCURRENT's value is proven"}
	case released && !old.Mine:
		return do(Quarantine, "an operator has released it")
	case released && !old.Use.Asked:
		return do(Watch, "an operator has released it, and only an unhealthy application counts")
	case released:
		return do(Retire, "an operator has released it")
	case !old.Use.Asked:
		return do(LookForUse, "the observation period is over")
	case old.Use.Seen != "":
		return do(Hold, "something still uses it: %s", old.Use.Seen)
	}
	return do(Quarantine, "no use of it was seen")
}

// quarantined decides about a value that its target now refuses.
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
		return until(old.Entry.At.Add(2*o.Limits.Watch), do(Wait, "the invocation that quarantined it is watching it"))[0]
	case !old.Use.Asked:
		return do(Watch, "its quarantine has begun")
	case !o.Looked:
		return Action{Do: Look, Why: "a quarantine may also show in the application's health"}
	case old.Use.Seen != "":
		return do(Hold, "something still uses it: %s", old.Use.Seen)
	case o.Health == Unhealthy:
		return do(Hold, "something still uses it: the application became unhealthy when the value was refused")
	case postponed(o) != "":
		return do(Restore, "%s", postponed(o))
	case left > 0:
		return until(o.Now.Add(left), do(Wait, "it is watched for %s more", left.Round(time.Second)))[0]
	}
	return do(Retire, "nothing has used it")
}

// postponed is why no value may be in quarantine now: the effect of a quarantine could not be
// told from what is going on.
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
