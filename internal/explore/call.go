package explore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"

	"mautic-rotation/internal/scrub"
)

// An invocation is one of the function. It runs when it is given its turn, from one
// call to the next, as a coroutine; or wholly at once, where nothing is to come in between.
type invocation struct {
	w    *world
	id   int
	name string
	err  error

	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool // nil: it runs at once

	session int // the account whose lock for changing it holds, from 1; 0: none

	proved  []string // values that it has seen accepted
	answers uint64   // a hash of the calls and their answers so far
	begun   bool
	ended   bool
	dead    bool // it was killed
}

// killed ends an invocation as the end of its process does: what is deferred can
// make no call any more.
type killed struct{}

// An act is what an invocation does.
type act func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error

// start makes an invocation that is given its turns by turn.
func (w *world) start(id int, name string, do act) *invocation {
	v := &invocation{w: w, id: id, name: name}
	v.next, v.stop = iter.Pull(func(yield func(struct{}) bool) {
		v.yield = yield
		v.run(do)
	})
	return v
}

// atOnce runs an invocation to its end.
func (w *world) atOnce(name string, do act) error {
	w.runs++
	v := &invocation{w: w, id: 100 + w.runs, name: name}
	before := w.active
	w.active = v
	v.run(do)
	w.active = before
	return v.err
}

func (v *invocation) run(do act) {
	defer func() {
		v.ended = true
		switch r := recover().(type) {
		case nil, killed:
		default:
			v.w.course.violated("panic in %s: %v", v.name, r)
		}
		v.w.unlockAll(v)
	}()
	v.err = do(context.Background(), v.w, slog.New(&listener{w: v.w}), v.w.scrubbed)
	if v.err != nil {
		v.w.heard(v.err.Error())
	}
	if v.w.trace != nil {
		v.w.tell("     %s ends: %s", v.name, hidden(fmt.Sprint(v.err)))
	}
}

// turn gives the invocation its turn, until it ends or gives it away.
func (v *invocation) turn() {
	v.w.active = v
	v.begun = true
	v.next()
	v.w.active = nil
}

// kill ends it at the call that it is about to make.
func (v *invocation) kill() {
	v.dead = true
	v.stop()
	v.ended = true
	v.w.unlockAll(v)
}

func (v *invocation) die() {
	v.dead = true
	panic(killed{})
}

// A call is one that an invocation makes.
type call struct {
	what    string
	write   bool // it changes something
	aws     bool // the SDK asks again when a reply is lost
	reads   bool // of Secrets Manager, which may lag behind a write
	account int  // the target's; -1: it is no target's
}

var errFault = errors.New("injected: no answer")

// call makes a call of the invocation whose turn it is. apply does what it does at
// the world's side, and returns the answer as a text that tells it from others.
func (w *world) call(c call, apply func() (string, error)) error {
	v := w.active
	if v.dead {
		panic(killed{}) // what is deferred by what was killed
	}
	fault := w.course.before(v, c)
	if fault == none {
		answer, err := apply()
		w.end(v, c, answer, err, "")
		return err
	}
	return w.disturbed(v, c, fault, apply)
}

func (w *world) disturbed(v *invocation, c call, fault Disturbance, apply func() (string, error)) (err error) {
	var answer string
	switch fault {
	case Fails:
		err = errFault
	case KilledBefore:
		w.tell("     %s is killed", v.name)
		v.die()
	case KilledAfter:
		_, _ = apply()
		w.end(v, c, "", nil, ", and is killed")
		v.die()
	case ReplyLost:
		_, _ = apply()
		err = errFault
	case AskedAgain:
		_, _ = apply()
		answer, err = apply()
	case LateByACall, LateAtItsEnd, LateAtTheEnd:
		w.postpone(v, c, fault, apply)
		err = errFault
	case Stale:
		answer, err = w.stale(apply)
	case LockLost:
		w.loseLocks(func(holder int) bool { return holder == v.id })
		answer, err = apply()
	default:
		panic(fmt.Sprintf("no such fault: %d", fault))
	}
	w.end(v, c, answer, err, ", "+fault.String())
	return err
}

