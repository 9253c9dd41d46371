package explore

import (
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
)

// An Explorer tries the histories of one scenario.
type Explorer struct {
	w         *world
	from      snapshot
	script    Script
	known     map[uint64]uint8    // states, and how many disturbances after them were looked at
	seen      map[uint64]struct{} // states, as they matter if nothing disturbs the history any more
	Stats     Stats
	Found     []Violation
	found     map[string]int // by what is violated
	stop      func() bool    // nil: never
	cut       bool
	inherited int // courses of answers that other scenarios have made known

	all bool // no state is taken for known: for a test that compares
}

// Stats count what was tried.
type Stats struct {
	Histories int // with their ends, or up to a state that was known
	Pruned    int // of these, those that came to a known state
	States    int // different ones
	Endings   int // different ones
	Calls     int
	Runs      int // of the engine
	Again     int // answers that one was given again
	Moments   int // of it: different courses of answers
}

// Add adds another scenario's.
func (s *Stats) Add(o Stats) {
	s.Histories += o.Histories
	s.Pruned += o.Pruned
	s.States += o.States
	s.Endings += o.Endings
	s.Calls += o.Calls
	s.Runs += o.Runs
	s.Again += o.Again
	s.Moments += o.Moments
}

// A Violation is a history in which something does not hold.
type Violation struct {
	Scenario string
	Script   Script
	What     string
	Times    int // how many histories show the same, of those that no other one led up to
}

func (v Violation) String() string {
	return fmt.Sprintf("%s (%d histories)\n  make explore REPLAY='%s: %s'", v.What, v.Times, v.Scenario, v.Script)
}

// New prepares a scenario. It fails if what comes before its invocations does not
// go as it should.
func New(s *Scenario) (*Explorer, error) { return newExplorer(worldFor(s)) }

func newExplorer(w *world) (*Explorer, error) {
	e := &Explorer{w: w, known: map[uint64]uint8{}, seen: map[uint64]struct{}{}, found: map[string]int{}}
	e.inherited = len(e.w.runs.moments)
	if err := e.prepare(nil); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Explorer) prepare(trace io.Writer) error {
	w := e.w
	w.trace = trace
	if w.scenario.Before != nil {
		w.scenario.Before(w)
	}
	if w.broken != "" {
		w.close()
		return fmt.Errorf("scenario %s: before its invocations: %s", w.scenario.Name, w.broken)
	}
	if w.backup == nil {
		w.backup = w.copied().accounts
	}
	w.current = nil
	w.ends = &endings{known: map[uint64]string{}}
	e.from = w.snapshot()
	return nil
}

// point is where another disturbance may come.
type point struct {
	at   snapshot
	list []Disturbance
}

// walk goes on from where the world is, without a disturbance, up to the end or to a
// state that is known. It returns where up to left more of them may come. The end
// itself is played if toTheEnd.
func (e *Explorer) walk(left int, isKnown func(left int) bool, toTheEnd bool) (points []point) {
	w := e.w
	e.Stats.Histories++
	for !w.over {
		w.arrives()
		if w.over {
			break
		}
		if isKnown(left) {
			e.Stats.Pruned++
			return points
		}
		if left > 0 {
			if list := w.options(); len(list) > 0 {
				points = append(points, point{w.snapshot(), list})
			}
		}
		if w.finished() {
			if toTheEnd {
				w.end()
			}
			break
		}
		w.proceeds(none)
	}
	if w.broken != "" {
		e.note(w.broken)
	}
	return points
}

// disturb goes to a point, and on from there with a disturbance.
func (e *Explorer) disturb(p *point, d Disturbance) {
	w := e.w
	w.restore(&p.at)
	e.script = append(e.script, At{w.step, d})
	w.proceeds(d)
}

