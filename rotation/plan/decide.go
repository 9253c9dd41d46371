package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/rollout"
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
	// Prove: note that the target accepts the wanted value.
	Prove Do = "note that the value is accepted"
	// SetAgain: make the target accept the wanted value, which it accepted before.
	SetAgain Do = "set the value again"
	// Restore: make the target accept a quarantined value again.
	Restore Do = "restore the value"
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
	Why     string
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
	if version := givenUp(o); version != "" && !o.Rotating {
		return []Action{{Do: Fence, Version: version, Why: "its rotation was given up, and its promotion may be in progress"}}
	}
	if promotedNow(o) {
		return []Action{{Do: Wait, Why: "whoever has promoted AWSCURRENT, or rolled it back, begins the rollout"}}
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

// givenUp is a version whose rotation was given up, and may still be promoted by
// an invocation that began before.
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

// wanted decides about AWSCURRENT's value of a kind. settled tells that nothing
// has to be done before old values may be taken away.
func wanted(k Kind, o Observation) (actions []Action, settled bool) {
	w := k.Wanted
	do := func(d Do, format string, args ...any) []Action {
		return []Action{{Do: d, Kind: k.Name, Version: w.Version, Why: fmt.Sprintf(format, args...)}}
	}
	switch {
	case k.letGo():
		return nil, false
	case k.Lost != "":
		return do(Alarm, "%s, so nothing is taken away: put it back, or release", k.Lost), false
	case w.Entry.State == ledger.Revoking && slices.Contains(o.RotatingKinds, k.Name):
		return do(Wait, "an emergency is replacing it"), false
	case w.Entry.State == ledger.Revoking:
		return mayHaveLeaked(k, do)
	case w.Entry.State == ledger.Quarantined:
		return do(Restore, "it is wanted again"), false
	case interrupted(k, o):
		return nil, false // the rollout's decision is to finish the rollback
	case w.Probe == Denied && len(toPutBack(k)) > 0:
		return toPutBack(k)[:1], false
	case w.Probe == Denied && proven(k):
		return denied(k, o), false
	case w.Probe == Denied && len(unasked(k)) > 0:
		return unasked(k), false
	case w.Probe == Denied:
		return do(Alarm, "the target refuses AWSCURRENT's value, which it never accepted: %s", whereLive(k)), false
	case w.Probe == NotAsked && (w.Entry.State != ledger.Proven || o.Rollout.Open() || o.Tick && (ProofIsOver(w.Entry, o.Now) || k.Restarts && hasOther(k))):
		return do(Ask, "whether AWSCURRENT's value is accepted has to be known"), false
	case w.Probe == NoAnswer:
		return do(Wait, "the target does not answer, which proves nothing about the value"), false
	case w.Entry.State == ledger.Proven && !w.Current && unsettled(o) != "":
		return do(Wait, "the rollout is to begin first"), true
	case w.Entry.State == ledger.Proven && !w.Current:
		return do(Carry, "AWSCURRENT stores it, too"), true
	case w.Entry.State == ledger.Proven && w.Probe == Accepted && ProofIsOver(w.Entry, o.Now):
		return do(Prove, "its target accepts it still"), true
	case w.Entry.State == ledger.Proven:
		return nil, true
	default:
		return do(Prove, "its target accepts it"), false
	}
}

// letGo tells that an operator has released a kind that is lost: nothing of it is
// touched any more.
func (k Kind) letGo() bool {
	return k.Lost != "" && len(k.Old) > 0 && !slices.ContainsFunc(k.Old, func(v Value) bool { return v.Entry.State != ledger.Foreign })
}

// mayHaveLeaked decides about a wanted value that an emergency was to replace. It is
// never set again.
func mayHaveLeaked(k Kind, do func(Do, string, ...any) []Action) (actions []Action, settled bool) {
	switch {
	case k.Wanted.Probe == NotAsked:
		return do(Ask, "whether AWSCURRENT's value, which may have leaked, is accepted has to be known"), false
	case k.Wanted.Probe == Denied && len(unasked(k)) > 0:
		return unasked(k), false
	case k.Wanted.Probe == Denied:
		return do(Alarm, "AWSCURRENT's value may have leaked, and its target refuses it: %s", whereLive(k)), false
	case k.Wanted.Probe == NoAnswer:
		return do(Alarm, "not rotated: the value may have leaked, and its target does not answer: start the emergency rotation again, or release"), false
	}
	return do(Alarm, "not rotated: the value may have leaked, and its target accepts it: start the emergency rotation again, or release"), true
}

// interrupted tells that AWSCURRENT is marked as rolled back, but was not moved
// away yet.
func interrupted(k Kind, o Observation) bool {
	return k.Wanted.Entry.State == ledger.RolledBack && k.Wanted.Current && o.Rollout.Promoted && o.Rollout.Open()
}

// hasOther tells that the target may accept another value than the wanted one.
func hasOther(k Kind) bool {
	return slices.ContainsFunc(k.Old, Value.MayBeAccepted)
}

// MayBeAccepted tells that the target may accept the value, and that the engine may
// use it: not one that an operator has released as foreign, whose target may be
// another one.
func (v Value) MayBeAccepted() bool { return v.Entry.State.Live() && v.Entry.State != ledger.Foreign }

// proofHolds is how long it is taken for granted that a target accepts a value:
// it is asked once a day.
const proofHolds = 24 * time.Hour

// ProofIsOver tells that a proven value is to be asked for again.
func ProofIsOver(e ledger.Entry, now time.Time) bool { return now.Sub(e.At) >= proofHolds }

// proven tells that the target accepted the wanted value before.
func proven(k Kind) bool {
	switch k.Wanted.Entry.State {
	case ledger.Pending: // nothing is promoted before its target has accepted it
		return k.Wanted.Current
	case ledger.Proven, ledger.Old, ledger.Held, ledger.Released:
		return true
	}
	return false
}

// single tells that the target accepts one value at a time.
func (k Kind) single() bool { return !k.Overlaps || k.Swaps }

// toPutBack are the values of rotations that have come to nothing, one of which a
// target that accepts one value may have in place of the wanted one.
func toPutBack(k Kind) (actions []Action) {
	for _, old := range k.Old {
		if s := old.Entry.State; k.single() && (s == ledger.RolledBack || s == ledger.GivenUp) {
			actions = append(actions, Action{Do: PutBack, Kind: k.Name, Version: old.Version, Why: "its rotation was rolled back or given up, and the target refuses AWSCURRENT's value"})
		}
	}
	return actions
}

// unasked asks the target for each old value that it may accept.
func unasked(k Kind) (actions []Action) {
	for _, old := range k.Old {
		if old.Probe == NotAsked && old.MayBeAccepted() {
			actions = append(actions, Action{Do: Ask, Kind: k.Name, Version: old.Version, Why: "AWSCURRENT's value is refused, so another one may be accepted"})
		}
	}
	return actions
}

// denied decides about a wanted value that its target accepted before, and
// refuses now: a failover, a restored server, or a manual change there.
func denied(k Kind, o Observation) []Action {
	a := Action{Kind: k.Name, Version: k.Wanted.Version}
	switch {
	case k.Wanted.SetFailed == "":
		a.Do, a.Why = SetAgain, "its target accepted it before, and refuses it now"
	case mayRollBack(o) == "" && slices.ContainsFunc(k.Old, isAccepted):
		return nil // the rollout's decision is to roll back
	default:
		a.Do, a.Why = Alarm, fmt.Sprintf("the target refuses AWSCURRENT's value, and it could not be set again (%s): %s", k.Wanted.SetFailed, whereLive(k))
	}
	return []Action{a}
}

func isAccepted(v Value) bool { return v.Probe == Accepted }

// whereLive is the remedy where AWSCURRENT's value is refused.
func whereLive(k Kind) string {
	var newest Value
	for _, old := range k.Old {
		later := old.Entry.State == ledger.Proven || newest.Entry.State != ledger.Proven && old.Entry.At.After(newest.Entry.At)
		if isAccepted(old) && (newest.Version == "" || later) {
			newest = old
		}
	}
	if newest.Version == "" {
		return "no labelled version has a value that it accepts; set the value at the target, or store the right one"
	}
	return fmt.Sprintf("version %s has the value that it accepts", newest.Version)
}

// decideRollout decides about the one rollout of the secret.
func decideRollout(o Observation) []Action {
	r := o.Rollout
	if slices.ContainsFunc(o.Kinds, func(k Kind) bool { return interrupted(k, o) }) {
		return []Action{{Do: FinishRollBack, Why: "the rollback was interrupted"}}
	}
	if changed := unexplained(o); changed != "" {
		return []Action{{Do: BeginRollout, Rollout: follows(o), Why: changed}}
	}
	switch {
	case !r.Open():
		return nil
	case unsettled(o) != "":
		return waiting("whether AWSCURRENT's value of %s is accepted has to be known", unsettled(o))
	case !o.Looked:
		return []Action{{Do: Look, Why: "the rollout has not converged"}}
	}
	var alarms, redeploys []Action
	for _, s := range r.Services {
		switch {
		case s.Missing != "":
			alarms = append(alarms, Action{Do: Alarm, Service: s.Name, Why: fmt.Sprintf("service %s: %s", s.Name, s.Missing)})
		case !s.Deployed && (s.Desired > 0 || len(s.Older) > 0):
			if !o.Finishing && o.Now.Sub(r.Since) < aboutToRedeploy {
				return waiting("the redeploy is about to begin")
			}
			redeploys = append(redeploys, Action{Do: Redeploy, Service: s.Name, Why: "it has had no deployment since the values changed"})
		}
	}
	switch reason := failing(o); {
	case len(redeploys) > 0:
		return append(alarms, redeploys...)
	case reason != "": // of another service than one that is missing
		return append(alarms, fail(o, reason)...)
	case len(alarms) > 0:
		return alarms
	}
	return awaitRollout(o)
}

// aboutToRedeploy is how long whoever has begun a rollout takes at most until the
// redeploy of every service has begun.
const aboutToRedeploy = 15 * time.Second

// unexplained tells what has changed a value that tasks read at start, and that
// the rollout does not follow yet: "" for nothing.
func unexplained(o Observation) string {
	switch {
	case o.Rollout.ChangedBy.After(o.Rollout.Since):
		return "AWSCURRENT was moved at " + o.Rollout.ChangedBy.Format(time.RFC3339) + ", and by no promotion"
	case o.Adopting:
		return "" // what runs is taken as it is
	case rolledBack(o):
		return "AWSCURRENT was rolled back"
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
			return "AWSCURRENT has another value of " + k.Name + " than tasks were started with"
		}
	}
	return ""
}

