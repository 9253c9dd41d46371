// Package logline parses a line of the function's log, which is JSON, and renders it as one plain line for people.
package logline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Entry is a line of the function's log.
type Entry struct {
	At      time.Time
	Level   string
	Text    string
	Secret  string // an ARN; "": it is about no secret
	Kind    string
	Version string // the rotation's: its token
	Of      string // the version whose value the line is about
	Step    string
	Action  string

	Audit  string // what was changed
	Notice string // how a rotation ended or continues
	Error  string
	Fields map[string]string // all other fields
}

// known are the fields with a place of their own in an Entry.
var known = []string{"timestamp", "level", "message", "secret", "kind", "version", "of", "step", "action", "audit", "notice", "error", "requestId"}

// Parse parses a line. ok is false for a line that is not the function's own (Lambda's, or a measurement).
func Parse(line string) (e Entry, ok bool) {
	var fields map[string]any
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		return Entry{}, false
	}
	text := func(key string) string {
		switch v := fields[key].(type) {
		case nil:
			return ""
		case string:
			return v
		case []any:
			words := make([]string, len(v))
			for i, word := range v {
				words[i] = fmt.Sprint(word)
			}
			return strings.Join(words, ", ")
		default:
			return fmt.Sprint(v)
		}
	}
	if text("message") == "" || text("level") == "" {
		return Entry{}, false
	}
	e = Entry{
		Level: text("level"), Text: text("message"), Secret: text("secret"), Kind: text("kind"), Version: text("version"), Of: text("of"),
		Step: text("step"), Action: text("action"), Audit: text("audit"), Notice: text("notice"), Error: text("error"),
		Fields: map[string]string{},
	}
	e.At, _ = time.Parse(time.RFC3339Nano, text("timestamp"))
	for key := range fields {
		if !slices.Contains(known, key) {
			e.Fields[key] = text(key)
		}
	}
	return e, true
}

// What is the line's subject: the credential, or else the step or the action; "" if the text names it.
func (e Entry) What() string {
	what := cmp.Or(e.Kind, e.Step, e.Action)
	if strings.HasPrefix(e.Text, what) && e.decision() == "" {
		return ""
	}
	return what
}

// decision is what the function decided, in words; "": the line is not about a decision.
func (e Entry) decision() string {
	switch word := e.Fields["decision"]; word {
	case "":
		return ""
	case "wait":
		return "waits: "
	case "alarm":
		return "needs you: "
	default:
		return "does: " + word + ": "
	}
}

// Said is the line's text, with its error and reason if it has them.
func (e Entry) Said() string {
	if decision := e.decision(); decision != "" {
		return decision + oneLine(e.Fields["why"])
	}
	parts := []string{oneLine(e.Text)}
	for _, key := range []string{"part", "check"} {
		if word := oneLine(e.Fields[key]); word != "" {
			parts = append(parts, word)
		}
	}
	why, fault := oneLine(e.Fields["why"]), oneLine(e.Error)
	if strings.Contains(fault, why) {
		why = "" // the error contains it
	}
	for _, more := range []string{e.Fields["service"], e.Fields["result"], e.Fields["before"], e.Fields["problem"], e.Fields["warning"], why, fault, e.Fields["evidence"]} {
		more = oneLine(more)
		if more != "" && !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(part, more) }) {
			parts = append(parts, more)
		}
	}
	return strings.Join(parts, ": ")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