// isKnown tells that a state was reached before with as many disturbances that may
// follow, or more. Then what follows was or is looked at from there. That is sound, for
// what follows depends on nothing else: the digests hold all of the world that anything
// reads, and where each invocation stands, which tells all that it has been answered.
// If nothing may follow, a state is known that was reached with more to follow, too, and
// what matters to disturbances alone tells no states apart.
func (e *Explorer) isKnown(left int) bool {
	settled, state := e.w.digests(left > 0)
	_, before := e.seen[settled]
	e.seen[settled] = struct{}{}
	if left == 0 {
		return before && !e.all
	}
	if most, before := e.known[state]; before && most >= uint8(left) {
		return !e.all
	}
	e.known[state] = uint8(left)
	return false
}

// note takes note of a violation.
func (e *Explorer) note(what string) {
	what = general(what)
	if at, known := e.found[what]; known {
		e.Found[at].Times++
		if shorter(e.script, e.Found[at].Script) {
			e.Found[at].Script = slices.Clone(e.script)
		}
		return
	}
	e.found[what] = len(e.Found)
	e.Found = append(e.Found, Violation{e.w.scenario.Name, slices.Clone(e.script), what, 1})
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

// begin has the history begin, with nothing before it.
func (e *Explorer) begin() {
	e.w.restore(&e.from)
	e.script = e.script[:0]
	e.w.begin()
}

// Complete tries every history with at most so many disturbances.
func (e *Explorer) Complete(disturbances int, stop func() bool) {
	e.stop = stop
	for most := range disturbances + 1 { // those with fewer come first
		e.begin()
		e.follow(most)
	}
	e.close()
}

// follow tries the history that goes on from where the world is, and all that disturb
// it further.
func (e *Explorer) follow(left int) {
	if e.stop != nil && e.stop() {
		e.cut = true
		return
	}
	depth := len(e.script)
	points := e.walk(left, e.isKnown, true)
	for i := range points {
		for _, d := range points[i].list {
			e.disturb(&points[i], d)
			e.follow(left - 1)
			e.script = e.script[:depth]
		}
		points[i] = point{}
	}
}

// close ends what a search has left, and counts it.
func (e *Explorer) close() {
	e.w.close()
	e.Stats.States, e.Stats.Endings, e.Stats.Calls = len(e.seen), e.w.ends.played, e.w.calls
	e.Stats.Again = e.w.runs.again
	e.Stats.Runs, e.Stats.Moments = e.w.runs.started, len(e.w.runs.moments)-e.inherited
}

// Cut tells that Complete or Sample was stopped before it was done.
func (e *Explorer) Cut() bool { return e.cut }

// Sample tries histories with so many disturbances, chosen by a seed, until it has
// tried a number of them or is stopped.
func (e *Explorer) Sample(disturbances, number int, seed uint64, stop func() bool) {
	random := rand.New(rand.NewPCG(seed, uint64(disturbances)))
	never := func(int) bool { return false }
	defer e.close()
	for range number {
		if stop != nil && stop() {
			e.cut = true
			return
		}
		e.begin()
		for range disturbances {
			points := e.walk(1, never, false)
			if len(points) == 0 {
				break
			}
			p := &points[random.IntN(len(points))]
			e.disturb(p, p.list[random.IntN(len(p.list))])
		}
		e.walk(0, never, true)
	}
}

// Replay plays one history and tells what happens in it.
func Replay(s *Scenario, script Script, out io.Writer) (broken string, err error) {
	e := &Explorer{w: newWorld(s), found: map[string]int{}}
	if err := e.prepare(out); err != nil {
		return "", err
	}
	defer e.w.close()
	fmt.Fprintf(out, "     — the history begins: %s\n", script)
	w := e.w
	e.begin()
	for rest := script; !w.over; {
		w.arrives()
		switch {
		case w.over:
		case len(rest) > 0 && rest[0].Step == w.step:
			w.proceeds(rest[0].Disturbance)
			rest = rest[1:]
		case !w.finished():
			w.proceeds(none)
		case len(rest) > 0:
			return "", fmt.Errorf("the history has %d steps, and none of the script's %q", w.step, rest)
		default:
			w.end()
			w.over = true
		}
	}
	return w.broken, nil
}

// general is a violation without what differs from history to history: ids and times.
func general(what string) string { return numbers.ReplaceAllString(what, "#") }

var numbers = regexp.MustCompile(`[0-9a-f]*[0-9][0-9a-fTZ-]*`)
