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
		Now: after(2 * time.Hour), Tick: true, Looked: true, Health: Healthy, Limits: limits,
		Rollout: Rollout{
			Rollout: ledger.Rollout{Since: promotedAt, Converged: after(10 * time.Minute)}, On: "new", Here: true,
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
		if !k.Overlaps {
			k.Route = Accepted
		}
		k.Wanted = Value{Version: "new", Entry: entry(ledger.Proven, promotedAt), Current: true, Probe: Accepted}
		k.Old = []Value{{Mine: true, Version: "old", Entry: entry(ledger.Old, promotedAt), Use: Use{Asked: true, Told: true}}}
		o.Kinds = append(o.Kinds, k)
	}
	return o
}

// later moves the time on, with each proof made anew.
func later(o *Observation, now time.Time) {
	o.Now = now
	for i := range o.Kinds {
		o.Kinds[i].Wanted.Entry.At = now
	}
}

// rolling is the same ten minutes after the promotion, while an old task is left.
func rolling() Observation {
	o := converged()
	o.Now = after(10 * time.Minute)
	o.Rollout.Rollout = ledger.Rollout{Since: promotedAt, Promoted: true}
	o.Rollout.Services[0].Older = []string{"web: task 1a2b drains"}
	return o
}

// A row is an observation, and what has to be done about it.
type row struct {
	name   string
	o      Observation
	change func(o *Observation, database *Kind)
	want   string // all actions, or the part before "…"
}

const (
	allWait = "secret: wait; database: wait; smtp: wait; api: wait; admin: wait; webhook: wait"
	rest    = "; api: wait; admin: forget the value; webhook: forget the value"
)

func decides(t *testing.T, rows []row) {
	t.Helper()
	for _, tc := range rows {
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
			reasoned(t, o, actions)
		})
	}
}

