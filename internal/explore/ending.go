package explore

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Every history ends fairly: nothing disturbs it any more, the services come up, the
// schedule ticks, and an operator does what alarms ask for. Then a rotation has to succeed.

// endings are what is known of them.
type endings struct {
	known  map[uint64]string // what is wrong with an end that goes on from a state; "" for nothing
	on     []uint64          // the states of the end that is being played
	played int               // that no other one came to at once
	all    bool              // each is played to its end: for a test that compares
}

// end plays the end of a history. It stops where another one has come by: what follows
// is the same, and so is what is wrong with it.
func (w *world) end() {
	w.quiet++
	defer func() { w.quiet-- }()
	w.active = nil
	e := w.ends
	e.on = e.on[:0]
	defer func() {
		for _, state := range e.on {
			e.known[state] = w.broken
		}
	}()
	w.tell("     — the end begins")
	if w.cameBy(0) {
		return
	}
	e.played++
	w.applyLate(func(late) bool { return true })
	w.loseLocks(func(int) bool { return true })
	w.ill = well
	for i := range w.services {
		w.services[i].missing = false
		if w.services[i].desired == 0 {
			w.scale(i, 1)
		}
	}
	w.pair, w.turn = [2]invocation{}, 0
	for _, one := range []func() string{w.takesUp, w.remedied, w.rotatesAgain} {
		if broken := one(); broken != "" && !w.over {
			w.violated("at the end: %s", hidden(broken))
			w.tell("     VIOLATION %s", w.broken)
		}
		if w.over {
			break
		}
	}
}

// cameBy tells that another end has gone on from the present state, at the same place of
// it. Then this one is over.
func (w *world) cameBy(place uint64) bool {
	if w.ends == nil || w.over {
		return w.over
	}
	state := hashOf(place, w.digest())
	if broken, known := w.ends.known[state]; known && !w.ends.all {
		w.broken, w.over = broken, true
		return true
	}
	w.ends.on = append(w.ends.on, state)
	return false
}

// quietDigest is the digest, but for the time.
func (w *world) quietDigest() uint64 {
	now := w.now
	w.now = began
	defer func() { w.now = now }()
	return hashOf(0, w.digest())
}

