package history

import (
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/operator/logline"
)

// A Rotation is the rotation of one credential: what was started, by whom, and how it ended.
type Rotation struct {
	At         time.Time  `json:"time"`
	Secret     string     `json:"secret"` // an ARN
	Credential string     `json:"credential"`
	What       string     `json:"what"` // rotated, or emergency
	Version    string     `json:"version"`
	By         string     `json:"by"`
	Ended      string     `json:"ended"` // retired, held, revoked, rolled back, abandoned; promoted, if the log has nothing later; not promoted
	EndedAt    *time.Time `json:"ended_at,omitempty"`

	// Refused is when the old value was seen refused. It is never that of the new value.
	Refused *time.Time `json:"old_value_refused,omitempty"`
}

// How a rotation ended, if that is not the audit word.
const (
	notPromoted = "not promoted"
	rolledBack  = "rolled back"
)

// Audit words of lines that say how versions and values are related.
const (
	didPromote  = "promoted"    // version has the new values of kinds, and all else of from
	didRollBack = "rolled-back" // to has the old values of kinds, and all else of from
	didFence    = "fenced"      // to has all of from
	didAbandon  = "abandoned"
	didRetire   = "retired"
	didRevoke   = "revoked"
	didHold     = "held"
)

// Rotations makes a row for each credential of each rotation from the log's lines, which must be in order. A
// line changes only the rows of its own version, or of the value of its kind that its version has.
func Rotations(lines []logline.Entry, who Who) []Rotation {
	b := book{values: map[versionOf]string{}, from: map[version]string{}}
	for _, l := range lines {
		switch l.Audit {
		case began:
			b.stored(l, who)
		case didPromote:
			b.promoted(l)
		case didAbandon:
			b.abandoned(l)
		case didFence:
			b.derive(l.Secret, l.Fields["to"], l.Fields["from"])
		case didRollBack:
			b.rolledBack(l)
		case didHold, didRevoke, didRetire:
			b.old(l)
		}
	}
	return b.rows
}

// A version of a secret.
type version struct{ secret, id string }

// A versionOf is the value of a kind in a version.
type versionOf struct {
	version
	kind string
}

// A book is what was read so far. A value is named after the version that it was created for.
type book struct {
	rows   []Rotation
	values map[versionOf]string // those that are known
	from   map[version]string   // the version that one has all else of
}

// value is the value of a kind in a version.
func (b *book) value(secret, id, kind string) string {
	for {
		if value, ok := b.values[versionOf{version{secret, id}, kind}]; ok {
			return value
		}
		before := b.from[version{secret, id}]
		if before == "" {
			return id
		}
		id = before
	}
}

// derive notes that a version has everything else from another one.
func (b *book) derive(secret, id, from string) {
	if id == "" || from == "" || b.from[version{secret, id}] != "" {
		return
	}
	for before := from; before != ""; before = b.from[version{secret, before}] {
		if before == id {
			return // that one is older
		}
	}
	b.from[version{secret, id}] = from
}

// last is the newest row of a kind for which holds returns true; nil: there is none.
func (b *book) last(secret, kind string, holds func(Rotation) bool) *Rotation {
	for i := len(b.rows) - 1; i >= 0; i-- {
		if r := b.rows[i]; r.Secret == secret && r.Credential == kind && holds(r) {
			return &b.rows[i]
		}
	}
	return nil
}

// of are the rows of a line's version, for the kinds that it names, or for all.
func (b *book) of(l logline.Entry) (rows []*Rotation) {
	for i := range b.rows {
		if r := &b.rows[i]; r.Secret == l.Secret && r.Version == l.Version && (credential(l) == "" || slices.Contains(kinds(l), r.Credential)) {
			rows = append(rows, r)
		}
	}
	return rows
}

func kinds(l logline.Entry) []string { return strings.Split(credential(l), ", ") }

func (b *book) stored(l logline.Entry, who Who) {
	for _, kind := range kinds(l) {
		if b.last(l.Secret, kind, func(r Rotation) bool { return r.Version == l.Version }) != nil {
			continue
		}
		b.values[versionOf{version{l.Secret, l.Version}, kind}] = l.Version
		b.rows = append(b.rows, Rotation{
			At: l.At, Secret: l.Secret, Credential: kind, What: what(l.Version), Version: l.Version,
			By: who.started(l.Version, l.At), Ended: notPromoted,
		})
	}
}

func (b *book) promoted(l logline.Entry) {
	b.derive(l.Secret, l.Version, l.Fields["from"])
	for _, r := range b.of(l) {
		if r.Ended == notPromoted || r.Ended == didAbandon {
			r.end(didPromote, l.At)
		}
	}
}

func (b *book) abandoned(l logline.Entry) {
	for _, r := range b.of(l) {
		if r.Ended == notPromoted {
			r.end(didAbandon, l.At)
		}
	}
}

func (b *book) rolledBack(l logline.Entry) {
	from, to := l.Fields["from"], l.Fields["to"]
	b.derive(l.Secret, to, from)
	for _, kind := range kinds(l) {
		value := b.value(l.Secret, from, kind)
		r := b.last(l.Secret, kind, func(r Rotation) bool { return r.Version == value })
		if r == nil {
			continue
		}
		r.end(rolledBack, l.At)
		r.Refused = nil
		if before := b.replaced(*r); to != "" && before != "" {
			b.values[versionOf{version{l.Secret, to}, kind}] = before
		}
	}
}

// replaced is the value that a rotation replaced; "": not known.
func (b *book) replaced(r Rotation) string {
	before := b.from[version{r.Secret, r.Version}]
	if before == "" {
		return ""
	}
	return b.value(r.Secret, before, r.Credential)
}

// old notes what happened to an old value, in the row of the rotation that replaced it.
func (b *book) old(l logline.Entry) {
	if l.Kind == "" || l.Of == "" {
		return
	}
	value := b.value(l.Secret, l.Of, l.Kind)
	r := b.last(l.Secret, l.Kind, func(r Rotation) bool {
		return r.Ended != notPromoted && r.Ended != didAbandon && r.Ended != rolledBack && b.replaced(r) == value
	})
	if r == nil || r.Ended == didRetire {
		return
	}
	r.end(l.Audit, l.At)
	if l.Audit != didHold && r.Refused == nil {
		r.Refused = &l.At
	}
}

func (r *Rotation) end(word string, at time.Time) { r.Ended, r.EndedAt = word, &at }

// what recognises an emergency by the words of its token.
func what(version string) string {
	words := strings.Split(version, ".")
	if slices.Contains(words[:len(words)-1], "emergency") {
		return "emergency"
	}
	return "rotated"
}
