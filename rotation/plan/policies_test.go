package plan

import (
	"slices"
	"testing"
	"time"

	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/rollout"
)

// Each policy by itself, with the one kind that it is about: what is decided, and
// what is not when the policy's reason is missing.

var (
	t0     = time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC)
	bounds = Limits{
		Rollout: 30 * time.Minute, Observe: time.Hour, Watch: 15 * time.Second,
		Rotation: 24 * time.Hour, WithoutServices: 24 * time.Hour, Ill: 5 * time.Minute,
	}
)

func state(s ledger.State) ledger.Entry { return ledger.Entry{State: s, Count: 1, At: t0} }

// quiet is two hours after a rotation whose rollout has converged. The value that
// it has replaced is still accepted, and may be taken out of service.
func quiet() Observation {
	return Observation{
		Now: t0.Add(2 * time.Hour), Tick: true, Looked: true, Health: Healthy, Limits: bounds,
		Rollout: Rollout{
			Rollout: ledger.Rollout{Since: t0, Converged: t0.Add(10 * time.Minute)}, On: "new", Here: true,
			Services: []rollout.Service{{Name: "web", Desired: 2, Fresh: 2, Deployed: true}},
		},
		Kinds: []Kind{{
			Name: "database", Overlaps: true, Restarts: true,
			Wanted: Value{Version: "new", Entry: state(ledger.Proven), Current: true, Probe: Accepted},
			Old:    []Value{{Mine: true, Version: "old", Entry: state(ledger.Old), Use: Use{Asked: true, Told: true}}},
		}},
	}
}

// open is ten minutes after the promotion; an old task is left.
func open() Observation {
	o := quiet()
	o.Now = t0.Add(10 * time.Minute)
	o.Rollout.Rollout = ledger.Rollout{Since: t0, Promoted: true}
	o.Rollout.Services[0].Older = []string{"task 1a2b"}
	o.Kinds[0].Old[0].Probe = Accepted
	return o
}

// broken is open with a deployment that has failed.
func broken() Observation {
	o := open()
	o.Rollout.Services[0].Failed = "circuit breaker"
	return o
}

// up is open, and every task is new.
func up() Observation {
	o := open()
	o.Rollout.Services[0].Older = nil
	return o
}

