package view

import (
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/operator/label"
	"mautic-rotation/rotation/report"
)

// Explained shows what a label or a version means.
func Explained(s Style, what string, means []string) string {
	var out strings.Builder
	out.WriteString(s.paint(strong, s.text(what)) + "\n")
	for _, line := range means {
		s.hang(&out, "  ", line, plain)
	}
	return out.String()
}

// Shortest is the minimum length of a part of a version id to look for.
const Shortest = 8

// Versions are those whose id, or whose id after a token's words, begins with a text. The text may be an id
// as this program shortens it.
func Versions(secret report.Secret, text string) (found []string) {
	text = strings.TrimSuffix(strings.TrimSuffix(text, "..."), "…")
	if len(text) < Shortest {
		return nil
	}
	add := func(version string) {
		id := version[strings.LastIndexByte(version, '.')+1:]
		if (strings.HasPrefix(version, text) || strings.HasPrefix(id, text)) && !slices.Contains(found, version) {
			found = append(found, version)
		}
	}
	for _, l := range secret.Labels {
		add(l.Version)
	}
	for _, c := range secret.Credentials {
		add(c.Version)
		for _, old := range c.Old {
			add(old.Version)
		}
	}
	return found
}

// Version describes a version: its labels, and what its values are for each credential.
func Version(s Style, secret report.Secret, version string, now time.Time) (lines []string) {
	for _, l := range secret.Labels {
		if l.Version != version {
			continue
		}
		if l.Created != nil && len(lines) == 0 {
			lines = append(lines, "stored on "+s.Moment(*l.Created))
		}
		means, ok := label.Means(l.Label)
		switch {
		case l.Means != "":
			means = []string{l.Means}
		case !ok:
			means = []string{"not a label of this project"}
		}
		if len(means) == 1 {
			lines = append(lines, l.Label+": "+means[0])
			continue
		}
		lines = append(append(lines, l.Label+":"), means...)
	}
	for _, c := range secret.Credentials {
		if c.Version == version {
			lines = append(lines, c.Kind+": current")
		}
		for _, old := range c.Old {
			if old.Version == version {
				text, _ := s.old(secret, old, now)
				lines = append(lines, c.Kind+": "+text)
			}
		}
	}
	return lines
}

// Moment is a time with its date and its zone.
func (s Style) Moment(t time.Time) string { return s.local(t).Format("2 Jan 2006 15:04 MST") }
