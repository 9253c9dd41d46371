package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/operator/cloud"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/follow"
	"mautic-rotation/internal/operator/logline"
	"mautic-rotation/internal/operator/token"
	"mautic-rotation/internal/operator/view"
	"mautic-rotation/rotation/report"
)

type rotateCommand struct {
	Only      []string `placeholder:"KIND,…" help:"Rotate only these credentials: database, smtp, api, admin, webhook. Default: all that have no open overlap."`
	Emergency bool     `help:"The values may have leaked: revoke the old ones at once. Tasks fail until they are replaced."`
	Yes       bool     `short:"y" help:"Do not ask for confirmation, before an emergency or when the rotation turns the schedule on again."`
	Wait      string   `enum:"converged,retired" default:"converged" help:"How long to follow it: until every task has the new values (converged), or until the old values are refused too (retired)."`
	NoWait    bool     `help:"Start the rotation without following it."`
}

func (c rotateCommand) Run(r *run) error {
	t, err := r.find()
	if err != nil {
		return err
	}
	id, err := token.New(token.Random, c.Only, c.Emergency)
	if err != nil {
		return err
	}
	secret, _, err := t.one()
	if err != nil {
		return err
	}
	if err := c.mayStart(t, secret); err != nil {
		return err
	}
	will, what := view.TurnsOn(secret), "A rotation"
	if c.Emergency {
		will, what = append(will, view.Emergency(r.Style, secret, c.Only)...), "An emergency rotation"
	}
	if len(will) > 0 {
		fmt.Fprint(r.Messages, view.Will(r.Style, secret.Name, what, will))
		if err := r.confirm(c.Yes, "Rotate now?"); err != nil {
			return err
		}
	}
	begun := r.Now()
	if err := t.Secrets.Rotate(r, secret.ARN, id); err != nil {
		return err
	}
	t.progress("started: version " + id)
	if c.NoWait {
		t.progress("in progress; to follow it: " + t.again("status", "--watch"))
		return r.show(func() string { return "" }, map[string]string{"secret": secret.ARN, "version": id})
	}
	return t.follow(secret, id, follow.Until(c.Wait), begun)
}

// mayStart refuses, with a remedy, what Secrets Manager or the function would refuse.
func (c rotateCommand) mayStart(t *target, secret report.Secret) error {
	switch {
	case secret.Error != "" && c.Emergency: // a failed examination must not keep a leaked value accepted
		t.progress(secret.Name + " could not be examined completely, but is rotated anyway: " + secret.Error)
	case secret.Error != "":
		return fault.New(fault.Attention, secret.Name+" could not be examined: "+secret.Error, "fix that, or read the log: "+t.again("logs"))
	}
	if p := secret.Rotation; p != nil {
		return fault.New(fault.Attention, fmt.Sprintf("%[2]s is already being rotated to version %[1]s, and Secrets Manager would only continue that rotation", p.Version, secret.Name),
			"follow it ("+t.again("status", "--watch")+"), or abandon it ("+t.again("abandon")+")")
	}
	for _, kind := range c.Only {
		if secret.Error == "" && !slices.ContainsFunc(secret.Credentials, func(k report.Credential) bool { return k.Kind == kind }) {
			return fault.New(fault.Usage, fmt.Sprintf("the function rotates no credential of the kind %[2]s in %[1]s", secret.Name, kind),
				"correct --only, or the stack's parameter RotateKinds")
		}
	}
	return nil
}

// progress prints a line about a rotation; with --output json, not to the output.
func (t *target) progress(line string) {
	r := t.run
	out := r.Out
	if r.flags.json() {
		out = r.Messages
	}
	fmt.Fprintln(out, view.Line(r.Style, r.Now(), line))
}

// follow shows a rotation until its end. An interruption leaves the rotation running.
func (t *target) follow(secret report.Secret, id string, until follow.Until, begun time.Time) error {
	r := t.run
	rotation := follow.New(id, until)
	errors := &failures{target: t, version: id, since: begun, seen: map[string]bool{}}
	unseen := 0
	for {
		if !r.waits(pollTime) {
			t.progress("the rotation continues; to follow it: " + t.again("status", "--watch"))
			return fault.Silent(fault.Unknown)
		}
		failed := errors.more() // first, so that the status below is newer
		if len(failed) > 0 {
			rotation.Failed(failed[len(failed)-1])
		}
		answer, err := t.ask(cloud.Action{Name: actionStatus, Secret: secret.ARN})
		if r.interrupted() {
			continue // r.waits then says how to follow it again
		}
		var lines []string
		var end *follow.End
		seen := err == nil && len(answer.Secrets) == 1
		if seen {
			lines, end = rotation.See(answer.Secrets[0], answer.At)
		}
		for _, line := range failed {
			if end == nil || !strings.Contains(end.Text, line) {
				t.progress(line)
			}
		}
		if !seen {
			if unseen++; unseen < mostUnseen {
				continue // one failed poll does not end it
			}
			t.progress("lost track of the rotation, which continues; to try again: " + t.again("status", "--watch"))
			if err == nil {
				err = fault.New(fault.Unknown, "the function no longer reports this secret", "")
			}
			return err
		}
		unseen = 0
		for _, line := range lines {
			t.progress(line)
		}
		if end == nil {
			continue
		}
		if !end.Well {
			for _, line := range errors.more() { // lines that CloudWatch had late
				t.progress(line)
			}
		}
		return t.ended(*end, answer)
	}
}

// mostUnseen is how many polls in a row may fail.
const mostUnseen = 5

// ended shows how a rotation ended, and what needs an operator.
func (t *target) ended(end follow.End, answer report.Report) error {
	r := t.run
	t.progress(end.Text)
	if r.flags.json() {
		if err := r.show(nil, answer); err != nil {
			return err
		}
	} else if !end.Well || view.Attention(answer) {
		fmt.Fprint(r.Out, "\n"+view.Status(r.Style, t.shown(), answer))
	}
	return attention(!end.Well)
}

// failures are the errors of a rotation's steps, which only the log has.
type failures struct {
	target  *target
	version string
	since   time.Time
	seen    map[string]bool
	denied  bool
}

// more returns the new ones. Without permission to read the log, it says so once.
func (f *failures) more() (lines []string) {
	if f.denied {
		return nil
	}
	found, err := f.target.Log.Lines(f.target.run, f.target.stack.LogGroup, cloud.Errors, f.since)
	if err != nil {
		f.denied = fault.Of(err).Denied != ""
		if f.denied {
			f.target.progress("cannot show why a step fails: " + fault.Of(err).Text)
		}
		return nil
	}
	for _, line := range found {
		e, ok := logline.Parse(line.Text)
		if said := e.Said(); ok && e.Level == "ERROR" && e.Version == f.version && !f.seen[said] {
			f.seen[said] = true
			lines = append(lines, said)
		}
	}
	return lines
}