// Unsettled tells that a rollout may have to begin that no label tells of yet. Until
// that is known, AWSCURRENT's label must not take up the rollout of another one.
func (o Observation) Unsettled() bool { return unsettled(o) != "" }

// unsettled is a kind of which tasks may have to be replaced: AWSCURRENT has another
// value than before, and it is not known to be accepted. "": there is none.
func unsettled(o Observation) string {
	if o.Rollout.Here || o.Adopting {
		return ""
	}
	for _, k := range o.Kinds {
		if s := k.Wanted.Entry.State; k.Restarts && !k.letGo() && s != ledger.Proven && s != ledger.Revoking {
			return k.Name
		}
	}
	return ""
}

// rolledBack tells that the promotion that the rollout follows was rolled back.
func rolledBack(o Observation) bool {
	if !o.Rollout.Promoted || !o.Rollout.Open() {
		return false
	}
	return slices.ContainsFunc(o.Kinds, func(k Kind) bool {
		return slices.ContainsFunc(k.Old, func(v Value) bool { return v.Entry.State == ledger.RolledBack })
	})
}

// follows is what a rollout that begins now follows.
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

// awaitRollout waits for the rollout's end, or notes it.
func awaitRollout(o Observation) []Action {
	r := o.Rollout
	if len(r.Services) == 0 {
		if left := r.Since.Add(o.Limits.WithoutServices).Sub(o.Now); left > 0 {
			return waiting("no services are set, and %s are left of the time for restarting by hand", left.Round(time.Second))
		}
		return []Action{{Do: Converge, Why: "no services are set, and the time for restarting by hand is over"}}
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
		return []Action{{Do: Alarm, Why: "the new tasks work, but old ones do not stop: " + strings.Join(older, "; ")}}
	case len(older) > 0:
		return waiting("tasks from before are left: %s", strings.Join(older, "; "))
	case o.Health == Unclear:
		return []Action{{Do: Alarm, Why: "the application answers, but not as a healthy one does: " + o.Ill}}
	}
	return []Action{{Do: Converge, Why: "every task is new, and the application healthy"}}
}