// end takes note of a call's answer.
func (w *world) end(v *invocation, c call, answer string, err error, how string) {
	h := v.answers
	h = mix(h, c.what)
	h = mix(h, answer)
	if err != nil {
		h = mix(h, err.Error())
	}
	v.answers = mixNumber(h, uint64(w.now.UnixMilli()))
	if w.trace != nil {
		outcome := "ok"
		if err != nil {
			outcome = hidden(err.Error())
		}
		w.tell("%4d %s: %s%s: %s", w.course.step, v.name, c.what, how, outcome)
	}
	w.tick()
}

// stale has a read answered by the state before the latest write.
func (w *world) stale(apply func() (string, error)) (string, error) {
	if w.current == nil {
		return apply()
	}
	now := w.secrets.Snapshot()
	w.secrets.Restore(*w.current)
	answer, err := apply()
	w.secrets.Restore(now)
	return answer, err
}

// due is when a late call takes effect.
type due int

const (
	afterACall due = iota
	atItsEnd
	atTheEnd
)

func (w *world) postpone(v *invocation, c call, fault Disturbance, apply func() (string, error)) {
	l := late{what: c.what, by: v.id, account: -1, apply: apply, due: map[Disturbance]due{LateByACall: afterACall, LateAtItsEnd: atItsEnd, LateAtTheEnd: atTheEnd}[fault]}
	if l.due == afterACall {
		l.calls = 2 // this one, and another
	}
	if c.account >= 0 && w.accounts[c.account].locks[changing] == v.id {
		l.account = c.account // the server goes on with the statement, and holds the lock meanwhile
	}
	if c.account >= 0 && len(w.taking) > 0 {
		l.takes = w.taking[len(w.taking)-1]
	}
	w.late = append(w.late, l)
}

// loseLocks has servers forget locks, with the connections that they belong to.
func (w *world) loseLocks(of func(holder int) bool) {
	for i := range w.accounts {
		for which, holder := range w.accounts[i].locks {
			if of(holder) {
				w.accounts[i].locks[which] = 0
			}
		}
	}
}

func (w *world) holdsLock(v *invocation) bool {
	return slices.ContainsFunc(w.accounts, func(a account) bool { return slices.Contains(a.locks[:], v.id) })
}

// tick lets what was late by a call take effect.
func (w *world) tick() {
	if len(w.late) == 0 {
		return
	}
	for i := range w.late {
		if w.late[i].due == afterACall {
			w.late[i].calls--
		}
	}
	w.applyLate(func(l late) bool { return l.due == afterACall && l.calls <= 0 })
}

func (w *world) applyLate(is func(late) bool) {
	for i := 0; i < len(w.late); {
		l := w.late[i]
		if !is(l) {
			i++
			continue
		}
		w.late = append(w.late[:i:i], w.late[i+1:]...)
		if l.account >= 0 && w.accounts[l.account].locks[changing] == -1 {
			w.accounts[l.account].locks[changing] = 0
		}
		_, err := l.apply()
		w.took(l.takes)
		w.tell("     late: %s: %v", l.what, err)
	}
}

// unlockAll frees the locks of an invocation that has ended: its connections are
// closed.
func (w *world) unlockAll(v *invocation) {
	for at := range w.accounts {
		for which := range w.accounts[at].locks {
			w.unlock(v, at, which)
		}
	}
}

// unlock frees a lock. A statement that the server has not finished holds its lock on.
func (w *world) unlock(v *invocation, at, which int) {
	a := &w.accounts[at]
	if a.locks[which] != v.id {
		return
	}
	a.locks[which] = 0
	if which == changing && slices.ContainsFunc(w.late, func(l late) bool { return l.by == v.id && l.account == at }) {
		a.locks[which] = -1
	}
}

// mix adds a text to a hash.
func mix(h uint64, text string) uint64 {
	for i := 0; i < len(text); i++ {
		h = (h ^ uint64(text[i])) * 0x100000001b3
	}
	return mixNumber(h, uint64(len(text)))
}

func mixNumber(h, n uint64) uint64 {
	h ^= n
	h *= 0x9e3779b97f4a7c15
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>29
}
