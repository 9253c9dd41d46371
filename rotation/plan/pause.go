package plan

import (
	"fmt"
	"strings"
	"time"
)

// PauseTag is the key of the tag by which an operator pauses a secret's schedule. Its value
// is a time (RFC 3339), or [UntilResumed].
const PauseTag = "mautic-rotation:paused-until"

// UntilResumed is the value of a pause that ends when somebody takes the tag off.
const UntilResumed = "until resumed"

// A Pause is an operator's word that the schedule rotates nothing.
type Pause struct {
	On    bool
	Until time.Time // zero: until somebody resumes it

	// Unread is the tag's value, where it cannot be read: it counts as a pause without an
	// end. "": it can be.
	Unread string
}

// lastYear is the last one that RFC 3339 can write, in UTC too.
const lastYear = 9999

// ReadPause reads the tag of a pause; tagged tells whether there is one. A time that is
// over means nothing.
func ReadPause(value string, tagged bool, now time.Time) Pause {
	value = strings.TrimSpace(value)
	if !tagged {
		return Pause{}
	}
	if strings.EqualFold(value, UntilResumed) {
		return Pause{On: true}
	}
	until, err := time.Parse(time.RFC3339, value)
	switch {
	case err != nil, until.UTC().Year() > lastYear:
		return Pause{On: true, Unread: fmt.Sprintf("%q", value)}
	case until.After(now):
		return Pause{On: true, Until: until.UTC()}
	}
	return Pause{}
}

// Why is why the schedule rotates nothing: "" where there is no pause.
func (p Pause) Why() string {
	switch {
	case !p.On:
		return ""
	case p.Unread != "":
		return "the schedule counts as paused, since its tag " + PauseTag + " has " + p.Unread + ", which is no time"
	case p.Until.IsZero():
		return "an operator has paused the schedule until it is resumed"
	}
	return "an operator has paused the schedule until " + p.Until.Format(time.RFC3339)
}

// Remedy is how a pause is ended, or corrected.
func (p Pause) Remedy() string {
	switch {
	case !p.On:
		return ""
	case p.Unread != "":
		return "give the tag a time such as 2027-01-31T00:00:00Z, or the words " + UntilResumed + "; or take it off, to resume"
	}
	return "to resume, take the tag " + PauseTag + " off the secret"
}
