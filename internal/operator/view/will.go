package view

import (
	"fmt"
	"slices"
	"strings"

	"mautic-rotation/rotation/report"
)

// Will shows what an action will do, before it is asked whether it shall.
func Will(s Style, secret, action string, will []string) string {
	var out strings.Builder
	out.WriteString(s.paint(strong, s.text(secret)) + ": to " + s.text(action) + " does this\n")
	for _, line := range will {
		s.hang(&out, "  - ", line, plain)
	}
	return out.String()
}

// Releases says what a release does to a secret; nothing, where there is nothing to release.
func Releases(s Style, secret report.Secret, r report.Report) (will []string) {
	for _, c := range secret.Credentials {
		if c.State == "revoking" {
			will = append(will, c.Kind+": the value that an emergency was to replace stays, though it may have leaked")
		}
		for _, old := range c.Old {
			switch {
			case old.State == "held":
				will = append(will, fmt.Sprintf("%s: the services are redeployed once more, then the old value (version %s) is taken out of service, whatever was seen of its use. What still uses it is refused", c.Kind, short(old.Version)))
			case old.Next == "alarm" && old.State != "revoking":
				will = append(will, fmt.Sprintf("%s: the old value (version %s) becomes foreign: the function never touches it from then on, and its target goes on accepting it", c.Kind, short(old.Version)))
			}
		}
	}
	if r := secret.Rollout; r != nil && r.Converged == nil {
		will = append(will, "the rollout since "+s.Moment(r.Since)+" is ended, if it cannot converge (its time is over, or every service is scaled to zero). One that can goes on")
	}
	if secret.Schedule != nil && secret.Schedule.HeldOff {
		will = append(will, "the schedule rotates again")
	}
	return will
}

// Abandons says what abandoning does to a secret; nothing, where no rotation is pending.
func Abandons(_ Style, secret report.Secret, _ report.Report) (will []string) {
	if p := secret.Rotation; p != nil {
		what := "it has made no value yet"
		if len(p.Kinds) > 0 {
			what = "the new value of " + list(p.Kinds) + " is taken away where it was set"
		}
		will = append(will, fmt.Sprintf("the rotation to version %s is given up: %s", p.Version, what))
		if p.Emergency {
			will = append(will, "it is an emergency: the values that may have leaked stay accepted, and an alarm says so")
		}
		will = append(will, "AWSCURRENT gets another version id, with the same values")
	}
	for _, l := range secret.Labels {
		if strings.HasPrefix(l.Label, "rotate;") {
			will = append(will, "the label "+l.Label+" is taken off, if no rotation can follow it")
		}
	}
	return will
}

// RollsBack says what going back does to a secret; nothing, where the last rotation cannot be rolled
// back: its rollout has converged, or there is nothing to go back to.
func RollsBack(_ Style, secret report.Secret, _ report.Report) (will []string) {
	if r := secret.Rollout; r == nil || r.Converged != nil || r.RolledBack || r.Emergency {
		return nil // the function refuses it
	}
	for _, c := range secret.Credentials {
		for _, old := range c.Old {
			if slices.Contains([]string{"old", "proven", "quarantined", "held", "released"}, old.State) {
				will = append(will, fmt.Sprintf("%s: the value of version %s is wanted again%s; the present one is taken out of service as after a rotation", c.Kind, short(old.Version), restored(old)))
			}
		}
	}
	if len(will) > 0 {
		will = append(will, "the services are redeployed"+services(secret), "what was edited since stays", "the schedule is held off, until a rotation by hand has converged, or you release it")
	}
	return will
}

func restored(old report.Old) string {
	if old.State == "quarantined" {
		return ", and is accepted again first"
	}
	return ""
}

// services counts the tasks that will be replaced.
func services(secret report.Secret) string {
	if secret.Rollout == nil || len(secret.Rollout.Services) == 0 {
		return ""
	}
	var parts []string
	for _, service := range secret.Rollout.Services {
		parts = append(parts, fmt.Sprintf("%s (%s)", service.Name, plural(service.Desired, "task", "tasks")))
	}
	return ": " + strings.Join(parts, ", ")
}

// issued is what an emergency ends besides the value itself.
var issued = map[string]string{
	"database": "every connection that was opened with it is closed",
	"smtp":     "its access key is switched off and deleted",
	"api":      "every API token issued under the old client is deleted",
	"admin":    "the administrator's password is replaced",
	"webhook":  "the old signing secret is not published any more, so receivers must have the new one",
}

// Emergency says what an emergency of some kinds ends; of all, for nil.
func Emergency(s Style, secret report.Secret, only []string) (will []string) {
	for _, c := range secret.Credentials {
		if len(only) > 0 && !slices.Contains(only, c.Kind) {
			continue
		}
		will = append(will, fmt.Sprintf("%s: the value of version %s is refused right after the promotion, and %s", c.Kind, short(c.Version), issued[c.Kind]))
		for _, old := range c.Old {
			if old.AcceptedSince != nil {
				will = append(will, fmt.Sprintf("%s: so is the value of version %s, which is %s", c.Kind, short(old.Version), old.State))
			}
		}
	}
	took := "as long as a deployment takes"
	if r := secret.Rollout; r != nil && r.Converged != nil && r.Converged.After(r.Since) {
		took = "the last deployment took " + span(r.Converged.Sub(r.Since))
	}
	return append(will,
		"running tasks fail from the promotion until they are replaced: "+took+services(secret),
		"it is never rolled back")
}

// Pauses says what a pause does to a secret.
func Pauses(s Style, secret report.Secret) (will []string) {
	will = append(will, "the schedule changes nothing meanwhile; it is not touched itself. Rotations by hand and emergencies run, and what is open is ended")
	for _, c := range secret.Credentials {
		if c.Due != nil {
			will = append(will, c.Kind+" is due on "+s.date(*c.Due))
		}
	}
	return will
}
