package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// createSecret decides once which kinds a rotation changes. The call that stores the pending
// value also stores the decision, in the version's label.

// Candidates are the input to the selection of kinds.
type Candidates struct {
	Request
	Now       time.Time                // by AWS's clock
	Scheduled bool                     // the schedule has started the rotation
	Interval  time.Duration            // of the schedule; 0: not known
	Present   []string                 // the kinds that the secret has
	Open      map[string]string        // those with an open overlap, and why
	Last      map[string]time.Time     // when each was last rotated; missing: not known
	Every     map[string]time.Duration // how often the schedule rotates each of several
	WhenDue   bool                     // the schedule's rhythm applies even to the only kind of a secret
	HeldOff   bool                     // the last rotation was rolled back
	Pause     Pause                    // an operator's pause
}

// A Selection says which kinds a rotation changes, and why it does not change the others: those
// that are not due, and those that cannot be rotated now, which are left out.
type Selection struct {
	Candidates
	Kinds   []string
	Why     map[string]string // for kinds that were asked for or are present, and are not in Kinds
	LeftOut []string          // of those in Why, the ones that cannot be rotated now
}

// Select decides which kinds a rotation changes.
func Select(c Candidates) Selection {
	s := Selection{Candidates: c, Why: map[string]string{}}
	for _, name := range c.Only {
		if !slices.Contains(c.Present, name) {
			s.LeaveOut(name, "the secret has no such credential: it has "+strings.Join(c.Present, ", "))
		}
	}
	for _, name := range c.Present {
		if why := c.skipReason(name); why == "" {
			s.Kinds = append(s.Kinds, name)
		} else {
			s.Why[name] = why
		}
	}
	return s
}

// notAsked is the reason for a kind that nobody needs to hear about.
const notAsked = "others were asked for"

// skipReason is why a kind is not rotated; "" if it is.
func (c Candidates) skipReason(name string) string {
	switch {
	case len(c.Only) > 0 && !slices.Contains(c.Only, name):
		return notAsked
	case c.Open[name] != "" && !c.Emergency:
		return c.Open[name]
	case c.ByHand():
		return ""
	case c.Pause.On:
		return c.Pause.Why()
	case c.HeldOff:
		return "the last rotation was rolled back, so the schedule rotates nothing"
	case !c.due(name):
		return fmt.Sprintf("it is not due: it was rotated at %s, and is rotated every %d days", c.Last[name].Format(time.RFC3339), c.Every[name]/(24*time.Hour))
	}
	return ""
}

// ByHand reports whether someone asked for the rotation, and waits for an answer.
func (c Candidates) ByHand() bool { return !c.Scheduled || !c.None() }

// Skip removes a kind from the selection because it is not due after all.
func (s *Selection) Skip(name, why string) {
	s.Kinds = slices.DeleteFunc(slices.Clone(s.Kinds), func(kind string) bool { return kind == name })
	s.Why[name] = why
}

// LeaveOut removes a kind from the selection because it cannot be rotated now.
func (s *Selection) LeaveOut(name, why string) {
	s.Skip(name, why)
	if !slices.Contains(s.LeftOut, name) {
		s.LeftOut = append(s.LeftOut, name)
	}
}

// Refusal is why a rotation is given up before it changes anything: someone asked for it, and a
// kind that they named cannot be rotated, or no kind can. An emergency rotates what it can. A
// scheduled rotation always continues, even if it changes nothing: a failure would leave
// AWSPENDING on its version, and keep the next rotation from starting.
func (s Selection) Refusal() error {
	missing := slices.DeleteFunc(slices.Clone(s.Only), func(name string) bool { return slices.Contains(s.Kinds, name) })
	switch {
	case !s.ByHand(), s.Emergency && len(s.Kinds) > 0:
		return nil
	case len(s.Kinds) == 0:
		return fmt.Errorf("nothing can be rotated now: %s", s.Reasons(slices.Sorted(maps.Keys(s.Why))))
	case len(missing) > 0:
		return fmt.Errorf("the rotation asks for what cannot be rotated now: %s", s.Reasons(missing))
	}
	return nil
}

// Reasons lists why these kinds are not rotated.
func (s Selection) Reasons(kinds []string) string {
	var list []string
	for _, name := range kinds {
		if why := s.Why[name]; why != notAsked {
			list = append(list, name+": "+why)
		}
	}
	return strings.Join(list, "; ")
}

// due reports whether the schedule rotates a kind. The only kind of a secret is rotated every
// time, since the schedule is its rhythm, unless WhenDue gives it an interval of its own, as each
// of several kinds has. A kind is due if the next opportunity would be further from its due date
// than this one, so that every 90 days on a schedule of 30 does not become every 120.
func (c Candidates) due(name string) bool {
	last, known := c.Last[name]
	if len(c.Present) == 1 && !c.WhenDue || !known {
		return true
	}
	return c.Now.Sub(last) >= c.Every[name]-c.Interval/2
}