func TestAnOldValueGoesOnceNothingNeedsIt(t *testing.T) {
	decides(t, []row{
		{"an old task is left", rolling(), nil, allWait},
		{"too few new tasks yet", rolling(), func(o *Observation, _ *Kind) { o.Rollout.Services[1].Fresh = 0 }, allWait},
		{"the services are not looked at yet", rolling(), func(o *Observation, _ *Kind) { o.Looked, o.Rollout.Services = false, nil }, "secret: look at the services; database: wait…"},
		{"every task is new", fresh(), nil, "secret: note that the rollout has converged…"},
		{"a service that could not be redeployed", rolling(), func(o *Observation, _ *Kind) { o.Rollout.Services[1].Deployed = false }, "secret: redeploy cron; database: wait…"},
		{"no service could be redeployed", rolling(), func(o *Observation, _ *Kind) {
			o.Rollout.Services[0].Deployed, o.Rollout.Services[1].Deployed = false, false
		}, "secret: redeploy web; secret: redeploy cron; database: wait…"},
		{"a service that is scaled to zero needs no redeploy", fresh(), func(o *Observation, _ *Kind) { o.Rollout.Services[1] = rollout.Service{Name: "cron"} }, "secret: note that the rollout has converged…"},
		{"converged, and the time for observing not over", converged(), func(o *Observation, _ *Kind) { o.Now = after(time.Hour) }, "database: wait; smtp: wait" + rest},
		{"it was noted a second ahead of AWS's clock", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry.At = o.Now.Add(time.Second)
		}, "database: wait; smtp: quarantine the value" + rest},
		{"the time for observing is over, and its use was not looked for", converged(), func(_ *Observation, k *Kind) { k.Old[0].Use = Use{} }, "database: look for its use; smtp: quarantine the value" + rest},
		{"nothing was seen to use the old values", converged(), nil, "database: quarantine the value; smtp: quarantine the value" + rest},
		{"the same, and AWSCURRENT's value was not asked for today", converged(), func(_ *Observation, k *Kind) { k.Wanted.Probe = NotAsked }, "database: ask the target; database: wait; smtp: quarantine the value" + rest},
		{"the same, and the application was not looked at", converged(), func(o *Observation, _ *Kind) { o.Looked = false }, "secret: look at the services; secret: look at the services" + rest},
		{"the same, but no tick of the schedule", converged(), func(o *Observation, _ *Kind) { o.Tick = false }, "database: wait; smtp: wait" + rest},
		{"another rotation of this kind is in progress", converged(), func(o *Observation, k *Kind) {
			o.Rotating, o.RotatingSince, o.RotatingKinds = true, o.Now.Add(-time.Minute), []string{"database"}
			k.Old = append(k.Old, Value{Version: "next", Pending: true, Entry: entry(ledger.Pending, o.Now)})
		}, "database: wait; database: wait; smtp: quarantine the value" + rest},
		{"just quarantined", converged(), func(o *Observation, k *Kind) {
			k.Old[0] = Value{Version: "old", Mine: true, Entry: entry(ledger.Quarantined, o.Now)}
		}, "database: watch for attempts to use it; smtp: quarantine the value" + rest},
		{"another invocation has just quarantined it", converged(), func(o *Observation, k *Kind) {
			k.Old[0] = Value{Version: "old", Entry: entry(ledger.Quarantined, o.Now)}
		}, "database: wait; smtp: quarantine the value" + rest},
		{"quarantined, and the application was not looked at since", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, o.Looked = entry(ledger.Quarantined, o.Now), false
		}, "secret: look at the services; secret: look at the services" + rest},
		{"quarantined, and the watch is not over", converged(), func(o *Observation, k *Kind) { k.Old[0].Entry = entry(ledger.Quarantined, o.Now) }, "database: wait; smtp: quarantine the value" + rest},
		{"the quarantine was quiet", converged(), func(o *Observation, k *Kind) { k.Old[0].Entry = entry(ledger.Quarantined, o.Now.Add(-limits.Watch)) }, "database: retire the value; smtp: quarantine the value" + rest},
		{"this invocation has watched for long enough", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Use.Covered = entry(ledger.Quarantined, o.Now), limits.Watch
		}, "database: retire the value; smtp: quarantine the value" + rest},
		{"a quarantine that was noted and cut off before the target refused the value", converged(), func(_ *Observation, k *Kind) { k.Old[0].Entry = entry(ledger.Quarantined, time.Time{}) }, "database: quarantine the value; smtp: quarantine the value" + rest},
		{"quarantined, and AWSCURRENT's value is to be asked for again today", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, k.Wanted.Probe, k.Wanted.Entry.At = entry(ledger.Quarantined, o.Now), NotAsked, o.Now.Add(-25*time.Hour)
		}, "database: ask the target; database: wait; smtp: quarantine the value" + rest},
		{"it is not known when it was promoted over, and its callers have days", converged(), func(o *Observation, _ *Kind) { o.Kinds[2].Old[0].Entry.At = time.Time{} }, "database: quarantine the value; smtp: quarantine the value; api: wait…"},
		{"a target that does not tell which password a login used is watched for as long as use is looked for", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Use.Told, k.Old[0].Entry = false, entry(ledger.Quarantined, o.Now.Add(-limits.Observe/2))
		}, "database: wait; smtp: quarantine the value" + rest},
		{"the same, when that time is over", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Use.Told, k.Old[0].Entry = false, entry(ledger.Quarantined, o.Now.Add(-limits.Observe))
		}, "database: retire the value; smtp: quarantine the value" + rest},
		{"one kind's quarantine is cut off, and the other kinds go on", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry = entry(ledger.Quarantined, time.Time{})
			o.Kinds[1].Old[0].Entry = entry(ledger.Quarantined, o.Now.Add(-time.Hour))
		}, "database: quarantine the value; smtp: retire the value" + rest},
		{"the days of the API client's callers are over", converged(), func(o *Observation, _ *Kind) { later(o, after(8*24*time.Hour)) }, "database: quarantine the value; smtp: quarantine the value; api: quarantine the value; admin: forget the value; webhook: forget the value"},
		{"a single-valued kind's old value, beside one that is accepted", converged(), func(o *Observation, _ *Kind) { o.Kinds[3].Old[0].Shared = true }, "database: quarantine the value; smtp: quarantine the value; api: wait; admin: wait; webhook: forget the value"},
		{"two versions store the old value, after a crash or an edit", converged(), func(_ *Observation, k *Kind) { k.Old[0].Also = []string{"older"} }, "database: quarantine the value; database older: remove an entry that another one replaces; smtp: quarantine the value" + rest},
		{"no services are set", rolling(), func(o *Observation, _ *Kind) { o.Rollout.Services = nil }, allWait},
		{"no services are set, a day later", rolling(), func(o *Observation, _ *Kind) { later(o, after(25*time.Hour)); o.Rollout.Services = nil }, "secret: note that the rollout has converged…"},
		{"every service is scaled to zero, for days", rolling(), func(o *Observation, _ *Kind) {
			later(o, after(72*time.Hour))
			o.Rollout.Services, o.Health = []rollout.Service{{Name: "web", Deployed: true}}, Unhealthy
		}, allWait},
		{"nothing is open", converged(), func(o *Observation, _ *Kind) {
			for i := range o.Kinds {
				o.Kinds[i].Old = nil
			}
		}, ""},
	})
}