func waiting(format string, args ...any) []Action {
	return []Action{{Do: Wait, Why: fmt.Sprintf(format, args...)}}
}

// overdue tells that the time for the rollout is over, ECS's own bake time
// included.
func overdue(o Observation) bool {
	var bake time.Duration
	for _, s := range o.Rollout.Services {
		bake = max(bake, s.Bake)
	}
	return o.Now.Sub(o.Rollout.Since) > o.Limits.Rollout+bake
}

// CannotConverge tells that the rollout will not converge by itself, as far as can be
// seen: its time is over, or nothing is to run. Only then an operator may end it:
// before, tasks may still need the old values.
func (o Observation) CannotConverge() bool {
	running := slices.ContainsFunc(o.Rollout.Services, func(s rollout.Service) bool { return s.Desired > 0 })
	return o.Rollout.Open() && o.Looked && (overdue(o) || !running)
}

// failing is the reason why the rollout has failed; "" where it has not.
func failing(o Observation) string {
	for _, k := range o.Kinds {
		if k.Wanted.Probe == Denied && k.Wanted.SetFailed != "" && slices.ContainsFunc(k.Old, isAccepted) {
			return "the target refuses the new " + k.Name + " value, and accepts the old one"
		}
	}
	idle := !slices.ContainsFunc(o.Rollout.Services, func(s rollout.Service) bool { return s.Desired > 0 })
	if len(o.Rollout.Services) == 0 || idle {
		return ""
	}
	for _, s := range o.Rollout.Services {
		switch {
		case s.Failed != "":
			return fmt.Sprintf("the deployment of service %s failed: %s", s.Name, s.Failed)
		case s.Fresh < s.Desired && overdue(o):
			return fmt.Sprintf("service %s runs %d of %d new tasks when its time is over", s.Name, s.Fresh, s.Desired)
		}
	}
	if first := o.Rollout.Unhealthy; o.Health == Unhealthy && !first.IsZero() && o.Now.Sub(first) >= o.Limits.Ill {
		return "the application has been unhealthy since " + first.Format(time.RFC3339) + ": " + o.Ill
	}
	return ""
}

