package explore

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// The checker judges a world by what must always hold. It shares no code with the
// engine: it compares values, and knows nothing of what the engine decides.

// facts are what the checker has to remember of what was done from outside.
type facts struct {
	sites   []string // what the field that nobody owns has to be, by secret
	alarms  []int    // conditions that the engine says need an operator, by secret
	refused uint64   // accounts whose AWSCURRENT value is refused by a cause outside
	lost    []string // values that a cause outside has left without a label, or refused
	leaked  []string // values that an emergency replaces
	bad     []string // values that the application does not start with
	raced   []string // values that were made current from outside in that moment
	unset   []string // values that were AWSCURRENT's, and that a restored server refuses
	given   []string // values that the engine has made a target accept
	byHand  bool     // somebody has made another version current, or stored another value
}

func (f *facts) appendFacts(b []byte) []byte {
	b = binary.AppendUvarint(b, f.refused)
	b = binary.AppendVarint(b, int64(flags(f.byHand)))
	for _, n := range f.alarms {
		b = binary.AppendVarint(b, int64(n))
	}
	for _, list := range [][]string{f.sites, f.lost, f.leaked, f.bad, f.raced, f.unset, f.given} {
		b = appendTexts(b, list)
	}
	return b
}

func appendTexts(b []byte, list []string) []byte {
	b = binary.AppendVarint(b, int64(len(list)))
	for _, text := range list {
		b = append(append(b, text...), 0)
	}
	return b
}

// checker judges a world.
type checker struct {
	shown  string // a text with a secret value in it
	untrue string // what the engine says of a target, and is not so
}

// isOver tells that a version's rotation has ended without a promotion that holds: the
// version is there, and neither AWSPENDING nor AWSCURRENT.
func (w *world) isOver(version string) bool {
	for secret := range w.arns {
		for _, v := range w.versions(secret) {
			if v.id == version {
				return !v.has("AWSPENDING") && !v.has("AWSCURRENT")
			}
		}
	}
	return false
}

// isWanted tells that AWSCURRENT stores a version's value of an account, too: an edit
// leaves it there.
func (w *world) isWanted(version string, account int) bool {
	if account < 0 {
		return false
	}
	var value, wanted string
	for _, v := range w.versions(w.secretOf(version)) {
		if v.id == version {
			value = v.values[account%len(w.kinds)]
		}
		if v.has("AWSCURRENT") {
			wanted = v.values[account%len(w.kinds)]
		}
	}
	return value == wanted
}

// isSet tells that an account accepts the value of a version; or, if it is no account,
// that the version is AWSCURRENT.
func (w *world) isSet(version string, account int) bool {
	for secret := range w.arns {
		for _, v := range w.versions(secret) {
			switch {
			case v.id != version:
			case account < 0:
				return v.has("AWSCURRENT")
			default:
				return w.accounts[account].accepts(v.values[account%len(w.kinds)])
			}
		}
	}
	return false
}

// reasonToGoBack tells whether what the engine writes is no rollback, or one that has a reason: the
// targets refuse a value, or the services do not run with them, or did not when the engine looked at
// them. A rollback is decided when its mark is written, so it is judged then. Whoever finds the mark
// finishes it, whatever has become of the reason. AWSCURRENT's move is judged where no mark came before.
func (w *world) reasonToGoBack(by int, label, from, to string) bool {
	if w.ill != well || len(w.services) == 0 || w.active == nil || w.active.id != by {
		return true // the reason for what comes late may have passed
	}
	var bad *version
	switch {
	case strings.HasPrefix(label, "rotation;"):
		bad = w.versionOf(to)
		if bad == nil || !w.isMarkedBy(label, bad) {
			return true
		}
	case label == "AWSCURRENT" && to != w.active.at.act.version: // else it is a promotion
		good := w.versionOf(to)
		if bad = w.versionOf(from); bad == nil || good == nil || !w.isUnmarkedOf(bad, good) {
			return true
		}
	default:
		return true
	}
	if slices.ContainsFunc(w.scenario.Pair[:], func(i Invocation) bool { return i.do.name == rollBackAsked }) {
		return true // an operator has asked for it
	}
	for i, value := range bad.values {
		if !w.accounts[w.accountOf(bad.secret, i)].accepts(value) {
			return true
		}
	}
	return w.active.failing || w.servicesFail()
}

// versionOf is a version of any secret; nil: there is none.
func (w *world) versionOf(id string) *version {
	list := w.versions(w.secretOf(id))
	if at := slices.IndexFunc(list, func(v version) bool { return v.id == id }); at >= 0 {
		return &list[at]
	}
	return nil
}

