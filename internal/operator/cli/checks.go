package cli

import (
	"fmt"
	"slices"

	"mautic-rotation/internal/operator/cloud"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/view"
	"mautic-rotation/rotation/report"
)

type preflightCommand struct{}

func (preflightCommand) Run(r *run) error { return r.check(actionPreflight) }

type verifyCommand struct{}

func (verifyCommand) Run(r *run) error { return r.check(actionVerify) }

func (r *run) check(action string) error {
	t, err := r.find()
	if err != nil {
		return err
	}
	arn, err := t.arn()
	if err != nil {
		return err
	}
	answer, err := t.ask(cloud.Action{Name: action, Secret: arn})
	if err != nil {
		return err
	}
	if action == actionPreflight {
		for i, s := range answer.Secrets {
			if hasMail(s) {
				answer.Secrets[i].Checks = slices.Concat(s.Checks, t.mail())
			}
		}
	}
	if err := r.show(func() string { return view.Checks(r.Style, t.shown(), answer) }, answer); err != nil {
		return err
	}
	return attention(view.Problems(answer))
}

const smtp = "smtp"

// hasMail tells whether a secret contains an SES SMTP credential.
func hasMail(s report.Secret) bool {
	return slices.ContainsFunc(s.Checks, func(c report.Check) bool { return c.Part == smtp }) ||
		slices.ContainsFunc(s.Credentials, func(c report.Credential) bool { return c.Kind == smtp })
}

// mail checks SES's account with the operator's permissions, which the function does not have.
func (t *target) mail() []report.Check {
	return []report.Check{t.quota(), t.statistics()}
}

// nearlyAll is the fraction of the quota from which the check warns.
const nearlyAll = 0.8

func (t *target) quota() report.Check {
	c := report.Check{Part: smtp, What: "SES's sending quota"}
	q, err := t.Mail.Quota(t.run)
	switch {
	case err != nil:
		return notAvailable(c, err)
	case q.Most < 0:
		c.Result, c.Text = report.OK, "unlimited"
		return c
	}
	c.Result, c.Text = report.OK, fmt.Sprintf("%.0f of %.0f messages sent in 24 hours, %.0f a second at most", q.Sent, q.Most, q.PerSecond)
	if q.Sent >= nearlyAll*q.Most {
		c.Result = report.Warning
		c.Text += ". SES refuses messages once the quota is used up, with or without a rotation: ask AWS to raise it"
	}
	return c
}

// AWS reviews an account whose bounces or complaints exceed these rates:
// https://docs.aws.amazon.com/ses/latest/dg/reputationdashboardmessages.html
const (
	mostBounces    = 0.05
	mostComplaints = 0.001
)

func (t *target) statistics() report.Check {
	c := report.Check{Part: smtp, What: "SES's statistics for the last two weeks"}
	s, err := t.Mail.Statistics(t.run)
	if err != nil {
		return notAvailable(c, err)
	}
	c.Result, c.Text = report.OK, fmt.Sprintf("%d messages, %d bounces, %d complaints, %d rejected", s.Attempts, s.Bounces, s.Complaints, s.Rejects)
	if n := float64(s.Attempts); n > 0 && (float64(s.Bounces)/n > mostBounces || float64(s.Complaints)/n > mostComplaints) {
		c.Result = report.Warning
		c.Text += ". At this rate AWS reviews the account and may pause its sending: clean up your mailing lists"
	}
	return c
}

func notAvailable(c report.Check, err error) report.Check {
	c.Result, c.Text = report.Skipped, "not available: "+fault.Of(err).Text
	return c
}
