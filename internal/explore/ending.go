package explore

import (
	"fmt"
	"slices"
	"time"
)

// Every history ends fairly: nothing disturbs it any more, the services come up, the
// schedule ticks, and an operator does what alarms ask for. Then a rotation has to succeed.

// end plays the end, and returns what is wrong with it; "" for nothing.
func (k *course) end() string {
	w := k.w
	w.course = k
	w.active = nil
	k.quiet++
	defer func() { k.quiet-- }()
	w.tell("     — the end begins")
	w.applyLate(func(late) bool { return true })
	w.loseLocks(func(int) bool { return true })
	w.ill = well
	for i := range w.services {
		w.services[i].missing = false
		if w.services[i].desired == 0 {
			w.scale(i, 1)
		}
	}
	for _, one := range []func() string{w.goesOn, w.remedied, w.rotatesAgain} {
		if broken := one(); broken != "" && !k.over {
			k.violated("at the end: %s", hidden(broken))
			w.tell("     VIOLATION %s", k.broken)
		}
		if k.over {
			break
		}
	}
	return k.broken
}

// quietDigest is the digest, but for the time.
func (w *world) quietDigest() uint64 {
	now := w.now
	w.now = began
	defer func() { w.now = now }()
	return w.digestInto(0)
}

// settle reconciles until nothing changes, now and after each of some times.
func (w *world) settle() {
	// After a minute, and when whatever has a deadline is over it.
	pauses := []time.Duration{time.Minute, 25 * time.Hour}
	if observe := w.scenario.Observe; observe > 0 {
		pauses = append(pauses, 2*observe, 2*observe)
	}
	if overlap := w.scenario.Overlap; overlap > 0 {
		pauses = append(pauses, overlap)
	}
	for _, pause := range pauses {
		w.now = w.now.Add(pause)
		for range 12 {
			before := w.quietDigest()
			moves := w.moves
			w.moves = nil
			for _, m := range moves {
				w.mustRun("reconcile after a move", reconcileOnMove(m))
			}
			for secret := range w.arns {
				w.mustRun("reconcile", reconcile(secret))
			}
			if w.course.over {
				return
			}
			w.rollOut()
			w.now = w.now.Add(time.Minute)
			if len(w.moves) == 0 && w.quietDigest() == before {
				break
			}
		}
	}
}

// pending is the version of a rotation that is under way; "" if none is.
func (w *world) pending(secret int) string {
	if v := w.labelled(secret, "AWSPENDING"); v != nil && !v.has("AWSCURRENT") {
		return v.id
	}
	return ""
}

// goesOn has Secrets Manager take up the rotation that is under way, and an operator
// abandon it if that fails.
func (w *world) goesOn() string {
	for secret := range w.arns {
		if pending := w.pending(secret); pending != "" {
			if err := w.rotate(secret, pending); err != nil {
				w.tell("     taken up again: %s", hidden(err.Error()))
			}
		}
	}
	w.settle()
	for secret := range w.arns {
		if w.pending(secret) == "" {
			continue
		}
		w.mustRun("abandon", abandon(secret))
		if pending := w.pending(secret); pending != "" {
			return "after an abandon, AWSPENDING is still on version " + pending
		}
		w.settle()
	}
	return ""
}

// remedied has an operator do what alarms ask for.
func (w *world) remedied() string {
	what := w.open()
	if what == "" {
		return ""
	}
	if !slices.ContainsFunc(w.alarms, func(n int) bool { return n > 0 }) {
		return "no alarm, and " + what
	}
	w.tell("     — an operator mends what is broken: %s", what)
	w.lagging, w.bad = "", nil
	for i := range w.services {
		if w.services[i].failed {
			w.deploy(i)
		}
	}
	for secret := range w.arns {
		current := w.labelled(secret, "AWSCURRENT")
		for i := range w.kinds {
			if a := &w.accounts[w.accountOf(secret, i)]; !a.accepts(current.values[i]) {
				a.set(w.now, current.values[i])
			}
		}
	}
	w.excuse(false)
	w.settle()
	if w.open() == "" {
		return ""
	}
	for secret := range w.arns {
		w.mustRun("release", release(secret))
	}
	w.settle()
	return w.open()
}

// rotatesAgain rotates everything once more.
func (w *world) rotatesAgain() string {
	w.lagging = ""
	for secret := range w.arns {
		before := slices.Clone(w.labelled(secret, "AWSCURRENT").values)
		full := make([]bool, len(before)) // a value that nobody knows of takes the new one's place
		for i := range before {
			full[i] = slices.ContainsFunc(w.accounts[w.accountOf(secret, i)].values, func(v held) bool { return slices.Contains(w.lost, v.text) })
		}
		w.alarms[secret] = 0
		if err := w.rotate(secret, w.nextToken("all.")); err != nil {
			return fmt.Sprintf("the last rotation fails: %v", err)
		}
		w.settle()
		for i, value := range w.labelled(secret, "AWSCURRENT").values {
			if value == before[i] && !full[i] {
				return "the last rotation has not changed " + value
			}
		}
	}
	return w.open()
}
