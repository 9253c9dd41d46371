package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/rollout"
)

var (
	promotedAt = time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC)
	limits     = Limits{
		Rollout: 30 * time.Minute, Observe: time.Hour, Watch: 15 * time.Second,
		Rotation: 24 * time.Hour, WithoutServices: 24 * time.Hour, Ill: 5 * time.Minute,
	}
)

func after(d time.Duration) time.Time { return promotedAt.Add(d) }

func entry(s ledger.State, at time.Time) ledger.Entry {
	return ledger.Entry{State: s, Count: 1, At: at}
}

// converged is an observation two hours after all five kinds were promoted: the
// rollout has converged after ten minutes, and each old value is still accepted.
func converged() Observation {
	o := Observation{
		Now: after(2 * time.Hour), Tick: true, Health: Healthy, Limits: limits,
		Rollout: Rollout{
			Rollout:  ledger.Rollout{Since: promotedAt, Converged: after(10 * time.Minute)},
			Services: []rollout.Service{{Name: "web", Desired: 2, Fresh: 2, Deployed: true}, {Name: "cron", Desired: 1, Fresh: 1, Deployed: true}},
		},
	}
	for _, k := range []Kind{
		{Name: "database", Overlaps: true, Restarts: true},
		{Name: "smtp", Overlaps: true, Restarts: true},
		{Name: "api", Overlaps: true, MinOverlap: 7 * 24 * time.Hour},
		{Name: "admin"},
		{Name: "webhook"},
	} {
		k.Wanted = Value{Version: "new", Entry: entry(ledger.Proven, promotedAt), Probe: Accepted}
		k.Old = []Value{{Version: "old", Entry: entry(ledger.Old, promotedAt)}}
		o.Kinds = append(o.Kinds, k)
	}
	return o
}

// rolling is the same ten minutes after the promotion, while an old task is left.
func rolling() Observation {
	o := converged()
	o.Now = after(10 * time.Minute)
	o.Rollout.Rollout = ledger.Rollout{Since: promotedAt, Promoted: true}
	o.Rollout.Services[0].Older = []string{"web: task 1a2b drains"}
	return o
}

