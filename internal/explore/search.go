package explore

import (
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
)

// An Explorer tries the histories of one scenario.
type Explorer struct {
	w       *world
	from    snapshot
	visited map[uint64]struct{}
	endings map[uint64]string // what is wrong with the end that follows a state
	Stats   Stats
	Found   []Violation
	found   map[string]int // by what is violated
	stop    func() bool    // nil: never
	cut     bool
}

// Stats count what was tried.
type Stats struct {
	Histories int // with their ends, or up to a state that was known
	Pruned    int // of these, those that came to a known state
	States    int // different ones
	Endings   int // different ones
	Calls     int
}

// Add adds another scenario's.
func (s *Stats) Add(o Stats) {
	s.Histories += o.Histories
	s.Pruned += o.Pruned
	s.States += o.States
	s.Endings += o.Endings
	s.Calls += o.Calls
}

// A Violation is a history in which something does not hold.
type Violation struct {
	Scenario string
	Script   Script
	What     string
	Times    int // how many histories show the same
}

func (v Violation) String() string {
	return fmt.Sprintf("%s (%d histories)\n  make explore REPLAY='%s: %s'", v.What, v.Times, v.Scenario, v.Script)
}

// New prepares a scenario. It fails if what comes before its invocations does not
// go as it should.
func New(s *Scenario) (*Explorer, error) {
	e := &Explorer{w: newWorld(s), visited: map[uint64]struct{}{}, endings: map[uint64]string{}, found: map[string]int{}}
	if err := e.prepare(nil); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Explorer) prepare(trace io.Writer) error {
	w := e.w
	w.trace = trace
	w.course = &course{w: w, quiet: 1}
	if w.scenario.Before != nil {
		w.scenario.Before(w)
	}
	if w.course.broken != "" {
		return fmt.Errorf("scenario %s: before its invocations: %s", w.scenario.Name, w.course.broken)
	}
	if w.backup == nil {
		w.backup = w.copied().accounts
	}
	w.current = nil
	e.from = w.snapshot()
	return nil
}

// play plays one history, and its end unless one like it was played.
func (e *Explorer) play(script Script, left int, visit func(uint64) bool) *course {
	w := e.w
	k := &course{w: w, script: script, left: left, visit: visit}
	k.run(e.from)
	e.Stats.Histories++
	if k.pruned {
		e.Stats.Pruned++
	}
	if !k.over {
		state := w.digestInto(1)
		broken, known := e.endings[state]
		if !known || visit == nil {
			broken = k.end()
			e.endings[state] = broken
			e.Stats.Endings++
		}
		if broken != "" {
			k.violated("%s", broken)
		}
	}
	e.Stats.Calls += k.calls
	if k.broken != "" {
		e.note(script, k.broken)
	}
	return k
}

func (e *Explorer) note(script Script, what string) {
	what = general(what)
	if at, known := e.found[what]; known {
		e.Found[at].Times++
		if shorter(script, e.Found[at].Script) {
			e.Found[at].Script = append(Script(nil), script...)
		}
		return
	}
	e.found[what] = len(e.Found)
	e.Found = append(e.Found, Violation{e.w.scenario.Name, append(Script(nil), script...), what, 1})
}

// shorter tells whether a script has fewer disturbances, or earlier ones.
func shorter(a, b Script) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	for i := range a {
		if a[i].Step != b[i].Step {
			return a[i].Step < b[i].Step
		}
	}
	return false
}

// Complete tries every history with at most so many disturbances.
func (e *Explorer) Complete(disturbances int, stop func() bool) {
	e.stop = stop
	visit := func(state uint64) bool {
		if _, before := e.visited[state]; before {
			return true
		}
		e.visited[state] = struct{}{}
		return false
	}
	for most := range disturbances + 1 { // the shortest come first
		e.follow(nil, most, visit)
	}
	e.Stats.States = len(e.visited)
}

// follow plays a history, and all that disturb it further.
func (e *Explorer) follow(script Script, left int, visit func(uint64) bool) {
	if e.stop != nil && e.stop() {
		e.cut = true
		return
	}
	k := e.play(script, left, visit)
	for _, p := range k.points {
		for _, d := range k.list[p.first:p.last] {
			e.follow(append(script[:len(script):len(script)], At{p.step, d}), left-1, visit)
		}
	}
}

// Cut tells that Complete or Sample was stopped before it was done.
func (e *Explorer) Cut() bool { return e.cut }

// Sample tries histories with so many disturbances, chosen by a seed, until it has
// tried a number of them or is stopped.
func (e *Explorer) Sample(disturbances, number int, seed uint64, stop func() bool) {
	random := rand.New(rand.NewPCG(seed, uint64(disturbances)))
	never := func(uint64) bool { return false }
	for range number {
		if stop != nil && stop() {
			e.cut = true
			return
		}
		var script Script
		for range disturbances {
			k := &course{w: e.w, script: script, left: 1, visit: never}
			k.run(e.from)
			if len(k.points) == 0 {
				break
			}
			p := k.points[random.IntN(len(k.points))]
			script = append(script, At{p.step, k.list[p.first+random.IntN(p.last-p.first)]})
		}
		e.play(script, 0, never)
	}
}

// Replay plays one history and tells what happens in it.
func Replay(s *Scenario, script Script, out io.Writer) (broken string, err error) {
	e := &Explorer{w: newWorld(s), endings: map[uint64]string{}, found: map[string]int{}}
	if err := e.prepare(out); err != nil {
		return "", err
	}
	fmt.Fprintf(out, "     — the history begins: %s\n", script)
	k := e.play(script, 0, nil)
	if k.next < len(script) && k.broken == "" {
		return "", fmt.Errorf("the history has %d steps, and none of the script's %q", k.step, script[k.next:])
	}
	return k.broken, nil
}

// general is a violation without what differs from history to history: ids and times.
func general(what string) string { return numbers.ReplaceAllString(what, "#") }

var numbers = regexp.MustCompile(`[0-9a-f]*[0-9][0-9a-fTZ-]*`)
