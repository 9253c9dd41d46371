// Package ledger reads and writes the engine's only state: one custom staging
// label on each version of a secret that stores a value which a target accepts,
// or may accept. It is pure: it neither calls Secrets Manager nor decides
// anything.
//
//	book, err := ledger.Read(described.VersionIdsToStages)
//	page := book.Page("3f2a91c0-…")
//	page = page.With("database", ledger.Quarantined, now)
//	label, err := page.Label()
//
// Labels serve as state because moving one is atomic and conditional, and
// because a version that has one is not deleted. What they say is about values:
// a version's id only locates the version. Whether a value is wanted or old is
// no part of a label: the engine finds that by comparing values.
//
// A label has at most 256 characters, and a secret at most 20 labels over all
// its versions. Of these, three are Secrets Manager's own, and [SpareSlots] stay
// free for an operator and for the label that replaces another.
package ledger

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A State is what the engine knows about a version's value of one kind, and what it has done with
// it.
type State string

// The states of a value.
const (
	// Pending: a rotation has made the value, and its target may accept it. If the version is
	// neither AWSPENDING nor AWSCURRENT, the rotation was given up.
	Pending State = "pending"

	// Proven: the target accepted the value while it was wanted.
	Proven State = "proven"

	// Old: the value has not been wanted since the time of the entry. Its target accepts it, or
	// may.
	Old State = "old"

	// Released: the value was held, and an operator has said that nothing needs it any more.
	// Evidence of its use no longer counts.
	Released State = "released"

	// Quarantined: the engine has made the target refuse the value or, if the entry has no time,
	// is about to. The value can be restored.
	Quarantined State = "quarantined"

	// Held: something still uses the value, so it stays accepted until an operator acts.
	Held State = "held"

	// Revoking: the value may have leaked. It is retired at once, together with whatever was
	// issued under it, and is never set again.
	Revoking State = "revoking"

	// RolledBack: the value's promotion was rolled back, and its target may accept it. No step
	// resumes this version.
	RolledBack State = "rolledback"

	// Failed: the value's promotion was rolled back, and its target refuses it. The entry holds
	// off the schedule.
	Failed State = "failed"

	// GivenUp: the rotation that made the value was given up, and no promotion of it can be in
	// progress. The target may accept the value. On AWSCURRENT, a target of one value is about to
	// be given the value, which was never proven: if AWSCURRENT moves away, the value is replaced
	// like any other that was given up.
	GivenUp State = "givenup"

	// Foreign: an operator has released a value that the engine cannot judge, because its target
	// has changed or another secret owns it. The engine never touches it.
	Foreign State = "foreign"
)

// states lists all states in the order in which a value goes through them. If nothing else orders
// two entries of a kind on one version, the later state wins.
var states = []State{Pending, Proven, Old, Quarantined, Held, Released, GivenUp, Revoking, RolledBack, Failed, Foreign}

// Live reports whether the target accepts such a value or may accept it, now or after an undo.
func (s State) Live() bool { return s != Failed && s != "" }

// An Entry is what a label says about one kind.
type Entry struct {
	State State

	// Count grows with each entry of the kind on the same version; the label with the higher
	// count is the newer one. 1 to 9999.
	Count int

	// At is when the state began, by AWS's clock, in whole seconds. Zero: not known, or not
	// relevant.
	At time.Time

	// Before is the target's baseline when the observation began, for a target that does not
	// report which password a login used.
	Before *Baseline
}

// A Baseline is what a database server's counters showed at Entry.At.
type Baseline struct {
	Refused int64     // logins refused since the server started
	Server  string    // identifies the server: up to 6 characters of [0-9a-z]
	Up      time.Time // when it started, in whole seconds
}

// A Rollout is the replacement of every task that started before the wanted values became
// current. A secret has one at a time: the one with the latest Since, whichever version's label
// records it.
type Rollout struct {
	Since     time.Time // tasks started before this have old values; whole seconds, rounded up
	Converged time.Time // when no such task was left and the application was healthy; zero: not yet
	Unhealthy time.Time // when a reconcile first found the application unhealthy; zero: never

	// Promoted: a promotion by this function began it, so it may be rolled back. RolledBack: it
	// is itself a rollback, which is not rolled back again. Emergency: it follows an emergency,
	// which is never rolled back. All three matter only until it has converged.
	Promoted, RolledBack, Emergency bool
}

// Open reports whether there is a rollout that has not converged.
func (r Rollout) Open() bool { return !r.Since.IsZero() && r.Converged.IsZero() }

// ConvergedAt returns the rollout as it is once it has converged.
func (r Rollout) ConvergedAt(at time.Time) Rollout {
	if at.Before(r.Since) {
		at = r.Since // Since is rounded up, so it may be later
	}
	return Rollout{Since: r.Since, Converged: at.UTC().Truncate(time.Second)}
}

