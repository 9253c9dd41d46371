package explore

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"mautic-rotation/internal/scrub"
)

// What an invocation does next follows from what it has been answered so far, and when.
// So the engine is run once for each course of answers, and never for a world: a moment
// is where it stands after some answers, and what it is about to do. Many histories, in
// many worlds, go through the same moments, and a history that goes on from the midst of
// another one costs no more than its own calls. See [Explorer].

// An act is what an invocation does. Its name tells it from any other.
type act struct {
	name    string
	version string // that it is a step for; "": it is no step
	do      func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error
}

// A moment is an invocation right before a call, or at its end.
type moment struct {
	id   uint64 // of the act, its start, and all answers
	act  act
	from *moment // nil: the first one
	via  *answer // to from's call

	call    *call     // that it is about to make; nil: it has ended
	began   time.Time // of the first one
	now     time.Time
	effects []effect // on the world, since the answer
	err     error    // that it has ended with
	panics  string

	run *run // of the engine, which waits here; nil: there is none
}

// An effect is what an invocation does to the world without a call.
type effect func(w *world, v *invocation)

// An answer is what a call returns, and when.
type answer struct {
	value any
	err   error
	now   time.Time
	hash  uint64
}

// A run is the engine on its way through an act, as a coroutine that stops right
// before each call.
type run struct {
	w        *world
	act      act
	now      time.Time
	session  int // the account whose lock for changing it holds, from 1; 0: none
	effects  []effect
	scrubbed *scrub.Secrets
	on       *coroutine

	about  *call
	answer *answer
	ended  bool
	dead   bool
	err    error
	panics string
}

// A coroutine runs one act after another: a stack grows once.
type coroutine struct {
	run    *run // nil: it waits for one
	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
}

// killed ends a run as the end of its process does: what is deferred can make no call
// any more.
type killed struct{}

// runs are the moments that have been reached, and the engine in some of them.
type runs struct {
	moments map[uint64]*moment
	waiting []*moment // those whose run waits, and others; oldest first
	idle    []*coroutine
	started int // runs that have been started
	again   int // answers that one had to be given again
}

// mostWaiting bounds the runs that wait: each has a stack.
const mostWaiting = 512

// first is the first moment of an act that begins now.
func (w *world) first(a act) *moment {
	id := mixNumber(mix(1, a.name), uint64(w.now.UnixMilli()))
	if m := w.runs.moments[id]; m != nil {
		return m
	}
	m := &moment{id: id, act: a, began: w.now}
	w.start(a, w.now).reach(m)
	return m
}

// after is the moment after an answer to a moment's call.
func (w *world) after(m *moment, a *answer) *moment {
	id := mixNumber(m.id, a.hash)
	if next := w.runs.moments[id]; next != nil {
		return next
	}
	r := m.run
	if r == nil {
		r = w.again(m)
	}
	m.run = nil
	r.goOn(a)
	next := &moment{id: id, act: m.act, from: m, via: a}
	r.reach(next)
	return next
}

// again runs the engine up to a moment, with the answers that it has had.
func (w *world) again(m *moment) *run {
	var back []*moment
	first := m
	for ; first.from != nil; first = first.from {
		back = append(back, first)
	}
	r := w.start(m.act, first.began)
	r.same(first)
	for _, next := range slices.Backward(back) {
		r.effects = nil
		w.runs.again++
		r.goOn(next.via)
		r.same(next)
	}
	r.effects = nil
	return r
}

// same fails if the engine does not do what it did before with the same answers:
// then there is something in it that no answer tells of.
func (r *run) same(m *moment) {
	if r.ended || m.call == nil || r.about.what != m.call.what || r.about.detail != m.call.detail || !r.now.Equal(m.now) || len(r.effects) != len(m.effects) {
		panic(fmt.Sprintf("%s: the engine has done something else with the same answers before %+v", r.act.name, m.call))
	}
}

// start has the engine begin, up to the first call.
func (w *world) start(a act, now time.Time) *run {
	w.runs.started++
	r := &run{w: w, act: a, now: now, scrubbed: &scrub.Secrets{}}
	if last := len(w.runs.idle) - 1; last >= 0 {
		r.on, w.runs.idle = w.runs.idle[last], w.runs.idle[:last]
	} else {
		r.on = newCoroutine()
	}
	r.on.run = r
	r.turn()
	return r
}

func newCoroutine() *coroutine {
	c := &coroutine{}
	c.resume, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		for c.run != nil {
			if c.run.do(); !yield(struct{}{}) {
				return
			}
		}
	})
	return c
}

func (r *run) do() {
	defer func() {
		r.ended = true
		switch p := recover().(type) {
		case nil, killed:
		default:
			r.panics = fmt.Sprint(p)
		}
	}()
	r.err = r.act.do(context.Background(), r.w, slog.New(&listener{w: r.w}), r.scrubbed)
}

func (r *run) turn() {
	r.w.running = r
	r.about = nil
	r.on.resume()
	r.w.running = nil
	if r.ended {
		r.w.runs.idle = append(r.w.runs.idle, r.on)
		r.on.run, r.on = nil, nil
	}
}

func (r *run) goOn(a *answer) {
	r.answer, r.now = a, a.now
	r.turn()
}

// end ends a run that waits.
func (r *run) end() {
	r.w.running = r
	r.dead = true
	r.on.stop()
	r.w.running = nil
}

// reach has a moment be where the run stands.
func (r *run) reach(m *moment) {
	w := r.w
	m.now, m.effects, r.effects = r.now, r.effects, nil
	w.runs.moments[m.id] = m
	if r.ended {
		m.err, m.panics = r.err, r.panics
		return
	}
	m.call, m.run = r.about, r
	w.runs.waiting = append(w.runs.waiting, m)
	if len(w.runs.waiting) < 2*mostWaiting {
		return
	}
	// Of the older half, those end that nobody has taken on.
	for _, old := range w.runs.waiting[:mostWaiting] {
		if old.run != nil {
			old.run.end()
			old.run = nil
		}
	}
	w.runs.waiting = append([]*moment(nil), w.runs.waiting[mostWaiting:]...)
}

// close ends all runs that wait.
func (w *world) close() {
	for _, m := range w.runs.waiting {
		if m.run != nil {
			m.run.end()
			m.run = nil
		}
	}
	for _, c := range w.runs.idle {
		c.stop()
	}
	w.runs.waiting, w.runs.idle = nil, nil
}

// does notes an effect on the world.
func (r *run) does(e effect) {
	if !r.dead {
		r.effects = append(r.effects, e)
	}
}

// ask makes a call: the engine waits until it is answered.
func ask[T any](w *world, c call, apply func(by int) (T, string, error)) (T, error) {
	r := w.running
	if r.dead {
		panic(killed{}) // what is deferred by what was killed
	}
	c.apply = func(by int) (any, string, error) { return apply(by) }
	r.about = &c
	if !r.on.yield(struct{}{}) {
		r.dead = true
		panic(killed{})
	}
	value, _ := r.answer.value.(T)
	return value, r.answer.err
}