func TestEachPolicyDecidesByItsOwnReason(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		o      Observation
		change func(o *Observation, k *Kind)
		want   []Do
	}{
		// The secret as a whole.
		{"a rotation has taken too long", quiet(), func(o *Observation, _ *Kind) { o.RotatingSince = o.Now.Add(-25 * time.Hour) }, []Do{GiveUp}},
		{"a rotation has time left", quiet(), func(o *Observation, _ *Kind) { o.RotatingSince = o.Now.Add(-23 * time.Hour) }, []Do{Quarantine}},
		{"AWSPENDING is left on a version", quiet(), func(o *Observation, _ *Kind) { o.Left = "next" }, []Do{DropPending}},
		{"a rotation was given up", quiet(), func(_ *Observation, k *Kind) { k.Old[0].Entry = state(ledger.Pending) }, []Do{Fence}},
		{"a rotation was given up, and another one is under way", quiet(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, o.Rotating = state(ledger.Pending), true
		}, []Do{Wait}},

		// AWSCURRENT's value.
		{"the wanted value was leaked", quiet(), func(_ *Observation, k *Kind) { k.Wanted.Entry, k.Old = state(ledger.Revoking), nil }, []Do{Alarm}},
		{"the wanted value was leaked, and its emergency is under way", quiet(), func(o *Observation, k *Kind) {
			k.Wanted.Entry, k.Old, o.RotatingKinds = state(ledger.Revoking), nil, []string{"database"}
		}, []Do{Wait}},
		{"the wanted value is in quarantine", quiet(), func(_ *Observation, k *Kind) { k.Wanted.Entry = state(ledger.Quarantined) }, []Do{Restore, Wait}},
		{"the wanted value is refused, and was accepted", quiet(), func(_ *Observation, k *Kind) { k.Wanted.Probe = Denied }, []Do{SetAgain, Wait}},
		{"the wanted value is refused, and never was accepted", quiet(), func(_ *Observation, k *Kind) {
			k.Wanted.Entry, k.Wanted.Probe, k.Old[0].Probe = ledger.Entry{}, Denied, Accepted
		}, []Do{Alarm, Wait}},
		{"the wanted value is refused, and which one is accepted is not known", quiet(), func(_ *Observation, k *Kind) {
			k.Wanted.Entry, k.Wanted.Probe = ledger.Entry{}, Denied
		}, []Do{Ask, Wait}},
		{"the wanted value cannot be set again after the rollout", quiet(), func(o *Observation, k *Kind) {
			o.Rollout.Promoted = true // as an older label still says
			k.Wanted.Probe, k.Wanted.SetFailed, k.Old[0].Probe = Denied, "1227", Accepted
		}, []Do{Alarm, Wait}},
		{"the wanted value cannot be set again during the rollout", open(), func(_ *Observation, k *Kind) {
			k.Wanted.Probe, k.Wanted.SetFailed = Denied, "1227"
		}, []Do{RollBack}},
		{"moved by hand during the rollout to a value that cannot be set again", open(), func(o *Observation, k *Kind) {
			o.Rollout.Here = false
			k.Old = append(k.Old, k.Wanted)
			k.Wanted = Value{Version: "older", Entry: state(ledger.Old), Current: true, Probe: Denied, SetFailed: "1227"}
		}, []Do{Alarm, Wait, Wait, Wait}},
		{"the target of the wanted value does not answer", open(), func(_ *Observation, k *Kind) {
			k.Wanted.Entry, k.Wanted.Probe = state(ledger.Pending), NoAnswer
		}, []Do{Wait, Wait, Wait}},
		{"the wanted value has not been asked for in a day", quiet(), func(o *Observation, k *Kind) {
			o.Now, k.Wanted.Probe, k.Old = t0.Add(25*time.Hour), NotAsked, nil
		}, []Do{Ask}},
		{"the wanted value was asked for within a day", quiet(), func(o *Observation, k *Kind) {
			o.Now, k.Wanted.Probe, k.Old = t0.Add(23*time.Hour), NotAsked, nil
		}, nil},
		{"a target of one value has that of a rollback", quiet(), func(_ *Observation, k *Kind) {
			k.Overlaps, k.Wanted.Probe, k.Old[0].Entry = false, Denied, state(ledger.RolledBack)
		}, []Do{PutBack, Wait}},
		{"the same, and no label tells of the wanted value", quiet(), func(_ *Observation, k *Kind) {
			k.Overlaps, k.Wanted.Probe, k.Wanted.Entry, k.Old[0].Entry = false, Denied, ledger.Entry{}, state(ledger.RolledBack)
		}, []Do{NoteToSet, Wait}},
		{"the same, once it is noted", quiet(), func(_ *Observation, k *Kind) {
			k.Overlaps, k.Wanted.Probe, k.Wanted.Entry, k.Old[0].Entry = false, Denied, state(ledger.GivenUp), state(ledger.RolledBack)
		}, []Do{PutBack, Wait}},
		{"the same, and the target has neither value", quiet(), func(_ *Observation, k *Kind) {
			k.Overlaps, k.Wanted.Probe, k.Wanted.Entry, k.Old[0].Entry, k.Old[0].Probe = false, Denied, state(ledger.GivenUp), state(ledger.RolledBack), Denied
		}, []Do{Alarm, Wait}},
		{"the same, and the target accepts the wanted value", quiet(), func(_ *Observation, k *Kind) {
			k.Overlaps, k.Wanted.Entry, k.Old[0].Entry = false, state(ledger.GivenUp), state(ledger.RolledBack)
		}, []Do{Prove, Wait}},
		{"the wanted value is refused, and a label of the first edition alone tells of it", quiet(), func(_ *Observation, k *Kind) {
			k.Wanted.Probe, k.Wanted.Entry = Denied, ledger.Entry{State: ledger.Proven}
		}, []Do{NoteToSet, Wait}},
		{"a rollout after a promotion that was rolled back", open(), func(_ *Observation, k *Kind) {
			k.Old[0].Entry = ledger.Entry{State: ledger.RolledBack, Count: 2, At: t0.Add(-time.Hour)}
		}, []Do{Wait, Wait}},
		{"AWSCURRENT has a value again that has leaked", quiet(), func(_ *Observation, k *Kind) {
			k.Wanted.Entry = state(ledger.Revoking)
			k.Old = []Value{{Version: "older", Entry: state(ledger.Revoking)}, {Version: "the emergency's", Entry: state(ledger.Proven)}}
		}, []Do{Alarm, Revoke, NoteOld}},
		{"an old value is stored by two versions", quiet(), func(_ *Observation, k *Kind) { k.Old[0].Also = []string{"older"} }, []Do{Quarantine, Tidy}},

		// The rollout.
		{"the wanted value was made current by hand", quiet(), func(o *Observation, k *Kind) {
			o.Rollout.Here, o.Rollout.On, k.Old[0].Version, k.Wanted.Entry = false, "bad", "bad", state(ledger.Old)
		}, []Do{Prove, BeginRollout}},
		{"a value that no label names was made current by hand", quiet(), func(o *Observation, k *Kind) {
			o.Rollout.Here, o.Rollout.On, k.Wanted.Entry, k.Old = false, "third", ledger.Entry{}, nil
		}, []Do{Prove, BeginRollout}},
		{"AWSCURRENT was moved away and back", quiet(), func(o *Observation, _ *Kind) { o.Rollout.ChangedBy = t0.Add(time.Hour) }, []Do{BeginRollout}},
		{"AWSCURRENT was moved before the rollout began", quiet(), func(o *Observation, _ *Kind) { o.Rollout.ChangedBy = t0.Add(-time.Hour) }, []Do{Quarantine}},
		{"a value was made current that nothing reads at its start", quiet(), func(o *Observation, k *Kind) {
			k.Restarts, o.Rollout.Here, o.Rollout.On, k.Wanted.Entry, k.Old = false, false, "bad", state(ledger.Old), nil
		}, []Do{Prove}},
		{"the secret is adopted", quiet(), func(o *Observation, k *Kind) {
			o.Adopting, o.Rollout.Here, o.Rollout.On, o.Rollout.Rollout, k.Wanted.Entry, k.Old = true, false, "", ledger.Rollout{}, ledger.Entry{}, nil
		}, []Do{Prove}},
		{"the services were not looked at", open(), func(o *Observation, _ *Kind) { o.Looked = false }, []Do{Look, Wait}},
		{"a service has no deployment", open(), func(o *Observation, _ *Kind) { o.Rollout.Services[0].Deployed = false }, []Do{Redeploy, Wait}},
		{"a service does not exist", open(), func(o *Observation, _ *Kind) { o.Rollout.Services[0].Missing = "it does not exist" }, []Do{Alarm, Wait}},
		{"a service does not exist, and the deployment of another one fails", broken(), func(o *Observation, _ *Kind) {
			o.Rollout.Services = append(o.Rollout.Services, rollout.Service{Name: "cron", Missing: "it does not exist"})
		}, []Do{Alarm, RollBack}},
		{"a service does not exist, and every task of another one is new", up(), func(o *Observation, _ *Kind) {
			o.Rollout.Services = append(o.Rollout.Services, rollout.Service{Name: "cron", Missing: "it does not exist"})
		}, []Do{Alarm, Wait}},
		{"an old task is left", open(), nil, []Do{Wait, Wait}},
		{"an old task does not stop", open(), func(o *Observation, _ *Kind) { o.Now = t0.Add(31 * time.Minute) }, []Do{Alarm, Wait}},
		{"too few new tasks", up(), func(o *Observation, _ *Kind) { o.Rollout.Services[0].Fresh = 1 }, []Do{Wait, Wait}},
		{"too few new tasks when the time is over", up(), func(o *Observation, _ *Kind) {
			o.Now, o.Rollout.Services[0].Fresh = t0.Add(31*time.Minute), 1
		}, []Do{RollBack}},
		{"too few new tasks while ECS bakes", up(), func(o *Observation, _ *Kind) {
			o.Now, o.Rollout.Services[0].Fresh, o.Rollout.Services[0].Bake = t0.Add(31*time.Minute), 1, time.Hour
		}, []Do{Wait, Wait}},
		{"every service is scaled to zero", up(), func(o *Observation, _ *Kind) {
			o.Now, o.Rollout.Services[0].Desired, o.Rollout.Services[0].Fresh = t0.Add(23*time.Hour), 0, 0
		}, []Do{Wait, Wait}},
		{"every task is new", up(), nil, []Do{Converge, Wait}},
		{"every task is new, and the application unhealthy", up(), func(o *Observation, _ *Kind) { o.Health = Unhealthy }, []Do{NoteUnhealthy, Wait}},
		{"the application was unhealthy a minute ago", up(), func(o *Observation, _ *Kind) {
			o.Health, o.Rollout.Unhealthy = Unhealthy, o.Now.Add(-time.Minute)
		}, []Do{Wait, Wait}},
		{"the application was unhealthy five minutes ago", up(), func(o *Observation, _ *Kind) {
			o.Health, o.Rollout.Unhealthy = Unhealthy, o.Now.Add(-5*time.Minute)
		}, []Do{RollBack}},
		{"a firewall answers for the application", up(), func(o *Observation, _ *Kind) {
			o.Health, o.Rollout.Unhealthy = Unclear, o.Now.Add(-time.Hour)
		}, []Do{Alarm, Wait}},
		{"the application is healthy again", up(), func(o *Observation, _ *Kind) { o.Rollout.Unhealthy = o.Now.Add(-time.Minute) }, []Do{NoteHealthy, Wait}},
		{"a deployment fails after the rollout", quiet(), func(o *Observation, k *Kind) { o.Rollout.Services[0].Failed, k.Old = "circuit breaker", nil }, nil},

		// A rollback.
		{"a deployment has failed", broken(), nil, []Do{RollBack}},
		{"a deployment has failed, and the old value was not asked for", broken(), func(_ *Observation, k *Kind) { k.Old[0].Probe = NotAsked }, []Do{Ask, Wait}},
		{"a deployment has failed, and the old value's target does not answer", broken(), func(_ *Observation, k *Kind) { k.Old[0].Probe = NoAnswer }, []Do{Wait, Wait}},
		{"a deployment has failed, and the old value is refused", broken(), func(_ *Observation, k *Kind) { k.Old[0].Probe = Denied }, []Do{Alarm, Wait}},
		{"a rollback fails", broken(), func(o *Observation, _ *Kind) { o.Rollout.RolledBack = true }, []Do{Alarm, Wait}},
		{"a rollout after a move by hand fails", broken(), func(o *Observation, _ *Kind) { o.Rollout.Promoted = false }, []Do{Alarm, Wait}},
		{"an emergency fails", broken(), func(o *Observation, _ *Kind) { o.Rollout.Emergency = true }, []Do{Alarm, Wait}},
		{"an emergency is not over", broken(), func(_ *Observation, k *Kind) {
			k.Old = append(k.Old, Value{Version: "leaked", Entry: state(ledger.Revoking)})
		}, []Do{Alarm, NoteLeaked, Wait}},
		{"an old value is in quarantine, and a deployment has failed", broken(), func(_ *Observation, k *Kind) {
			k.Old = append(k.Old, Value{Version: "older", Entry: state(ledger.Quarantined)})
		}, []Do{Alarm, Wait, Restore}},
		{"a rollback was interrupted", up(), func(_ *Observation, k *Kind) { k.Wanted.Entry = state(ledger.RolledBack) }, []Do{FinishRollBack}},
		{"AWSCURRENT was rolled back", open(), func(o *Observation, k *Kind) {
			o.Rollout.Here, k.Old[0].Entry = false, state(ledger.RolledBack)
		}, []Do{BeginRollout}},
		{"a rolled-back value, while the rollout is open", open(), func(o *Observation, k *Kind) {
			o.Rollout.Promoted, o.Rollout.RolledBack, k.Old[0].Entry = false, true, state(ledger.RolledBack)
		}, []Do{Wait, Wait}},
		{"a rolled-back value of a kind that is read at no start, while the rollout is open", open(), func(o *Observation, k *Kind) {
			k.Restarts = false
			o.Rollout.Promoted, o.Rollout.RolledBack, k.Old[0].Entry = false, true, state(ledger.RolledBack)
		}, []Do{Wait, Wait}},
		{"an older value is in quarantine when an emergency replaces a later one", open(), func(_ *Observation, k *Kind) {
			k.Old[0].Entry = state(ledger.Quarantined)
			k.Old = append(k.Old, Value{Version: "leaked", Entry: state(ledger.Revoking)})
		}, []Do{Wait, NoteLeaked, Wait}},
		{"a value of a target of one value is old, and nobody has asked about the wanted one", quiet(), func(_ *Observation, k *Kind) {
			k.Overlaps, k.Restarts, k.Wanted.Probe = false, false, NotAsked
		}, []Do{Ask}},
		{"a target of one value has none of a rotation that was given up, and another one is accepted", quiet(), func(_ *Observation, k *Kind) {
			k.Overlaps, k.Wanted.Entry, k.Wanted.Probe = false, ledger.Entry{}, Denied
			k.Old[0].Entry, k.Old[0].Probe = state(ledger.GivenUp), Denied
			k.Old = append(k.Old, Value{Version: "live", Entry: state(ledger.Proven), Probe: Accepted})
		}, []Do{Alarm, Wait, Wait}},
		{"a rolled-back value of a target of one value", open(), func(o *Observation, k *Kind) {
			k.Overlaps = false
			o.Rollout.Promoted, o.Rollout.RolledBack, k.Old[0].Entry = false, true, state(ledger.RolledBack)
		}, []Do{Wait, PutBack}},
		{"a rolled-back value that no task has", quiet(), func(_ *Observation, k *Kind) { k.Old[0].Entry = state(ledger.RolledBack) }, []Do{Retire}},
		{"a rolled-back value that is refused", quiet(), func(_ *Observation, k *Kind) { k.Old[0].Entry = state(ledger.Failed) }, []Do{Wait}},

		// An old value.
		{"an old value was not noted", quiet(), func(_ *Observation, k *Kind) { k.Old[0].Entry = state(ledger.Proven) }, []Do{NoteOld}},
		{"an old value has leaked", quiet(), func(_ *Observation, k *Kind) { k.Old[0].Entry = state(ledger.Revoking) }, []Do{Revoke}},
		{"an old value has leaked, and a rollout is open", up(), func(_ *Observation, k *Kind) { k.Old[0].Entry = state(ledger.Revoking) }, []Do{Converge, Revoke}},
		{"an older value has leaked no less", quiet(), func(_ *Observation, k *Kind) {
			k.Old = append(k.Old, Value{Version: "leaked", Entry: state(ledger.Revoking)})
		}, []Do{NoteLeaked, Wait}},
		{"an old value is foreign", quiet(), func(_ *Observation, k *Kind) { k.Old[0].Entry = state(ledger.Foreign) }, []Do{Wait}},
		{"a given-up value", quiet(), func(_ *Observation, k *Kind) { k.Old[0].Entry = state(ledger.GivenUp) }, []Do{Retire}},
		{"a given-up value of a target of one value", quiet(), func(_ *Observation, k *Kind) {
			k.Overlaps, k.Old[0].Entry = false, state(ledger.GivenUp)
		}, []Do{PutBack}},
		{"a given-up value beside another rotation of the kind", quiet(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, o.RotatingKinds = state(ledger.GivenUp), []string{"database"}
		}, []Do{Wait}},
		{"an old value beside another rotation of the kind", quiet(), func(o *Observation, _ *Kind) { o.RotatingKinds = []string{"database"} }, []Do{Wait}},
		{"an old value beside a rotation of another kind", quiet(), func(o *Observation, _ *Kind) { o.RotatingKinds = []string{"smtp"} }, []Do{Quarantine}},
		{"an old value, and the wanted one is not proven", quiet(), func(_ *Observation, k *Kind) {
			k.Wanted.Entry = state(ledger.Pending)
		}, []Do{Prove, Wait}},
		{"an old value, and the wanted one was not asked for", quiet(), func(_ *Observation, k *Kind) { k.Wanted.Probe = NotAsked }, []Do{Ask, Wait}},
		{"an old value of what no task reads, and the wanted one was not asked for", quiet(), func(_ *Observation, k *Kind) { k.Restarts, k.Wanted.Probe = false, NotAsked }, []Do{Ask}},
		{"an old value is held", quiet(), func(_ *Observation, k *Kind) { k.Old[0].Entry = state(ledger.Held) }, []Do{Alarm}},
		{"an old value, within the time for observing", quiet(), func(o *Observation, _ *Kind) { o.Now = t0.Add(69 * time.Minute) }, []Do{Wait}},
		{"an old value, after the time for observing", quiet(), func(o *Observation, _ *Kind) { o.Now = t0.Add(71 * time.Minute) }, []Do{Quarantine}},
		{"an old value, within its own time", quiet(), func(_ *Observation, k *Kind) { k.MinOverlap = 3 * time.Hour }, []Do{Wait}},
		{"an old value, and no tick", quiet(), func(o *Observation, _ *Kind) { o.Tick = false }, []Do{Wait}},
		{"an old value, and the application is unhealthy", quiet(), func(o *Observation, _ *Kind) { o.Health = Unhealthy }, []Do{Wait}},
		{"an old value, and a service is being deployed", quiet(), func(o *Observation, _ *Kind) { o.Rollout.Services[0].Deploying = true }, []Do{Wait}},
		{"an old value whose use was not looked for", quiet(), func(_ *Observation, k *Kind) { k.Old[0].Use = Use{} }, []Do{LookForUse}},
		{"an old value in use", quiet(), func(_ *Observation, k *Kind) { k.Old[0].Use.Seen = "10.0.3.7" }, []Do{Hold}},
		{"an old value that was released, in use", quiet(), func(_ *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Mine, k.Old[0].Use.Seen = state(ledger.Released), false, "10.0.3.7"
		}, []Do{Quarantine}},
		{"an old value of a target of one value", quiet(), func(_ *Observation, k *Kind) { k.Overlaps = false }, []Do{Forget}},
		{"an old value of a target of one value, and the wanted one was not asked for", quiet(), func(_ *Observation, k *Kind) {
			k.Overlaps, k.Restarts, k.Wanted.Probe = false, false, NotAsked
		}, []Do{Ask}},
		{"a leaked value of a target of one value", quiet(), func(_ *Observation, k *Kind) {
			k.Overlaps, k.Restarts, k.Old[0].Entry = false, false, state(ledger.Revoking)
		}, []Do{Revoke}},
		{"a leaked value of a target of one value, and the wanted one was not asked for", quiet(), func(_ *Observation, k *Kind) {
			k.Overlaps, k.Restarts, k.Wanted.Probe, k.Old[0].Entry = false, false, NotAsked, state(ledger.Revoking)
		}, []Do{Ask}},
		{"an old value of a target of one value, during the rollout", open(), func(_ *Observation, k *Kind) { k.Overlaps = false }, []Do{Wait, Wait}},

		// What an interrupted write has left.
		{"two labels on a version, and nothing to write", quiet(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, o.Torn = state(ledger.Foreign), []string{"old"}
		}, []Do{Wait, Join}},
		{"two labels on two versions, and an operator is needed", quiet(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, o.Torn = state(ledger.Held), []string{"older", "oldest"}
		}, []Do{Alarm, Join, Join}},
		{"two labels on a version, and one is to be written", quiet(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, o.Torn = state(ledger.Proven), []string{"old"}
		}, []Do{NoteOld}},
		{"two labels on a version, and no tick", quiet(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, o.Torn, o.Tick = state(ledger.Foreign), []string{"old"}, false
		}, []Do{Wait}},

		// A quarantine.
		{"a quarantine that was interrupted", quiet(), func(_ *Observation, k *Kind) {
			k.Old[0].Entry = ledger.Entry{State: ledger.Quarantined, Count: 2}
		}, []Do{Quarantine}},
		{"a quarantine that nobody has watched", quiet(), func(_ *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Use = state(ledger.Quarantined), Use{}
		}, []Do{Watch}},
		{"a quarantine in which the value is missed", quiet(), func(_ *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Use.Seen = state(ledger.Quarantined), "10.0.3.7"
		}, []Do{Hold}},
		{"a quarantine in which the application becomes unhealthy", quiet(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, o.Health = state(ledger.Quarantined), Unhealthy
		}, []Do{Hold}},
		{"a quarantine after a release, in which the application becomes unhealthy", quiet(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Mine, o.Health = state(ledger.Released), true, Unhealthy
		}, []Do{Restore}},
		{"a quarantine during a deployment", quiet(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, o.Rollout.Services[0].Deploying = state(ledger.Quarantined), true
		}, []Do{Restore}},
		{"a quarantine, and a rollout begins", up(), func(_ *Observation, k *Kind) { k.Old[0].Entry = state(ledger.Quarantined) }, []Do{Converge, Restore}},
		{"a quarantine, and the wanted value is not proven any more", quiet(), func(_ *Observation, k *Kind) {
			k.Old[0].Entry, k.Wanted.Probe = state(ledger.Quarantined), NoAnswer
		}, []Do{Wait, Wait}},
		{"a quarantine, and the wanted value is refused", quiet(), func(_ *Observation, k *Kind) {
			k.Old[0].Entry, k.Wanted.Probe, k.Wanted.SetFailed = state(ledger.Quarantined), Denied, "no"
		}, []Do{Alarm, Restore}},
		{"a quarantine, and a kind that is lost, of which another old value was not asked for", quiet(), func(_ *Observation, k *Kind) {
			k.Lost, k.Old[0].Entry = "no such field", state(ledger.Quarantined)
			k.Old = append(k.Old, Value{Version: "before", Entry: state(ledger.Proven)})
		}, []Do{Alarm, Ask, Wait}},
		{"the same, once it was asked for", quiet(), func(_ *Observation, k *Kind) {
			k.Lost, k.Old[0].Entry = "no such field", state(ledger.Quarantined)
			k.Old = append(k.Old, Value{Version: "before", Entry: state(ledger.Proven), Probe: Accepted})
		}, []Do{Alarm, Restore, Wait}},
		{"a quarantine that is too short", quiet(), func(o *Observation, k *Kind) {
			k.Old[0].Entry = ledger.Entry{State: ledger.Quarantined, Count: 2, At: o.Now.Add(-bounds.Watch + time.Second)}
		}, []Do{Wait}},
		{"a quarantine that is too short for a target that tells no logins apart", quiet(), func(o *Observation, k *Kind) {
			k.Old[0].Use.Told = false
			k.Old[0].Entry = ledger.Entry{State: ledger.Quarantined, Count: 2, At: o.Now.Add(-bounds.Watch)}
		}, []Do{Wait}},
		{"a quarantine that was quiet", quiet(), func(o *Observation, k *Kind) {
			k.Old[0].Entry = ledger.Entry{State: ledger.Quarantined, Count: 2, At: o.Now.Add(-bounds.Watch)}
		}, []Do{Retire}},
		{"a kind that is lost", quiet(), func(_ *Observation, k *Kind) { k.Lost = "no such field" }, []Do{Alarm, Wait}},
		{"a kind that is lost, and its old value in quarantine", quiet(), func(_ *Observation, k *Kind) {
			k.Lost, k.Old[0].Entry = "no such field", state(ledger.Quarantined)
		}, []Do{Alarm, Restore}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.change != nil {
				tc.change(&tc.o, &tc.o.Kinds[0])
			}
			actions := Decide(tc.o)
			var got []Do
			for _, a := range actions {
				got = append(got, a.Do)
			}
			reasoned(t, tc.o, actions)
			if !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q\n%+v", got, tc.want, actions)
			}
		})
	}
}
