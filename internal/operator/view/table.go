package view

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// A cell of a table.
type cell struct {
	text string
	tone tone
}

// between columns.
const gap = "  "

// table writes rows under heads. The last column gets the rest of the width, and wraps.
func (s Style) table(out *strings.Builder, indent string, heads []string, rows [][]cell) {
	widths := make([]int, len(heads))
	for i, head := range heads {
		widths[i] = ansi.StringWidth(head)
	}
	for _, row := range rows {
		for i := range row {
			row[i].text = s.text(row[i].text)
			widths[i] = max(widths[i], ansi.StringWidth(row[i].text))
		}
	}
	last := len(heads) - 1
	used := ansi.StringWidth(indent)
	for _, w := range widths[:last] {
		used += w + len(gap)
	}
	width := 0
	if s.Width > 0 {
		width = max(s.Width-used, narrowest)
	}
	line := func(row []cell) {
		for n, text := range wrap(row[last].text, width) {
			out.WriteString(indent)
			for i := range row[:last] {
				shown := row[i]
				if n > 0 {
					shown = cell{}
				}
				out.WriteString(s.paint(shown.tone, shown.text) + strings.Repeat(" ", widths[i]-ansi.StringWidth(shown.text)) + gap)
			}
			out.WriteString(s.paint(row[last].tone, text) + "\n")
		}
	}
	head := make([]cell, len(heads))
	for i := range heads {
		head[i] = cell{heads[i], faint}
	}
	line(head)
	for _, row := range rows {
		line(row)
	}
}

// trim removes spaces at the ends of lines.
func trim(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