// mayRollBack is why a rollout that fails is not rolled back; "" where it may
// be.
func mayRollBack(o Observation) string {
	r := o.Rollout
	switch {
	case !r.Open():
		return "the rollout has converged"
	case r.Emergency || emergency(o):
		return "an emergency is never rolled back"
	case emergencyIsPending(o):
		return "an emergency is pending"
	case r.RolledBack:
		return "it is a rollback already"
	case !r.Promoted:
		return "it was no rotation that changed AWSCURRENT"
	}
	for _, k := range o.Kinds {
		for _, old := range k.Old {
			if old.Entry.State == ledger.Quarantined {
				return "the old " + k.Name + " value is in quarantine"
			}
		}
	}
	return ""
}

// emergency tells that old values have leaked and are still to be taken away.
func emergency(o Observation) bool { return slices.ContainsFunc(o.Kinds, leaked) }

// emergencyIsPending tells that an emergency is about to replace what a rollback
// would move away from.
func emergencyIsPending(o Observation) bool {
	return slices.ContainsFunc(o.Kinds, func(k Kind) bool {
		return k.Wanted.Entry.State == ledger.Revoking && slices.Contains(o.RotatingKinds, k.Name)
	})
}

// fail rolls a rollout back that fails, where that may be done. The old values
// are asked for first.
func fail(o Observation, reason string) []Action {
	if why := mayRollBack(o); why != "" {
		return []Action{{Do: Alarm, Why: reason + "; it is not rolled back, since " + why}}
	}
	var ask []Action
	var back []string
	for _, k := range o.Kinds {
		old, ok := k.PromotedOver()
		if !ok {
			continue
		}
		switch {
		case k.single():
			back = append(back, k.Name) // its target is given the old value after AWSCURRENT has moved
		case old.Probe == NotAsked:
			ask = append(ask, Action{Do: Ask, Kind: k.Name, Version: old.Version, Why: "a rollback goes back to accepted values only"})
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
		return []Action{{Do: Alarm, Why: reason + "; it is not rolled back, since every old value is refused"}}
	}
	return []Action{{Do: RollBack, Kinds: back, Why: reason}}
}

// PromotedOver is the value that the last promotion has replaced: the newest of
// the old ones.
func (k Kind) PromotedOver() (v Value, ok bool) {
	for _, old := range k.Old {
		if (old.Entry.State == ledger.Old || old.Entry.State == ledger.Proven) && (!ok || old.Entry.At.After(v.Entry.At)) {
			v, ok = old, true
		}
	}
	return v, ok
}

// decideOld decides about a value that is not wanted.
func decideOld(k Kind, old Value, settled bool, o Observation) Action {
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
	case old.Entry.State == ledger.Pending:
		return do(Wait, "its rotation was given up, and another one is under way")
	case k.Lost != "" || !settled:
		return do(Wait, "nothing is taken away before AWSCURRENT's value is proven")
	case old.Entry.State == ledger.Revoking && slices.ContainsFunc(k.Old, unmarked):
		return do(Wait, "older values have leaked no less, and are marked first")
	case old.Entry.State == ledger.Revoking:
		return do(Revoke, "it may have leaked")
	case leaked(k) && unmarked(old):
		return do(NoteLeaked, "an emergency has replaced a later value")
	case slices.Contains(o.RotatingKinds, k.Name):
		return do(Wait, "another rotation of the kind is under way")
	case old.Entry.State == ledger.GivenUp && k.single():
		return do(PutBack, "its rotation was given up")
	case old.Entry.State == ledger.GivenUp:
		return do(Retire, "its rotation was given up, and nothing uses it")
	case old.Entry.State == ledger.RolledBack && k.single():
		return do(PutBack, "its promotion was rolled back")
	case old.Entry.State == ledger.Proven:
		return do(NoteOld, "it is not wanted any more")
	case old.Entry.State == ledger.Held:
		return do(Alarm, "held, since something still uses it: find what, correct it, then release")
	case o.Rollout.Open() && (k.Restarts || !k.Overlaps || old.Entry.State == ledger.RolledBack):
		return do(Wait, "it may be needed until the rollout has converged")
	case old.Entry.State == ledger.RolledBack:
		return do(Retire, "its promotion was rolled back, and no task uses it")
	case !k.Overlaps && old.Shared:
		return do(Wait, "it is remembered for as long as its version is, to be set again should it be wanted again")
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
	switch left := from.Add(max(k.MinOverlap, o.Limits.Observe)).Sub(o.Now); {
	case left > 0 && !released:
		return do(Wait, "its use is looked for, for %s more", left.Round(time.Second))
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
	case !settled && (k.Wanted.Probe == Denied || k.Lost != ""):
		return do(Restore, "AWSCURRENT's value is refused, or cannot be compared")
	case !settled:
		return do(Wait, "nothing more is done before AWSCURRENT's value is proven")
	case k.Restarts && o.Rollout.Open():
		return do(Restore, "a rollout has begun, and its tasks may use it")
	case old.Entry.At.IsZero():
		return do(Quarantine, "its quarantine was interrupted")
	case !old.Mine && o.Now.Sub(old.Entry.At) < 2*o.Limits.Watch:
		return do(Wait, "whoever has quarantined it watches it")
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
		return do(Wait, "it is watched for %s more", left.Round(time.Second))
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
