package ledger

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Labels of the first edition. A stack that is updated during an overlap still has them:
//
//	rotation;old;of=3f2a91c0-…;live=database;next=9c11b2aa-…;since=2026-11-22T21:04:05.123Z;n=2
//
// They spoke of a version's values together. The id in next= tells that what is
// current was promoted. Their number n=, which is 1 where it is missing, is the count of each of
// their entries.

// firstPhases maps the first edition's phases to states of the kinds in live=.
var firstPhases = map[string]State{
	"set":         Pending,
	"old":         Old,
	"quarantined": Old, // the kinds that closing= names become Quarantined
	"held":        Held,
	"rolled-back": RolledBack,
	"failed":      Failed,
}

// AllKinds stands for every kind in the entry of a version that the first edition rolled back: it
// did not record which kinds those were.
const AllKinds = "all"

func parseFirst(parts []string) (p Page, err error) {
	state, known := firstPhases[parts[0]]
	if !known {
		return Page{}, fmt.Errorf("%q is not a phase", parts[0])
	}
	var live, closing, retired []string
	var since time.Time
	var emergency, revoked bool
	count := 1
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "next":
			p.Next = value
		case "live":
			live = kindsIn(value)
		case "closing":
			closing = kindsIn(value)
		case "gone":
			retired = kindsIn(value)
		case "since":
			if since, err = time.Parse(time.RFC3339Nano, value); err != nil {
				return Page{}, fmt.Errorf("%q is not a time", value)
			}
			if since, err = within(since.UTC(), value); err != nil {
				return Page{}, err
			}
		case "n":
			if count, err = strconv.Atoi(value); err != nil || count < 1 || count >= maxCount {
				return Page{}, fmt.Errorf("%q is not an entry number", value)
			}
		case "emergency", "revoked":
			emergency, revoked = true, key == "revoked"
		}
	}
	since = roundUp(since)
	p.Entries = map[string]Entry{}
	for _, kind := range live {
		p.Entries[kind] = Entry{State: state, Count: count, At: since}
		if emergency && !revoked {
			p.Entries[kind] = Entry{State: Revoking, Count: count, At: since}
		}
	}
	for _, kind := range closing {
		p.Entries[kind] = Entry{State: Quarantined, Count: count} // it was written before the target refused the value
	}
	if state == Failed {
		p.Entries[AllKinds] = Entry{State: Failed, Count: count, At: since}
	}
	for kind := range p.Entries {
		if !isKind(kind) {
			return Page{}, fmt.Errorf("%q is not a kind", kind)
		}
	}
	if since.IsZero() {
		return p, nil
	}
	// since= was the start of the rollout, except for a held value, where it is later.
	switch parts[0] {
	case "old":
		p.Rollout = Rollout{Since: since, Promoted: true, Emergency: emergency}
		if len(retired) > 0 && !emergency {
			p.Rollout = p.Rollout.ConvergedAt(since) // nothing was retired before it converged
		}
	case "quarantined", "held":
		p.Rollout = Rollout{Since: since}.ConvergedAt(since) // nothing was quarantined or held before it converged
	case "rolled-back":
		p.Rollout = Rollout{Since: since, RolledBack: true}
	}
	return p, nil
}

func kindsIn(value string) []string {
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}

// roundUp rounds up to whole seconds, so that a task created within that second counts as older.
func roundUp(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Second - 1).Truncate(time.Second)
}

// ReplacedBy reports whether version was promoted over this one, according to a label of the
// first edition.
func (p Page) ReplacedBy(version string) bool { return p.Next != "" && p.Next == endOf(version) }

// endOf is the part of a version's id that a label quotes.
func endOf(id string) string {
	const end = 36 // a UUID
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune(";=,", r) {
			return '_'
		}
		return r
	}, id[max(0, len(id)-end):])
}
