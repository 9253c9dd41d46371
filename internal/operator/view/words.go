package view

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const day = 24 * time.Hour

// span is a duration, rounded down: "22 min", "5 h", "12 d".
func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d d", d/day)
	}
}

// when is a time with its zone, as short as it is unambiguous from now.
func (s Style) when(t, now time.Time) string {
	t, now = s.local(t), s.local(now)
	switch {
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04 MST")
	case t.Sub(now).Abs() < 300*day:
		return t.Format("2 Jan 15:04 MST")
	default:
		return t.Format("2 Jan 2006")
	}
}

// date is a day.
func (s Style) date(t time.Time) string { return s.local(t).Format("2 Jan 2006") }

func (s Style) local(t time.Time) time.Time {
	if s.Zone == nil {
		return t.UTC()
	}
	return t.In(s.Zone)
}

// Clock is a time of day, with its zone.
func (s Style) Clock(t time.Time) string { return s.local(t).Format("15:04:05 MST") }

// short is the part of a version id that tells it from others: the words of a token and eight more characters.
func short(version string) string {
	words, id := "", version
	if at := strings.LastIndexByte(version, '.'); at >= 0 {
		words, id = version[:at+1], version[at+1:]
	}
	if len(id) > 9 {
		id = id[:8] + "…"
	}
	return words + id
}

// list joins words with commas and "and".
func list(words []string) string {
	words = slices.Clone(words)
	slices.Sort(words)
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// plural is a count of things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
