package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/rotation/ledger"
)

func TestAnOperatorsRollbackIsThatOfARolloutThatFails(t *testing.T) {
	t.Parallel()
	another := OtherRollout{Secret: "arn:another", Rollout: ledger.Rollout{Since: t0.Add(time.Minute), Promoted: true}}
	for _, tc := range []struct {
		name   string
		o      Observation
		change func(o *Observation, k *Kind)
		want   []Do
		says   string // the error
	}{
		{"tasks are being replaced", open(), nil, []Do{RollBack}, ""},
		{"nobody has looked at the services", open(), func(o *Observation, _ *Kind) { o.Looked = false }, []Do{RollBack}, ""},
		{"every task is new, and it has not been noted", up(), nil, []Do{RollBack}, ""},
		{"a deployment has failed", broken(), nil, []Do{RollBack}, ""},
		{"the old value was not asked for", open(), func(_ *Observation, k *Kind) { k.Old[0].Probe = NotAsked }, []Do{Ask}, ""},
		{"the old value is refused", open(), func(_ *Observation, k *Kind) { k.Old[0].Probe = Denied }, nil, "every old value is refused"},
		{"the old value's target does not answer", open(), func(_ *Observation, k *Kind) { k.Old[0].Probe = NoAnswer }, nil, "does not answer, so it is not rolled back yet: try again"},
		{"a target of one value that nobody has tried to reach", open(), func(_ *Observation, k *Kind) { k.Overlaps = false }, []Do{AskRoute}, ""},
		{"a target of one value that cannot be written to", open(), func(_ *Observation, k *Kind) { k.Overlaps, k.Route = false, NoAnswer }, nil, "cannot be written to now"},
		{"the other secrets were not looked at", open(), func(o *Observation, _ *Kind) { o.Others.Unseen = true }, []Do{LookElsewhere}, ""},
		{"another secret was promoted later", open(), func(o *Observation, _ *Kind) { o.Others.Rollouts = []OtherRollout{another} }, nil, "arn:another came later"},
		{"it has converged", quiet(), nil, nil, "the rollout has converged: fix the application, or move AWSCURRENT back by hand"},
		{"it is a rollback already", open(), func(o *Observation, _ *Kind) { o.Rollout.Promoted, o.Rollout.RolledBack = false, true }, nil, "it is a rollback already"},
		{"it follows a move by hand", open(), func(o *Observation, _ *Kind) { o.Rollout.Promoted = false }, nil, "was not changed by a rotation"},
		{"an emergency", open(), func(o *Observation, _ *Kind) { o.Rollout.Emergency = true }, nil, "an emergency is never rolled back"},
		{"an old value is in quarantine", open(), func(_ *Observation, k *Kind) {
			k.Old = append(k.Old, Value{Version: "older", Entry: state(ledger.Quarantined)})
		}, nil, "is in quarantine"},
		{"a rollback was interrupted", up(), func(_ *Observation, k *Kind) { k.Wanted.Entry = state(ledger.RolledBack) }, []Do{FinishRollBack}, ""},
		{"an edit has overtaken a rollback", up(), func(_ *Observation, k *Kind) {
			k.Wanted.Entry, k.Wanted.Current = state(ledger.RolledBack), false
		}, []Do{RollBack}, ""},
		{"the promotion is not noted yet", open(), func(o *Observation, k *Kind) {
			o.Rollout.Here, o.Rollout.On, k.Wanted.Entry = false, "older", state(ledger.Pending)
		}, nil, "send reconcile"},
		{"AWSCURRENT was moved meanwhile", open(), func(o *Observation, _ *Kind) { o.Rollout.ChangedBy = t0.Add(time.Minute) }, nil, "send reconcile"},
		{"there was no rotation", quiet(), func(o *Observation, k *Kind) { o.Rollout.Rollout, k.Old = ledger.Rollout{}, nil }, nil, "nothing has been promoted yet"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.change != nil {
				tc.change(&tc.o, &tc.o.Kinds[0])
			}
			actions, err := AskedToRollBack(tc.o)
			var got []Do
			for _, a := range actions {
				got = append(got, a.Do)
			}
			reasoned(t, tc.o, actions)
			if !slices.Equal(got, tc.want) || (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %q, %v; want %q, %q", got, err, tc.want, tc.says)
			}
		})
	}
}

// The wanted value is known from a label of the first edition alone, which is on the rolled-back version.
func TestAValueOfTheFirstEditionIsNotedBeforeItIsPutBack(t *testing.T) {
	k := Kind{Name: "admin", Wanted: Value{Version: "current", Entry: ledger.Entry{State: ledger.Proven}, Probe: Denied},
		Old: []Value{{Version: "bad", Entry: ledger.Entry{State: ledger.RolledBack, Count: 1}}}}
	for _, a := range Decide(Observation{Kinds: []Kind{k}}) {
		if a.Do == PutBack {
			t.Errorf("%s before a label of its own tells of the value", a.Do)
		}
	}
}
