package plan

import (
	"testing"
	"time"

	"mautic-rotation/rotation/ledger"
)

// What can become of AWSCURRENT, whoever does it. That it has another value is
// found by comparing values; the versions' names below only tell them apart.

// backTo is the secret once the old values are AWSCURRENT again. labelled tells
// whether its version has the ledger's label itself, as one that was moved back has
// and one that stores the same document again has not.
func backTo(o Observation, labelled bool) Observation {
	o.Kinds = cloned(o.Kinds)
	o.Rollout.Here = false // it is about the version that was current
	for i := range o.Kinds {
		k := &o.Kinds[i]
		if len(k.Old) == 0 {
			continue // both versions store the same value
		}
		old := k.Old[0]
		old.Current = labelled
		old.Probe = map[bool]Probe{true: Accepted, false: Denied}[k.Overlaps]
		k.Wanted.Current, k.Wanted.Probe = false, NotAsked
		k.Old, k.Wanted = []Value{k.Wanted}, old
	}
	return o
}

// edited is the secret with another field edited: AWSCURRENT is a version without a
// label, which stores the same values.
func edited(o Observation) Observation {
	o.Kinds = cloned(o.Kinds)
	o.Rollout.Here = false
	for i := range o.Kinds {
		o.Kinds[i].Wanted.Current = false
	}
	return o
}

// another is the secret with a database value that no label knows.
func another(o Observation, probe Probe) Observation {
	o = edited(o)
	k := &o.Kinds[0]
	k.Old = append(k.Old, Value{Version: k.Wanted.Version, Entry: k.Wanted.Entry})
	k.Wanted = Value{Version: "by hand", Probe: probe}
	return o
}

// promoted is the secret just after a promotion of another database value.
func promoted() Observation {
	o := converged()
	o.Rollout.Here = false
	k := &o.Kinds[0]
	k.Old = []Value{{Version: "new", Entry: k.Wanted.Entry}}
	k.Wanted = Value{Version: "newer", Entry: entry(ledger.Pending, o.Now), Current: true, Probe: Accepted}
	for i := range o.Kinds[1:] {
		o.Kinds[1+i].Wanted.Current, o.Kinds[1+i].Old = false, nil
	}
	return o
}

