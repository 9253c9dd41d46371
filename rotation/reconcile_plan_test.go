package rotation

import (
	"slices"
	"testing"
	"time"

	"mautic-rotation/rotation/rollout"
)

func TestDecideFollowsTheJournalAndWhatIsSeen(t *testing.T) {
	live := []string{"database"}
	fresh := rollout.State{Fresh: true, Steady: true}
	empty := rollout.State{Fresh: true} // old tasks stopped first, and the new ones do not run
	stale := rollout.State{Stale: []string{"service web: task 1a2b still drains"}}
	failed := rollout.State{Failed: []string{"service web: circuit breaker"}, Stale: []string{"x"}}
	old := entry{phase: phaseOld, live: live, next: otherID, since: began}
	api := entry{phase: phaseOld, live: []string{"api"}, next: otherID, since: began}
	rolledBack := entry{phase: phaseRolledBack, live: live, next: otherID, since: began}
	soon, late := began.Add(time.Minute), began.Add(31*time.Minute)
	for _, tc := range []struct {
		name string
		e    entry
		s    situation
		want action
	}{
		{"a promoted version's own entry", entry{phase: phaseSet, live: live}, situation{current: true}, doForget},
		{"about to be promoted over", entry{phase: phaseOld, live: live, next: otherID}, situation{now: soon, current: true, promoting: true}, doNothing},
		{"the old version, current again by hand", old, situation{now: soon, current: true}, doAdopt},
		{"current again by hand, and AWSPENDING stays on the other", old, situation{now: soon, current: true, promoting: true}, doAdopt},
		{"quarantined, and current again by hand", entry{phase: phaseQuarantined, live: live, next: otherID, since: began}, situation{now: soon, current: true}, doAdopt},
		{"never promoted over", entry{phase: phaseOld, live: live, next: otherID}, situation{now: soon, current: true}, doForget},
		{"the new tasks work, and old ones do not go", old, situation{now: late, services: true, promoted: true, rollout: rollout.State{Steady: true, Stale: []string{"x"}}}, doAlarm},
		{"all is well, whatever else has failed since", old, situation{now: soon, services: true, promoted: true, rollout: rollout.State{Fresh: true, Steady: true, Failed: []string{"a later image"}}}, doClose},
		{"an entry of nothing", entry{phase: phaseRolledBack}, situation{}, doForget},

		{"a rotation under way", entry{phase: phaseSet, live: live, since: began}, situation{now: soon, pending: true}, doNothing},
		{"a rotation that is stuck", entry{phase: phaseSet, live: live, since: began}, situation{now: began.Add(2 * time.Hour), pending: true}, doAlarm},
		{"a rotation that was given up", entry{phase: phaseSet, live: live, since: began}, situation{now: soon}, doRetire},
		{"given up, while another is under way", entry{phase: phaseSet, live: live, since: began}, situation{now: soon, rotating: true}, doNothing},

		{"promoted, and the redeploy not noted", entry{phase: phaseOld, live: live, next: otherID}, situation{now: soon, services: true, promoted: true}, doRedeploy},
		{"rolling", old, situation{now: soon, services: true, promoted: true, rollout: stale}, doNothing},
		{"converged", old, situation{now: soon, services: true, promoted: true, rollout: fresh}, doClose},
		{"no old task left, and the new ones not up yet", old, situation{now: soon, services: true, promoted: true, rollout: empty}, doNothing},
		{"no old task left, and the new ones never up", old, situation{now: late, services: true, promoted: true, rollout: empty}, doRollBack},
		{"converged late", old, situation{now: late, services: true, promoted: true, rollout: fresh}, doClose},
		{"converged, after AWSCURRENT has moved on", old, situation{now: soon, services: true, rollout: fresh}, doClose},
		{"fresh and not healthy yet", old, situation{now: soon, services: true, promoted: true, rollout: fresh, sick: "500"}, doNothing},
		{"fresh and never healthy", old, situation{now: late, services: true, promoted: true, rollout: fresh, sick: "500"}, doRollBack},
		{"the rollout failed", old, situation{now: soon, services: true, promoted: true, rollout: failed}, doRollBack},
		{"the rollout is past its deadline", old, situation{now: late, services: true, promoted: true, rollout: stale}, doRollBack},
		{"past the deadline, while ECS still bakes", old, situation{now: late, services: true, promoted: true, rollout: rollout.State{Stale: []string{"x"}, Bake: time.Hour}}, doNothing},
		{"past the deadline and the bake", old, situation{now: late.Add(time.Hour), services: true, promoted: true, rollout: rollout.State{Stale: []string{"x"}, Bake: time.Hour}}, doRollBack},
		{"failed, after AWSCURRENT has moved on", old, situation{now: soon, services: true, rollout: failed}, doHold},
		{"what its callers may use for days", api, situation{now: soon, promoted: true, kept: true}, doNothing},
		{"the same, when its time is over", api, situation{now: late, promoted: true}, doClose},
		{"the same, while the application is ill", api, situation{now: late, promoted: true, sick: "500"}, doNothing},
		{"the rollout fails after a value was retired", entry{phase: phaseOld, live: live, gone: []string{"smtp"}, next: otherID, since: began}, situation{now: soon, services: true, promoted: true, rollout: failed}, doHold},
		{"an emergency, with old values accepted still", entry{phase: phaseOld, live: live, emergency: true, next: otherID}, situation{now: soon, services: true, promoted: true}, doRevoke},
		{"an emergency, of an overlap that was held", entry{phase: phaseHeld, live: live, emergency: true, since: began}, situation{now: soon, services: true}, doRevoke},
		{"an emergency, revoked, and the redeploy not noted", entry{phase: phaseOld, gone: live, emergency: true, revoked: true, next: otherID}, situation{now: soon, services: true, promoted: true}, doRedeploy},
		{"an emergency, rolling", entry{phase: phaseOld, gone: live, emergency: true, revoked: true, next: otherID, since: began}, situation{now: soon, services: true, promoted: true, rollout: stale}, doNothing},
		{"an emergency whose rollout failed", entry{phase: phaseOld, gone: live, emergency: true, revoked: true, next: otherID, since: began}, situation{now: soon, services: true, promoted: true, rollout: failed}, doAlarm},
		{"an emergency, converged", entry{phase: phaseOld, gone: live, emergency: true, revoked: true, next: otherID, since: began}, situation{now: soon, services: true, promoted: true, rollout: fresh}, doEndEmergency},
		{"no services, too early", old, situation{now: late, promoted: true}, doNothing},
		{"no services, after a day", old, situation{now: began.Add(25 * time.Hour), promoted: true}, doClose},

		{"a quarantine that was cut off", entry{phase: phaseQuarantined, live: live, next: otherID, since: began}, situation{now: late, services: true, promoted: true, rollout: failed}, doClose},
		{"held", entry{phase: phaseHeld, live: live, next: otherID, since: began}, situation{now: late, services: true, rollout: fresh}, doAlarm},

		{"a rollback that was cut off", rolledBack, situation{now: soon, current: true}, doFinishRollBack},
		{"rolled back, and the redeploy not noted", entry{phase: phaseRolledBack, live: live, next: otherID}, situation{now: soon, services: true}, doRedeploy},
		{"rolled back, rolling", rolledBack, situation{now: soon, services: true, rollout: stale}, doNothing},
		{"rolled back, converged", rolledBack, situation{now: soon, services: true, rollout: fresh}, doRetire},
		{"rolled back, retired and remembered", entry{phase: phaseFailed, since: began}, situation{now: late, services: true, promoted: true}, doNothing},
		{"the same, with a label from before", entry{phase: phaseFailed, since: began}, situation{now: late, untidy: true}, doTidy},
		{"held, with a label from before", entry{phase: phaseHeld, live: live, next: otherID, since: began}, situation{now: late, services: true, rollout: fresh, untidy: true}, doTidy},
		{"current again by a rollback that was cut off at its end", old, situation{now: soon, current: true, undone: true}, doForget},
		{"remembered, and made current again by hand", entry{phase: phaseFailed, since: began}, situation{now: late, current: true}, doForget},
		{"rolled back, and that fails too", rolledBack, situation{now: soon, services: true, rollout: failed}, doAlarm},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.s.restart = !slices.Equal(tc.e.live, api.live)
			got, why := decide(tc.e, tc.s, DefaultLimits)
			if got != tc.want {
				t.Errorf("got %q (%s), want %q", got, why, tc.want)
			}
			if why == "" {
				t.Error("it does not say why")
			}
		})
	}
}
