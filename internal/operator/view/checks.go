package view

import (
	"fmt"
	"strings"

	"mautic-rotation/rotation/report"
)

// Failed tells whether a check has found a problem.
func Failed(checks []report.Check) bool {
	for _, c := range checks {
		if c.Result == report.Problem {
			return true
		}
	}
	return false
}

// result is a check's result as a sign.
func (s Style) result(c report.Check) cell {
	words := map[string]struct {
		mark, word string
		tone       tone
	}{
		report.OK:      {"✓", "ok", good},
		report.Warning: {"!", "warn", wary},
		report.Problem: {"✗", "FAIL", bad},
		report.Skipped: {"-", "-", faint},
	}
	w, known := words[c.Result]
	switch {
	case !known:
		return cell{c.Result, plain}
	case s.Terminal:
		return cell{w.mark, w.tone}
	default:
		return cell{w.word, w.tone}
	}
}

// Checks shows the results of preflight or verify.
func Checks(s Style, stack Stack, r report.Report) string {
	var out strings.Builder
	s.heading(&out, stack, r.Action)
	for _, secret := range r.Secrets {
		out.WriteString("\n" + s.paint(strong, s.text(secret.Name)) + "\n")
		if secret.Error != "" {
			s.hang(&out, "  "+s.sign(bad, "✗ ", "FAIL "), "could not be examined: "+secret.Error, plain)
		}
		if len(secret.Checks) > 0 {
			var rows [][]cell
			for _, c := range secret.Checks {
				text := c.What
				if c.Text != "" {
					text += ": " + c.Text
				}
				if c.Result == report.Skipped {
					text += " (" + report.Skipped + ")"
				}
				rows = append(rows, []cell{s.result(c), {c.Part, plain}, {text, plain}})
			}
			s.table(&out, "  ", []string{"", "OF", "CHECK"}, rows)
		}
		if len(secret.Checks) == 0 { // otherwise the checks say it
			s.accepted(&out, secret)
		}
		s.needs(&out, stack, secret, len(r.Secrets) > 1)
	}
	out.WriteString("\n" + s.tally(r) + "\n")
	return trim(out.String())
}

// accepted shows what the targets answered to verify.
func (s Style) accepted(out *strings.Builder, secret report.Secret) {
	for _, c := range secret.Credentials {
		if c.Problem != "" {
			s.hang(out, "  "+s.sign(bad, "✗ ", "FAIL "), c.Kind+": "+c.Problem, plain)
			continue
		}
		switch c.Accepted {
		case "denied":
			s.hang(out, "  "+s.sign(bad, "✗ ", "FAIL "), c.Kind+": the target refuses AWSCURRENT's value", plain)
		case "no answer":
			s.hang(out, "  "+s.sign(wary, "! ", "warn "), c.Kind+": the target does not answer", plain)
		case "accepted":
			s.hang(out, "  "+s.sign(good, "✓ ", "ok "), c.Kind+": the target accepts AWSCURRENT's value", plain)
		}
	}
}

// Problems tells whether preflight or verify found a problem.
func Problems(r report.Report) bool {
	problems, _ := count(r)
	return problems > 0
}

// count counts the problems and warnings in a report.
func count(r report.Report) (problems, warnings int) {
	for _, secret := range r.Secrets {
		if secret.Error != "" {
			problems++
		}
		for _, c := range secret.Checks {
			switch c.Result {
			case report.Problem:
				problems++
			case report.Warning:
				warnings++
			}
		}
		for _, c := range secret.Credentials {
			if len(secret.Checks) > 0 {
				break
			}
			switch {
			case c.Problem != "" || c.Accepted == "denied":
				problems++
			case c.Accepted == "no answer":
				warnings++
			}
		}
	}
	return problems, warnings
}

// tally sums up a report.
func (s Style) tally(r report.Report) string {
	switch problems, warnings := count(r); {
	case problems > 0:
		return s.paint(bad, fmt.Sprintf("%s, %s", plural(problems, "problem", "problems"), plural(warnings, "warning", "warnings")))
	case warnings > 0:
		return s.paint(wary, "no problems, "+plural(warnings, "warning", "warnings"))
	default:
		return s.paint(good, "no problems")
	}
}
