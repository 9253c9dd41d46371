package secretsmanager

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// cron is a schedule by cron(0 hours day-of-month month day-of-week *), in UTC.
type cron struct {
	hours  []int // sorted
	hourly bool  // several windows a day
	months []int
	day    func(time.Time) bool
	length time.Duration
}

// after looks through the hours of the following days. Every expression that parses has a window within eight years,
// the longest time between two 29ths of February.
func (c cron) after(t time.Time) window {
	day := t.UTC().Truncate(24 * time.Hour)
	for range 8 * 366 {
		if slices.Contains(c.months, int(day.Month())) && c.day(day) {
			for _, h := range c.hours {
				if start := day.Add(time.Duration(h) * time.Hour); start.After(t) {
					return windowAt(start, c.length, c.hourly)
				}
			}
		}
		day = day.AddDate(0, 0, 1)
	}
	return window{}
}

var (
	monthNames   = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	weekdayNames = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

// parseCron understands the six fields of an expression with the restrictions of Secrets Manager: minute 0, every
// year, windows at least four hours apart, and one of the two day fields "?".
func parseCron(expression string, length time.Duration) (schedule, error) {
	bad := invalidParameter("The ScheduleExpression cron(%s) isn't valid.", expression)
	f := strings.Fields(expression)
	if len(f) != 6 || f[0] != "0" || f[5] != "*" || (f[2] == "?") == (f[4] == "?") {
		return nil, bad
	}
	c := cron{length: length, hourly: strings.Contains(f[1], "/")}
	var ok bool
	if c.hours, ok = parseField(f[1], 0, 23, nil); !ok {
		return nil, bad
	}
	if c.months, ok = parseField(f[3], 1, 12, monthNames); !ok {
		return nil, bad
	}
	if c.day, ok = parseDay(f[2], f[4]); !ok {
		return nil, bad
	}
	for i, h := range c.hours {
		if i > 0 && h-c.hours[i-1] < 4 {
			return nil, invalidParameter("The shortest rotation interval is 4 hours.")
		}
		if i > 0 && length > time.Duration(h-c.hours[i-1])*time.Hour || time.Duration(h)*time.Hour+length > 24*time.Hour {
			return nil, errWindowTooLong
		}
	}
	return c, nil
}

// parseDay understands the two day fields, of which one is "?".
func parseDay(ofMonth, ofWeek string) (func(time.Time) bool, bool) {
	lastOfMonth := func(t time.Time) bool { return t.AddDate(0, 0, 1).Day() == 1 }
	lastWeek := func(t time.Time) bool { return t.AddDate(0, 0, 7).Month() != t.Month() }
	onWeekday := func(days []int) func(time.Time) bool {
		return func(t time.Time) bool { return slices.Contains(days, int(t.Weekday())+1) }
	}

	if ofMonth == "L" {
		return lastOfMonth, true
	}
	if name, isLast := strings.CutSuffix(ofMonth, "L"); isLast { // SUNL: the last Sunday of the month
		days, ok := parseField(name, 1, 7, weekdayNames)
		return func(t time.Time) bool { return onWeekday(days)(t) && lastWeek(t) }, ok
	}
	if ofMonth != "?" {
		days, ok := parseField(ofMonth, 1, 31, nil)
		return func(t time.Time) bool { return slices.Contains(days, t.Day()) }, ok
	}
	if ofWeek == "L" {
		return onWeekday([]int{7}), true
	}
	if name, nth, isNth := strings.Cut(ofWeek, "#"); isNth { // SUN#1: the first Sunday of the month
		days, ok := parseField(name, 1, 7, weekdayNames)
		n, err := strconv.Atoi(nth)
		return func(t time.Time) bool { return onWeekday(days)(t) && (t.Day()-1)/7 == n-1 }, ok && err == nil && n >= 1 && n <= 5
	}
	days, ok := parseField(ofWeek, 1, 7, weekdayNames)
	return onWeekday(days), ok
}

// parseField lists, sorted, the numbers that a field stands for: "*", numbers or names, ranges, steps, and commas
// between them. A step without a start counts from the least number.
func parseField(field string, least, most int, names []string) ([]int, bool) {
	number := func(s string) (int, bool) {
		if i := slices.Index(names, strings.ToUpper(s)); i >= 0 {
			return i + least, true
		}
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= least && n <= most
	}
	var numbers []int
	for part := range strings.SplitSeq(field, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		from, to, step := least, most, 1
		ok := true
		if stepped {
			n, err := strconv.Atoi(stepText)
			step, ok = n, err == nil && n > 0
		}
		if first, last, isRange := strings.Cut(span, "-"); isRange && ok {
			var okLast bool
			from, ok = number(first)
			to, okLast = number(last)
			ok = ok && okLast
		} else if span != "*" && (span != "" || !stepped) && ok {
			if from, ok = number(span); !stepped {
				to = from
			}
		}
		if !ok || from > to {
			return nil, false
		}
		for n := from; n <= to; n += step {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), true
}
