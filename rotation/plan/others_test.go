package plan

import (
	"testing"
	"time"

	"mautic-rotation/rotation/ledger"
)

// Several secrets of one function: their tasks are the same, and one may store what
// another has replaced.

func unseen(o *Observation, _ *Kind) { o.Others.Unseen = true }

func TestWhatAnotherSecretStoresIsNotTakenAway(t *testing.T) {
	elsewhere := func(change func(o *Observation, k *Kind)) func(o *Observation, k *Kind) {
		return func(o *Observation, k *Kind) {
			k.Old[0].Elsewhere = "the other secret"
			if change != nil {
				change(o, k)
			}
		}
	}
	quarantined := func(o *Observation, k *Kind) { k.Old[0].Entry = entry(ledger.Quarantined, o.Now.Add(-time.Hour)) }
	decides(t, []row{
		{"the others are not known yet", converged(), unseen, "secret: look at the other secrets; secret: look at the other secrets; api: wait…"},
		{"nobody looks while nothing can be taken away", rolling(), unseen, allWait},
		{"it is stored there", converged(), elsewhere(nil), "database: alarm; smtp: quarantine the value…"},
		{"an operator has released it", converged(), elsewhere(func(_ *Observation, k *Kind) { k.Old[0].Entry.State = ledger.Released }), "database: alarm; smtp…"},
		{"it was stored there during the quarantine", converged(), elsewhere(quarantined), "database: restore the value; smtp…"},
		{"another secret cannot be read", converged(), func(o *Observation, _ *Kind) { o.Others.Unread = "it is marked for deletion" }, "database: alarm; smtp: alarm…"},
		{"the same, during a quarantine", converged(), func(o *Observation, k *Kind) {
			quarantined(o, k)
			o.Others.Unread = "it is marked for deletion"
		}, "database: restore the value; smtp: alarm…"},
		{"a rotation with it was given up", converged(), elsewhere(func(_ *Observation, k *Kind) { k.Old[0].Entry.State = ledger.GivenUp }), "database: alarm; smtp…"},
		{"it has leaked", converged(), elsewhere(func(_ *Observation, k *Kind) { k.Old[0].Entry.State = ledger.Revoking }), "database: revoke the value; smtp…"},
	})
}

func TestOfSeveralPromotionsOnlyTheLastIsRolledBack(t *testing.T) {
	other := func(began time.Duration, change func(r *ledger.Rollout)) func(o *Observation, k *Kind) {
		return func(o *Observation, _ *Kind) {
			fails(o)
			r := ledger.Rollout{Since: after(began), Promoted: true}
			if change != nil {
				change(&r)
			}
			o.Others.Rollouts = []OtherRollout{{Secret: "the other secret", Rollout: r}}
		}
	}
	const back = "secret: roll back database,smtp,api,admin,webhook"
	slow := func(o *Observation) {
		answered(o)
		o.Now, o.Rollout.Services[1].Fresh = after(31*time.Minute), 0
	}
	decides(t, []row{
		{"the others are not known yet", rolling(), func(o *Observation, k *Kind) { fails(o); unseen(o, k) }, "secret: look at the other secrets; database: wait…"},
		{"nobody looks where nothing may be rolled back", rolling(), func(o *Observation, k *Kind) {
			fails(o)
			unseen(o, k)
			o.Rollout.Promoted = false
		}, "secret: alarm…"},
		{"another promotion came later", rolling(), other(time.Minute, nil), allWait},
		{"another promotion came earlier", rolling(), other(-time.Minute, nil), back},
		{"a later one has converged", rolling(), other(time.Minute, func(r *ledger.Rollout) { r.Converged = after(2 * time.Minute) }), back},
		{"a later one was rolled back", rolling(), other(time.Minute, func(r *ledger.Rollout) { r.Promoted, r.RolledBack = false, true }), back},
		{"a later one is an emergency, which is never rolled back", rolling(), other(time.Minute, func(r *ledger.Rollout) { r.Emergency = true }), back},
		{"a later one should have been rolled back long ago", rolling(), func(o *Observation, k *Kind) {
			other(time.Minute, nil)(o, k)
			o.Now = after(2 * time.Hour)
		}, back},
		{"a later rollback gives the services their time again", rolling(), func(o *Observation, _ *Kind) {
			slow(o)
			o.Others.Rollouts = []OtherRollout{{Rollout: ledger.Rollout{Since: after(5 * time.Minute), RolledBack: true}}}
		}, allWait},
		{"and that is over", rolling(), func(o *Observation, _ *Kind) {
			slow(o)
			o.Now = after(36 * time.Minute)
			o.Others.Rollouts = []OtherRollout{{Rollout: ledger.Rollout{Since: after(5 * time.Minute), RolledBack: true}}}
		}, back},
		{"ill health from before a later rollback", fresh(), func(o *Observation, _ *Kind) {
			answered(o)
			o.Health, o.Rollout.Unhealthy = Unhealthy, o.Now.Add(-10*time.Minute)
			o.Others.Rollouts = []OtherRollout{{Rollout: ledger.Rollout{Since: o.Now.Add(-time.Minute), RolledBack: true}}}
		}, allWait},
		{"its own value is refused, whatever came later", rolling(), func(o *Observation, k *Kind) {
			other(time.Minute, nil)(o, k)
			k.Wanted.Probe, k.Wanted.SetFailed = Denied, "nothing could set it"
		}, back},
	})
}

func TestNothingIsRolledBackWhileATargetOfOneValueCannotBeWrittenTo(t *testing.T) {
	route := func(answer Probe) func(o *Observation, k *Kind) {
		return func(o *Observation, _ *Kind) {
			fails(o)
			o.Kinds[3].Route = answer // the administrator's
		}
	}
	decides(t, []row{
		{"it is not known", rolling(), route(NotAsked), "admin: ask whether the target can be written to; database: wait…"},
		{"it cannot", rolling(), route(NoAnswer), allWait},
		{"it can", rolling(), route(Accepted), "secret: roll back database,smtp,api,admin,webhook"},
	})
}
