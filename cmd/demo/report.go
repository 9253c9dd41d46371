package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// report tells how the rotation went. The error is what is not as it should be.
func (d *demo) report(before, after localaws.SecretState, expected []expectation) error {
	table := tabwriter.NewWriter(d.screen.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\n"+d.screen.colour(bold, "Steps"))
	for _, event := range d.AWS.Events() {
		if step, ok := event.(localaws.StepFinished); ok {
			fmt.Fprintf(table, "  %s\t%d ms\n", step.Step, step.Duration.Milliseconds())
		}
	}
	fmt.Fprintln(table, "\n"+d.screen.colour(bold, "Versions of "+d.SecretName))
	fmt.Fprintln(table, "  version\tbefore\tafter")
	for _, v := range after.Versions {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", short(v.ID), labelsOf(before, v.ID), labelsOf(after, v.ID))
	}
	fmt.Fprintln(table, "\n"+d.screen.colour(bold, "Tasks"))
	fmt.Fprintln(table, "  task\tservice\tstarted with version\tnow\tlogins\tfailed")
	for _, t := range d.app.Records() {
		now := "runs"
		if !t.Stopped.IsZero() {
			now = "replaced"
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%d\t%d\n", short(t.ARN), t.Service, short(versionWith(after, t.Password)), now, t.Logins, t.Failures)
	}
	if err := table.Flush(); err != nil {
		return err
	}

	fmt.Fprintln(d.screen.out)
	var faults []error
	for _, e := range append(expected, d.always()...) {
		mark := d.screen.colour(green, "✓")
		if !e.met {
			mark = d.screen.colour(red, "✗")
			faults = append(faults, errors.New("not met: "+e.text))
		}
		fmt.Fprintf(d.screen.out, "%s %s\n", mark, e.text)
	}
	return errors.Join(faults...)
}

// expectation is something that a rotation promises.
type expectation struct {
	text string
	met  bool
}

// always are the expectations of every scenario.
func (d *demo) always() []expectation {
	attempts, failures := d.app.Logins()
	log, secret := d.log.String(), ""
	if state, err := d.AWS.Secret(d.SecretARN); err == nil {
		for _, v := range state.Versions {
			if password := passwordOf(v); password != "" && strings.Contains(log, password) {
				secret = v.ID
			}
		}
	}
	if d.AdminPassword != "" && strings.Contains(log, d.AdminPassword) {
		secret = rig.AdminSecretName
	}
	return []expectation{
		{fmt.Sprintf("no password is in the function's log (%d lines)", strings.Count(log, "\n")), log != "" && secret == ""},
		d.fewFailures(attempts, failures),
	}
}

// fewFailures is that no login failed. Where the server does not tell who uses
// the old password, whoever does is refused until that is seen, in half a second.
func (d *demo) fewFailures(attempts, failures int) expectation {
	text := fmt.Sprintf("failed logins: %d of %d", failures, attempts)
	if d.app.Literal && d.db.quiet {
		return expectation{text + ", until it was seen that the old password is in use", failures < attempts/2}
	}
	return expectation{text, failures == 0 && attempts > 0}
}

// look finds out how things are after a rotation from what was current before
// to the version newID.
func (d *demo) look(ctx context.Context, before localaws.SecretState, newID string) (ending, error) {
	after, err := d.AWS.Secret(d.SecretARN)
	if err != nil {
		return ending{}, err
	}
	was, is := before.Labelled("AWSCURRENT"), localaws.VersionState{}
	for _, v := range after.Versions {
		if v.ID == newID {
			is = v
		}
	}
	e := ending{
		server: d.db.name(),
		oldID:  was.ID, newID: newID,
		currentID: after.Labelled("AWSCURRENT").ID, previousID: after.Labelled("AWSPREVIOUS").ID,
		oldPassword: passwordOf(was), newPassword: passwordOf(is),
		tasksWith: map[string]int{},
		log:       d.log.String(),
	}
	e.sameRest = strings.Replace(is.Value, e.newPassword, e.oldPassword, 1) == was.Value
	e.acceptsOld = d.Login(ctx, e.oldPassword) == nil
	e.acceptsNew = d.Login(ctx, e.newPassword) == nil
	for _, t := range d.app.Records() {
		if t.Stopped.IsZero() {
			e.tasksWith[t.Password]++
		}
	}
	return e, nil
}

func passwordOf(v localaws.VersionState) string {
	doc, err := document.Parse(v.Value)
	if err != nil {
		return ""
	}
	password, err := doc.Text(rig.PasswordPointer)
	if err != nil {
		return ""
	}
	return password
}

// versionWith is the id of the version that holds a password.
func versionWith(state localaws.SecretState, password string) string {
	for _, v := range state.Versions {
		if passwordOf(v) == password {
			return v.ID
		}
	}
	return "?"
}

// labelReadBy is the label of the version that a task was started with.
func (d *demo) labelReadBy(taskARN string) string {
	for _, t := range d.app.Records() {
		for _, label := range []string{"AWSCURRENT", "AWSPREVIOUS"} {
			if password, err := d.PasswordLabelled(label); err == nil && t.ARN == taskARN && t.Password == password {
				return label
			}
		}
	}
	return "a version without a label"
}

// nothingChanges tells whether the pending version has the current password.
func (d *demo) nothingChanges() bool {
	pending, err := d.PasswordLabelled("AWSPENDING")
	if err != nil {
		return false
	}
	current, err := d.PasswordLabelled("AWSCURRENT")
	return err == nil && pending == current
}

// abbreviate leaves of the journal's labels what they begin with.
func abbreviate(labels []string) string {
	short := make([]string, len(labels))
	for i, label := range labels {
		short[i] = label
		if words := strings.Split(label, ";"); len(words) > 2 {
			short[i] = words[0] + ";" + words[1] + ";…"
		}
	}
	return strings.Join(short, ", ")
}

func labelsOf(state localaws.SecretState, id string) string {
	for _, v := range state.Versions {
		if v.ID == id {
			return abbreviate(v.Labels)
		}
	}
	return "–"
}