func TestAnOldValueThatIsUsedIsHeldUntilAnOperatorReleasesIt(t *testing.T) {
	quarantinedAndMissed := func(o *Observation, k *Kind) {
		k.Old[0].Entry, k.Old[0].Use.Seen = entry(ledger.Quarantined, o.Now), "10.0.3.7"
	}
	decides(t, []row{
		{"it was used before the quarantine", converged(), func(_ *Observation, k *Kind) { k.Old[0].Use.Seen = "10.0.3.7" }, "database: hold the value; smtp: quarantine the value" + rest},
		{"it is missed in quarantine", converged(), quarantinedAndMissed, "database: hold the value; smtp: quarantine the value" + rest},
		{"the application became unhealthy in quarantine", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, o.Health = entry(ledger.Quarantined, o.Now), Unhealthy
		}, "database: hold the value; smtp: wait" + rest},
		{"held", converged(), func(o *Observation, k *Kind) { k.Old[0].Entry = entry(ledger.Held, o.Now) }, "database: alarm; smtp: quarantine the value" + rest},
		{"released, whatever was seen, and at once", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Mine, k.Old[0].Use.Seen = entry(ledger.Released, o.Now), false, "10.0.3.7"
		}, "database: quarantine the value; smtp: quarantine the value" + rest},
		{"released, and its redeploy has not converged", rolling(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, o.Rollout.Promoted = entry(ledger.Released, o.Now), false
		}, allWait},
		{"released, and refused now", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Mine, k.Old[0].Use.Asked = entry(ledger.Released, o.Now), true, false
		}, "database: watch for attempts to use it; smtp: quarantine the value" + rest},
		{"released, refused now, and missed", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Mine, k.Old[0].Use.Seen = entry(ledger.Released, o.Now), true, "10.0.3.7"
		}, "database: retire the value; smtp: quarantine the value" + rest},
		{"released, refused now, and the application is unhealthy", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry, k.Old[0].Mine, o.Health = entry(ledger.Released, o.Now), true, Unhealthy
		}, "database: restore the value; smtp: wait" + rest},
		{"an operator has declared it foreign", converged(), func(_ *Observation, k *Kind) { k.Old[0].Entry.State = ledger.Foreign }, "database: wait; smtp: quarantine the value" + rest},
	})
}