// isMarkedBy tells that a label marks a version as rolled back, and that no label has marked a value
// of its before: an edit leaves the mark on the version from before.
func (w *world) isMarkedBy(label string, v *version) bool {
	for i, k := range w.kinds {
		if marks(version{labels: []string{label}}, k.Name()) && !w.isMarked(v, i) {
			return true
		}
	}
	return false
}

// isUnmarkedOf tells that two versions have different values, not all of which are marked as
// rolled back in the first one.
func (w *world) isUnmarkedOf(bad, good *version) bool {
	for i, value := range bad.values {
		if value != good.values[i] && !w.isMarked(bad, i) {
			return true
		}
	}
	return false // a fence, if they have the same values
}

// isMarked tells that a version's value of a kind is marked as rolled back, there or where it
// is stored, too.
func (w *world) isMarked(v *version, kind int) bool {
	return slices.ContainsFunc(w.versions(w.secretOf(v.id)), func(x version) bool {
		return x.values[kind] == v.values[kind] && marks(x, w.kinds[kind].Name())
	})
}

// marks tells that a version's labels say of a kind that it is rolled back.
func marks(v version, kind string) bool {
	for name, e := range ledgerOf(v) {
		if name == kind && e.state == "rolledback" {
			return true
		}
	}
	return false
}

// changesOthers judges a move of AWSCURRENT by a step: a rotation changes the kinds that it was made
// for, as its version's label says, and no other one.
func (w *world) changesOthers(by int, label, from, to string) string {
	if label != "AWSCURRENT" || w.active == nil || w.active.id != by || to != w.active.at.act.version {
		return ""
	}
	var was, is *version
	for i := range w.versions(w.secretOf(to)) {
		switch v := &w.versions(w.secretOf(to))[i]; v.id {
		case from:
			was = v
		case to:
			is = v
		}
	}
	if was == nil || is == nil || !was.has("AWSCURRENT") {
		return ""
	}
	made := map[string]bool{}
	for kind := range ledgerOf(*is) {
		made[kind] = true
	}
	for i, k := range w.kinds {
		if was.values[i] != is.values[i] && !made[k.Name()] {
			return k.Name()
		}
	}
	return ""
}

// holdsWithoutUse is the kind of which a label says that its value is held, though whoever
// writes it has neither seen that something uses the value, nor that the application is ill.
func (w *world) holdsWithoutUse(by int, label, to string) string {
	if w.active == nil || w.active.id != by || w.active.used || to == "" || !strings.HasPrefix(label, "rotation;") || !strings.Contains(label, "=held") {
		return ""
	}
	secret := w.secretOf(to)
	held := func(v version, kind string) bool {
		for name, e := range ledgerOf(v) {
			if name == kind && e.state == "held" {
				return true
			}
		}
		return false
	}
	for _, k := range w.kinds {
		if !held(version{labels: []string{label}}, k.Name()) {
			continue
		}
		known := slices.ContainsFunc(w.versions(secret), func(v version) bool { return held(v, k.Name()) })
		if !known {
			return k.Name()
		}
	}
	return ""
}

// sets takes note of a value that the engine has a target accept.
func (w *world) sets(value string) {
	if !slices.Contains(w.given, value) {
		w.given = append(slices.Clip(w.given), value)
		slices.Sort(w.given)
	}
}

// gives judges what an invocation gives a target that accepts one value: AWSCURRENT's or
// AWSPENDING's, unless the labels have moved since it has read them, before it sent the
// statement. What is done from outside may overtake one that is late, which nobody can take back: it
// is judged by when it was sent. That its value has a label is asked at every moment all the same.
func (w *world) gives(by, kind, secret int, value string) {
	w.sets(value)
	told := ""
	switch {
	case w.sent != nil:
		told = w.sent.told
	case w.active != nil && w.active.id == by:
		told = w.active.told
	}
	if told != w.places(secret) {
		return
	}
	for _, label := range []string{"AWSCURRENT", "AWSPENDING"} {
		if v := w.labelled(secret, label); v != nil && v.values[kind] == value {
			return
		}
	}
	w.violated("the target of %s is given %s, which is neither AWSCURRENT's value nor AWSPENDING's", w.kinds[kind].Name(), hidden(value))
}

// places tells where a secret's AWSCURRENT and AWSPENDING are.
func (w *world) places(secret int) string {
	id := func(label string) string {
		if v := w.labelled(secret, label); v != nil {
			return v.id
		}
		return ""
	}
	return w.arns[secret] + " " + id("AWSCURRENT") + " " + id("AWSPENDING")
}

