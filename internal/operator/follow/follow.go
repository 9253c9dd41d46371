// Package follow tells what changes between one look at a secret and the next, and when a rotation
// has come to its end. It is pure: it polls nothing and waits for nothing.
//
//	f := follow.New(token, follow.UntilConverged)
//	for {
//		lines, end := f.See(secret, answer.At)
//		…
//	}
package follow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/report"
)

// Until is what is waited for.
type Until string

// What can be waited for: that every task is new, or that the old values are refused, too.
const (
	UntilConverged Until = "converged"
	UntilRetired   Until = "retired"
)

// An End is how a rotation ended. Well says that it did as was asked.
type End struct {
	Well bool
	Text string
}

// A Rotation is followed from one look to the next.
type Rotation struct {
	token    string
	until    Until
	begun    time.Time // of following
	pending  bool      // it was seen as begun
	promoted bool
	last     map[string]string
	failed   string            // why a step of it has failed last
	looks    int               // since its promotion
	old      map[string]string // the states of values beside AWSCURRENT's that were seen, by kind and version
	held     map[string]bool   // those that were held before its promotion
}

// New follows the rotation whose version has the token as its id. An empty token follows
// whatever happens, to no end.
func New(token string, until Until) *Rotation {
	return &Rotation{token: token, until: until, last: map[string]string{}, old: map[string]string{}, held: map[string]bool{}}
}

// Failed takes why a step of the rotation has failed, as the log has it, before the next look. That is its
// end if it is not under way any more then; if it is, the step is tried again.
func (f *Rotation) Failed(why string) { f.failed = why }

// beginTime is how long it may take until a rotation that was asked for is seen as begun. Secrets Manager
// attaches AWSPENDING when it is asked.
const beginTime = 30 * time.Second

// See takes one look's findings, and returns a line for each change, and how the rotation has
// ended; nil: it goes on.
func (f *Rotation) See(s report.Secret, now time.Time) (lines []string, end *End) {
	if f.begun.IsZero() {
		f.begun = now
		f.noteFailed(s)
	}
	if f.token != "" && f.isCurrent(s) {
		f.promoted = true
		f.looks++
	}
	if !f.promoted {
		f.noteHeld(s)
	}
	for _, fact := range f.facts(s) {
		if f.last[fact.key] != fact.text {
			f.last[fact.key] = fact.text
			if fact.text != "" {
				lines = append(lines, fact.text)
			}
		}
	}
	lines = append(lines, f.gone(s)...)
	if s.Rotation != nil && s.Rotation.Version == f.token {
		f.pending = true
	}
	if f.token == "" {
		return lines, nil
	}
	return lines, f.end(s, now)
}

// noteFailed keeps the values that were rolled back before: that is no news.
func (f *Rotation) noteFailed(s report.Secret) {
	for _, c := range s.Credentials {
		for _, old := range c.Old {
			if isNew(old.State) && old.Version != f.token {
				f.last[keyOf(c.Kind, old)] = oldValue(c.Kind, old)
			}
		}
	}
}

// isNew tells of a state of a value that is not AWSCURRENT's whether it was the new one, of a rotation that
// was rolled back or given up.
func isNew(state string) bool {
	return slices.Contains([]string{"rolledback", "failed", "givenup"}, state)
}

func keyOf(kind string, old report.Old) string { return "old " + kind + old.Version }

// noteHeld keeps what is held before the promotion: that is no end of this rotation.
func (f *Rotation) noteHeld(s report.Secret) {
	for _, c := range s.Credentials {
		for _, old := range c.Old {
			if old.State == "held" {
				f.held[c.Kind+" "+old.Version] = true
			}
		}
	}
}

// A fact is told once, and again when its text changes.
type fact struct{ key, text string }

func (f *Rotation) facts(s report.Secret) (facts []fact) {
	tell := func(key, format string, args ...any) { facts = append(facts, fact{key, fmt.Sprintf(format, args...)}) }
	if r := s.Rotation; r != nil && (f.token == "" || r.Version == f.token) {
		if r.Kinds == nil {
			tell("rotation", "the rotation has begun")
		} else {
			tell("rotation", "new values are made for %s", strings.Join(r.Kinds, ", "))
		}
	}
	for _, c := range s.Credentials {
		if c.Problem != "" {
			tell("problem "+c.Kind, "%s: %s", c.Kind, c.Problem)
		}
	}
	if f.promoted {
		tell("promoted", "promoted: the new values are AWSCURRENT")
	}
	if r := s.Rollout; r != nil && (f.token == "" || f.promoted) {
		facts = append(facts, f.rollout(*r)...)
	}
	for _, c := range s.Credentials {
		for _, old := range c.Old {
			if f.token != "" && old.Version != f.token && isNew(old.State) {
				continue // of an earlier rotation
			}
			if text := oldValue(c.Kind, old); text != "" {
				tell(keyOf(c.Kind, old), "%s", text)
			}
		}
	}
	for _, e := range s.Needs {
		text := "needs you: " + e.Text
		if e.Kind != "" {
			text = e.Kind + " " + text
		}
		tell("need "+e.Kind+e.Version+e.Service+e.Text, "%s", text)
	}
	if s.Error != "" {
		tell("error", "cannot be looked at: %s", s.Error)
	}
	return facts
}

