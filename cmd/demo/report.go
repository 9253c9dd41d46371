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
func (d *demo) report(ctx context.Context, before, after localaws.SecretState) error {
	table := tabwriter.NewWriter(d.screen.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\n"+d.screen.colour(bold, "Steps"))
	for _, event := range d.AWS.Events() {
		if step, ok := event.(localaws.StepFinished); ok {
			fmt.Fprintf(table, "  %s\t%d ms\t%d AWS calls\n", step.Step, step.Duration.Milliseconds(), d.callsIn(step.Step))
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
	for _, e := range d.expectations(ctx, before, after) {
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

func (d *demo) expectations(ctx context.Context, before, after localaws.SecretState) []expectation {
	oldVersion, newVersion := before.Labelled("AWSCURRENT"), after.Labelled("AWSCURRENT")
	oldPassword, newPassword := passwordOf(oldVersion), passwordOf(newVersion)
	fresh := true
	for _, t := range d.app.Records() {
		if t.Stopped.IsZero() && t.Password != newPassword {
			fresh = false
		}
	}
	log := d.log.String()
	attempts, failures := d.app.Logins()
	return []expectation{
		{"AWSCURRENT is a new version, AWSPREVIOUS the one before", newVersion.ID != oldVersion.ID && after.Labelled("AWSPREVIOUS").ID == oldVersion.ID && newPassword != oldPassword},
		{"the rest of the secret is the same, to the byte", strings.Replace(newVersion.Value, newPassword, oldPassword, 1) == oldVersion.Value},
		{"MySQL accepts the new password", d.Login(ctx, newPassword) == nil},
		{"MySQL accepts the old password too, until the next rotation", d.Login(ctx, oldPassword) == nil},
		{"every task that runs was started with the new version", fresh},
		{fmt.Sprintf("no password is in the function's log (%d lines)", strings.Count(log, "\n")), log != "" && !strings.Contains(log, oldPassword) && !strings.Contains(log, newPassword)},
		{fmt.Sprintf("failed logins: %d of %d", failures, attempts), failures == 0 && attempts > 0},
	}
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

func labelsOf(state localaws.SecretState, id string) string {
	for _, v := range state.Versions {
		if v.ID == id {
			return strings.Join(v.Labels, ", ")
		}
	}
	return "–"
}

func (d *demo) callsIn(step string) (n int) {
	for _, call := range d.AWS.Calls() {
		if call.Caller.Step == step {
			n++
		}
	}
	return n
}
