package cli

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"mautic-rotation/internal/operator/cloud"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/follow"
	"mautic-rotation/internal/operator/view"
	"mautic-rotation/rotation/report"
)

type statusCommand struct {
	Watch bool `short:"w" help:"Refresh every few seconds; in a pipe, print each change. Stop with Ctrl-C."`
	All   bool `help:"Show every stack in the account and region, first those that need you."`
}

// pollTime is the time between two polls. A poll makes about 10 calls to AWS.
const pollTime = 5 * time.Second

func (c statusCommand) Run(r *run) error {
	switch {
	case c.All && (c.Watch || r.flags.Stack != "" && r.Getenv("MAUTIC_ROTATION_STACK") != r.flags.Stack || r.flags.Secret != ""):
		return fault.New(fault.Usage, "--all shows every stack once", "leave out --watch, --stack and --secret")
	case c.All:
		return r.statusOfAll()
	}
	t, err := r.find()
	if err != nil {
		return err
	}
	if c.Watch {
		return t.watch()
	}
	answer, err := t.status()
	if err != nil {
		return err
	}
	if err := r.show(func() string { return view.Status(r.Style, t.shown(), answer) }, answer); err != nil {
		return err
	}
	return attention(view.Attention(answer))
}

// attention is the exit code when something needs an operator, which has been shown.
func attention(needed bool) error {
	if needed {
		return fault.Silent(fault.Attention)
	}
	return nil
}

// watch shows the status over and over, until it is interrupted.
func (t *target) watch() error {
	r := t.run
	changes := map[string]*follow.Rotation{}
	for {
		answer, err := t.status()
		if r.interrupted() {
			break // which is how it ends
		}
		switch {
		case err != nil:
			return err
		case r.flags.json():
			err = r.show(nil, answer)
		case r.Style.Terminal:
			_, err = fmt.Fprint(r.Out, clearScreen+view.Status(r.Style, t.shown(), answer))
		default:
			for _, s := range answer.Secrets {
				f := changes[s.ARN]
				if f == nil {
					f = follow.New("", "")
					changes[s.ARN] = f
				}
				lines, _ := f.See(s, answer.At)
				for _, line := range lines {
					fmt.Fprintln(r.Out, view.Line(r.Style, r.Now(), s.Name+": "+line))
				}
			}
		}
		if err != nil {
			return err
		}
		if !r.waits(pollTime) {
			break
		}
	}
	return nil
}

const clearScreen = "\x1b[H\x1b[2J"

// statusOf is the status of one stack of several.
type statusOf struct {
	Stack    string         `json:"stack"`
	Function string         `json:"function"`
	Error    string         `json:"error,omitempty"`
	Report   *report.Report `json:"report,omitempty"`
}

func (s statusOf) rank() int {
	switch {
	case s.Error != "":
		return 0
	case view.Attention(*s.Report):
		return 1
	}
	return 2
}

// statusOfAll shows every stack. One that does not answer is shown with its error.
func (r *run) statusOfAll() error {
	aws, err := r.connect()
	if err != nil {
		return err
	}
	stacks, err := aws.Stacks.All(r)
	if err != nil {
		return err
	}
	if len(stacks) == 0 {
		return fault.New(fault.Unknown, "no function in "+aws.Region+" has the tag "+cloud.Tag, "name another --region or --profile")
	}
	all := make([]statusOf, 0, len(stacks))
	for _, stack := range stacks {
		one := statusOf{Stack: stack.Name, Function: stack.Function}
		answer, err := aws.Function.Ask(r, stack.Function, cloud.Action{Name: actionStatus})
		if err != nil {
			one.Error = fault.Of(err).Error()
		} else {
			one.Report = &answer
		}
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b statusOf) int { return cmp.Compare(a.rank(), b.rank()) })
	err = r.show(func() string {
		text := ""
		for i, one := range all {
			if i > 0 {
				text += "\n"
			}
			shown := view.Stack{Name: one.Stack, Region: aws.Region, Flags: []string{"--stack", one.Stack}}
			if one.Error != "" {
				text += view.Unseen(r.Style, shown, one.Error)
				continue
			}
			text += view.Status(r.Style, shown, *one.Report)
		}
		return text
	}, all)
	if err != nil {
		return err
	}
	switch all[0].rank() {
	case 0:
		return fault.Silent(fault.Unknown)
	case 1:
		return fault.Silent(fault.Attention)
	}
	return nil
}
