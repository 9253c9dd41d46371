package view

import (
	"fmt"
	"strings"
	"time"

	"mautic-rotation/internal/operator/arn"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/history"
	"mautic-rotation/internal/operator/logline"
)

// Line is one line of progress, with its time.
func Line(s Style, at time.Time, text string) string {
	return s.paint(faint, s.Clock(at)) + "  " + s.text(text)
}

// LogLine is one line of the log.
func LogLine(s Style, e logline.Entry, now time.Time) string {
	at := s.Clock(e.At)
	if now.Sub(e.At) > 12*time.Hour {
		at = s.local(e.At).Format("2 Jan 15:04:05 MST")
	}
	t := plain
	switch e.Level {
	case "ERROR":
		t = bad
	case "WARN":
		t = wary
	case "DEBUG":
		t = faint
	}
	parts := []string{s.paint(faint, at)}
	if e.Secret != "" {
		parts = append(parts, s.text(arn.SecretName(e.Secret)))
	}
	if what := e.What(); what != "" {
		parts = append(parts, s.text(what))
	}
	word := ""
	said := e.Said()
	if (t == bad || t == wary) && !strings.HasPrefix(said, "needs you") {
		word = e.Level + ": "
	}
	return strings.Join(append(parts, s.paint(t, s.text(word+said))), "  ")
}

// Rotations is a table with a row for each rotation of a credential.
func Rotations(s Style, rows []history.Rotation) string {
	var out strings.Builder
	if len(rows) == 0 {
		s.hang(&out, "", "nothing was rotated in this period, or its log has expired", plain)
		return out.String()
	}
	var cells [][]cell
	for _, row := range rows {
		t := plain
		switch row.Ended {
		case "retired":
			t = good
		case "held", "rolled back", "abandoned":
			t = wary
		}
		ended := row.Ended
		if row.EndedAt != nil {
			ended += " " + minute(*row.EndedAt)
		}
		refused := cell{}
		if row.Refused != nil {
			refused.text = minute(*row.Refused)
		}
		cells = append(cells, []cell{{minute(row.At), plain}, {arn.SecretName(row.Secret), plain}, {row.Credential, plain}, {row.What, plain}, {row.By, plain}, {ended, t}, refused})
	}
	s.table(&out, "", []string{"TIME (UTC)", "SECRET", "CREDENTIAL", "WHAT", "BY", "ENDED (UTC)", "OLD VALUE REFUSED (UTC)"}, cells)
	return trim(out.String())
}

// minute is a sortable time in UTC, as the column's head says: a history is evidence, and is compared with
// AWS's.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// History is a table with a row for each change.
func History(s Style, rows []history.Row) string {
	var out strings.Builder
	if len(rows) == 0 {
		s.hang(&out, "", "nothing was changed in this period, or its log has expired", plain)
		return out.String()
	}
	var cells [][]cell
	for _, row := range rows {
		t := plain
		switch row.What {
		case "held", "rolled-back", "left-out":
			t = wary
		case "retired":
			t = good
		}
		cells = append(cells, []cell{
			{row.At.UTC().Format("2006-01-02 15:04:05"), plain}, {arn.SecretName(row.Secret), plain}, {row.What, t}, {row.Credential, plain}, {row.By, plain}, {row.Text, plain},
		})
	}
	s.table(&out, "", []string{"TIME (UTC)", "SECRET", "WHAT", "CREDENTIAL", "BY", "TEXT"}, cells)
	return trim(out.String())
}

// Fault is an error with its remedy.
func Fault(s Style, f *fault.Error) string {
	var out strings.Builder
	head := "mautic-rotation: "
	t := bad
	if f.Code == fault.Fine {
		t = wary // only a remark
	}
	s.hang(&out, head, f.Text, t)
	if f.Remedy != "" {
		s.hang(&out, strings.Repeat(" ", len(head)), f.Remedy, plain)
	}
	return out.String()
}

// Unseen is a stack whose status is not known.
func Unseen(s Style, stack Stack, why string) string {
	var out strings.Builder
	s.heading(&out, stack, stack.Region)
	out.WriteString("\n")
	s.hang(&out, "  "+s.sign(bad, "✗ ", "FAIL "), fmt.Sprintf("could not be examined: %s", why), plain)
	return out.String()
}
