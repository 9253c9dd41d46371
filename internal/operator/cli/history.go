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
	Since string `default:"90d" placeholder:"TIME" help:"How far back to look: 90d, 12h. The log is kept for LogRetentionDays."`
	All   bool   `help:"Show every change, not only how each rotation of a credential ended."`
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
		fmt.Fprint(r.Messages, view.Fault(r.Style, fault.New(fault.Fine, "cannot find out who started the rotations: "+fault.Of(err).Text, fault.Of(err).Remedy)))
	} else if who.By == nil {
		who.By = map[string]string{}
	}
	if cut {
		fmt.Fprint(r.Messages, view.Fault(r.Style, fault.New(fault.Fine, "the history is incomplete: it has more lines than CloudWatch returns at once", "choose a shorter --since")))
	}
	if c.All {
		rows := append([]history.Row{}, history.All(entries(lines, arn), who)...)
		return r.rows(changes(rows), func() string { return view.History(r.Style, rows) }, rows)
	}
	rows := append([]history.Rotation{}, history.Rotations(entries(lines, arn), who)...)
	return r.rows(rotations(rows), func() string { return view.Rotations(r.Style, rows) }, rows)
}

// rows shows rows in the requested format.
func (r *run) rows(records [][]string, text func() string, value any) error {
	if r.flags.Output == "csv" {
		return r.csv(records)
	}
	return r.show(text, value)
}

// rotations are the records for CSV, with times in UTC.
func rotations(rows []history.Rotation) [][]string {
	records := [][]string{{"time", "secret", "credential", "what", "version", "by", "ended", "ended_at", "old_value_refused"}}
	for _, row := range rows {
		records = append(records, []string{utc(&row.At), row.Secret, row.Credential, row.What, row.Version, row.By, row.Ended, utc(row.EndedAt), utc(row.Refused)})
	}
	return records
}

// changes are the records for CSV, with times in UTC.
func changes(rows []history.Row) [][]string {
	records := [][]string{{"time", "secret", "what", "credential", "version", "by", "text"}}
	for _, row := range rows {
		records = append(records, []string{utc(&row.At), row.Secret, row.What, row.Credential, row.Version, row.By, row.Text})
	}
	return records
}

// utc is a time in RFC 3339; "" is none.
func utc(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// entries are the lines about a secret; for "", all lines.
func entries(lines []cloud.Line, arn string) (list []logline.Entry) {
	for _, line := range lines {
		if e, ok := entry(line); ok && (arn == "" || e.Secret == arn) {
			list = append(list, e)
		}
	}
	return list
}

// entry parses a line. Its time is CloudWatch's, by which lines are queried, not that of the machine
// that the function ran on.
func entry(line cloud.Line) (logline.Entry, bool) {
	e, ok := logline.Parse(line.Text)
	if !line.At.IsZero() {
		e.At = line.At
	}
	return e, ok
}

// csv writes records.
func (r *run) csv(records [][]string) error {
	w := csv.NewWriter(r.Out)
	for _, record := range records {
		for i := range record {
			record[i] = unformulated(view.Clean(record[i]))
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// unformulated keeps a spreadsheet from treating a field as a formula.
func unformulated(field string) string {
	if field != "" && (field[0] == '=' || field[0] == '+' || field[0] == '-' || field[0] == '@') {
		return "'" + field
	}
	return field
}
