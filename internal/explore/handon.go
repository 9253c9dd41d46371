package explore

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// What the engine does follows from how it is set up, and from what it is answered: not
// from the scenario. Where two scenarios set it up alike, the second one goes on in the
// world of the first, in which nothing has happened again, and knows the moments that
// were reached there. Most of the engine's work is in the ends of histories, which are
// much the same in both.

// A setup is all of a scenario that the engine and the kinds depend on, and what there is
// before anything has happened.
type setup struct {
	kinds                  string
	services, secrets      int
	copied, health, untold bool
	overlap, observe       time.Duration
}

func (s *Scenario) setup() setup {
	return setup{strings.Join(s.Kinds, " "), s.Services, s.Secrets, s.Copied, s.Health, s.Untold, s.Overlap, s.Observe}
}

// Alike tells whether two scenarios set the engine up alike. Then it is better to search one
// after the other than both at once.
func Alike(a, b *Scenario) bool { return a.setup() == b.setup() }

// mostMoments bounds what is kept of searches that are done: each takes about 700 bytes.
const mostMoments = 300_000

var handedOn struct {
	sync.Mutex
	worlds []*world // oldest first
}

// HandOn has a scenario that is searched later go on with what this search knows of the
// engine. The Explorer is done: it may not search any more.
func (e *Explorer) HandOn() {
	handedOn.Lock()
	defer handedOn.Unlock()
	handedOn.worlds = append(handedOn.worlds, e.w)
	e.w = nil
	moments := 0
	for _, w := range handedOn.worlds {
		moments += len(w.runs.moments)
	}
	for moments > mostMoments {
		moments -= len(handedOn.worlds[0].runs.moments)
		handedOn.worlds = slices.Delete(handedOn.worlds, 0, 1)
	}
}

// worldFor is a world of a scenario, before anything has happened in it.
func worldFor(s *Scenario) *world {
	handedOn.Lock()
	defer handedOn.Unlock()
	for i, w := range handedOn.worlds {
		if Alike(w.scenario, s) {
			handedOn.worlds = slices.Delete(handedOn.worlds, i, i+1)
			w.startOver(s)
			return w
		}
	}
	return newWorld(s)
}

// startOver has a world be that of a scenario, and nothing have happened in it.
func (w *world) startOver(s *Scenario) {
	w.scenario = s
	w.secrets.SetVariants(s.variants())
	w.restore(&w.fresh)
	w.backup, w.ends, w.trace = nil, nil, nil
	w.quiet, w.calls = 0, 0
	w.runs.started, w.runs.again = 0, 0
}