// servicesFail tells that a service does not run.
func (w *world) servicesFail() bool {
	for i := range w.services {
		if s := w.services[i]; s.failed || s.missing || s.desired > 0 && w.indexOfTask(i, false) < 0 {
			return true
		}
	}
	return false
}

// secretOf is the secret that has a version; the first one if none has.
func (w *world) secretOf(version string) int {
	for secret := range w.arns {
		for _, v := range w.versions(secret) {
			if v.id == version {
				return secret
			}
		}
	}
	return 0
}

// claims are what the engine says right after a call of a target, and whether the
// target accepts the value then.
var claims = map[string]bool{
	"retired: the target was seen to refuse the old value": false,
	"the target accepts AWSCURRENT's value again":          true,
	"AWSCURRENT's value was refused, and was set again":    true,
}

func isClaim(text string) bool {
	for claim := range claims {
		if strings.HasPrefix(text, claim) {
			return true
		}
	}
	return false
}

// claimed compares what the engine says of a version's value with the target.
func (w *world) claimed(text, kind, of string) {
	for claim, accepted := range claims {
		if !strings.HasPrefix(text, claim) || w.checks.untrue != "" {
			continue
		}
		for secret := range w.arns {
			for _, v := range w.versions(secret) {
				for i, k := range w.kinds {
					if v.id == of && k.Name() == kind && w.accounts[w.accountOf(secret, i)].accepts(v.values[i]) != accepted {
						w.checks.untrue = fmt.Sprintf("it is said of %s, version %s: %q", kind, of, text)
					}
				}
			}
		}
	}
}

// heard looks for secret values in what the engine says.
func (w *world) heard(text string) {
	if w.checks.shown == "" && strings.Contains(text, mark) {
		w.checks.shown = text
	}
}

// labels that keep a version, and tell why.
func kept(v version) bool {
	return slices.ContainsFunc(v.labels, func(l string) bool {
		return l == "AWSCURRENT" || l == "AWSPENDING" || strings.HasPrefix(l, "rotation;")
	})
}

// violation is what does not hold now; "" if all does.
func (w *world) violation() string {
	if w.checks.shown != "" {
		return "a secret value is shown: " + w.checks.shown
	}
	if w.checks.untrue != "" {
		return w.checks.untrue
	}
	for secret := range w.arns {
		list := w.versions(secret)
		current := w.labelled(secret, "AWSCURRENT")
		if current == nil {
			return "no version is AWSCURRENT"
		}
		if current.site != w.sites[secret] {
			return fmt.Sprintf("an edit is lost: AWSCURRENT has %q, and not %q", current.site, w.sites[secret])
		}
		labels := 0
		for _, v := range list {
			labels += len(v.labels)
		}
		if labels > 20 {
			return fmt.Sprintf("%d labels", labels)
		}
		for i, k := range w.kinds {
			if broken := w.violationOf(secret, i, k.base().single, list, current); broken != "" {
				return broken
			}
		}
	}
	for i := range w.tasks {
		if t := &w.tasks[i]; !t.excused {
			if value := w.refusedTo(t); value != "" {
				return "a running task was started with " + value + ", which is refused"
			}
		}
	}
	return ""
}

// violationOf looks at one account: AWSCURRENT's value is accepted, and a version
// that is kept stores each value that is.
func (w *world) violationOf(secret, kind int, single bool, list []version, current *version) string {
	at, value := w.accountOf(secret, kind), current.values[kind]
	a := &w.accounts[w.accountOf(current.secret, kind)]
	accepted := a.accepts(value)
	if accepted {
		w.refused &^= 1 << at
	}
	copied := current.secret != secret // it is the other secret's: an emergency of that one asks nobody
	if !accepted && !single && w.refused&(1<<at) == 0 && !slices.Contains(w.raced, value) && (!copied || !slices.Contains(w.leaked, value)) {
		return fmt.Sprintf("the value of AWSCURRENT (%s, version %s) is refused", value, current.id)
	}
	if _, issues := w.kinds[kind].(*issuer); issues || copied {
		return "" // a key that is made is accepted before it can be stored
	}
	for i := range a.values {
		value := a.values[i].text
		if !slices.ContainsFunc(list, func(v version) bool { return v.values[kind] == value && kept(v) }) && !slices.Contains(w.lost, value) {
			return fmt.Sprintf("%s is accepted, and no labelled version stores it", value)
		}
	}
	return ""
}