// settle reconciles until nothing changes, now and after each of some times. place tells
// it from other places of the end.
func (w *world) settle(place uint64) {
	// After a minute, and when whatever has a deadline is over it.
	pauses := []time.Duration{time.Minute, 25 * time.Hour}
	if observe := w.scenario.Observe; observe > 0 {
		pauses = append(pauses, 2*observe, 2*observe)
	}
	if overlap := w.scenario.Overlap; overlap > 0 {
		pauses = append(pauses, overlap)
	}
	for at, pause := range pauses {
		w.now = w.now.Add(pause)
		for i := range 12 {
			if w.cameBy(mixNumber(mixNumber(place, uint64(at)), uint64(i))) {
				return
			}
			before := w.quietDigest()
			moves := w.moves
			w.moves = nil
			for _, m := range moves {
				w.mustRun("reconcile after a move", reconcileOnMove(m))
			}
			for secret := range w.arns {
				w.mustRun("reconcile", reconcile(secret))
			}
			if w.over {
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

// takesUp has Secrets Manager take up the rotation that is under way. If that fails, the
// rotation is given up within a day.
func (w *world) takesUp() string {
	if w.scenario.Left {
		if waits := w.othersEnd(); waits != "" {
			return waits
		}
	}
	for secret := range w.arns {
		if pending := w.pending(secret); pending != "" && !w.scenario.Left {
			if err := w.rotate(secret, pending); err != nil {
				w.tell("     taken up again: %s", hidden(err.Error()))
			}
		}
	}
	w.settle(1)
	for secret := range w.arns {
		if w.pending(secret) != "" && !w.over {
			return "a rotation has been under way for more than a day"
		}
	}
	return ""
}

// othersEnd looks whether what a rotation does not change comes to its end while that one is
// under way; "" if it does.
func (w *world) othersEnd() string {
	for range 3 {
		for secret := range w.arns {
			w.mustRun("reconcile", reconcile(secret))
		}
		w.rollOut()
		w.now = w.now.Add(time.Minute)
	}
	pending, current := w.labelled(0, "AWSPENDING"), w.labelled(0, "AWSCURRENT")
	if w.over || w.pending(0) == "" || w.alarms[0] > 0 || len(current.values) == 0 {
		return ""
	}
	changes := map[string]bool{}
	for kind := range ledgerOf(*pending) {
		changes[kind] = true
	}
	for i, k := range w.kinds {
		for _, v := range w.accounts[w.accountOf(0, i)].values {
			if !changes[k.Name()] && v.text != current.values[i] && !slices.Contains(w.lost, v.text) {
				return fmt.Sprintf("%s is accepted of %s, which waits for a rotation of another kind", v.text, k.Name())
			}
		}
	}
	return ""
}

// remedied has an operator do what alarms ask for.
func (w *world) remedied() string {
	if broken := w.notMended(); broken != "" {
		return broken
	}
	what := w.open()
	alarm := slices.ContainsFunc(w.alarms, func(n int) bool { return n > 0 })
	if what == "" && alarm {
		return "an alarm asks for an operator, and nothing is open"
	}
	if what == "" {
		return ""
	}
	if !alarm {
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
		w.completes(secret)
		current := w.labelled(secret, "AWSCURRENT")
		for i := range w.kinds {
			if a := &w.accounts[w.accountOf(current.secret, i)]; !a.accepts(current.values[i]) {
				a.set(w.now, current.values[i])
			}
		}
	}
	w.excuse(false)
	w.settle(10)
	if w.open() == "" {
		return ""
	}
	for secret := range w.arns {
		w.mustRun("release", release(secret))
	}
	w.settle(11)
	return w.open()
}

// notMended is what the function is to have mended by itself by now, so that no alarm makes
// up for it; "" if there is nothing.
func (w *world) notMended() string {
	for secret := range w.arns {
		current := w.labelled(secret, "AWSCURRENT")
		for i, k := range w.kinds {
			a, value := &w.accounts[w.accountOf(secret, i)], current.values[i]
			if current.secret != secret || slices.Contains(w.leaked, value) {
				continue
			}
			other := w.acceptedOf(secret, i)
			if other != "" && slices.Contains(w.unset, value) && !a.accepts(value) && w.isProven(secret, i, value) && !w.acceptsUnlabelled(secret, i) {
				return fmt.Sprintf("AWSCURRENT's value of %s, %s, is refused since the server was restored: neither was it set again, nor is %s current", k.Name(), value, other)
			}
			if other != "" && other != value && slices.Contains(w.bad, value) && !w.byHand && !slices.Contains(w.leaked, other) && !slices.Contains(w.lost, other) {
				return fmt.Sprintf("the application does not come up with %s, and its promotion is not rolled back", value)
			}
		}
		if used := w.lagging; used != "" && !slices.Contains(w.leaked, used) && !slices.Contains(w.lost, used) && !slices.ContainsFunc(w.accounts, func(a account) bool { return a.accepts(used) }) {
			return fmt.Sprintf("a program uses %s, which is taken away", used)
		}
	}
	return ""
}

// isProven tells that the ledger knows of a value that it was accepted: it says so, or that
// AWSCURRENT was promoted with it.
func (w *world) isProven(secret, kind int, value string) bool {
	for _, v := range w.versions(secret) {
		for name, e := range ledgerOf(v) {
			if name == w.kinds[kind].Name() && v.values[kind] == value && (e.state == "proven" || e.state == "old" || e.state == "pending" && v.has("AWSCURRENT")) {
				return true
			}
		}
	}
	return false
}

// acceptedOf is a value that an account accepts and that the ledger has; "" if there is none.
func (w *world) acceptedOf(secret, kind int) string {
	for _, v := range w.versions(secret) {
		for name, e := range ledgerOf(v) {
			if name == w.kinds[kind].Name() && e.state != "failed" && e.state != "foreign" && w.accounts[w.accountOf(secret, kind)].accepts(v.values[kind]) {
				return v.values[kind]
			}
		}
	}
	return ""
}

// acceptsUnlabelled tells that an account accepts a value that no label tells of. It may be
// another rotation's, so nothing is set in its place.
func (w *world) acceptsUnlabelled(secret, kind int) bool {
	return slices.ContainsFunc(w.accounts[w.accountOf(secret, kind)].values, func(h held) bool {
		return !slices.ContainsFunc(w.versions(secret), func(v version) bool {
			for name := range ledgerOf(v) {
				if name == w.kinds[kind].Name() && v.values[kind] == h.text {
					return true
				}
			}
			return false
		})
	})
}

// completes has an operator store what a document is to have: a value for each kind, and
// the other secret's where it is a copy.
func (w *world) completes(secret int) {
	current := w.labelled(secret, "AWSCURRENT")
	for i, k := range w.kinds {
		value := current.values[i]
		switch {
		case current.secret != secret:
			value = w.labelled(current.secret, "AWSCURRENT").values[i]
		case value == "":
			value = w.accounts[w.accountOf(secret, i)].values[0].text
		}
		if value == current.values[i] {
			continue
		}
		field, was := fmt.Sprintf(", %q: %q", k.Name(), value), fmt.Sprintf(", %q: %q", k.Name(), current.values[i])
		if text := strings.Replace(current.text, was, field, 1); text != current.text {
			w.put(secret, text)
		} else {
			w.put(secret, strings.TrimSuffix(current.text, "}")+field+"}")
		}
		current = w.labelled(secret, "AWSCURRENT")
	}
}

// takesAwayForeign has an operator do what a rotation asks for where a value was released
// that could not be judged: take it away at its target, and its label.
func (w *world) takesAwayForeign(secret int) {
	for _, v := range w.versions(secret) {
		for i, k := range w.kinds {
			for kind, e := range ledgerOf(v) {
				if kind != k.Name() || e.state != "foreign" {
					continue
				}
				w.tell("     — an operator takes the released value of version %s away", v.id)
				if current := w.labelled(secret, "AWSCURRENT").values[i]; v.values[i] != current {
					w.accounts[w.accountOf(secret, i)].set(w.now, current)
				}
				w.update(e.label, v.id, "")
			}
		}
	}
	w.excuse(false)
}

// rotatesAgain rotates everything once more.
func (w *world) rotatesAgain() string {
	w.lagging = ""
	for secret := range w.arns {
		if w.cameBy(20 + uint64(secret)) {
			return ""
		}
		if w.labelled(secret, "AWSCURRENT").secret != secret {
			continue // it is the other one's that it has
		}
		w.completes(secret)
		if w.scenario.Lost || w.scenario.Copied {
			w.takesAwayForeign(secret)
		}
		before := slices.Clone(w.labelled(secret, "AWSCURRENT").values)
		full := make([]bool, len(before)) // a value that nobody knows of takes the new one's place
		for i := range before {
			full[i] = slices.ContainsFunc(w.accounts[w.accountOf(secret, i)].values, func(v held) bool { return slices.Contains(w.lost, v.text) })
		}
		w.alarms[secret] = 0
		if err := w.rotate(secret, w.nextToken("all.")); err != nil {
			return fmt.Sprintf("the last rotation fails: %v", err)
		}
		if w.scenario.Copied {
			w.completes(1)
		}
		w.settle(mix(12+uint64(secret), fmt.Sprint(before, full)))
		for i, value := range w.labelled(secret, "AWSCURRENT").values {
			if value == before[i] && !full[i] {
				return "the last rotation has not changed " + value
			}
		}
	}
	return w.open()
}
