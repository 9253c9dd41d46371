package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// report prints how the rotation went. The error names each expectation that was not met.
func (d *demo) report(before, after localsecretsmanager.SecretState, expected []expectation) error {
	table := tabwriter.NewWriter(d.screen.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\n"+d.screen.colour(bold, "Steps"))
	for _, event := range d.AWS.Events() {
		if step, ok := event.(localsecretsmanager.StepFinished); ok {
			fmt.Fprintf(table, "  %s\t%d ms\n", step.Step, step.Duration.Milliseconds())
		}
	}
	fmt.Fprintln(table, "\n"+d.screen.colour(bold, "Versions of "+d.SecretName))
	fmt.Fprintln(table, "  version\tbefore\tafter")
	for _, v := range after.Versions {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", short(v.ID), labelsOf(before, v.ID), labelsOf(after, v.ID))
	}
	fmt.Fprintln(table, "\n"+d.screen.colour(bold, "Tasks"))
	fmt.Fprintln(table, "  task\tservice\tstarted with version\tstate\tlogins, messages or jobs\tfailed")
	for _, t := range d.app.Records() {
		now := "running"
		if !t.Stopped.IsZero() {
			now = "replaced"
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%d\t%d\n", short(t.ARN), t.Service, short(versionWith(after, t.Password)), now, t.Logins, t.Failures)
	}
	fmt.Fprintln(table, "\n"+d.screen.colour(bold, "Calls to Mautic's API"))
	fmt.Fprintln(table, "  client\tkey from version\tcalls\tfailed")
	counted := d.callers.counted()
	for _, v := range after.Versions {
		doc, err := document.Parse(v.Value)
		if err != nil {
			return err
		}
		p := pairIn(doc)
		n, ok := counted[p]
		delete(counted, p) // a later version may have it too
		if !ok {
			continue
		}
		fmt.Fprintf(table, "  %s\t%s\t%d\t%d\n", short(p.client), short(v.ID), n.made, n.failed)
		if n.failed > 0 {
			fmt.Fprintf(table, "  last failure: %v\n", n.last)
		}
	}
	fmt.Fprintln(table, "\n"+d.screen.colour(bold, "Mail"))
	fmt.Fprintln(table, "  access key\tstatus in IAM\tmessages\trefused logins")
	for _, row := range d.mailTable() {
		fmt.Fprintln(table, "  "+row)
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
			faults = append(faults, errors.New("not met: "+d.db.named(e.text)))
		}
		fmt.Fprintf(d.screen.out, "%s %s\n", mark, d.db.named(e.text))
	}
	return errors.Join(faults...)
}

// expectation is something that a rotation promises. In its text, %s stands for the
// database server's name.
type expectation struct {
	text string
	met  bool
}

// always are the expectations of every scenario.
func (d *demo) always() []expectation {
	log := d.log.String()
	logins, failed := d.app.Logins()
	messages, lost := d.app.Messages()
	calls, refused := d.callers.total()
	mails, unsent := d.app.Mails()
	where := d.leaked(log)
	text := fmt.Sprintf("the function's log (%d lines) contains no credential of any version", strings.Count(log, "\n"))
	if where != "" {
		text += ": found " + where
	}
	return []expectation{
		{text, log != "" && where == ""},
		d.twoKeys(),
		d.fewFailures("logins", failed, logins),
		d.fewFailures("worker messages", lost, messages),
		d.fewFailures("API calls", refused, calls),
		{fmt.Sprintf("failed mails: %d of %d", unsent, mails), unsent == 0 && mails > 0},
	}
}

// fewFailures expects no failure. Where the server does not log who uses the old
// password, its users are refused until the function sees that, in half a second.
func (d *demo) fewFailures(what string, failed, made int) expectation {
	text := fmt.Sprintf("failed %s: %d of %d", what, failed, made)
	if d.jobsHadOldPassword && d.db.quiet && what == "logins" {
		span, only := d.jobsFailedWhileTried(d.log.String())
		return expectation{fmt.Sprintf("%s, all of them by cron jobs, within the %.1f s between the first refusal of the old password and the hold", text, span.Seconds()), only && made > 0}
	}
	if d.app.Literal && d.db.quiet {
		return expectation{text + ", until the function saw that the old password is in use", failed < made/2}
	}
	return expectation{text, failed == 0 && made > 0}
}

// versionWith is the id of the version that holds a password.
func versionWith(state localsecretsmanager.SecretState, password string) string {
	for _, v := range state.Versions {
		if rig.PasswordIn(v.Value) == password {
			return v.ID
		}
	}
	return "?"
}

// labelReadBy is the label of the version that a task started with.
func (d *demo) labelReadBy(taskARN string) string {
	for _, t := range d.app.Records() {
		for _, label := range []string{"AWSCURRENT", "AWSPREVIOUS"} {
			if password, err := d.PasswordLabelled(label); err == nil && t.ARN == taskARN && t.Password == password {
				return label
			}
		}
	}
	return "an unlabelled version"
}

// abbreviate shortens the ledger's labels to their beginnings.
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

func labelsOf(state localsecretsmanager.SecretState, id string) string {
	for _, v := range state.Versions {
		if v.ID == id && len(v.Labels) > 0 {
			return abbreviate(v.Labels)
		}
	}
	return "–"
}