// refusedTo is a value that a task was started with and that is refused, of a kind
// that accepts two; "" if there is none.
func (w *world) refusedTo(t *task) string {
	for at, value := range t.values {
		k := w.kinds[at%len(w.kinds)]
		if value == "" || k.base().single || w.accounts[at].accepts(value) || slices.Contains(w.leaked, value) || slices.Contains(w.raced, value) {
			continue
		}
		return value
	}
	return ""
}

// leak tells that all present values of the first secret may have leaked.
func (w *world) leak() {
	w.leaked = slices.Clone(w.leaked)
	for _, v := range w.versions(0) {
		for _, value := range v.values {
			if value != "" && !slices.Contains(w.leaked, value) {
				w.leaked = append(w.leaked, value)
			}
		}
	}
	slices.Sort(w.leaked)
}

// open is what is not brought to its end; "" if nothing is.
func (w *world) open() string {
	for secret := range w.arns {
		current := w.labelled(secret, "AWSCURRENT")
		for _, v := range w.versions(secret) {
			if labels := ledgerLabels(v); len(labels) > 1 {
				return fmt.Sprintf("version %s has %d labels: %s", v.id, len(labels), strings.Join(labels, ", "))
			}
			for kind, e := range ledgerOf(v) {
				switch {
				case strings.Contains(e.label, "=foreign.") && w.isSingle(kind): // remembered with what is foreign
				case kind == "rollout" && v.id == current.id && !strings.Contains(e.state, "converged="):
					return "the rollout has not converged: " + e.label
				case kind == "rollout", e.state == "failed", e.state == "foreign":
				case v.id != current.id || e.state != "proven":
					return "left in the ledger: version " + v.id + " " + e.label
				}
			}
		}
		for i, k := range w.kinds {
			at := w.accountOf(current.secret, i)
			for _, v := range w.accounts[at].values {
				if current.secret == secret && v.text != current.values[i] && !slices.Contains(w.lost, v.text) && !w.isForeign(secret, i, v.text) {
					return fmt.Sprintf("%s is accepted of %s, and is not AWSCURRENT's value", v.text, k.Name())
				}
			}
			copied := current.secret != secret && slices.Contains(w.leaked, current.values[i])
			if value := current.values[i]; value != "" && !w.accounts[at].accepts(value) && !copied {
				return fmt.Sprintf("AWSCURRENT's value of %s, %s, is refused", k.Name(), current.values[i])
			}
		}
	}
	return ""
}

// isSingle tells that a kind's target accepts one value at a time.
func (w *world) isSingle(kind string) bool {
	return slices.ContainsFunc(w.kinds, func(k kindOf) bool { return k.Name() == kind && k.base().single })
}

// isForeign tells that an operator has released a value that could not be judged, so that
// it stays.
func (w *world) isForeign(secret, kind int, value string) bool {
	for _, v := range w.versions(secret) {
		for name, e := range ledgerOf(v) {
			if v.values[kind] == value && name == w.kinds[kind].Name() && e.state == "foreign" {
				return true
			}
		}
	}
	return false
}

// ledgerLabels are the labels of a version that the ledger has. In the end there is one at most: whoever removes
// it is not to uncover what an older one says.
func ledgerLabels(v version) (labels []string) {
	for _, label := range v.labels {
		if strings.HasPrefix(label, "rotation;") {
			labels = append(labels, label)
		}
	}
	return labels
}

// noted is what a version's labels say of a kind.
type noted struct {
	state, label string
	count        int
}

// ledgerOf reads the labels of a version as docs/architecture.md describes them: of
// two labels, the entry with the higher count holds, kind by kind.
func ledgerOf(v version) iter.Seq2[string, noted] {
	var kinds []string
	entries := map[string]noted{}
	for _, label := range ledgerLabels(v) {
		for _, part := range strings.Split(label, ";")[3:] {
			kind, text, _ := strings.Cut(part, "=")
			state, rest, _ := strings.Cut(text, ".")
			digits, _, _ := strings.Cut(rest, "@")
			e := noted{state: state, label: label}
			e.count, _ = strconv.Atoi(digits)
			if kind == "rollout" {
				e.state = text
			}
			was, known := entries[kind]
			if !known {
				kinds = append(kinds, kind)
			}
			if !known || e.count > was.count || kind == "rollout" && e.state > was.state {
				entries[kind] = e
			}
		}
	}
	slices.Sort(kinds)
	return func(yield func(string, noted) bool) {
		for _, kind := range kinds {
			if !yield(kind, entries[kind]) {
				return
			}
		}
	}
}