func TestAfterTheRolloutHasConvergedDeploymentsAndHealthAreNoReasonForARollback(t *testing.T) {
	decides(t, []row{
		{"a deployment by others fails, days later", converged(), func(o *Observation, _ *Kind) {
			o.Rollout.Services[0] = rollout.Service{Name: "web", Desired: 2, Fresh: 1, Deployed: true, Deploying: true, Failed: "circuit breaker"}
		}, "database: wait; smtp: wait" + rest},
		{"the same during a quarantine", converged(), func(o *Observation, k *Kind) {
			o.Rollout.Services[0].Deploying, k.Old[0].Entry = true, entry(ledger.Quarantined, o.Now)
		}, "database: restore the value; smtp: wait" + rest},
		{"services scale out, or the application answers 429, days later, and an overlap of days is open", converged(), func(o *Observation, _ *Kind) {
			later(o, after(3*24*time.Hour))
			o.Health, o.Rollout.Services[0].Desired, o.Rollout.Services[0].Deploying = Unclear, 4, true
		}, "database: wait; smtp: wait" + rest},
		{"the application is unhealthy, days later", converged(), func(o *Observation, _ *Kind) { o.Health = Unhealthy }, "database: wait; smtp: wait" + rest},
		{"no reconcile for a day, every task is new, and somebody deploys", fresh(), func(o *Observation, _ *Kind) {
			later(o, after(24*time.Hour))
			o.Rollout.Services[0].Deploying = true
		}, "secret: note that the rollout has converged…"},
	})
}