// A Page is what the ledger says about one version.
type Page struct {
	Version string
	Entries map[string]Entry // by kind
	Rollout Rollout          // zero: the label records none

	// Next is the end of the id of the version that was promoted over this one. Only labels of
	// the first edition have it.
	Next string

	// Labels are the labels that the page was read from. There is more than one after a crash
	// between writing a label and removing the one that it replaces.
	Labels []string
}

// With returns the page with a new state of a kind.
func (p Page) With(kind string, s State, at time.Time) Page {
	return p.with(kind, Entry{State: s, Count: p.Entries[kind].Count + 1, At: at.UTC().Truncate(time.Second)})
}

// WithBaseline returns the page with a kind's baseline added to its present state.
func (p Page) WithBaseline(kind string, b Baseline) Page {
	e := p.Entries[kind]
	e.Count++
	b.Up = b.Up.UTC().Truncate(time.Second)
	e.Before = &b
	return p.with(kind, e)
}

// Began returns the page with the time at which a kind's state began. Some states are written
// before the act they record; until they have a time, the act may not have happened.
func (p Page) Began(kind string, at time.Time) Page {
	e := p.Entries[kind]
	e.Count++
	e.At = at.UTC().Truncate(time.Second)
	return p.with(kind, e)
}

// Without returns the page without a kind.
func (p Page) Without(kind string) Page {
	p.Entries = maps.Clone(p.Entries)
	delete(p.Entries, kind)
	return p
}

func (p Page) with(kind string, e Entry) Page {
	p.Entries = maps.Clone(p.Entries)
	if p.Entries == nil {
		p.Entries = map[string]Entry{}
	}
	p.Entries[kind] = e
	return p
}

// Torn reports whether a page that may stay as it is was read from several labels: the write of one
// was interrupted, or two invocations wrote at once. Of other pages the next state replaces them all.
func (p Page) Torn() bool {
	for _, e := range p.Entries {
		if e.stays() {
			return len(p.Labels) > 1
		}
	}
	return false
}

// Joined returns a torn page as one label is to hold it. What stays counts once more, so that the
// label's text is none of those that it replaces. Nothing else does: a newer entry that was written
// meanwhile has to win.
func (p Page) Joined() Page {
	for kind, e := range p.Entries {
		if e.stays() {
			e.Count++
			p = p.with(kind, e)
		}
	}
	return p
}

// stays reports whether the entry may stay for good: it goes when an operator acts, when another
// rotation has converged, or when AWSCURRENT stores the value.
func (e Entry) stays() bool { return e.State == Foreign || e.State == Failed }

// Empty reports whether the page says nothing, so that the version needs no label.
func (p Page) Empty() bool { return len(p.Entries) == 0 && p.Rollout == Rollout{} }

// Kinds returns the kinds that have an entry, sorted.
func (p Page) Kinds() []string {
	kinds := slices.AppendSeq(slices.Grow([]string(nil), len(p.Entries)), maps.Keys(p.Entries))
	slices.Sort(kinds)
	return kinds
}

// merge joins two labels of one version: for each kind the entry with the higher count, and the
// later rollout.
func merge(a, b Page) Page {
	joined := a
	joined.Entries = maps.Clone(a.Entries)
	for kind, e := range b.Entries {
		if newer(e, joined.Entries[kind]) {
			joined = joined.with(kind, e)
		}
	}
	joined.Rollout = laterRollout(a.Rollout, b.Rollout)
	joined.Next = cmp.Or(a.Next, b.Next) // a label written now replaces one that has it
	joined.Labels = append(slices.Clone(a.Labels), b.Labels...)
	return joined
}

func newer(a, b Entry) bool {
	order := cmp.Or(
		cmp.Compare(a.Count, b.Count),
		cmp.Compare(slices.Index(states, a.State), slices.Index(states, b.State)),
		a.At.Compare(b.At),
	)
	return order > 0
}

// laterRollout returns the rollout with the later Since. If both are the same rollout, it joins
// what the two labels say.
func laterRollout(a, b Rollout) Rollout {
	switch order := a.Since.Compare(b.Since); {
	case order > 0:
		return a
	case order < 0:
		return b
	}
	a.Unhealthy = earlier(a.Unhealthy, b.Unhealthy)
	a.Converged = earlier(a.Converged, b.Converged)
	a.Promoted = a.Promoted || b.Promoted
	a.RolledBack = a.RolledBack || b.RolledBack
	a.Emergency = a.Emergency || b.Emergency
	return a
}

// earlier returns the earlier of two times; zero means none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
