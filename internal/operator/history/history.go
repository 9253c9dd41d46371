// Package history turns the log's lines, and who started each rotation, into what happened to each credential: a
// row for each of its rotations, or for each change.
package history

import (
	"cmp"
	"strings"
	"time"

	"mautic-rotation/internal/operator/logline"
)

// A Row is one thing that happened.
type Row struct {
	At         time.Time `json:"time"`
	Secret     string    `json:"secret"` // an ARN
	What       string    `json:"what"`   // the audit word, or the notice's
	Credential string    `json:"credential,omitempty"`
	Version    string    `json:"version,omitempty"`
	By         string    `json:"by,omitempty"` // who; "": not known
	Text       string    `json:"text"`
}

// Began is the audit word of a rotation's first change.
const began = "stored"

// Who is what the trail says about who started rotations.
type Who struct {
	By   map[string]string // by version; nil: the trail is not readable
	Told time.Time         // when it was read
}

// What stands in place of a name.
const (
	NotReadable = "not readable"
	schedule    = "the schedule" // nobody asked for it
	notYet      = "not yet known"
	notAnyMore  = "no longer known"
)

// CloudTrail shows a call after at most about 15 minutes, for 90 days.
const (
	trailDelay = 15 * time.Minute
	trailKeeps = 90 * 24 * time.Hour
)

// All makes a row for each of the log's lines about a change or the end of a rotation.
func All(lines []logline.Entry, who Who) (rows []Row) {
	for _, l := range lines {
		word := cmp.Or(l.Audit, l.Notice)
		if word == "" {
			continue
		}
		row := Row{At: l.At, Secret: l.Secret, What: word, Credential: credential(l), Version: cmp.Or(l.Version, l.Of), Text: l.Said()}
		switch {
		case l.Step != "":
			row.By = who.started(l.Version, l.At)
		case l.Action == "release" || l.Action == "abandon" || l.Action == "roll-back":
			row.By = "an operator"
		default:
			row.By = "the function"
		}
		rows = append(rows, row)
	}
	return rows
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
