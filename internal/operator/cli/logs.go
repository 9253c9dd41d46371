package cli

import (
	"fmt"
	"time"

	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/view"
)

type logsCommand struct {
	Follow bool   `short:"f" help:"Keep printing new lines. Stop with Ctrl-C."`
	Since  string `default:"1h" placeholder:"TIME" help:"How far back to start: 1h, 7d."`
}

// late is how long CloudWatch may take to return a line after its timestamp.
const late = time.Minute

func (c logsCommand) Run(r *run) error {
	back, err := duration(c.Since)
	if err != nil {
		return err
	}
	t, err := r.find()
	if err != nil {
		return err
	}
	arn, err := t.arn()
	if err != nil {
		return err
	}
	seen := map[string]time.Time{}
	for since := r.Now().Add(-back); ; {
		now := r.Now()
		lines, err := t.Log.Lines(r, t.stack.LogGroup, "", since)
		if r.interrupted() {
			break
		}
		if err != nil && (len(seen) == 0 || !c.Follow || fault.Of(err).Denied != "") {
			return err // while following, one failed poll is tolerated
		}
		for _, line := range lines {
			if _, shown := seen[line.ID]; shown {
				continue
			}
			seen[line.ID] = line.At
			e, ok := entry(line)
			if !ok || arn != "" && e.Secret != arn {
				continue
			}
			if r.flags.json() {
				fmt.Fprintln(r.Out, view.CleanJSON(line.Text))
				continue
			}
			fmt.Fprintln(r.Out, view.LogLine(r.Style, e, now))
		}
		if !c.Follow || !r.waits(pollTime) {
			break
		}
		since = laterOf(since, now.Add(-late))
		for id, at := range seen {
			if at.Before(since) {
				delete(seen, id)
			}
		}
	}
	return nil
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
