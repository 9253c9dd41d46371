package explore

import (
	"errors"
	"fmt"
	"slices"
)

// An invocation is one of the function. It goes from call to call when it is given its
// turn.
type invocation struct {
	id     int
	name   string
	at     *moment // what it has been answered so far, and its next call; nil: it has not begun
	ended  bool
	proved []string // values that it has seen accepted
	taking []string // values that it has just made sure are old, and is about to take away
	void   bool     // it is a step of a rotation that is over, as it has been told

	failing bool   // a service did not run when it looked last
	told    string // where AWSCURRENT and AWSPENDING were when it read the labels last; "": not known
	used    bool   // it has seen that something uses an old value, or that the application is ill
}

// A call is one that an invocation makes.
type call struct {
	what   string
	detail string // what tells it from others, where what does not
	write  bool   // it changes something
	aws    bool   // the SDK asks again when a reply is lost
	reads  bool   // of Secrets Manager, which may lag behind a write

	describes bool // it tells where the labels are
	account   int  // the target's; -1: it is no target's

	// apply does what it does at the world's side, for the invocation that it is by. It
	// returns the answer, and a text that tells that from others.
	apply func(by int) (value any, text string, err error)
}

var errFault = errors.New("injected: no answer")

// enter has an invocation begin, unless it has.
func (w *world) enter(v *invocation, a act) {
	if v.at == nil {
		w.reaches(v, w.first(a))
	}
}

// reaches has an invocation go on to a moment.
func (w *world) reaches(v *invocation, m *moment) {
	v.at, w.now = m, m.now
	for _, e := range m.effects {
		e(w, v)
	}
	if m.call != nil {
		return
	}
	if m.panics != "" {
		w.violated("panic in %s: %s", v.name, m.panics)
	}
	if m.err != nil {
		w.heard(m.err.Error())
	}
	if w.trace != nil {
		w.tell("     %s ends: %s", v.name, hidden(fmt.Sprint(m.err)))
	}
	w.closes(v)
}

// closes has an invocation end, with its connections.
func (w *world) closes(v *invocation) {
	v.ended = true
	w.unlockAll(v)
}

// kill ends an invocation at the call that it is about to make.
func (w *world) kill(v *invocation) {
	w.tell("     %s is killed", v.name)
	v.taking = nil
	w.closes(v)
}

// timesOut ends the invocations that are under way, as Lambda does after 15 minutes at most.
func (w *world) timesOut() {
	for i := range w.pair {
		if v := &w.pair[i]; v.at != nil && !v.ended {
			w.kill(v)
			w.applyLate(func(l late) bool { return l.due == atItsEnd && l.by == v.id })
		}
	}
}

// goesOn has an invocation make its call, with what goes wrong with it, and go on
// to the next one.
func (w *world) goesOn(v *invocation, fault Disturbance) {
	c := v.at.call
	over := v.void && c.write && w.isOver(v.at.act.version) && !w.isWanted(v.at.act.version, c.account)
	before := over && w.isSet(v.at.act.version, c.account)
	var a answer
	var text, how string
	apply := func() {
		var err error
		a.value, text, err = c.apply(v.id)
		a.err = err
	}
	killed := false
	switch fault {
	case none:
		apply()
	case Fails:
		a.err = errFault
	case KilledBefore:
		w.kill(v)
		return
	case KilledAfter:
		apply()
		killed = true
	case ReplyLost:
		apply()
		a, text = answer{err: errFault}, ""
	case AskedAgain:
		apply()
		apply()
	case LateByACall, LateAtItsEnd, LateAtTheEnd:
		w.postpone(v, fault)
		a.err = errFault
	case Stale:
		w.stale(apply)
		w.excuseStale(v)
	case LockLost:
		w.loseLocks(func(holder int) bool { return holder == v.id })
		apply()
	default:
		panic(fmt.Sprintf("no such fault: %d", fault))
	}
	if a.err != nil {
		a.value = nil
	}
	a.now = w.now
	h := mix(2, text)
	if a.err != nil {
		h = mix(h, a.err.Error())
	}
	a.hash = mixNumber(h, uint64(w.now.UnixMilli()))
	if w.trace != nil {
		outcome := "ok"
		if a.err != nil {
			outcome = hidden(a.err.Error())
		}
		if fault != none {
			how = ", " + fault.String()
		}
		w.tell("%4d %s: %s%s: %s", w.step, v.name, c.what, how, outcome)
	}
	if over && !before && w.isSet(v.at.act.version, c.account) {
		w.violated("a step acts for a rotation that is over, as it has been told: %s", hidden(c.what))
	}
	if c.describes {
		v.told = ""
		if secret := slices.Index(w.arns, c.detail); fault == none && secret >= 0 {
			v.told = w.places(secret)
		}
	}
	v.void = v.void || fault == none && c.describes && w.isOver(v.at.act.version)
	w.tick()
	if killed {
		w.kill(v)
		return
	}
	w.reaches(v, w.after(v.at, &a))
}

// stale has a read answered by the state before the latest write.
func (w *world) stale(apply func()) {
	if w.current == nil {
		apply()
		return
	}
	now := w.secrets.Snapshot()
	w.secrets.Restore(*w.current)
	apply()
	w.secrets.Restore(now)
}

// due is when a late call takes effect.
type due int

const (
	afterACall due = iota
	atItsEnd
	atTheEnd
)

func (w *world) postpone(v *invocation, fault Disturbance) {
	c := v.at.call
	l := late{call: c, by: v.id, account: -1, told: v.told, due: map[Disturbance]due{LateByACall: afterACall, LateAtItsEnd: atItsEnd, LateAtTheEnd: atTheEnd}[fault]}
	if l.due == afterACall {
		l.calls = 2 // this one, and another
	}
	if c.account >= 0 && w.accounts[c.account].locks[changing] == v.id {
		l.account = c.account // the server goes on with the statement, and holds the lock meanwhile
	}
	if c.account >= 0 && len(v.taking) > 0 {
		l.takes = v.taking[len(v.taking)-1]
	}
	w.late = append(slices.Clip(w.late), l)
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
	w.late = slices.Clone(w.late)
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
		w.late = slices.Delete(slices.Clone(w.late), i, i+1)
		w.sent = &l
		_, _, err := l.call.apply(l.by)
		w.sent = nil
		if l.account >= 0 && w.accounts[l.account].locks[changing] == -1 {
			w.accounts[l.account].locks[changing] = 0
		}
		w.tell("     late: %s: %v", l.call.what, err)
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