func TestAPromotionThatDoesNotComeUpIsRolledBackWhereThatHelps(t *testing.T) {
	failing := func(change func(o *Observation, k *Kind)) func(o *Observation, k *Kind) {
		return func(o *Observation, k *Kind) { fails(o); change(o, k) }
	}
	decides(t, []row{
		{"a deployment failed", rolling(), func(o *Observation, _ *Kind) { o.Rollout.Services[1].Failed = "circuit breaker" },
			"database: ask the target; smtp: ask the target; api: ask the target; database: wait…"},
		{"a deployment failed, and the old values are accepted", rolling(), failing(func(*Observation, *Kind) {}), "secret: roll back database,smtp,api,admin,webhook"},
		{"one old value is refused", rolling(), failing(func(_ *Observation, k *Kind) { k.Old[0].Probe = Denied }), "secret: roll back smtp,api,admin,webhook"},
		{"one target does not answer", rolling(), failing(func(_ *Observation, k *Kind) { k.Old[0].Probe = NoAnswer }), allWait},
		{"every old value is refused", rolling(), failing(func(o *Observation, k *Kind) { k.Old[0].Probe, o.Kinds = Denied, o.Kinds[:1] }), "secret: alarm; database: wait"},
		{"a kind that the promotion did not change stays", rolling(), failing(func(o *Observation, _ *Kind) { o.Kinds[1].Old = nil }), "secret: roll back database,api,admin,webhook"},
		{"an overlap of an earlier rotation stays", rolling(), failing(func(o *Observation, _ *Kind) {
			o.Kinds[1].Old[0].Entry = entry(ledger.Old, promotedAt.Add(-2*time.Second))
		}), "secret: roll back database,api,admin,webhook"},
		{"a value that has been noted as old since the promotion is restored", rolling(), failing(func(o *Observation, _ *Kind) {
			o.Kinds[1].Old[0].Entry = entry(ledger.Old, promotedAt)
		}), "secret: roll back database,smtp,api,admin,webhook"},
		{"an older value that is on its way out is not gone back to", rolling(), failing(func(_ *Observation, k *Kind) {
			k.Old = append(k.Old, Value{Version: "held", Entry: entry(ledger.Held, promotedAt), Probe: Accepted})
			k.Old[0].Probe = Denied
		}), "secret: roll back smtp,api,admin,webhook"},
		{"it was rolled back before", rolling(), failing(func(o *Observation, _ *Kind) { o.Rollout.Promoted, o.Rollout.RolledBack = false, true }), "secret: alarm; database: wait…"},
		{"AWSCURRENT was moved by hand", rolling(), failing(func(o *Observation, _ *Kind) { o.Rollout.Promoted = false }), "secret: alarm; database: wait…"},
		{"it was an emergency", rolling(), failing(func(o *Observation, _ *Kind) { o.Rollout.Emergency = true }), "secret: alarm; database: wait…"},
		{"an emergency has replaced a value", rolling(), failing(func(_ *Observation, k *Kind) {
			k.Old = append(k.Old, Value{Version: "leaked", Entry: entry(ledger.Revoking, promotedAt)})
		}), "secret: alarm; database: note that the value may have leaked; database: wait; smtp: wait…"},
		{"an emergency is pending", rolling(), failing(func(o *Observation, k *Kind) {
			o.Rotating, o.RotatingSince, o.RotatingKinds = true, o.Now, []string{"database"}
			k.Wanted.Entry.State = ledger.Revoking
		}), "database: wait; secret: alarm; database: wait…"},
		{"an emergency is pending that has marked nothing yet", rolling(), failing(func(o *Observation, _ *Kind) {
			o.Rotating, o.EmergencyPending, o.RotatingSince, o.RotatingKinds = true, true, o.Now, []string{"database"}
		}), "secret: alarm; database: wait…"},
		{"an emergency is pending of a kind that was not promoted", rolling(), failing(func(o *Observation, _ *Kind) {
			o.Rotating, o.EmergencyPending, o.RotatingSince, o.RotatingKinds = true, true, o.Now, []string{"another"}
		}), "secret: alarm; database: wait…"},
		{"an emergency is pending that has stored nothing yet", rolling(), failing(func(o *Observation, _ *Kind) {
			o.Rotating, o.EmergencyPending = true, true
		}), "secret: alarm; database: wait…"},
		{"a rotation was given up just now", rolling(), failing(func(o *Observation, k *Kind) {
			k.Old = append(k.Old, Value{Version: "given up", Entry: entry(ledger.GivenUp, o.Now.Add(-longestCall+time.Second)), Probe: Denied})
		}), "secret: wait; database: wait; database: retire the value…"},
		{"a rotation was given up just now that had stored nothing", rolling(), failing(func(o *Observation, _ *Kind) {
			o.GaveUp = true
		}), "secret: wait; database: wait…"},
		{"a rotation was given up before", rolling(), failing(func(o *Observation, k *Kind) {
			k.Old = append(k.Old, Value{Version: "given up", Entry: entry(ledger.GivenUp, o.Now.Add(-longestCall)), Probe: Denied})
		}), "secret: roll back database,smtp,api,admin,webhook"},
		{"another rotation is pending that has stored nothing yet", rolling(), failing(func(o *Observation, _ *Kind) {
			o.Rotating = true
		}), "secret: roll back database,smtp,api,admin,webhook"},
		{"a value is in quarantine", rolling(), failing(func(_ *Observation, k *Kind) { k.Old[0].Entry.State = ledger.Quarantined }), "secret: alarm; database: restore the value…"},
		{"too few new tasks when the time is over", rolling(), func(o *Observation, _ *Kind) {
			answered(o)
			o.Now, o.Rollout.Services[1].Fresh = after(31*time.Minute), 0
		}, "secret: roll back database,smtp,api,admin,webhook"},
		{"the same, while ECS still bakes", rolling(), func(o *Observation, _ *Kind) {
			answered(o)
			o.Now, o.Rollout.Services[1].Fresh, o.Rollout.Services[1].Bake = after(31*time.Minute), 0, time.Hour
		}, allWait},
		{"old tasks that do not stop", rolling(), func(o *Observation, _ *Kind) { answered(o); o.Now = after(31 * time.Minute) }, "secret: alarm; database: wait…"},
		{"a service that is missing", rolling(), func(o *Observation, _ *Kind) {
			answered(o)
			o.Now, o.Rollout.Services[1] = after(time.Hour), rollout.Service{Name: "cron", Missing: "the cluster does not have it"}
		}, "secret: alarm; database: wait…"},
		{"unhealthy for the first time", fresh(), func(o *Observation, _ *Kind) { answered(o); o.Health = Unhealthy }, "secret: note that the application is unhealthy…"},
		{"unhealthy, while an old task is left", rolling(), func(o *Observation, _ *Kind) { answered(o); o.Health = Unhealthy }, "secret: note that the application is unhealthy…"},
		{"unhealthy, a minute later", fresh(), func(o *Observation, _ *Kind) {
			answered(o)
			o.Health, o.Rollout.Unhealthy = Unhealthy, o.Now.Add(-time.Minute)
		}, allWait},
		{"unhealthy, five minutes later", fresh(), func(o *Observation, _ *Kind) {
			answered(o)
			o.Health, o.Rollout.Unhealthy = Unhealthy, o.Now.Add(-5*time.Minute)
		}, "secret: roll back database,smtp,api,admin,webhook"},
		{"healthy again", fresh(), func(o *Observation, _ *Kind) { o.Rollout.Unhealthy = o.Now.Add(-time.Minute) }, "secret: note that the application is healthy again…"},
		{"healthy again, while an old task is left", rolling(), func(o *Observation, _ *Kind) { o.Rollout.Unhealthy = o.Now.Add(-time.Hour) }, "secret: note that the application is healthy again…"},
		{"a firewall answers, or a redirect", fresh(), func(o *Observation, _ *Kind) { answered(o); o.Health, o.Now = Unclear, after(time.Hour) }, "secret: alarm; database: wait…"},
		{"it was marked, and the mark was all", rolling(), func(o *Observation, _ *Kind) {
			for i := range o.Kinds {
				o.Kinds[i].Wanted.Entry.State = ledger.RolledBack
			}
		}, "secret: finish the rollback"},
		{"it was marked, and the application has recovered since", fresh(), func(o *Observation, _ *Kind) {
			for i := range o.Kinds {
				o.Kinds[i].Wanted.Entry.State = ledger.RolledBack
			}
		}, "secret: finish the rollback"},
		{"an edit has overtaken the mark", rolling(), func(o *Observation, _ *Kind) {
			for i := range o.Kinds[:2] {
				o.Kinds[i].Wanted.Entry, o.Kinds[i].Wanted.Current = entry(ledger.RolledBack, promotedAt), false
			}
		}, "secret: roll back database,smtp…"},
		{"an edit stores what was rolled back before this promotion", rolling(), func(o *Observation, _ *Kind) {
			o.Kinds[0].Wanted.Entry, o.Kinds[0].Wanted.Current = entry(ledger.RolledBack, promotedAt.Add(-2*time.Second)), false
		}, "database: note that the value is accepted…"},
	})
}

