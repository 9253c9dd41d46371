// Package view renders reports as text, for a terminal or for a pipe. It is pure: its output depends only on its
// arguments, the time among them.
//
//	fmt.Print(view.Status(style, stack, answer))
package view

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// A Style is how text is shown. The zero value is for a pipe: ASCII, no colours, no wrapping, UTC.
type Style struct {
	Terminal bool           // signs may be other than ASCII
	Colour   bool           // only in a terminal
	Width    int            // columns; 0: no wrapping
	Zone     *time.Location // of times; nil: UTC
}

// A tone is the meaning of a text's colour.
type tone int

const (
	plain tone = iota
	strong
	faint
	good
	wary
	bad
)

// colours are ANSI's basic ones, so that the terminal's theme applies.
var colours = map[tone]string{strong: "1", faint: "2", good: "32", wary: "33", bad: "1;31"}

// paint gives a text the colour of a tone.
func (s Style) paint(t tone, text string) string {
	if !s.Colour || t == plain || text == "" {
		return text
	}
	return "\x1b[" + colours[t] + "m" + text + "\x1b[0m"
}

// ascii replaces signs in the function's and this program's texts by ASCII.
var ascii = strings.NewReplacer("…", "...", "–", "-", "—", "-", "“", `"`, "”", `"`, "‘", "'", "’", "'", "→", "->", "×", "x", "\u00a0", " ")

// text prepares a text for the output: on one line, and without control characters.
func (s Style) text(text string) string {
	text = Clean(text)
	if !s.Terminal {
		text = ascii.Replace(text)
	}
	return strings.TrimSpace(text)
}

// Clean puts a text on one line, and removes control characters and those that change the reading direction. All
// text from outside the program goes through here or through [CleanJSON].
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case commands(r):
			return -1
		}
		return r
	}, text)
}

// CleanJSON escapes control characters in JSON. The value stays the same.
func CleanJSON(text string) string {
	var out strings.Builder
	for _, r := range text {
		if r != '\n' && r != '\t' && r != '\r' && commands(r) {
			fmt.Fprintf(&out, "\\u%04x", r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// commands matches the control characters of C0 and C1, and those of the reading direction.
func commands(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// sign is a mark in a terminal, or a word in a pipe.
func (s Style) sign(t tone, mark, word string) string {
	if s.Terminal {
		return s.paint(t, mark)
	}
	return word
}

// wrap breaks a text at spaces so that no line is wider than width; 0: no wrapping.
func wrap(text string, width int) (lines []string) {
	if width <= 0 {
		return []string{text}
	}
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case ansi.StringWidth(line)+1+ansi.StringWidth(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// hang writes a text after a head, with wrapped lines indented under the text.
func (s Style) hang(out *strings.Builder, head, text string, t tone) {
	indent := ansi.StringWidth(head)
	width := 0
	if s.Width > 0 {
		width = max(s.Width-indent, narrowest)
	}
	for i, line := range wrap(s.text(text), width) {
		if i > 0 {
			head = strings.Repeat(" ", indent)
		}
		out.WriteString(head + s.paint(t, line) + "\n")
	}
}

// narrowest is the minimum width to which a text is wrapped.
const narrowest = 24
