// Package follow reports what changed between two status reports of a secret, and when a rotation has ended. It
// is pure: it neither polls nor waits.
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

// Until is what to wait for.
type Until string

// What to wait for: that every task has the new values, or that the old values are refused too.
const (
	UntilConverged Until = "converged"
	UntilRetired   Until = "retired"
)

// An End is how a rotation ended. Well means that it did what was asked.
type End struct {
	Well bool
	Text string
}

// A Rotation is followed from one status report to the next.
type Rotation struct {
	token    string
	until    Until
	begun    time.Time // of following
	pending  bool      // it was seen in progress
	promoted bool
	last     map[string]string
	failed   string            // why a step failed last
	looks    int               // reports since its promotion
	old      map[string]string // the states of values that are not AWSCURRENT's, by kind and version
	held     map[string]bool   // values that were held before its promotion
}

// New follows the rotation whose version id is the token. With an empty token it follows everything that
// happens, without an end.
func New(token string, until Until) *Rotation {
	return &Rotation{token: token, until: until, last: map[string]string{}, old: map[string]string{}, held: map[string]bool{}}
}

// Failed notes why a step of the rotation failed, according to the log. If the next report no longer shows the
// rotation in progress, that was its end; otherwise the step is retried.
func (f *Rotation) Failed(why string) { f.failed = why }

// beginTime is how long a requested rotation may take to show up. Secrets Manager attaches AWSPENDING when it is
// asked.
const beginTime = 30 * time.Second

// See takes a status report, and returns a line for each change, and how the rotation ended; nil: it continues.
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

// noteFailed remembers the values that were rolled back earlier: they are not news.
func (f *Rotation) noteFailed(s report.Secret) {
	for _, c := range s.Credentials {
		for _, old := range c.Old {
			if isNew(old.State) && old.Version != f.token {
				f.last[keyOf(c.Kind, old)] = oldValue(c.Kind, old)
			}
		}
	}
}

// isNew tells whether a state is that of the new value of a rotation that was rolled back or abandoned.
func isNew(state string) bool {
	return slices.Contains([]string{"rolledback", "failed", "givenup"}, state)
}

func keyOf(kind string, old report.Old) string { return "old " + kind + old.Version }

// noteHeld remembers what was held before the promotion: that does not end this rotation.
func (f *Rotation) noteHeld(s report.Secret) {
	for _, c := range s.Credentials {
		for _, old := range c.Old {
			if old.State == "held" {
				f.held[c.Kind+" "+old.Version] = true
			}
		}
	}
}

// A fact is printed once, and again when its text changes.
type fact struct{ key, text string }

func (f *Rotation) facts(s report.Secret) (facts []fact) {
	tell := func(key, format string, args ...any) { facts = append(facts, fact{key, fmt.Sprintf(format, args...)}) }
	if r := s.Rotation; r != nil && (f.token == "" || r.Version == f.token) {
		if r.Kinds == nil {
			tell("rotation", "the rotation has begun")
		} else {
			tell("rotation", "creating new values for %s", strings.Join(r.Kinds, ", "))
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
		tell("error", "could not be examined: %s", s.Error)
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

// oldValue says what happens to a value that is not AWSCURRENT's.
func oldValue(kind string, old report.Old) string {
	words := map[string]string{
		"old":         "the old value is still accepted",
		"proven":      "the old value is still accepted",
		"quarantined": "the old value is quarantined: refused, but restorable",
		"held":        "the old value is held, because something still uses it",
		"released":    "the old value is released",
		"revoking":    "the old value is being revoked",
		"rolledback":  "the new value is being retired, because the rotation was rolled back",
		"failed":      "the new value is refused, because the rotation was rolled back",
	}
	if old.AcceptedSince == nil && (old.State == "old" || old.State == "proven") {
		return "" // the target accepts only one value
	}
	if words[old.State] == "" {
		return ""
	}
	return kind + ": " + words[old.State]
}

// gone says which values other than AWSCURRENT's are no longer accepted.
func (f *Rotation) gone(s report.Secret) (lines []string) {
	now, remembered := map[string]string{}, map[string]bool{}
	for _, c := range s.Credentials {
		for _, old := range c.Old {
			key := c.Kind + " " + old.Version
			if old.AcceptedSince != nil {
				now[key] = old.State
			}
			remembered[key] = old.State == "failed" // a fact says so
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
		return &End{false, endedBack} // its values have already been forgotten
	}
	if !f.promoted {
		running := s.Rotation != nil && s.Rotation.Version == f.token
		switch {
		case running:
			return nil
		case f.failed != "":
			return &End{false, "nothing was rotated, and AWSCURRENT has the same values as before: " + f.failed}
		case f.pending:
			return &End{false, "abandoned before its promotion: AWSCURRENT has the same values as before"}
		case now.Sub(f.begun) >= beginTime:
			return &End{false, "nothing was rotated: the rotation did not start, or was abandoned"}
		}
		return nil
	}
	switch r := s.Rollout; {
	case r != nil && r.Converged == nil:
		return nil
	case (r == nil || r.Since.Before(f.begun)) && f.looks < 2:
		return nil // a rollout may be about to begin; if none does, nothing changed that tasks read at start
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

// left says which old values are still accepted.
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
	return "The old values of " + strings.Join(kinds, ", ") + " will be retired once nothing uses them"
}
