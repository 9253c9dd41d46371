package plan

import (
	"fmt"
	"strings"
	"time"
)

// PauseTag is the key of the tag by which an operator pauses a secret's schedule. Its value
// is a time (RFC 3339), or [UntilResumed].
const PauseTag = "mautic-rotation:paused-until"

// UntilResumed is the value of a pause that lasts until someone removes the tag.
const UntilResumed = "until resumed"

// A Pause is an operator's order that the schedule rotates nothing.
type Pause struct {
	On    bool
	Until time.Time // zero: until someone resumes it

	// Unread is the tag's value if it cannot be parsed; that counts as a pause without an end.
	// "": it can be parsed.
	Unread string
}

// lastYear is the last year that RFC 3339 can write, in UTC too.
const lastYear = 9999

// ReadPause reads the pause tag; tagged says whether there is one. A time in the past means no
// pause.
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

// Why is why the schedule rotates nothing; "": there is no pause.
func (p Pause) Why() string {
	switch {
	case !p.On:
		return ""
	case p.Unread != "":
		return "the schedule counts as paused, since its tag " + PauseTag + " has " + p.Unread + ", which is not a time"
	case p.Until.IsZero():
		return "an operator has paused the schedule until it is resumed"
	}
	return "an operator has paused the schedule until " + p.Until.Format(time.RFC3339)
}

// Remedy says how to end the pause, or correct it.
func (p Pause) Remedy() string {
	switch {
	case !p.On:
		return ""
	case p.Unread != "":
		return "give the tag a time such as 2027-01-31T00:00:00Z, or the words " + UntilResumed + "; or remove it, to resume"
	}
	return "to resume, remove the tag " + PauseTag + " from the secret"
}
