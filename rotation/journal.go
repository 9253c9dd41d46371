package rotation

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The journal is what Secrets Manager itself remembers of a rotation: one
// custom staging label on each version that is still of concern. Moving a
// label is atomic, and a label keeps its version from being deleted. There is
// no other state.
//
// Its one rule: a version that is not current, and whose entry names live
// kinds, is retired kind by kind as soon as nothing needs it.
//
// A label reads, for example,
//
//	rotation;old;of=3f2a91c0-…;live=database;next=9c11b2aa-…;since=2026-11-22T21:04:05.123Z;n=2
//
// and has at most 256 characters. "of" makes it the version's own: a label is
// unique in a secret, and writing the same one for another version would take
// it away from this one.
//
// An entry is replaced by writing the new label and removing the old one then,
// so for a moment, or for longer after a crash, a version has two. "n" tells the
// newer: each is one higher than what it replaces (1 is not written). Nobody
// removes a label unless he has seen one with a higher number on the version, or
// means to end the entry altogether. So whatever runs beside a replacement, the
// newest entry stays.
const journalPrefix = "rotation;"

// wordRevoked stands in an entry where wordEmergency stood, afterwards.
const wordRevoked = "revoked"

// A phase is where a version that holds live values stands.
type phase string

const (
	// phaseSet: its values are being given to their targets, or have been. On
	// a version that is neither pending nor current, they are those of a
	// rotation that was given up.
	phaseSet phase = "set"
	// phaseOld: another version was, or is about to be, promoted over it.
	// Running tasks may still use its values.
	phaseOld phase = "old"
	// phaseQuarantined: its values are refused, and can be accepted again.
	phaseQuarantined phase = "quarantined"
	// phaseHeld: something still uses its values, so they are accepted, and
	// stay so until somebody acts.
	phaseHeld phase = "held"
	// phaseRolledBack: it was current, and the application did not come up
	// with it. No step takes it up again.
	phaseRolledBack phase = "rolled-back"
	// phaseFailed: it was rolled back and its values are refused. It is
	// remembered so that a schedule does not do the same again, until a
	// rotation by hand has come to a good end or somebody says so.
	phaseFailed phase = "failed"
)

// phases are in the order in which a version goes through them, as a rule.
var phases = []phase{phaseSet, phaseOld, phaseQuarantined, phaseHeld, phaseRolledBack, phaseFailed}

// An entry is what the journal says of a version.
type entry struct {
	phase phase
	live  []string // the kinds whose values its target accepts, or may accept

	// closing are those of them that are being taken out of service, in
	// phaseQuarantined; gone are the kinds whose values have been retired, while
	// others are kept for longer. From the first of either on, a rollback is not
	// possible any more.
	closing, gone []string

	// emergency: its values are taken away at once, with what was issued under
	// them; revoked: that has been done. It is never rolled back.
	emergency, revoked bool

	// refused is when, in an emergency, the promotion began that takes them
	// away: from then on what needs them fails.
	refused time.Time

	// next is the version that was promoted over this one, by the end of its
	// id; of a rolled-back one, the version that is current again.
	next string

	// since is when the phase began, by AWS's clock: of phaseOld,
	// phaseQuarantined and phaseRolledBack, when the redeploy began. Zero: it
	// has not yet.
	since time.Time

	// number counts the entries of the version, this one included.
	number int
}

// idEnd is how much of a version's id an entry quotes: a UUID, or the end of a
// longer token, where a UUID is expected to stand.
const idEnd = 36

// endOf is what an entry quotes of a version's id. Secrets Manager takes any
// characters in one, those that an entry is written with too; these are left
// out here.
func endOf(id string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune(";=,", r) {
			return '_'
		}
		return r
	}, id[max(0, len(id)-idEnd):])
}

// concerned are the kinds that the entry is about, gone or not.
func (e entry) concerned() []string { return append(slices.Clone(e.live), e.gone...) }