func TestARotationThatEndedOtherwiseLeavesNothingAccepted(t *testing.T) {
	givenUp := func(o *Observation) {
		for i := range o.Kinds {
			o.Kinds[i].Old[0].Entry.State = ledger.GivenUp
		}
	}
	// back is a rollout back to the old values.
	back := func(o *Observation) {
		o.Rollout.Promoted, o.Rollout.RolledBack = false, true
		for i := range o.Kinds {
			o.Kinds[i].Old[0].Entry.State = ledger.RolledBack
		}
	}
	decides(t, []row{
		{"a rotation is stuck for a day", converged(), func(o *Observation, _ *Kind) { o.Rotating, o.RotatingSince = true, o.Now.Add(-25*time.Hour) }, "secret: give the rotation up"},
		{"a rotation is under way for hours, and other kinds' overlaps end", converged(), func(o *Observation, _ *Kind) {
			o.Rotating, o.RotatingSince, o.RotatingKinds = true, o.Now.Add(-23*time.Hour), []string{"admin"}
		}, "database: quarantine the value; smtp: quarantine the value; api: wait; admin: wait; webhook: forget the value"},
		{"a rotation has given a single-valued target the pending value", converged(), func(o *Observation, _ *Kind) {
			o.Rotating, o.RotatingSince, o.RotatingKinds = true, o.Now, []string{"admin"}
			o.Kinds[3].Wanted.Probe = Denied
		}, "admin: wait; database: quarantine the value; smtp: quarantine the value; api: wait; admin: wait; webhook: forget the value"},
		{"AWSPENDING is left on a version that AWSCURRENT was moved away from", converged(), func(o *Observation, _ *Kind) { o.Rotating, o.Left = true, "old" }, "secret old: remove AWSPENDING"},
		{"a rotation was given up, and its promotion may be in progress", converged(), func(_ *Observation, k *Kind) { k.Old[0].Entry.State = ledger.Pending }, "secret old: fence AWSCURRENT"},
		{"the same, and no rollout has followed the last promotion yet", promoted(), func(o *Observation, k *Kind) {
			k.Old = append(k.Old, Value{Version: "givenup", Entry: entry(ledger.Pending, promotedAt)})
		}, "database: note that the value is accepted; smtp: wait; api: wait; admin: wait; webhook: wait; secret: begin a rollout, promoted"},
		{"the same, and another rotation is under way", converged(), func(o *Observation, k *Kind) {
			k.Old[0].Entry.State, o.Rotating = ledger.Pending, true
		}, "database: wait; smtp: quarantine the value" + rest},
		{"a rotation was given up", converged(), func(o *Observation, _ *Kind) { givenUp(o) },
			"database: retire the value; smtp: retire the value; api: retire the value; admin: put the wanted value back; webhook: put the wanted value back"},
		{"given up, and AWSCURRENT's value is not known to be accepted", converged(), func(o *Observation, k *Kind) {
			givenUp(o)
			k.Wanted.Entry, k.Wanted.Probe = ledger.Entry{}, NoAnswer
		}, "database: wait; database: wait; smtp: retire the value…"},
		{"given up, and a single-valued target has the pending value", converged(), func(o *Observation, _ *Kind) {
			givenUp(o)
			o.Kinds[3].Wanted.Probe = Denied
		}, "admin: put the wanted value back; database: retire the value; smtp: retire the value; api: retire the value; admin: wait; webhook: put the wanted value back"},
		{"AWSCURRENT was rolled back", rolling(), func(o *Observation, _ *Kind) {
			back(o)
			o.Rollout.Promoted, o.Rollout.RolledBack, o.Rollout.Here = true, false, false
		}, "secret: begin a rollout, rolled back"},
		{"rolled back, and tasks with the bad values are left", rolling(), func(o *Observation, _ *Kind) { back(o) }, "secret: wait; database: wait; smtp: wait; api: wait; admin: put the wanted value back; webhook: put the wanted value back"},
		{"rolled back, and each single-valued target is given its value by itself", rolling(), func(o *Observation, _ *Kind) {
			back(o)
			o.Kinds[3].Wanted.Probe, o.Kinds[4].Wanted.Probe = Denied, NoAnswer
		}, "admin: put the wanted value back; webhook: wait; secret: wait; database: wait; smtp: wait; api: wait; admin: wait; webhook: wait"},
		{"rolled back, and no task has the bad values", converged(), func(o *Observation, _ *Kind) { back(o) },
			"database: retire the value; smtp: retire the value; api: retire the value; admin: put the wanted value back; webhook: put the wanted value back"},
		{"rolled back, and it does not come up either", rolling(), func(o *Observation, _ *Kind) { back(o); fails(o) }, "secret: alarm; database: wait…"},
		{"rolled back, and refused", converged(), func(_ *Observation, k *Kind) { k.Old[0].Entry.State = ledger.Failed }, "database: wait; smtp: quarantine the value" + rest},
	})
}

