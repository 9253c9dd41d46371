// Package history makes of the log's lines, and of who started each rotation, what happened to
// each credential: a row for each change, and for each end of a rotation.
package history

import (
	"strings"
	"time"

	"mautic-rotation/internal/operator/logline"
)

// A Row is one thing that happened.
type Row struct {
	At         time.Time `json:"time"`
	Secret     string    `json:"secret"` // an ARN
	What       string    `json:"what"`   // the audit word, or of a notice: what became of it
	Credential string    `json:"credential,omitempty"`
	Version    string    `json:"version,omitempty"`
	By         string    `json:"by,omitempty"`    // who; "": it is not known
	Ended      string    `json:"ended,omitempty"` // of the rotation's first row: how it ended

	// Refused is when the old value was seen refused, of the rotation that replaced it.
	Refused *time.Time `json:"old_value_refused,omitempty"`

	Text string `json:"text"`
}

// Began is the audit word of a rotation's first change.
const began = "stored"

// Who is what the trail tells of those who started rotations.
type Who struct {
	By   map[string]string // by version; nil: the trail is not readable
	Told time.Time         // when it was read
}

// What stands in place of a name.
const (
	NotReadable = "not readable"
	schedule    = "the schedule" // nobody asked for it
	notYet      = "not told yet"
	notAnyMore  = "not told any more"
)

// CloudTrail tells of a call within some 15 minutes, and for 90 days.
const (
	trailDelay = 15 * time.Minute
	trailKeeps = 90 * 24 * time.Hour
)

// A place is a credential in a secret; without a kind, the secret as a whole.
type place struct{ secret, kind string }

// Of makes the rows of the log's lines, which are in their order.
func Of(lines []logline.Entry, who Who) (rows []Row) {
	starts := map[string]int{} // the row that began a version's rotation
	open := map[place]string{} // the version of the last rotation that began
	for _, l := range lines {
		word := l.Audit
		if word == "" {
			word = l.Notice
		}
		if word == "" {
			continue
		}
		row := Row{At: l.At, Secret: l.Secret, What: word, Credential: credential(l), Version: l.Version, Text: l.Said()}
		if row.Version == "" {
			row.Version = l.Of
		}
		rotation := row.Version
		if _, ok := starts[rotation]; !ok {
			rotation = open[place{l.Secret, l.Kind}] // what follows a promotion tells of other versions
		}
		switch {
		case l.Audit == began:
			row.By = who.started(l.Version, l.At)
			starts[l.Version], open[place{l.Secret, ""}] = len(rows), l.Version
			for kind := range strings.SplitSeq(row.Credential, ", ") {
				open[place{l.Secret, kind}] = l.Version
			}
		case l.Step != "":
			row.By = who.started(l.Version, l.At)
		case l.Action == "release" || l.Action == "abandon" || l.Action == "roll-back":
			row.By = "an operator"
		default:
			row.By = "the function"
		}
		if at, ok := starts[rotation]; ok {
			rows[at].end(l)
		}
		rows = append(rows, row)
	}
	return rows
}

// end notes in a rotation's first row what a later line tells of its end.
func (r *Row) end(l logline.Entry) {
	switch l.Audit {
	case "retired", "held", "revoked", "rolled-back", "abandoned":
		r.Ended = l.Audit
	}
	if l.Notice != "" && l.Notice != "left-out" {
		r.Ended = l.Notice
	}
	if l.Audit == "retired" || l.Notice == "retired" || l.Audit == "revoked" {
		at := l.At
		if r.Refused == nil {
			r.Refused = &at
		}
	}
}

func (w Who) started(version string, at time.Time) string {
	switch by, ok := w.By[version]; {
	case w.By == nil:
		return NotReadable
	case ok && by != "":
		return by
	case w.Told.Sub(at) < trailDelay:
		return notYet
	case w.Told.Sub(at) > trailKeeps:
		return notAnyMore
	default:
		return schedule
	}
}

// credential is what a line is about.
func credential(l logline.Entry) string {
	if l.Kind != "" {
		return l.Kind
	}
	return strings.Join(strings.FieldsFunc(l.Fields["kinds"], func(r rune) bool { return strings.ContainsRune("[], ", r) }), ", ")
}
