package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The table stands between these on its page.
const tableBegins, tableEnds = "<!-- by make proof -->\n", "<!-- end of make proof -->"

// splitPage returns the page's text before the table, the table, and the text after it.
func splitPage(text string) (before, table, after string, err error) {
	before, rest, begins := strings.Cut(text, tableBegins)
	table, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		return "", "", "", errors.New("the page has no place for the table")
	}
	return before + tableBegins, table, tableEnds + after, nil
}

// table is the state of all checks for some code, which it names: so it stays true when the code moves on.
func table(checks []check, results map[string]result, at code) string {
	var rows strings.Builder
	passed := 0
	for _, of := range groups {
		row, n := tableRow(of, checks, results, at)
		rows.WriteString(row)
		passed += n
	}
	outcome := "**Complete**"
	if passed < len(checks) {
		outcome = "**Not complete**"
	}
	var hashes []string
	for i, tree := range trees {
		hashes = append(hashes, fmt.Sprintf("`%s` %s", tree, at[i]))
	}
	return fmt.Sprintf("\n%s: %d of %d checks have passed for the code with these git hashes: %s.\n\n%s%s\n",
		outcome, passed, len(checks), strings.Join(hashes, ", "),
		"| what | passed | found | processor time | date | left to do |\n| --- | --- | --- | --- | --- | --- |\n", rows.String())
}

// codeOf reads back which code a table is for.
func codeOf(table string) (at code, err error) {
	for i, tree := range trees {
		m := regexp.MustCompile("`" + regexp.QuoteMeta(tree) + "` ([0-9a-f]{" + strconv.Itoa(hashDigits) + "})\\b").FindStringSubmatch(table)
		if m == nil {
			return at, fmt.Errorf("the table does not name the hash of %s", tree)
		}
		at[i] = m[1]
	}
	return at, nil
}

// tableRow is a group's row, and how many of its checks have passed.
func tableRow(of *group, checks []check, results map[string]result, at code) (row string, passed int) {
	var (
		found counts
		took  time.Duration
		days  []string
		left  = map[string][]string{} // by state: the checks' names
		all   int
	)
	for _, c := range checks {
		if c.of != of {
			continue
		}
		all++
		state := stateOf(c, results, at)
		if state != hasPassed {
			left[state] = append(left[state], c.short())
			continue
		}
		passed++
		r := results[c.name]
		found = found.plus(r.counts)
		took += r.processor
		days = append(days, r.date.UTC().Format(time.DateOnly))
	}
	share, spent, when := fmt.Sprintf("%d of %d", passed, all), "", ""
	if passed == all {
		share = "**" + share + "**"
	}
	if passed > 0 {
		spent, when = round(took).String(), slices.Min(days)
		if last := slices.Max(days); last != when {
			when += " to " + last
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", of.title, share, found.format(thousands), spent, when, leftToDo(of, left)), passed
}

// most is how many names of checks a cell lists.
const most = 3

func leftToDo(of *group, left map[string][]string) string {
	var parts []string
	for _, state := range []string{hasFailed, notThis, notRun} {
		names := left[state]
		if len(names) == 0 {
			continue
		}
		if names[0] == "" { // the group is one check
			parts = append(parts, state)
			continue
		}
		shown := names[:min(most, len(names))]
		if state == hasFailed {
			shown = names
		}
		part := state + ": `" + strings.Join(shown, "`, `") + "`"
		if more := len(names) - len(shown); more > 0 {
			part += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ") + ": `make proof PROOF='-only ^" + of.prefix + "'`"
}

// thousands writes a number as the pages do: 1,234,567.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
