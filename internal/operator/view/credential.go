package view

import (
	"fmt"
	"strings"
	"time"

	"mautic-rotation/rotation/report"
)

// tolerance is how far a credential's greatest age may exceed its interval without a sign: half a month and
// some hours, by which a rotation by hand shifts the first interval of a monthly schedule.
const tolerance = 16 * day

// tooOld tells whether the schedule lets a credential become older than its interval.
func tooOld(c report.Credential) bool {
	return c.EverySeconds > 0 && seconds(c.GreatestAgeSeconds) > seconds(c.EverySeconds)+tolerance
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// rank orders the states of old values, the most important first.
var rank = []string{"held", "revoking", "rolledback", "failed", "quarantined", "released", "givenup", "pending", "old", "proven", "foreign"}

// foremost is the old value with the most important state; nil if none is accepted or may be again.
func foremost(c report.Credential) (found *report.Old) {
	best := len(rank)
	for i, old := range c.Old {
		at := len(rank) - 1
		for n, state := range rank {
			if state == old.State {
				at = n
			}
		}
		if open(old) && at < best {
			best, found = at, &c.Old[i]
		}
	}
	return found
}

// open tells whether something is left to do about an old value. A value that is only remembered (it is
// refused, or its target accepts only one value) is not open.
func open(old report.Old) bool {
	switch old.State {
	case "failed", "foreign":
		return false
	case "held", "quarantined", "revoking", "released", "rolledback", "givenup", "pending":
		return true
	}
	return old.AcceptedSince != nil
}

// state describes a credential, and how much that matters.
func (s Style) state(secret report.Secret, c report.Credential, now time.Time) (string, tone) {
	switch {
	case c.Problem != "":
		return c.Problem, bad
	case c.Accepted == "denied":
		return "the target refuses AWSCURRENT's value", bad
	case c.State == "revoking":
		return "may have leaked, and was not replaced", bad
	}
	if words := rotating(secret, c); words != "" {
		return words, wary
	}
	if old := foremost(c); old != nil {
		return s.old(secret, *old, now)
	}
	if c.State == "" {
		return "steady; not yet rotated by this function", plain
	}
	return "steady", good
}

// rotating says how far a rotation in progress is with a credential.
func rotating(secret report.Secret, c report.Credential) string {
	r := secret.Rotation
	if r == nil {
		return ""
	}
	for _, kind := range r.Kinds {
		if kind == c.Kind {
			if r.Emergency {
				return "being rotated, in an emergency"
			}
			return "being rotated; not yet promoted"
		}
	}
	return ""
}

// old describes a credential that has an old value.
func (s Style) old(secret report.Secret, old report.Old, now time.Time) (string, tone) {
	since := ""
	if old.Since != nil {
		since = " since " + s.when(*old.Since, now)
	}
	until := ""
	if old.Until != nil {
		until = ", until " + s.when(*old.Until, now)
	}
	why := ""
	if old.Why != "" {
		why = ": " + old.Why
	}
	switch old.State {
	case "held":
		return "held" + since + because(old.Why), bad
	case "quarantined":
		if until == "" {
			until = why
		}
		return "quarantined" + since + until, wary
	case "revoking":
		return "the old value may have leaked and is being revoked" + why, wary
	case "rolledback":
		return "rolled back" + since + why, wary
	case "released":
		return "released" + since + why, plain
	case "givenup", "pending":
		return "the value of an abandoned rotation is being revoked" + why, wary
	}
	if words := replacing(secret.Rollout); words != "" {
		return words, wary
	}
	switch rollout := secret.Rollout; {
	case old.Next == "alarm":
		return "the old value is still accepted" + why, bad
	case old.Next == "wait" && old.Until != nil && rollout != nil && rollout.Converged != nil:
		return "the old value is still accepted; retired after " + s.when(*old.Until, now) + " if nothing uses it", plain
	default:
		return "the old value is still accepted" + why, plain
	}
}

// because turns the function's reason for a hold into the end of a sentence. If the function gave another
// reason, it is the general one.
func because(why string) string {
	why, ok := strings.CutPrefix(why, HeldSince)
	if !ok {
		return " because " + inUse
	}
	why, _, _ = strings.Cut(why, ": find what, fix it")
	return " because " + why
}

// HeldSince begins the function's reason for a hold.
const HeldSince = "held, since "

// inUse is why a value is held.
const inUse = "something still uses it"

// replacing says how far the replacement of tasks is; "" once it is over.
func replacing(r *report.Rollout) string {
	if r == nil || r.Converged != nil {
		return ""
	}
	fresh, desired := 0, 0
	for _, service := range r.Services {
		fresh, desired = fresh+service.Fresh, desired+service.Desired
	}
	words := "rolling out"
	if r.RolledBack {
		words = "rolling back"
	}
	if desired > 0 {
		words += fmt.Sprintf(", %d of %s new", fresh, plural(desired, "task", "tasks"))
	}
	return words
}
