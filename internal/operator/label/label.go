// Package label explains in words what a staging label means.
package label

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/ledger"
)

// aws are Secrets Manager's own labels.
var aws = map[string]string{
	"AWSCURRENT":  "the version that tasks read when they start: its values are current",
	"AWSPENDING":  "the version that a rotation has created or is creating. If it is also on AWSCURRENT's version, the rotation is over",
	"AWSPREVIOUS": "the version that was AWSCURRENT before. Its values may no longer be accepted",
}

// Means explains a label, line by line. ok is false if it is neither Secrets Manager's nor this project's.
func Means(text string) (lines []string, ok bool) {
	if words, ok := aws[text]; ok {
		return []string{words}, true
	}
	if words, ok := strings.CutPrefix(text, "rotate;"); ok {
		return []string{"a request to the next rotation: " + strings.ReplaceAll(words, ".", " ") + "; the rotation removes the label"}, true
	}
	if !strings.HasPrefix(text, ledger.Prefix) {
		return nil, false
	}
	page, err := ledger.Decode(text)
	if err != nil {
		return []string{"a label of this project that this program cannot read: " + err.Error()}, true
	}
	for _, kind := range page.Kinds() {
		e := page.Entries[kind]
		line := fmt.Sprintf("%s: %s, meaning: %s", kind, e.State, e.State.Means())
		if !e.At.IsZero() {
			line += "; since " + at(e.At)
		}
		lines = append(lines, line)
	}
	if !page.Rollout.Since.IsZero() {
		lines = append(lines, rollout(page.Rollout))
	}
	if len(lines) == 0 {
		lines = append(lines, "no state is recorded for the version")
	}
	return lines, true
}

func rollout(r ledger.Rollout) string {
	var parts []string
	for word, on := range map[string]bool{"after a rotation": r.Promoted, "back to the old values": r.RolledBack, "in an emergency": r.Emergency} {
		if on {
			parts = append(parts, word)
		}
	}
	slices.Sort(parts)
	parts = append([]string{"tasks are being replaced, since " + at(r.Since)}, parts...)
	if !r.Converged.IsZero() {
		parts[0] = "tasks were replaced from " + at(r.Since) + " to " + at(r.Converged)
	}
	if !r.Unhealthy.IsZero() {
		parts = append(parts, "unhealthy since "+at(r.Unhealthy))
	}
	return "rollout: " + strings.Join(parts, ", ")
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