func TestHoweverAWSCURRENTChangesWhatTasksUseStaysAcceptedUntilTheyAreReplaced(t *testing.T) {
	const (
		takenBack    = "database: note that the value is accepted; smtp: note that the value is accepted; api: note that the value is accepted; "
		setAgain     = "admin: set the value again; webhook: set the value again; "
		carried      = "database: note the value on AWSCURRENT; smtp: note the value on AWSCURRENT; api: note the value on AWSCURRENT; admin: note the value on AWSCURRENT; webhook: note the value on AWSCURRENT"
		beginsFirst  = "smtp: wait; api: wait; admin: wait; webhook: wait; secret: begin a rollout"
		nothingTaken = "; database: wait; database: wait; smtp: quarantine the value; api: wait; admin: forget the value; webhook: forget the value"
	)
	decides(t, []row{
		// By the function.
		{"promoted by the function", promoted(), nil, "database: note that the value is accepted; " + beginsFirst + ", promoted"},
		{"promoted, and the invocation that did it has ended", promoted(), func(_ *Observation, k *Kind) { k.Wanted.Probe = NotAsked }, "database: ask the target; smtp: wait…"},
		{"promoted, of a kind that needs no restart", promoted(), func(_ *Observation, k *Kind) { k.Restarts = false }, "database: note that the value is accepted; smtp: note the value on AWSCURRENT; api: note the value on AWSCURRENT; admin: note the value on AWSCURRENT; webhook: note the value on AWSCURRENT; database: wait"},
		{"a rotation that changes nothing is promoted while a rollout is open, which can still be rolled back", edited(rolling()), func(o *Observation, _ *Kind) { fails(o) }, carried + "; secret: roll back database,smtp,api,admin,webhook"},

		// By hand: moved back.
		{"moved back by hand", backTo(converged(), true), nil, takenBack + setAgain + "secret: begin a rollout"},
		{"moved back by hand before the redeploy was noted, as an event tells", backTo(promoted(), true), func(o *Observation, k *Kind) {
			o.Rollout.Here, o.Rollout.ChangedBy = true, o.Now // AWSCURRENT's label is about the rollout before
			o.Rotating, o.RotatingSince, o.RotatingKinds = true, o.Now, []string{"database"}
			k.Old[0].Pending = true
		}, "smtp: note the value on AWSCURRENT; api: note the value on AWSCURRENT; admin: note the value on AWSCURRENT; webhook: note the value on AWSCURRENT; secret: begin a rollout"},
		{"moved back by hand after a release", backTo(converged(), true), func(_ *Observation, k *Kind) { k.Wanted.Entry.State = ledger.Released }, takenBack + setAgain + "secret: begin a rollout"},
		{"moved back by hand, and the value is in quarantine", backTo(converged(), true), func(_ *Observation, k *Kind) {
			k.Wanted.Entry.State, k.Wanted.Probe = ledger.Quarantined, NotAsked
		}, "database: restore the value; smtp: note that the value is accepted…"},
		{"moved back by hand during a rollout", backTo(rolling(), true), nil, takenBack + setAgain + "secret: begin a rollout"},
		{"promoted, and moved back by hand before a rollout began", backTo(converged(), true), func(o *Observation, k *Kind) {
			o.Rollout.Here, o.Rollout.Since = true, after(-time.Hour) // the rollout before
			o.Kinds = o.Kinds[:1]
			k.Wanted.Entry, k.Wanted.Current = entry(ledger.Proven, o.Now), true
			k.Old = []Value{{Version: "promoted", Left: true, Entry: entry(ledger.Pending, promotedAt)}}
		}, "secret: begin a rollout"},
		{"the same, once that has begun", backTo(converged(), true), func(o *Observation, k *Kind) {
			o.Rollout.Here, o.Rollout.Since = true, after(time.Minute)
			o.Kinds = o.Kinds[:1]
			k.Wanted.Entry, k.Wanted.Current = entry(ledger.Proven, o.Now), true
			k.Old = []Value{{Version: "promoted", Left: true, Entry: entry(ledger.Pending, promotedAt)}}
		}, "secret promoted: fence AWSCURRENT"},
		{"moved away and back again before a reconcile ran", converged(), func(o *Observation, _ *Kind) { o.Rollout.ChangedBy = after(time.Hour) }, "secret: begin a rollout"},
		{"moved away and back again during a rollout", rolling(), func(o *Observation, _ *Kind) { o.Rollout.ChangedBy = after(time.Minute) }, "secret: begin a rollout"},
		{"an event of before the rollout comes late", converged(), func(o *Observation, _ *Kind) { o.Rollout.ChangedBy = after(-time.Minute) }, "database: quarantine the value…"},
		{"moved to a version whose value was retired", backTo(converged(), true), func(_ *Observation, k *Kind) { k.Wanted = Value{Version: "retired", Probe: Denied} }, "database: ask the target; smtp: note…"},
		{"the same, once it is known which value is accepted, and the schedule is held off", another(converged(), Denied), func(_ *Observation, k *Kind) {
			k.Old[0].Probe, k.Old[1].Probe = Denied, Accepted
			k.Old = append(k.Old, Value{Version: "bad", Entry: entry(ledger.Failed, promotedAt)})
		}, "database: alarm; smtp: wait; api: wait; admin: wait; webhook: wait; database: wait; database: wait; database: wait…"},

		// By hand: stored.
		{"an old document is stored again", backTo(converged(), false), nil, takenBack + setAgain + "secret: begin a rollout"},
		{"an old document is stored again during a rollout", backTo(rolling(), false), nil, takenBack + setAgain + "secret: begin a rollout"},
		{"another field is edited", edited(converged()), nil, carried + "; database: quarantine the value…"},
		{"another field is edited during a rollout", edited(rolling()), nil, carried + "; secret: wait; database: wait…"},
		{"another field is edited, and the rollout has just converged", edited(fresh()), nil, carried + "; secret: note that the rollout has converged…"},
		{"written by Terraform, which has changed the password, too", another(converged(), Accepted), nil, "database: note that the value is accepted; smtp: wait; api: wait; admin: wait; webhook: wait; secret: begin a rollout"},
		{"the same, and the last rollout was about no value of the kind", another(converged(), Accepted), func(_ *Observation, k *Kind) { k.Old = k.Old[:1] }, "database: note that the value is accepted; smtp: wait; api: wait; admin: wait; webhook: wait; secret: begin a rollout"},
		{"written by Terraform, and nobody has asked about the value", another(converged(), NotAsked), nil, "database: ask the target; smtp: wait; api: wait; admin: wait; webhook: wait" + nothingTaken},
		{"written by Terraform during a rollout", another(rolling(), NotAsked), nil, "database: ask the target; smtp: wait; api: wait; admin: wait; webhook: wait; secret: wait; database: wait…"},
		{"the target does not answer about it", another(converged(), NoAnswer), nil, "database: wait; smtp: wait; api: wait; admin: wait; webhook: wait" + nothingTaken},
		{"mistyped", another(converged(), Denied), nil, "database: ask the target; database: ask the target; smtp: wait; api: wait; admin: wait; webhook: wait" + nothingTaken},
		{"mistyped, and the value that works is known", another(converged(), Denied), func(_ *Observation, k *Kind) { k.Old[0].Probe, k.Old[1].Probe = Accepted, Accepted }, "database: alarm; smtp: wait; api: wait; admin: wait; webhook: wait" + nothingTaken},
		{"mistyped, and corrected", edited(converged()), nil, carried + "…"},

		// The value cannot be compared.
		{"the host or the pointer was changed", converged(), func(_ *Observation, k *Kind) { k.Lost = "AWSCURRENT's database value is for another target" }, "database: alarm; database: wait; smtp: quarantine the value" + rest},
		{"the kind was moved to another secret", another(converged(), NotAsked), func(_ *Observation, k *Kind) { k.Lost = "AWSCURRENT has no database_password" }, "database: alarm; smtp: wait; api: wait; admin: wait; webhook: wait" + nothingTaken},
		{"no version has the value where the settings say it is", converged(), func(_ *Observation, k *Kind) { k.Lost, k.Old = "it has no such credential", nil }, "database: alarm; smtp: quarantine the value" + rest},
		{"the kind is lost, and its old value in quarantine", converged(), func(o *Observation, k *Kind) {
			k.Lost, k.Old[0].Entry = "AWSCURRENT has no database_password", entry(ledger.Quarantined, o.Now)
		}, "database: alarm; database: restore the value; smtp: quarantine the value" + rest},
		{"lost during a rollout, which the others go on with", rolling(), func(_ *Observation, k *Kind) { k.Lost = "AWSCURRENT has no database_password" }, "database: alarm; secret: wait; database: wait…"},
		{"the secret was deleted, and restored a week later", converged(), func(o *Observation, _ *Kind) {
			o.Now = after(7 * 24 * time.Hour)
			for i := range o.Kinds {
				o.Kinds[i].Wanted.Probe = NotAsked
			}
		}, "database: ask the target; smtp: ask the target; api: ask the target; admin: ask the target; webhook: ask the target; database: wait; smtp: wait; api: wait; admin: wait; webhook: wait"},
		{"the same, once they are known to be accepted", converged(), func(o *Observation, _ *Kind) { o.Now = after(7*24*time.Hour + time.Hour) }, "database: note that the value is accepted; smtp: note…"},

		// The target has changed.
		{"the server was restored from a snapshot, or failed over", converged(), func(_ *Observation, k *Kind) { k.Wanted.Probe, k.Old[0].Probe = Denied, Accepted }, "database: set the value again; database: wait; smtp: quarantine the value" + rest},
		{"it cannot be set again, and the rollout has converged", converged(), func(_ *Observation, k *Kind) {
			k.Wanted.Probe, k.Wanted.SetFailed, k.Old[0].Probe = Denied, "1227", Accepted
		}, "database: alarm; database: wait; smtp: quarantine the value" + rest},
		{"it cannot be set again, and no old value is accepted", converged(), func(_ *Observation, k *Kind) {
			k.Wanted.Probe, k.Wanted.SetFailed, k.Old[0].Probe = Denied, "1227", Denied
		}, "database: alarm; database: wait; smtp: quarantine the value" + rest},
		{"it cannot be set again, during the rollout", rolling(), func(o *Observation, k *Kind) {
			answered(o)
			k.Wanted.Probe, k.Wanted.SetFailed = Denied, "1227"
		}, "secret: roll back database,smtp,api,admin,webhook"},
		{"a restored server refuses AWSCURRENT's value, while the old one is in quarantine", converged(), func(o *Observation, k *Kind) {
			k.Wanted.Probe, k.Old[0].Entry = Denied, entry(ledger.Quarantined, o.Now)
		}, "database: set the value again; database: restore the value; smtp: quarantine the value" + rest},

		// Without a ledger.
		{"a secret without labels is taken as it is, without a redeploy", edited(converged()), func(o *Observation, _ *Kind) {
			o.Adopting, o.Rollout = true, Rollout{}
			for i := range o.Kinds {
				o.Kinds[i].Wanted.Entry, o.Kinds[i].Old = ledger.Entry{}, nil
			}
		}, "database: note that the value is accepted; smtp: note that the value is accepted; api: note that the value is accepted; admin: note that the value is accepted; webhook: note that the value is accepted"},
		{"a value that was wanted before", converged(), func(_ *Observation, k *Kind) { k.Old[0].Entry.State = ledger.Proven }, "database: note that the value is old; smtp: quarantine the value" + rest},
	})
}

