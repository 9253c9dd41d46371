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

// A State is what the engine has done with a version's value of one kind, and
// knows of it.
type State string

// The states of a value.
const (
	// Pending says that a rotation has made the value, and its target may accept it. If
	// the version is neither AWSPENDING nor AWSCURRENT, the rotation was given up.
	Pending State = "pending"

	// Proven says that the target accepted the value while it was wanted.
	Proven State = "proven"

	// Old says that the value is not wanted any more, since the time of the entry, and its
	// target accepts it or may.
	Old State = "old"

	// Released says that the value was held, and that an operator has said that nothing
	// needs it any more: what is seen of its use does not count again.
	Released State = "released"

	// Quarantined says that the engine has made the target refuse the value, or is about
	// to, where the entry has no time. It can be restored.
	Quarantined State = "quarantined"

	// Held says that something still uses the value, so it stays accepted until an
	// operator acts.
	Held State = "held"

	// Revoking says that the value may have leaked. It is taken away at once, together
	// with whatever was issued under it, and is never set again.
	Revoking State = "revoking"

	// RolledBack says that the value's promotion was rolled back, and its target may
	// accept it. No step takes the version up again.
	RolledBack State = "rolledback"

	// Failed says that the value's promotion was rolled back, and its target refuses it.
	// The entry holds the schedule off.
	Failed State = "failed"

	// GivenUp says that the rotation that made the value was given up, and that no
	// promotion of it can be in progress. The target may accept the value. On AWSCURRENT it
	// says that a target of one value is about to be given the value, which was never proven:
	// if AWSCURRENT moves away, the value is to be replaced like any other that was given up.
	GivenUp State = "givenup"

	// Foreign says that an operator has released a value that the engine cannot judge: its
	// target has changed, or another secret owns it. It is never touched.
	Foreign State = "foreign"
)

// states are all of them, in the order in which a value goes through them. Where
// nothing else orders two entries of a kind on one version, the later state
// counts.
var states = []State{Pending, Proven, Old, Quarantined, Held, Released, GivenUp, Revoking, RolledBack, Failed, Foreign}

// Live tells whether the target accepts such a value or may do so, now or by an
// undo.
func (s State) Live() bool { return s != Failed && s != "" }

// An Entry is what a label says of one kind.
type Entry struct {
	State State

	// Count grows with each entry of the kind on the same version, and tells
	// which of two labels is the newer one. 1 to 9999.
	Count int

	// At is when the state began, by AWS's clock, in whole seconds. Zero: not
	// known, or of no interest.
	At time.Time

	// Before is the state of things when the observation began, for a target
	// that does not tell which password a login used.
	Before *Baseline
}

// A Baseline is what a database server's counters said at Entry.At.
type Baseline struct {
	Refused int64     // logins refused since the server started
	Server  string    // identifies the server: up to 6 characters of [0-9a-z]
	Up      time.Time // when it started, in whole seconds
}

// A Rollout is the replacement of every task that started before the wanted
// values became current. A secret has one at a time: that with the latest Since,
// on whatever version its label is.
type Rollout struct {
	Since     time.Time // what started before has old values; whole seconds, rounded up
	Converged time.Time // when no such task was left, and the application healthy; zero: not yet
	Unhealthy time.Time // the first reconcile that found it so; zero: none

	// Promoted: a promotion by this function began it, so that it may be rolled
	// back. RolledBack: it is itself a way back, which is not taken twice.
	// Emergency: it follows an emergency, which is never rolled back. All three
	// matter only until it has converged.
	Promoted, RolledBack, Emergency bool
}

// Open tells that there is a rollout, and that it has not converged.
func (r Rollout) Open() bool { return !r.Since.IsZero() && r.Converged.IsZero() }

// ConvergedAt returns the rollout as it is once it has converged.
func (r Rollout) ConvergedAt(at time.Time) Rollout {
	if at.Before(r.Since) {
		at = r.Since // which is rounded up
	}
	return Rollout{Since: r.Since, Converged: at.UTC().Truncate(time.Second)}
}

// A Page is what the ledger says of one version.
type Page struct {
	Version string
	Entries map[string]Entry // by kind
	Rollout Rollout          // zero: the label tells of none

	// Next is the end of the id of the version that was promoted over this one; only
	// labels of the first edition tell of it.
	Next string

	// Labels are those that the page was read from; more than one after a crash
	// between writing a label and removing the one that it replaces.
	Labels []string
}

// With returns the page with a new state of a kind.
func (p Page) With(kind string, s State, at time.Time) Page {
	return p.with(kind, Entry{State: s, Count: p.Entries[kind].Count + 1, At: at.UTC().Truncate(time.Second)})
}

// WithBaseline returns the page with a kind's baseline, in the state it has.
func (p Page) WithBaseline(kind string, b Baseline) Page {
	e := p.Entries[kind]
	e.Count++
	b.Up = b.Up.UTC().Truncate(time.Second)
	e.Before = &b
	return p.with(kind, e)
}

// Began returns the page with the time at which a kind's state began. It is for a
// state that is written before what it tells of: without a time, it is not known to
// have been done.
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

// Empty tells whether the page says nothing, so that the version needs no label.
func (p Page) Empty() bool { return len(p.Entries) == 0 && p.Rollout == Rollout{} }

// Kinds are the kinds of which the page says something, sorted.
func (p Page) Kinds() []string {
	kinds := slices.AppendSeq(slices.Grow([]string(nil), len(p.Entries)), maps.Keys(p.Entries))
	slices.Sort(kinds)
	return kinds
}

// merge joins two labels of one version: kind by kind the entry with the higher
// count, and the later rollout.
func merge(a, b Page) Page {
	joined := a
	joined.Entries = maps.Clone(a.Entries)
	for kind, e := range b.Entries {
		if newer(e, joined.Entries[kind]) {
			joined = joined.with(kind, e)
		}
	}
	joined.Rollout = laterRollout(a.Rollout, b.Rollout)
	joined.Next = cmp.Or(a.Next, b.Next) // a label that is written replaces one that has it
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

// laterRollout is the one with the later Since; of one rollout, what either
// label tells of it.
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

// earlier is the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
