package history

import (
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/operator/logline"
)

// A Rotation is that of one credential: what was started, by whom, and what became of it.
type Rotation struct {
	At         time.Time  `json:"time"`
	Secret     string     `json:"secret"` // an ARN
	Credential string     `json:"credential"`
	What       string     `json:"what"` // rotated, or emergency
	Version    string     `json:"version"`
	By         string     `json:"by"`
	Ended      string     `json:"ended"` // retired, held, rolled-back, abandoned, revoked; promoted, where nothing else is told; not promoted
	EndedAt    *time.Time `json:"ended_at,omitempty"`

	// Refused is when the old value was seen refused.
	Refused *time.Time `json:"old_value_refused,omitempty"`
}

const (
	notPromoted = "not promoted"
	rolledBack  = "rolled-back" // the line has the version that was current as "from"
)

// Rotations makes a row for each credential of each rotation, of the log's lines, which are in
// their order.
func Rotations(lines []logline.Entry, who Who) (rows []Rotation) {
	open := map[place]int{} // the row of the last rotation of a credential
	for _, l := range lines {
		if l.Audit == began {
			for kind := range strings.SplitSeq(credential(l), ", ") {
				open[place{l.Secret, kind}] = len(rows)
				rows = append(rows, Rotation{
					At: l.At, Secret: l.Secret, Credential: kind, What: what(l.Version), Version: l.Version,
					By: who.started(l.Version, l.At), Ended: notPromoted,
				})
			}
			continue
		}
		for at, row := range open {
			if at.secret == l.Secret && (l.Kind == at.kind || l.Kind == "" && rows[row].isOf(l)) {
				rows[row].became(l)
			}
		}
	}
	return rows
}

// what tells an emergency by the words of its token.
func what(version string) string {
	words := strings.Split(version, ".")
	if slices.Contains(words[:len(words)-1], "emergency") {
		return "emergency"
	}
	return "rotated"
}

// isOf tells whether a line that names no credential is of the rotation's version.
func (r *Rotation) isOf(l logline.Entry) bool {
	if l.Audit == rolledBack {
		return l.Fields["from"] == r.Version
	}
	return l.Version == r.Version || l.Of == r.Version
}

// became notes what a later line tells.
func (r *Rotation) became(l logline.Entry) {
	at := l.At
	switch l.Audit {
	case "promoted", "held", rolledBack, "abandoned":
		r.Ended, r.EndedAt = l.Audit, &at
	case "retired", "revoked":
		if r.Ended == rolledBack || r.Ended == "abandoned" {
			return // what is refused then is the new value
		}
		r.Ended, r.EndedAt = l.Audit, &at
		if r.Refused == nil {
			r.Refused = &at
		}
	}
}