func (f *Rotation) rollout(r report.Rollout) (facts []fact) {
	since := r.Since.String()
	if r.RolledBack {
		facts = append(facts, fact{"back " + since, "rolled back: the old values are AWSCURRENT again"})
	}
	for _, s := range r.Services {
		text := fmt.Sprintf("%s: %d of %d tasks are new", s.Name, s.Fresh, s.Desired)
		if s.Failed != "" {
			text += "; " + s.Failed
		}
		if r.Converged == nil {
			facts = append(facts, fact{"service " + since + s.Name, text})
		}
	}
	if r.Ill != "" {
		facts = append(facts, fact{"ill", "the application is " + strings.TrimSpace(r.Health+": "+r.Ill)})
	}
	switch {
	case r.Converged == nil:
	case r.RolledBack:
		facts = append(facts, fact{"converged " + since, "converged: every task has the old values again"})
	case f.until != UntilConverged: // whose end says so
		facts = append(facts, fact{"converged " + since, "converged: every task has the new values"})
	}
	return facts
}

// oldValue says what becomes of a value that is not AWSCURRENT's.
func oldValue(kind string, old report.Old) string {
	words := map[string]string{
		"old":         "the old value is still accepted",
		"proven":      "the old value is still accepted",
		"quarantined": "the old value is refused, and can be restored",
		"held":        "the old value is held, since something still uses it",
		"released":    "the old value is released",
		"revoking":    "the old value is being taken away",
		"rolledback":  "the new value is retired, as the rotation was rolled back",
		"failed":      "the new value is refused, as the rotation was rolled back",
	}
	if old.AcceptedSince == nil && (old.State == "old" || old.State == "proven") {
		return "" // a target that accepts one value
	}
	if words[old.State] == "" {
		return ""
	}
	return kind + ": " + words[old.State]
}

// gone tells which values beside AWSCURRENT's are not accepted any more.
func (f *Rotation) gone(s report.Secret) (lines []string) {
	now, remembered := map[string]string{}, map[string]bool{}
	for _, c := range s.Credentials {
		for _, old := range c.Old {
			key := c.Kind + " " + old.Version
			if old.AcceptedSince != nil {
				now[key] = old.State
			}
			remembered[key] = old.State == "failed" // of which a fact tells
		}
	}
	for key, state := range f.old {
		kind, version, _ := strings.Cut(key, " ")
		if now[key] != "" || remembered[key] || !isReplaced(s, kind, version) {
			continue
		}
		which := "old"
		if version == f.token || isNew(state) {
			which = "new"
		}
		lines = append(lines, kind+": the "+which+" value is refused")
	}
	slices.Sort(lines)
	if s.Error == "" {
		f.old = now
	}
	return lines
}

// isReplaced tells whether a version's value of a kind is known not to be AWSCURRENT's.
func isReplaced(s report.Secret, kind, version string) bool {
	return s.Error == "" && slices.ContainsFunc(s.Credentials, func(c report.Credential) bool { return c.Kind == kind && c.Version != version })
}

// isCurrent tells whether the rotation's version is AWSCURRENT.
func (f *Rotation) isCurrent(s report.Secret) bool {
	return slices.ContainsFunc(s.Labels, func(l report.Label) bool { return l.Label == "AWSCURRENT" && l.Version == f.token }) ||
		slices.ContainsFunc(s.Credentials, func(c report.Credential) bool { return c.Version == f.token })
}

// end is how the rotation has ended.
func (f *Rotation) end(s report.Secret, now time.Time) *End {
	if s.Error != "" {
		return nil
	}
	for _, c := range s.Credentials {
		for _, old := range c.Old {
			switch {
			case old.Version == f.token && (old.State == "rolledback" || old.State == "failed"):
				return &End{false, endedBack}
			case f.promoted && old.State == "held" && !f.held[c.Kind+" "+old.Version]:
				return &End{false, "held: something still uses the old value of " + c.Kind + ", so both are accepted"}
			}
		}
	}
	if f.promoted && !f.isCurrent(s) && s.Rollout != nil && s.Rollout.RolledBack {
		return &End{false, endedBack} // its values are not even remembered any more
	}
	if !f.promoted {
		running := s.Rotation != nil && s.Rotation.Version == f.token
		switch {
		case running:
			return nil
		case f.failed != "":
			return &End{false, "nothing was rotated, and AWSCURRENT has the same values as before: " + f.failed}
		case f.pending:
			return &End{false, "given up before its promotion: AWSCURRENT has the same values as before"}
		case now.Sub(f.begun) >= beginTime:
			return &End{false, "it has not begun, or was given up: nothing was rotated"}
		}
		return nil
	}
	switch r := s.Rollout; {
	case r != nil && r.Converged == nil:
		return nil
	case (r == nil || r.Since.Before(f.begun)) && f.looks < 2:
		return nil // one may be about to begin; if none does, nothing has changed that tasks read at start
	}
	if f.until == UntilConverged {
		return &End{true, "converged: every task runs with the new values. " + f.left(s)}
	}
	if f.left(s) == allRefused {
		return &End{true, "retired. " + allRefused}
	}
	return nil
}

const endedBack = "rolled back: the application did not come up with the new values, and the old ones are current again"

const allRefused = "No old value is accepted any more"

// left says which old values are accepted still.
func (f *Rotation) left(s report.Secret) string {
	var kinds []string
	for _, c := range s.Credentials {
		if slices.ContainsFunc(c.Old, func(o report.Old) bool { return o.AcceptedSince != nil && o.State != "failed" && o.State != "foreign" }) {
			kinds = append(kinds, c.Kind)
		}
	}
	if len(kinds) == 0 {
		return allRefused
	}
	return "The old values of " + strings.Join(kinds, ", ") + " are retired when nothing uses them"
}
