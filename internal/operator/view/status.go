package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/report"
)

// Attention tells whether something in a report needs an operator.
func Attention(r report.Report) bool { return slices.ContainsFunc(r.Secrets, Ill) }

// Unfinished tells whether something needs an operator after an action that changes something. A schedule that
// is held off does not count: a rollback is meant to do that.
func Unfinished(r report.Report) bool { return slices.ContainsFunc(r.Secrets, unfinished) }

func unfinished(s report.Secret) bool {
	return s.Error != "" || len(needs(s)) > 0 ||
		slices.ContainsFunc(s.Credentials, func(c report.Credential) bool { return c.Problem != "" || c.Accepted == "denied" })
}

// Ill tells whether something about a secret needs an operator.
func Ill(s report.Secret) bool {
	return unfinished(s) || s.Schedule != nil && s.Schedule.HeldOff || Failed(s.Checks)
}

// Status shows the state of a stack's secrets.
func Status(s Style, stack Stack, r report.Report) string {
	var out strings.Builder
	s.heading(&out, stack, fmt.Sprintf("%s, %s", stack.Region, s.Moment(r.At)))
	for _, secret := range r.Secrets {
		out.WriteString("\n" + s.paint(strong, s.text(secret.Name)) + "\n")
		s.secret(&out, stack, secret, r.At, len(r.Secrets) > 1)
	}
	if len(r.Secrets) == 0 {
		out.WriteString("\n  the function has no secret to rotate\n")
	}
	return trim(out.String())
}

func (s Style) heading(out *strings.Builder, stack Stack, text string) {
	s.hang(out, s.paint(strong, s.text(stack.Name))+gap, text, faint)
}

func (s Style) secret(out *strings.Builder, stack Stack, secret report.Secret, now time.Time, several bool) {
	if secret.Error != "" {
		s.hang(out, "  "+s.sign(bad, "✗ ", "FAIL "), "could not be examined: "+secret.Error, plain)
	}
	if len(secret.Credentials) > 0 {
		s.table(out, "  ", []string{"KIND", "AGE", "DUE", "AT MOST", "STATE"}, s.credentials(secret, now))
	}
	s.begun(out, stack, secret, now, several)
	s.rollout(out, secret, now)
	s.needs(out, stack, secret, several)
	var foot strings.Builder
	s.asked(&foot, stack, secret, now, several)
	s.schedule(&foot, stack, secret, several)
	if foot.Len() > 0 {
		out.WriteString("\n" + foot.String())
	}
}

func (s Style) credentials(secret report.Secret, now time.Time) (rows [][]cell) {
	for _, c := range secret.Credentials {
		age := cell{"?", plain}
		if !c.RotatedAt.IsZero() {
			age.text = span(now.Sub(c.RotatedAt))
			if c.From == "version" {
				age.text += " or more" // any edit creates a version
			}
		}
		due := cell{"not scheduled", faint}
		if c.Due != nil {
			due = cell{s.date(*c.Due), plain}
			if c.Due.Before(now) {
				due = cell{"since " + s.date(*c.Due), wary}
			}
		}
		most := cell{"-", faint}
		if c.GreatestAgeSeconds > 0 {
			most = cell{span(seconds(c.GreatestAgeSeconds)), plain}
		}
		if tooOld(c) {
			most = cell{most.text + " !", wary}
		}
		state := cell{}
		state.text, state.tone = s.state(secret, c, now)
		rows = append(rows, []cell{{c.Kind, plain}, age, due, most, state})
	}
	return rows
}

// begun shows a rotation that has created no value yet, so that no credential shows it.
func (s Style) begun(out *strings.Builder, stack Stack, secret report.Secret, now time.Time, several bool) {
	p := secret.Rotation
	if p == nil || len(p.Kinds) > 0 {
		return
	}
	words := "version " + p.Version + " has no new value yet"
	if p.Since != nil {
		words = "started " + s.when(*p.Since, now) + "; " + words
	}
	s.hang(out, "\n  rotation  ", words+". If that persists, the log says why: "+stack.command("logs", several, secret.Name)+"; to abandon it: "+stack.command("abandon", several, secret.Name), wary)
}

// rollout shows the services while their tasks are being replaced.
func (s Style) rollout(out *strings.Builder, secret report.Secret, now time.Time) {
	r := secret.Rollout
	if r == nil || r.Converged != nil {
		return
	}
	words := replacing(r) + " since " + s.when(r.Since, now)
	switch {
	case r.RolledBack:
	case r.Emergency:
		words += ", in an emergency"
	case r.Promoted && r.Deadline != nil:
		words += ", will be rolled back if it has not come up by " + s.when(*r.Deadline, now)
	}
	s.hang(out, "\n  rollout   ", words, plain)
	for _, service := range r.Services {
		text := fmt.Sprintf("%s: %d of %d new", service.Name, service.Fresh, service.Desired)
		if service.Name == "" {
			text = "without a service"
		}
		for _, more := range []string{service.Missing, service.Failed, strings.Join(service.Older, "; ")} {
			if more != "" {
				text += "; " + more
			}
		}
		s.hang(out, "            ", text, faint)
	}
	if r.Ill != "" {
		s.hang(out, "            ", strings.TrimSpace("health "+r.Health)+": "+r.Ill, wary)
	}
}