// label writes the entry for the version id.
func (e entry) label(id string) string {
	parts := []string{string(e.phase), "of=" + endOf(id), "live=" + strings.Join(e.live, ",")}
	if len(e.closing) > 0 {
		parts = append(parts, "closing="+strings.Join(e.closing, ","))
	}
	if len(e.gone) > 0 {
		parts = append(parts, "gone="+strings.Join(e.gone, ","))
	}
	switch {
	case e.revoked:
		parts = append(parts, wordRevoked+"="+stamp(e.refused))
	case e.emergency:
		parts = append(parts, wordEmergency+"="+stamp(e.refused))
	}
	if e.next != "" {
		parts = append(parts, "next="+endOf(e.next))
	}
	if !e.since.IsZero() {
		parts = append(parts, "since="+stamp(e.since))
	}
	if e.number > 1 {
		parts = append(parts, "n="+strconv.Itoa(e.number))
	}
	return journalPrefix + strings.Join(parts, ";")
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// readStamp reads what stamp can write again.
func readStamp(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if year := at.UTC().Year(); err == nil && (year < 1 || year > 9999) {
		return time.Time{}, fmt.Errorf("the year %d", year)
	}
	return at, err
}

// parseEntry reads a label. A label of somebody else's is none, which ok tells;
// one that only looks like the journal's is an error.
func parseEntry(label string) (e entry, ok bool, err error) {
	rest, ours := strings.CutPrefix(label, journalPrefix)
	if !ours {
		return entry{}, false, nil
	}
	parts := strings.Split(rest, ";")
	e.phase, e.number = phase(parts[0]), 1
	if !slices.Contains(phases, e.phase) {
		return entry{}, false, fmt.Errorf("the staging label %q is not one that this function writes: remove it from its version, if you know whose it is", label)
	}
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "live":
			e.live = kindsIn(value)
		case "closing":
			e.closing = kindsIn(value)
		case "gone":
			e.gone = kindsIn(value)
		case wordEmergency:
			e.emergency = true
			e.refused, err = readStamp(value)
		case wordRevoked:
			e.emergency, e.revoked = true, true
			e.refused, err = readStamp(value)
		case "next":
			e.next = value
		case "since":
			e.since, err = readStamp(value)
		case "n":
			e.number, err = readNumber(value)
		}
		if err != nil {
			return entry{}, false, fmt.Errorf("the staging label %q has no valid time or number: remove it from its version, if you know whose it is", label)
		}
	}
	return e, true, nil
}

// readNumber reads what label can write again: of 1 it writes nothing.
func readNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err == nil && n < 1 {
		return 0, fmt.Errorf("the number %d", n)
	}
	return n, err
}

func kindsIn(value string) []string {
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}

// record is a version with its entry, and its labels: first the entry's own, then
// those of entries before it.
type record struct {
	id     string
	entry  entry
	labels []string
}

// readJournal finds the entries among the labels of a secret's versions, in a
// fixed order. Of several on a version the newest holds.
func readJournal(labels map[string][]string) ([]record, error) {
	var found []record
	for id, stages := range labels {
		r := record{id: id}
		for _, label := range stages {
			e, ok, err := parseEntry(label)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			r.labels = append(r.labels, label)
			if len(r.labels) == 1 || newer(e, label, r) {
				r.entry = e
				r.labels[0], r.labels[len(r.labels)-1] = label, r.labels[0]
			}
		}
		if len(r.labels) > 0 {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b record) int { return cmp.Compare(a.id, b.id) })
	return found, nil
}

// newer tells whether an entry holds rather than the one that was found before.
// The same number have entries that two invocations wrote at once, and those of
// releases that did not count: there the later phase holds, or the one that says
// since when. Everybody comes to the same answer, in whatever order AWS lists the
// labels: whoever did not might remove the other's.
func newer(e entry, label string, than record) bool {
	other := than.entry
	switch {
	case e.number != other.number:
		return e.number > other.number
	case e.phase != other.phase:
		return slices.Index(phases, e.phase) > slices.Index(phases, other.phase)
	case e.emergency != other.emergency:
		return e.emergency
	case e.revoked != other.revoked:
		return e.revoked
	case !e.since.Equal(other.since):
		return e.since.After(other.since)
	}
	return label > than.labels[0]
}

// entryOf returns the entry of the version id, and whether it has one.
func entryOf(journal []record, id string) (record, bool) {
	at := slices.IndexFunc(journal, func(r record) bool { return r.id == id })
	if at < 0 {
		return record{id: id}, false
	}
	return journal[at], true
}

// withEnd returns the record of the version whose id ends so.
func withEnd(journal []record, end string) (record, bool) {
	at := slices.IndexFunc(journal, func(r record) bool { return end != "" && endOf(r.id) == end })
	if at < 0 {
		return record{}, false
	}
	return journal[at], true
}

// promotedOver finds the version that the version next was promoted over.
func promotedOver(journal []record, next string) (record, bool) {
	at := slices.IndexFunc(journal, func(r record) bool {
		return r.entry.phase != phaseRolledBack && r.entry.next != "" && r.entry.next == endOf(next)
	})
	if at < 0 {
		return record{}, false
	}
	return journal[at], true
}

// failed are the versions that are remembered as rolled back.
func failed(journal []record) (found []record) {
	for _, r := range journal {
		if r.entry.phase == phaseFailed {
			found = append(found, r)
		}
	}
	return found
}

// openOverlaps are the kinds of which a value that is not current may still be
// in use: they are not rotated again, since that could evict it.
func openOverlaps(journal []record, currentID string) map[string]record {
	open := map[string]record{}
	for _, r := range journal {
		if r.id == currentID || r.entry.phase == phaseSet {
			continue
		}
		for _, kind := range r.entry.live {
			open[kind] = r
		}
	}
	return open
}
