package cli

import (
	"encoding/csv"
	"fmt"
	"time"

	"mautic-rotation/internal/operator/cloud"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/history"
	"mautic-rotation/internal/operator/logline"
	"mautic-rotation/internal/operator/view"
)

type historyCommand struct {
	Since string `default:"90d" placeholder:"TIME" help:"How far back: 90d, 12h. The log is kept for LogRetentionDays."`
}

func (c historyCommand) Run(r *run) error {
	back, err := duration(c.Since)
	if err != nil {
		return err
	}
	t, err := r.findAny()
	if err != nil {
		return err
	}
	arn, err := t.arn()
	if err != nil {
		return err
	}
	to := r.Now()
	from := to.Add(-back)
	lines, cut, err := t.Log.Changes(r, t.stack.LogGroup, from, to)
	if err != nil {
		return err
	}
	who := history.Who{Told: to}
	if who.By, err = t.Trail.Rotations(r, from, to); err != nil {
		who.By = nil
		fmt.Fprint(r.Messages, view.Fault(r.Style, fault.New(fault.Fine, "by whom is not readable: "+fault.Of(err).Text, fault.Of(err).Remedy)))
	} else if who.By == nil {
		who.By = map[string]string{}
	}
	rows := history.Of(entries(lines, arn), who)
	if cut {
		fmt.Fprint(r.Messages, view.Fault(r.Style, fault.New(fault.Fine, "there is more than CloudWatch returns at once", "ask for less, by --since")))
	}
	if r.flags.Output == "csv" {
		return r.csv(rows)
	}
	if rows == nil {
		rows = []history.Row{}
	}
	return r.show(func() string { return view.History(r.Style, rows) }, rows)
}

// entries are the lines of a secret; of all for "".
func entries(lines []cloud.Line, arn string) (list []logline.Entry) {
	for _, line := range lines {
		e, ok := logline.Parse(line.Text)
		if !ok || arn != "" && e.Secret != arn {
			continue
		}
		if e.At.IsZero() {
			e.At = line.At
		}
		list = append(list, e)
	}
	return list
}

// csv writes rows with times in UTC.
func (r *run) csv(rows []history.Row) error {
	w := csv.NewWriter(r.Out)
	if err := w.Write([]string{"time", "secret", "what", "credential", "version", "by", "ended", "old_value_refused", "text"}); err != nil {
		return err
	}
	for _, row := range rows {
		refused := ""
		if row.Refused != nil {
			refused = row.Refused.UTC().Format(time.RFC3339)
		}
		record := []string{row.At.UTC().Format(time.RFC3339), row.Secret, row.What, row.Credential, row.Version, row.By, row.Ended, refused, row.Text}
		for i := range record {
			record[i] = unformulated(record[i])
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// unformulated keeps a spreadsheet from taking a field for a formula.
func unformulated(field string) string {
	if field != "" && (field[0] == '=' || field[0] == '+' || field[0] == '-' || field[0] == '@') {
		return "'" + field
	}
	return field
}
