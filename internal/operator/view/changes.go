package view

import (
	"strings"

	"mautic-rotation/rotation/report"
)

// Changes shows what an action did, and what is left.
func Changes(s Style, stack Stack, r report.Report) string {
	var out strings.Builder
	for _, secret := range r.Secrets {
		name := secret.Name
		if name == "" {
			name = secret.ARN
		}
		out.WriteString(s.paint(strong, s.text(name)) + "\n")
		if secret.Error != "" {
			s.hang(&out, "  "+s.sign(bad, "✗ ", "FAIL "), secret.Error, plain)
		}
		for _, e := range secret.Changed {
			s.hang(&out, "  "+s.sign(good, "✓ ", "done: "), about(e)+e.Text, plain)
		}
		for _, notice := range secret.Notices {
			s.hang(&out, "  ", notice, strong)
		}
		for _, e := range secret.Waiting {
			words := about(e) + e.Text
			if e.Until != nil {
				words += " (until " + s.when(*e.Until, r.At) + ")"
			}
			s.hang(&out, "  "+s.sign(faint, "· ", "in progress: "), words, plain)
		}
		s.needs(&out, stack, secret, len(r.Secrets) > 1)
		if len(secret.Changed)+len(secret.Waiting)+len(needs(secret)) == 0 && secret.Error == "" {
			out.WriteString("  nothing to do, and nothing is open\n")
		}
	}
	return trim(out.String())
}