func TestAnAlarmNamesTheVersionWithTheNewestValueThatTheTargetAccepts(t *testing.T) {
	o := another(converged(), Denied)
	k := &o.Kinds[0]
	k.Old = []Value{
		{Version: "older", Entry: entry(ledger.Old, promotedAt), Probe: Accepted},
		{Version: "newer", Entry: entry(ledger.Proven, after(time.Hour)), Probe: Accepted},
		{Version: "newest", Entry: entry(ledger.Old, after(2*time.Hour)), Probe: Denied},
	}
	if got, want := Decide(o)[0].Why, "the target refuses AWSCURRENT's value, which it never accepted: version newer has the value that it accepts"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for i := range k.Old {
		k.Old[i].Probe = Denied
	}
	if got, want := Decide(o)[0].Why, "the target refuses AWSCURRENT's value, which it never accepted: no labelled version has a value that it accepts; set the value at the target, or store the right one"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestARolloutIsEndedByAnOperatorOnlyIfItCannotConvergeByItself(t *testing.T) {
	for _, tc := range []struct {
		name   string
		o      Observation
		change func(*Observation)
		want   bool
	}{
		{"tasks are being replaced", rolling(), func(*Observation) {}, false},
		{"its time is over", rolling(), func(o *Observation) { o.Now = after(31 * time.Minute) }, true},
		{"its time is over, and ECS still bakes", rolling(), func(o *Observation) { o.Now, o.Rollout.Services[0].Bake = after(31*time.Minute), time.Hour }, false},
		{"nothing is to run", rolling(), func(o *Observation) { o.Rollout.Services = nil }, true},
		{"the services were not looked at", rolling(), func(o *Observation) { o.Now, o.Looked = after(31*time.Minute), false }, false},
		{"it has converged", converged(), func(o *Observation) { o.Now = after(31 * time.Minute) }, false},
	} {
		if tc.change(&tc.o); tc.o.CannotConverge() != tc.want {
			t.Errorf("%s: got %v", tc.name, !tc.want)
		}
	}
}

func TestAnOperatorEndsNoRolloutWhoseServicesAreStillToBeRedeployed(t *testing.T) {
	o := rolling()
	o.Now = after(31 * time.Minute)
	if !o.MayBeEnded() {
		t.Fatal("it may not be ended, though its time is over")
	}
	s := &o.Rollout.Services[0]
	if s.Deployed = false; o.MayBeEnded() {
		t.Error("it may be ended before a service is redeployed")
	}
	if s.Missing = "it does not exist"; !o.MayBeEnded() {
		t.Error("it may not be ended for a service that does not exist")
	}
	if s.Missing, s.Desired, s.Older = "", 0, nil; !o.MayBeEnded() {
		t.Error("it may not be ended for a service that runs nothing")
	}
}

func TestAWSCURRENTsLabelTakesUpNoRolloutBeforeItIsKnownWhetherAnotherOneBegins(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    Observation
		want bool
	}{
		{"nothing has changed", converged(), false},
		{"another field was edited", edited(rolling()), false},
		{"a value that nobody has asked about", another(rolling(), NotAsked), true},
		{"promoted", promoted(), true},
		{"moved back", backTo(converged(), true), true},
	} {
		if got := tc.o.Unsettled(); got != tc.want {
			t.Errorf("%s: got %v", tc.name, got)
		}
	}
}
