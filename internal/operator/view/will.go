package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/report"
)

// About is one line about a secret.
func About(s Style, secret, text string) string { return s.text(secret) + ": " + s.text(text) + "\n" }

// Will shows what an action will do, before the user is asked to confirm it.
func Will(s Style, secret, action string, will []string) string {
	var out strings.Builder
	out.WriteString(s.paint(strong, s.text(secret)) + "\n" + action + " will:\n")
	for _, line := range will {
		s.hang(&out, "  - ", line, plain)
	}
	return out.String()
}

// Releases says what a release does to a secret; nothing if there is nothing to release.
func Releases(s Style, secret report.Secret, r report.Report) (will []string) {
	if !Possible(secret, "release") {
		return nil
	}
	for _, c := range secret.Credentials {
		if c.State == "revoking" {
			will = append(will, c.Kind+": keep the value that an emergency rotation should have replaced, although it may have leaked")
		}
		for _, old := range c.Old {
			apart := c.Problem != "" && open(old) // it cannot be compared with AWSCURRENT's
			switch {
			case apart:
				will = append(will, foreign(c, old))
			case old.State == "held":
				will = append(will, fmt.Sprintf("%s: redeploy the services once more, then revoke the old value (version %s), even if something still uses it", c.Kind, short(old.Version)))
			case old.Next == "alarm" && old.State != "revoking":
				will = append(will, foreign(c, old))
			}
		}
	}
	if r := secret.Rollout; r != nil && r.Converged == nil {
		will = append(will, "end the rollout that began "+s.Moment(r.Since)+" if it cannot converge (its time is up, or every service is scaled to zero). One that can converge continues")
	}
	if secret.Schedule != nil && secret.Schedule.HeldOff {
		will = append(will, "let the schedule rotate again")
	}
	return will
}

// foreign says that after a release the function leaves a value alone for good.
func foreign(c report.Credential, old report.Old) string {
	return fmt.Sprintf("%s: make the old value (version %s) foreign: the function never touches it again, and if its target accepts it, it stays accepted", c.Kind, short(old.Version))
}

// Abandons says what abandoning does to a secret; nothing if no rotation is pending.
func Abandons(_ Style, secret report.Secret, _ report.Report) (will []string) {
	if p := secret.Rotation; p != nil {
		what := "which has no new value yet"
		if len(p.Kinds) > 0 {
			what = "and revoke the new value of " + list(p.Kinds) + " where it was set"
		}
		will = append(will, fmt.Sprintf("abandon the rotation to version %s, %s", p.Version, what))
		if p.Emergency {
			will = append(will, "leave the values that may have leaked accepted, since the rotation is an emergency; an alarm says so")
		}
		will = append(will, "move AWSCURRENT to a new version with the same values")
	}
	for _, l := range secret.Labels {
		if strings.HasPrefix(l.Label, "rotate;") {
			will = append(will, "remove the label "+l.Label+" if no rotation can act on it")
		}
	}
	return will
}

// RollsBack says what a rollback does to a secret; nothing if the last rotation cannot be rolled back, because its
// rollout has converged or there is nothing to go back to.
func RollsBack(_ Style, secret report.Secret, _ report.Report) (will []string) {
	if r := secret.Rollout; r == nil || r.Converged != nil || r.RolledBack || r.Emergency || !Possible(secret, "roll-back") {
		return nil // the function refuses it
	}
	for _, c := range secret.Credentials {
		for _, old := range c.Old {
			if slices.Contains([]string{"old", "proven", "quarantined", "held", "released"}, old.State) {
				will = append(will, fmt.Sprintf("%s: make the value of version %s current again%s, and retire the present one as after a rotation", c.Kind, short(old.Version), restored(old)))
			}
		}
	}
	if len(will) > 0 {
		will = append(will, "redeploy the services"+services(secret), "keep edits made since", "hold the schedule off until a rotation by hand has converged, or you release it")
	}
	return will
}

func restored(old report.Old) string {
	if old.State == "quarantined" {
		return " (after restoring it at the target)"
	}
	return ""
}

// services lists the services with the number of tasks to be replaced.
func services(secret report.Secret) string {
	if secret.Rollout == nil || len(secret.Rollout.Services) == 0 {
		return ""
	}
	var parts []string
	for _, service := range secret.Rollout.Services {
		if service.Name == "" { // tasks without a service are not replaced
			continue
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", service.Name, plural(service.Desired, "task", "tasks")))
	}
	return ": " + strings.Join(parts, ", ")
}

// issued is what an emergency ends besides the value itself.
var issued = map[string]string{
	"database": "every connection opened with it is closed",
	"smtp":     "its access key is deactivated and deleted",
	"api":      "every API token issued under the old client is deleted",
	"admin":    "the administrator's password is replaced",
	"webhook":  "the old signing secret is no longer published, so receivers must have the new one",
}

// Emergency says what an emergency rotation of some kinds ends; for nil, of all.
func Emergency(s Style, secret report.Secret, only []string) (will []string) {
	for _, c := range secret.Credentials {
		if len(only) > 0 && !slices.Contains(only, c.Kind) {
			continue
		}
		will = append(will, fmt.Sprintf("%s: revoke the value of version %s right after the promotion; %s", c.Kind, short(c.Version), issued[c.Kind]))
		for _, old := range c.Old {
			if old.AcceptedSince != nil {
				will = append(will, fmt.Sprintf("%s: also revoke the value of version %s, which is %s", c.Kind, short(old.Version), old.State))
			}
		}
	}
	took := "for as long as a deployment takes"
	if r := secret.Rollout; r != nil && r.Converged != nil && r.Converged.After(r.Since) {
		took = "the last deployment took " + span(r.Converged.Sub(r.Since))
	}
	return append(will,
		"make running tasks fail from the promotion until they are replaced: "+took+services(secret),
		"not be rolled back, whatever happens")
}

// TurnsOn says that a rotation turns a schedule on again that someone turned off; nothing if it is on.
func TurnsOn(secret report.Secret) (will []string) {
	if p := secret.Schedule; p != nil && !p.Enabled {
		schedule := ""
		if p.Expression != "" {
			schedule = " (" + p.Expression + ")"
		}
		will = append(will, "turn automatic rotation on again (someone turned it off with cancel-rotate-secret): from then on its schedule"+schedule+" also rotates the secret")
	}
	return will
}

// Pauses says what a pause does to a secret. end is when it ends by itself; zero: when someone resumes the
// schedule.
func Pauses(s Style, secret report.Secret, end time.Time) []string {
	until := "until you resume it"
	if !end.IsZero() {
		until = "until " + s.Moment(end)
	}
	within := func(at *time.Time) bool { return at != nil && (end.IsZero() || at.Before(end)) }
	will := []string{"keep the schedule from changing anything " + until, "not affect rotations by hand or emergencies, and let open work finish"}
	var due []string
	for _, c := range secret.Credentials {
		if within(c.Due) {
			due = append(due, c.Kind+" on "+s.date(*c.Due))
		}
	}
	if len(due) > 0 {
		will = append(will, "put off what is due before the pause ends: "+strings.Join(due, ", "))
	}
	if p := secret.Schedule; p != nil && p.Enabled && p.Next != nil {
		switch {
		case within(p.Next):
			will = append(will, "skip the scheduled rotation by "+s.Moment(*p.Next)+", and any after it "+until)
		case len(due) == 0:
			will = append(will, "put nothing off: the next scheduled rotation is by "+s.Moment(*p.Next)+", after the pause ends")
		}
	}
	return will
}