// needs is what needs an operator. A held value always does, even if a report without a query of the targets
// gives another state for it.
func needs(secret report.Secret) []report.Entry {
	list := slices.Clone(secret.Needs)
	for _, c := range secret.Credentials {
		for _, old := range c.Old {
			told := slices.ContainsFunc(list, func(e report.Entry) bool { return e.Kind == c.Kind && (e.Version == old.Version || e.Version == "") })
			if old.State == "held" && !told {
				list = append(list, report.Entry{Kind: c.Kind, Version: old.Version, Text: HeldSince + inUse, Remedy: cmp.Or(old.Remedy, "find what uses the old value, fix it, then release it")})
			}
		}
	}
	return list
}

func (s Style) needs(out *strings.Builder, stack Stack, secret report.Secret, several bool) {
	list := needs(secret)
	if len(list) == 0 {
		return
	}
	out.WriteString("\n  " + s.paint(strong, "Needs you") + "\n")
	for _, e := range list {
		s.hang(out, "  "+s.sign(bad, "✗ ", "! "), about(e)+e.Text, plain)
		s.remedy(out, stack, secret, e, several)
	}
}

// remedy shows what to do about an entry, and what to type.
func (s Style) remedy(out *strings.Builder, stack Stack, secret report.Secret, e report.Entry, several bool) {
	if e.Remedy != "" {
		s.hang(out, "    ", e.Remedy, plain)
	}
	for _, command := range stack.commands(several, secret, e) {
		out.WriteString("      " + s.paint(strong, s.text(command)) + "\n")
	}
}

// about is the subject of an entry.
func about(e report.Entry) string {
	switch {
	case e.Kind != "":
		return e.Kind + ": "
	case e.Service != "" && !strings.Contains(e.Text, e.Service):
		return e.Service + ": "
	}
	return ""
}

// asked says when the function last asked the targets whether they accept AWSCURRENT's values, which a status
// does not do.
func (s Style) asked(out *strings.Builder, stack Stack, secret report.Secret, now time.Time, several bool) {
	var last *time.Time
	for _, c := range secret.Credentials {
		if c.Accepted != "" {
			return // they were asked for this report
		}
		if c.State == "proven" && c.StateSince != nil && (last == nil || c.StateSince.Before(*last)) {
			last = c.StateSince
		}
	}
	if last != nil {
		s.hang(out, "  accepted  ", "the targets accepted the current values when last asked, "+s.when(*last, now)+" or later; to ask now: "+stack.command("verify", several, secret.Name), faint)
	}
}

func (s Style) schedule(out *strings.Builder, stack Stack, secret report.Secret, several bool) {
	p := secret.Schedule
	switch {
	case p == nil:
		return
	case !p.Enabled:
		out.WriteString("  schedule  " + s.paint(wary, "none: rotation is off") + "\n")
	default:
		words := cmp.Or(p.Expression, "rotation is on, without a schedule")
		if p.Window != "" {
			words += ", window " + p.Window
		}
		if p.Next != nil {
			words += ", next by " + s.Moment(*p.Next)
		}
		s.hang(out, "  schedule  ", words, plain)
	}
	if p.Paused {
		words := "until you resume it"
		if p.PausedUntil != nil {
			words = "until " + s.Moment(*p.PausedUntil)
		}
		s.hang(out, "  paused    ", words+"; to resume: "+stack.command("resume", several, secret.Name), wary)
	}
	if p.HeldOff {
		s.hang(out, "  held off  ", "after a rollback the schedule changes nothing. Fix the application, then run either of", wary)
		for _, verb := range []string{"rotate", "release"} {
			out.WriteString("      " + s.paint(strong, s.text(stack.command(verb, several, secret.Name))) + "\n")
		}
	}
	var late []string
	for _, c := range secret.Credentials {
		if tooOld(c) {
			late = append(late, fmt.Sprintf("%s %s instead of %s", c.Kind, span(seconds(c.GreatestAgeSeconds)), span(seconds(c.EverySeconds))))
		}
	}
	if len(late) > 0 {
		s.hang(out, "  "+s.sign(wary, "! ", "! "), "the schedule lets credentials become older than their interval: "+strings.Join(late, ", ")+
			". In ScheduleExpression, choose an interval that divides each of theirs evenly", plain)
	}
}
