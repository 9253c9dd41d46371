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
	Only      []string `placeholder:"KIND,…" help:"These credentials alone: database, smtp, api, admin, webhook. Default: all that have no open overlap."`
	Emergency bool     `help:"The values may have leaked: the old ones are taken away at once, and tasks fail until they are replaced."`
	Yes       bool     `short:"y" help:"Do not ask before an emergency, or before rotation is turned on again."`
	Wait      string   `enum:"converged,retired" default:"converged" help:"How far to follow it: until every task is new (converged), or the old values are refused, too (retired)."`
	NoWait    bool     `help:"Start it, and do not follow it."`
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
		t.progress("still in progress; to follow it: " + t.again("status", "--watch"))
		return r.show(func() string { return "" }, map[string]string{"secret": secret.ARN, "version": id})
	}
	return t.follow(secret, id, follow.Until(c.Wait), begun)
}

// mayStart refuses what Secrets Manager or the function would refuse, with the remedy.
func (c rotateCommand) mayStart(t *target, secret report.Secret) error {
	switch {
	case secret.Error != "" && c.Emergency: // what cannot be seen must not keep a leaked value accepted
		t.progress("not all of " + secret.Name + " can be looked at, and it is rotated all the same: " + secret.Error)
	case secret.Error != "":
		return fault.New(fault.Attention, secret.Name+" cannot be looked at: "+secret.Error, "correct that, or look at the log: "+t.again("logs"))
	}
	if p := secret.Rotation; p != nil {
		return fault.New(fault.Attention, fmt.Sprintf("version %s of %s is being rotated already, and Secrets Manager would only continue that rotation", p.Version, secret.Name),
			"follow it ("+t.again("status", "--watch")+"), or give it up ("+t.again("abandon")+")")
	}
	for _, kind := range c.Only {
		if secret.Error == "" && !slices.ContainsFunc(secret.Credentials, func(k report.Credential) bool { return k.Kind == kind }) {
			return fault.New(fault.Usage, fmt.Sprintf("%s has no credential of the kind %s that the function rotates", secret.Name, kind),
				"correct --only, or the stack's parameter RotateKinds")
		}
	}
	return nil
}

// progress shows a line of a rotation. For a program it is beside the output.
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
		failed := errors.more() // first, so that the look is of a moment after it
		if len(failed) > 0 {
			rotation.Failed(failed[len(failed)-1])
		}
		answer, err := t.ask(cloud.Action{Name: actionStatus, Secret: secret.ARN})
		if r.interrupted() {
			continue // which says how to go on
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
				continue // a look that failed is no end
			}
			t.progress("the rotation cannot be followed any more; to try again: " + t.again("status", "--watch"))
			if err == nil {
				err = fault.New(fault.Unknown, "the function does not report the secret any more", "")
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
			for _, line := range errors.more() { // what the log has had late
				t.progress(line)
			}
		}
		return t.ended(*end, answer)
	}
}

// mostUnseen is how many looks in a row may fail.
const mostUnseen = 5

// ended shows how a rotation ended, and what needs a person.
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

// failures are the errors of a rotation, which the log alone has.
type failures struct {
	target  *target
	version string
	since   time.Time
	seen    map[string]bool
	denied  bool
}

// more are those that are new. Without the permission to read the log, it says so once.
func (f *failures) more() (lines []string) {
	if f.denied {
		return nil
	}
	found, err := f.target.Log.Lines(f.target.run, f.target.stack.LogGroup, cloud.Errors, f.since)
	if err != nil {
		f.denied = fault.Of(err).Denied != ""
		if f.denied {
			f.target.progress("why a step fails is not shown: " + fault.Of(err).Text)
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