func TestDecide(t *testing.T) {
	const rest = "; api: wait; admin: forget the value; webhook: forget the value"
	waiting := "secret: wait; database: wait; smtp: wait; api: wait; admin: forget the value; webhook: forget the value"
	for _, tc := range []struct {
		name   string
		o      Observation
		change func(o *Observation, database *Kind)
		want   string // all actions, or the part before "…"
	}{
		// The ordinary course.
		{"an old task is left", rolling(), nil, waiting},
		{"too few new tasks yet", rolling(), func(o *Observation, _ *Kind) { o.Rollout.Services[1].Fresh = 0 }, waiting},
		{"every task is new", rolling(), func(o *Observation, _ *Kind) { o.Rollout.Services[0].Older = nil }, "secret: note that the rollout has converged…"},
		{"a service that could not be redeployed", rolling(), func(o *Observation, _ *Kind) { o.Rollout.Services[1].Deployed = false }, "secret: redeploy cron…"},
		{"converged, and the time for evidence not over", converged(), func(o *Observation, _ *Kind) { o.Now = after(time.Hour) }, "database: wait; smtp: wait" + rest},
		{"nothing was seen to use the old values", converged(), nil, "database: quarantine the value; smtp: quarantine the value" + rest},
		{"the same, but no tick of the schedule", converged(), func(o *Observation, _ *Kind) { o.Tick = false }, "database: wait; smtp: wait" + rest},
		{"in quarantine", converged(), func(o *Observation, k *Kind) { k.Old[0].Entry = entry(ledger.Quarantined, o.Now) }, "database: watch for refused logins; smtp: quarantine the value" + rest},
		{"the quarantine was quiet", converged(), func(o *Observation, k *Kind) { k.Old[0].Entry = entry(ledger.Quarantined, o.Now.Add(-limits.Watch)) }, "database: retire the value…"},
		{"a target that tells no logins apart is watched for as long as evidence takes", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Use.Told = false
			k.Old[0].Entry = entry(ledger.Quarantined, o.Now.Add(-limits.Observe/2))
		}, "database: watch for refused logins…"},
		{"the days of the API client's callers are over", converged(), func(o *Observation, _ *Kind) { o.Now = after(8 * 24 * time.Hour) }, "database: quarantine the value; smtp: quarantine the value; api: quarantine the value…"},
		{"no services are set", rolling(), func(o *Observation, _ *Kind) { o.Rollout.Services = nil }, waiting},
		{"no services are set, a day later", rolling(), func(o *Observation, _ *Kind) { o.Rollout.Services, o.Now = nil, after(25*time.Hour) }, "secret: note that the rollout has converged…"},
		{"every service is scaled to zero, for days", rolling(), func(o *Observation, _ *Kind) {
			o.Rollout.Services, o.Now, o.Health = []rollout.Service{{Name: "web", Deployed: true}}, after(72*time.Hour), Unhealthy
		}, waiting},
		{"nothing is open", converged(), func(o *Observation, _ *Kind) {
			for i := range o.Kinds {
				o.Kinds[i].Old = nil
			}
		}, ""},

		// Something uses an old value.
		{"it is used while its use is looked for", converged(), func(_ *Observation, k *Kind) { k.Old[0].Use.Seen = "10.0.3.7" }, "database: hold the value; smtp: quarantine the value" + rest},
		{"it is missed in quarantine", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Use.Seen = entry(ledger.Quarantined, o.Now), "10.0.3.7"
		}, "database: hold the value; smtp: quarantine the value" + rest},
		{"held", converged(), func(o *Observation, k *Kind) { k.Old[0].Entry = entry(ledger.Held, o.Now) }, "database: alarm; smtp: quarantine the value" + rest},
		{"held and released, whatever the evidence", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Released, k.Old[0].Use.Seen = entry(ledger.Held, o.Now), true, "10.0.3.7"
		}, "database: quarantine the value…"},
		{"released, in quarantine, and missed", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Released, k.Old[0].Use.Seen = entry(ledger.Quarantined, o.Now), true, "10.0.3.7"
		}, "database: watch for refused logins…"},
		{"released, in quarantine, and the application is unhealthy", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Released, o.Health = entry(ledger.Quarantined, o.Now), true, Unhealthy
		}, "database: restore the value…"},

		// After the rollout has converged, deployments and health are nobody's failure.
		{"a deployment by others, days later", converged(), func(o *Observation, k *Kind) {
			o.Rollout.Services[0].Deploying, o.Rollout.Services[0].Failed, o.Rollout.Services[0].Fresh = true, "circuit breaker", 1
		}, "database: wait; smtp: wait" + rest},
		{"the same during a quarantine", converged(), func(o *Observation, k *Kind) {
			o.Rollout.Services[0].Deploying = true
			k.Old[0].Entry = entry(ledger.Quarantined, o.Now)
		}, "database: restore the value; smtp: wait" + rest},
		{"the application is unhealthy, days later", converged(), func(o *Observation, _ *Kind) { o.Health = Unhealthy }, "database: wait; smtp: wait" + rest},
		{"no reconcile for a day, and everything is new", rolling(), func(o *Observation, _ *Kind) {
			o.Now, o.Rollout.Services[0].Older, o.Rollout.Services[0].Deploying = after(24*time.Hour), nil, true
		}, "secret: note that the rollout has converged…"},

		// The application does not come up.
		{"a deployment failed", rolling(), func(o *Observation, k *Kind) { o.Rollout.Services[1].Failed = "circuit breaker" },
			"database: ask the target; smtp: ask the target; api: ask the target…"},
		{"a deployment failed, and the old values are accepted", rolling(), func(o *Observation, k *Kind) { fails(o) }, "secret: roll back database,smtp,api,admin,webhook"},
		{"one old value is refused", rolling(), func(o *Observation, k *Kind) { fails(o); k.Old[0].Probe = Denied }, "secret: roll back smtp,api,admin,webhook"},
		{"one target does not answer", rolling(), func(o *Observation, k *Kind) { fails(o); k.Old[0].Probe = NoAnswer }, waiting},
		{"every old value is refused", rolling(), func(o *Observation, k *Kind) { fails(o); o.Kinds = o.Kinds[:1]; o.Kinds[0].Old[0].Probe = Denied }, "secret: alarm; database: wait"},
		{"it was rolled back before", rolling(), func(o *Observation, _ *Kind) { fails(o); o.Rollout.RolledBack = true }, "secret: alarm…"},
		{"it was a move by hand", rolling(), func(o *Observation, _ *Kind) { fails(o); o.Rollout.Promoted = false }, "secret: alarm…"},
		{"it was an emergency", rolling(), func(o *Observation, _ *Kind) { fails(o); o.Rollout.Emergency = true }, "secret: alarm…"},
		{"an emergency is pending", rolling(), func(o *Observation, k *Kind) {
			fails(o)
			k.Old = append(k.Old, Value{Version: "leaked", Entry: entry(ledger.Revoking, promotedAt)})
		}, "secret: alarm; database: wait; database: revoke the value…"},
		{"a value is in quarantine", rolling(), func(o *Observation, k *Kind) { fails(o); k.Old[0].Entry.State = ledger.Quarantined }, "secret: alarm; database: restore the value…"},
		{"too few new tasks when the time is over", rolling(), func(o *Observation, _ *Kind) {
			answered(o)
			o.Now = after(31 * time.Minute)
			o.Rollout.Services[1].Fresh = 0
		}, "secret: roll back…"},
		{"the same, while ECS still bakes", rolling(), func(o *Observation, _ *Kind) {
			answered(o)
			o.Now, o.Rollout.Services[1].Fresh, o.Rollout.Services[1].Bake = after(31*time.Minute), 0, time.Hour
		}, waiting},
		{"old tasks that do not stop", rolling(), func(o *Observation, _ *Kind) { answered(o); o.Now = after(31 * time.Minute) }, "secret: alarm…"},
		{"a service that is not there", rolling(), func(o *Observation, _ *Kind) { answered(o); o.Rollout.Services[1].Missing = "it does not exist" }, "secret: alarm…"},
		{"unhealthy for the first time", fresh(), func(o *Observation, _ *Kind) { answered(o); o.Health = Unhealthy }, "secret: note that the application is unhealthy…"},
		{"unhealthy, a minute later", fresh(), func(o *Observation, _ *Kind) {
			answered(o)
			o.Health, o.Rollout.Unhealthy = Unhealthy, o.Now.Add(-time.Minute)
		}, waiting},
		{"unhealthy, five minutes later", fresh(), func(o *Observation, _ *Kind) {
			answered(o)
			o.Health, o.Rollout.Unhealthy = Unhealthy, o.Now.Add(-5*time.Minute)
		}, "secret: roll back…"},
		{"healthy again", fresh(), func(o *Observation, _ *Kind) { o.Rollout.Unhealthy = o.Now.Add(-time.Minute) }, "secret: note that the application is healthy again…"},
		{"a firewall answers", fresh(), func(o *Observation, _ *Kind) { answered(o); o.Health, o.Now = Unclear, after(time.Hour) }, "secret: alarm…"},

		// AWSCURRENT's value.
		{"current again, and in quarantine", converged(), func(o *Observation, k *Kind) { k.Wanted.Entry.State = ledger.Quarantined }, "database: restore the value; database: wait…"},
		{"an old value is current again, by whatever hand", converged(), func(o *Observation, k *Kind) {
			k.Wanted.Entry.State, k.Old[0].Entry.State = ledger.Old, ledger.Proven
		}, "database: note that the value is accepted; secret: begin a rollout"},
		{"a value that nobody knows, and that works", converged(), func(o *Observation, k *Kind) { k.Wanted.Entry = ledger.Entry{} }, "database: note that the value is accepted; secret: begin a rollout"},
		{"a value that nobody has asked about", converged(), func(o *Observation, k *Kind) { k.Wanted = Value{Version: "new"} }, "database: ask the target; database: wait…"},
		{"a value that was mistyped", converged(), func(o *Observation, k *Kind) { k.Wanted = Value{Version: "new", Probe: Denied} }, "database: alarm; database: wait…"},
		{"the target does not answer about a new value", converged(), func(o *Observation, k *Kind) { k.Wanted = Value{Version: "new", Probe: NoAnswer} }, "database: wait; database: wait…"},
		{"a proven value is refused: the server was restored", converged(), func(o *Observation, k *Kind) { k.Wanted.Probe, k.Old[0].Probe = Denied, Accepted }, "database: set the value again; database: wait…"},
		{"it cannot be set again, after the rollout", converged(), func(o *Observation, k *Kind) {
			k.Wanted.Probe, k.Wanted.SetFailed, k.Old[0].Probe = Denied, "1227", Accepted
		}, "database: alarm; database: wait…"},
		{"it cannot be set again, during the rollout", rolling(), func(o *Observation, k *Kind) {
			answered(o)
			k.Wanted.Probe, k.Wanted.SetFailed = Denied, "1227"
		}, "secret: roll back database,smtp,api,admin,webhook"},
		{"a single-valued target that a promotion gave its value refuses it", rolling(), func(o *Observation, _ *Kind) {
			admin := &o.Kinds[3]
			admin.Wanted = Value{Version: "new", Probe: Denied}
		}, "admin: set the value again…"},
		{"AWSCURRENT was moved away and back", converged(), func(o *Observation, _ *Kind) { o.Rollout.ChangedBy = after(time.Hour) }, "secret: begin a rollout"},
		{"the kind was moved to another secret", converged(), func(o *Observation, k *Kind) { k.Lost = "AWSCURRENT has no database_password" }, "database: alarm; database: wait…"},
		{"the kind is lost, and its old value in quarantine", converged(), func(o *Observation, k *Kind) {
			k.Lost, k.Old[0].Entry = "AWSCURRENT has no database_password", entry(ledger.Quarantined, o.Now)
		}, "database: alarm; database: restore the value…"},
		{"a value that an operator has declared foreign", converged(), func(o *Observation, k *Kind) { k.Old[0].Entry.State = ledger.Foreign }, "database: wait…"},
		{"a secret without labels", converged(), func(o *Observation, _ *Kind) {
			o.Adopting, o.Rollout.Rollout = true, ledger.Rollout{}
			for i := range o.Kinds {
				o.Kinds[i].Wanted.Entry, o.Kinds[i].Old = ledger.Entry{}, nil
			}
		}, "database: note that the value is accepted; smtp: note that the value is accepted; api: note that the value is accepted; admin: note that the value is accepted; webhook: note that the value is accepted"},

		// Rotations that end otherwise.
		{"a value that was wanted before", converged(), func(o *Observation, k *Kind) { k.Old[0].Entry.State = ledger.Proven }, "database: note that the value is old…"},
		{"a rotation is under way", converged(), func(o *Observation, k *Kind) {
			o.RotatingSince, o.RotatingKinds = o.Now.Add(-time.Minute), []string{"database"}
			k.Old = append(k.Old, Value{Version: "next", Pending: true, Entry: entry(ledger.Pending, o.Now)})
		}, "database: wait; database: wait; smtp: quarantine the value" + rest},
		{"a rotation is stuck for a day", converged(), func(o *Observation, _ *Kind) { o.RotatingSince = o.Now.Add(-25 * time.Hour) }, "secret: give the rotation up"},
		{"a rotation was given up", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry.State, o.Kinds[3].Old[0].Entry.State = ledger.Pending, ledger.Pending
		}, "database: retire the value; smtp: quarantine the value; api: wait; admin: put the wanted value back; webhook: forget the value"},
		{"given up, and AWSCURRENT's value is not proven", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry.State, k.Wanted = ledger.Pending, Value{Version: "new", Probe: NoAnswer}
		}, "database: wait; database: wait…"},
		{"rolled back, and tasks with the bad value are left", rolling(), func(o *Observation, k *Kind) { k.Old[0].Entry.State = ledger.RolledBack }, waiting},
		{"rolled back, and no task has the bad value", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry.State, o.Kinds[3].Old[0].Entry.State = ledger.RolledBack, ledger.RolledBack
		}, "database: retire the value; smtp: quarantine the value; api: wait; admin: put the wanted value back…"},
		{"rolled back, and refused", converged(), func(o *Observation, k *Kind) { k.Old[0].Entry.State = ledger.Failed }, "database: wait…"},
		{"an emergency, during a rollout", rolling(), func(o *Observation, k *Kind) { k.Old[0].Entry.State = ledger.Revoking }, "secret: wait; database: revoke the value; smtp: wait…"},
		{"an emergency, and AWSCURRENT's value is refused", rolling(), func(o *Observation, k *Kind) {
			k.Old[0].Entry.State, k.Wanted = ledger.Revoking, Value{Version: "new", Probe: Denied}
		}, "database: alarm…"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := tc.o
			o.Kinds, o.Rollout.Services = cloned(o.Kinds), slices.Clone(o.Rollout.Services)
			if tc.change != nil {
				tc.change(&o, &o.Kinds[0])
			}
			actions := Decide(o)
			got := inWords(actions)
			if start, partly := strings.CutSuffix(tc.want, "…"); got != tc.want && (!partly || !strings.HasPrefix(got, start)) {
				t.Errorf("got  %s\nwant %s\n%+v", got, tc.want, actions)
			}
			for _, a := range actions {
				if a.Why == "" {
					t.Errorf("no reason for %+v", a)
				}
			}
		})
	}
}

func fresh() Observation {
	o := rolling()
	o.Rollout.Services[0].Older = nil
	return o
}

// answered: every old value has been asked about, and is accepted.
func answered(o *Observation) {
	for i := range o.Kinds {
		o.Kinds[i].Old[0].Probe = Accepted
	}
}

func fails(o *Observation) {
	answered(o)
	o.Rollout.Services[1].Failed = "circuit breaker"
}

func cloned(kinds []Kind) []Kind {
	kinds = slices.Clone(kinds)
	for i := range kinds {
		kinds[i].Old = slices.Clone(kinds[i].Old)
	}
	return kinds
}

func inWords(actions []Action) string {
	words := make([]string, len(actions))
	for i, a := range actions {
		about := "secret"
		if a.Kind != "" {
			about = a.Kind
		}
		words[i] = about + ": " + string(a.Do)
		if a.Do == Redeploy {
			words[i] += " " + a.Service
		}
		if len(a.Kinds) > 0 {
			words[i] += " " + strings.Join(a.Kinds, ",")
		}
	}
	return strings.Join(words, "; ")
}
