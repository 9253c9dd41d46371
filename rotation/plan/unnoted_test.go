package plan

import (
	"testing"

	"mautic-rotation/rotation/ledger"
)

// moved is an observation right after AWSCURRENT was moved by hand, for the first time, to
// the version that was pending. Nothing tells of the values that it was moved away from.
func moved() Observation {
	o := rolling()
	o.Rollout = Rollout{Services: o.Rollout.Services}
	o.Kinds = cloned(o.Kinds)
	for i := range o.Kinds {
		o.Kinds[i].Wanted.Entry.State = ledger.Pending
		o.Kinds[i].Old, o.Kinds[i].Unnoted = nil, Value{Version: "old", Probe: Accepted}
	}
	return o
}

func TestAValueThatWasReplacedByHandIsNotedBeforeAnythingElse(t *testing.T) {
	const others = "smtp: note that the value is old; api: note that the value is old; admin: note that the value is old; webhook: note that the value is old"
	decides(t, []row{
		{"it is accepted", moved(), func(*Observation, *Kind) {}, "database: note that the value is old; " + others},
		{"nobody has asked", moved(), func(_ *Observation, k *Kind) { k.Unnoted.Probe = NotAsked }, "database: ask the target; " + others},
		{"the target does not answer", moved(), func(_ *Observation, k *Kind) { k.Unnoted.Probe = NoAnswer }, "database: note that the value is old; " + others},
		{"it is refused", moved(), func(_ *Observation, k *Kind) { k.Unnoted.Probe = Denied }, others},
		{"it is refused by a target that accepts one value", moved(), func(_ *Observation, k *Kind) { k.Swaps, k.Unnoted.Probe = true, Denied }, "database: note that the value is old; " + others},
		{"nobody has asked a target that accepts one value", moved(), func(o *Observation, _ *Kind) { o.Kinds[3].Unnoted.Probe = NotAsked }, "database: note that the value is old; " + others},
		{"an emergency has replaced it", moved(), func(o *Observation, k *Kind) {
			o.Emergency, k.Unnoted.Probe = true, Denied
		}, "database: note that the value may have leaked; smtp: note that the value may have leaked; api: note that the value may have leaked; admin: note that the value may have leaked; webhook: note that the value may have leaked"},
		{"no value is left without a label", moved(), func(o *Observation, _ *Kind) {
			for i := range o.Kinds {
				o.Kinds[i].Unnoted = Value{}
			}
		}, "database: note that the value is accepted; smtp: note that the value is accepted; api: note that the value is accepted; admin: note that the value is accepted; webhook: note that the value is accepted; secret: begin a rollout, promoted"},
		{"and it is for another to begin the rollout", moved(), func(o *Observation, _ *Kind) { o.Tick = false }, "secret: wait"},
	})
}
