package explore

import (
	"slices"
	"strings"
)

// What the checker takes no promise of the engine's to be broken by: what nobody could have known
// or kept.

// excuse takes what does not hold right after something was done from outside for
// that one's doing. moved tells that it has made another version current.
func (w *world) excuse(moved bool) {
	for secret := range w.arns {
		list := w.versions(secret)
		current := w.labelled(secret, "AWSCURRENT")
		for i := range w.kinds {
			at := w.accountOf(secret, i)
			a := &w.accounts[w.accountOf(current.secret, i)]
			if !a.accepts(current.values[i]) {
				w.refused |= 1 << at
			}
			// What an emergency replaces, or an invocation is about to take away, is made
			// current again at the risk of whoever does it.
			atRisk := w.isTaken(current.values[i]) || moved && slices.Contains(w.leaked, current.values[i])
			if atRisk && !slices.Contains(w.raced, current.values[i]) {
				w.raced = append(slices.Clip(w.raced), current.values[i])
			}
			for _, v := range a.values {
				// What the engine itself has had the target accept, it is to have labelled before.
				if current.secret == secret && !slices.Contains(w.given, v.text) && !slices.ContainsFunc(list, func(x version) bool { return x.values[i] == v.text && kept(x) }) {
					w.lose(v.text)
				}
			}
		}
	}
	w.tasks = slices.Clone(w.tasks)
	for i := range w.tasks {
		if t := &w.tasks[i]; w.refusedTo(t) != "" {
			t.excused = true
		}
	}
}

func (w *world) lose(value string) {
	if !slices.Contains(w.lost, value) {
		w.lost = append(slices.Clip(w.lost), value)
		slices.Sort(w.lost)
	}
}

// isTaken tells that a value is about to be taken away, and that whoever does so waits
// for no answer of Secrets Manager's any more: what is done there meanwhile comes too late.
func (w *world) isTaken(value string) bool {
	return slices.Contains(w.pair[0].taking, value) || slices.Contains(w.pair[1].taking, value) ||
		slices.ContainsFunc(w.late, func(l late) bool { return l.takes == value })
}

// excuseStale excuses a value that has become current again right before an invocation
// takes it away, and that a stale read hides from it: no read tells it apart from one that
// comes a moment later.
func (w *world) excuseStale(v *invocation) {
	for secret := range w.arns {
		for _, value := range w.labelled(secret, "AWSCURRENT").values {
			if slices.Contains(v.taking, value) && !slices.Contains(w.raced, value) {
				w.raced = append(slices.Clip(w.raced), value)
			}
		}
	}
}

// excuseReleased excuses the tasks that a rollout has not replaced and that an operator ends it in spite of: they
// do not need what they were started with, as whoever sends a release says of those that are named. A
// task of a service that was not redeployed is none of them.
func (w *world) excuseReleased(by int) {
	if w.active == nil || w.active.id != by || !strings.HasPrefix(w.active.at.act.name, released) {
		return
	}
	w.tasks = slices.Clone(w.tasks)
	for i := range w.tasks {
		if w.older(&w.tasks[i]) {
			w.tasks[i].excused = true
		}
	}
}

// provedInVain excuses values that an invocation has seen accepted right before their
// server was restored, if it is under way, or if a call of its is: a promotion that was
// sent before, and arrives later, makes such a value current. What follows has to mend
// that, or tell of it.
func (w *world) provedInVain() {
	for i := range w.pair {
		v := &w.pair[i]
		if v.ended && !slices.ContainsFunc(w.late, func(l late) bool { return l.by == v.id }) {
			continue
		}
		for _, value := range v.proved {
			accepted := slices.ContainsFunc(w.accounts, func(a account) bool { return a.accepts(value) })
			if !accepted && !slices.Contains(w.raced, value) {
				w.raced = append(slices.Clip(w.raced), value)
			}
		}
	}
}
