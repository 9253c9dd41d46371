package cli

import (
	"fmt"
	"strings"

	"mautic-rotation/internal/operator/cloud"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/view"
	"mautic-rotation/rotation/report"
)

type reconcileCommand struct{}

func (reconcileCommand) Run(r *run) error {
	t, err := r.find()
	if err != nil {
		return err
	}
	arn, err := t.arn()
	if err != nil {
		return err
	}
	return t.act(cloud.Action{Name: actionReconcile, Secret: arn, Changes: true})
}

// act has the function carry out an action, and shows what it did and what is left.
func (t *target) act(a cloud.Action) error {
	answer, err := t.ask(a)
	if err != nil {
		return err
	}
	r := t.run
	if err := r.show(func() string { return view.Changes(r.Style, t.shown(), answer) }, answer); err != nil {
		return err
	}
	if answer.Schema < report.Schema {
		fmt.Fprint(r.Messages, view.Fault(r.Style, fault.New(fault.Fine, "the function is from an older release and reports no details", "deploy this release")))
	}
	return attention(view.Unfinished(answer))
}

type releaseCommand struct {
	Yes bool `short:"y" help:"Do not ask for confirmation."`
}

func (c releaseCommand) Run(r *run) error {
	return r.carryOut(actionRelease, "Release", c.Yes, view.Releases)
}

type abandonCommand struct {
	Yes bool `short:"y" help:"Do not ask for confirmation."`
}

func (c abandonCommand) Run(r *run) error {
	return r.carryOut(actionAbandon, "Abandon", c.Yes, view.Abandons)
}

type rollBackCommand struct {
	Yes bool `short:"y" help:"Do not ask for confirmation."`
}

func (c rollBackCommand) Run(r *run) error {
	return r.carryOut(actionRollBack, "Roll back", c.Yes, view.RollsBack)
}

// carryOut shows what an action will do to one secret, asks, and has it done. consequences returns
// nothing if there is nothing to do.
func (r *run) carryOut(action, doer string, yes bool, consequences func(view.Style, report.Secret, report.Report) []string) error {
	t, err := r.find()
	if err != nil {
		return err
	}
	secret, answer, err := t.one()
	if err != nil {
		return err
	}
	will := consequences(r.Style, secret, answer)
	if len(will) == 0 && action == actionRollBack {
		// The function then changes nothing, and says why and what to do instead.
		return t.act(cloud.Action{Name: action, Secret: secret.ARN, Changes: true})
	}
	if len(will) == 0 {
		text := view.About(r.Style, secret.Name, "nothing to "+strings.ReplaceAll(action, "-", " "))
		return r.show(func() string { return text }, answer)
	}
	fmt.Fprint(r.Messages, view.Will(r.Style, secret.Name, doer, will))
	if err := r.confirm(yes, "Continue?"); err != nil {
		return err
	}
	return t.act(cloud.Action{Name: action, Secret: secret.ARN, Changes: true})
}