func TestInAnEmergencyOldValuesOfItsKindsGoAtOnce(t *testing.T) {
	decides(t, []row{
		{"it was promoted", rolling(), func(o *Observation, k *Kind) {
			o.Rollout.Here = false
			k.Wanted.Entry.State, k.Old[0].Entry.State = ledger.Pending, ledger.Revoking
		}, "database: note that the value is accepted; secret: begin a rollout, promoted, emergency"},
		{"its own kind, while the overlaps of the others are open", rolling(), func(_ *Observation, k *Kind) { k.Old[0].Entry.State = ledger.Revoking }, "secret: wait; database: revoke the value; smtp: wait; api: wait; admin: wait; webhook: wait"},
		{"a single-valued kind", rolling(), func(o *Observation, _ *Kind) { o.Kinds[3].Old[0].Entry.State = ledger.Revoking }, "secret: wait; database: wait; smtp: wait; api: wait; admin: revoke the value; webhook: wait"},
		{"older values are marked first: an emergency treats them as leaked too", converged(), func(_ *Observation, k *Kind) {
			k.Old[0].Entry.State = ledger.Revoking
			k.Old = append(k.Old, Value{Version: "older", Entry: entry(ledger.Held, promotedAt)}, Value{Version: "foreign", Entry: entry(ledger.Foreign, promotedAt)})
		}, "database: wait; database: note that the value may have leaked; database: wait; smtp: quarantine the value" + rest},
		{"AWSCURRENT's value is refused", rolling(), func(_ *Observation, k *Kind) {
			k.Old[0].Entry.State, k.Old[0].Probe, k.Wanted.Probe, k.Wanted.SetFailed = ledger.Revoking, Accepted, Denied, "1227"
		}, "database: alarm; secret: alarm; database: wait…"},
		{"it is under way", converged(), func(o *Observation, k *Kind) {
			o.Rotating, o.RotatingSince, o.RotatingKinds = true, o.Now, []string{"database"}
			k.Wanted.Entry.State = ledger.Revoking
		}, "database: wait; database: wait; smtp: quarantine the value" + rest},
		{"it was given up: the leaked value is still AWSCURRENT", converged(), func(_ *Observation, k *Kind) { k.Wanted.Entry.State = ledger.Revoking }, "database: alarm; database: quarantine the value…"},
		{"it was given up, and nobody has asked about the leaked value", converged(), func(_ *Observation, k *Kind) { k.Wanted.Entry.State, k.Wanted.Probe = ledger.Revoking, NotAsked }, "database: ask the target; database: wait…"},
		{"it was given up, and the target does not answer", converged(), func(_ *Observation, k *Kind) { k.Wanted.Entry.State, k.Wanted.Probe = ledger.Revoking, NoAnswer }, "database: alarm; database: wait…"},
		{"a leaked value is AWSCURRENT again, by hand, and refused: it is never set again", converged(), func(_ *Observation, k *Kind) {
			k.Wanted.Entry.State, k.Wanted.Probe = ledger.Revoking, Denied
		}, "database: ask the target; database: wait; smtp: quarantine the value" + rest},
		{"the same, and the old value is accepted", converged(), func(_ *Observation, k *Kind) {
			k.Wanted.Entry.State, k.Wanted.Probe, k.Old[0].Probe = ledger.Revoking, Denied, Accepted
		}, "database: alarm; database: wait; smtp: quarantine the value" + rest},
	})
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
		if a.Version != "" && (a.Kind == "" || a.Do == Tidy) {
			about += " " + a.Version
		}
		words[i] = about + ": " + string(a.Do)
		if a.Do == Redeploy {
			words[i] += " " + a.Service
		}
		for _, what := range []struct {
			word string
			on   bool
		}{{"promoted", a.Rollout.Promoted}, {"rolled back", a.Rollout.RolledBack}, {"emergency", a.Rollout.Emergency}} {
			if what.on {
				words[i] += ", " + what.word
			}
		}
		if len(a.Kinds) > 0 {
			words[i] += " " + strings.Join(a.Kinds, ",")
		}
	}
	return strings.Join(words, "; ")
}
