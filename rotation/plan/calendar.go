package plan

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A calendar says when the windows of a cron() expression open, in UTC: on the hour, on certain
// days. It relies on Secrets Manager having validated the expression.
type calendar struct {
	inHours     bool // several windows a day
	hour, month func(int) bool
	day         func(time.Time) bool // at midnight
}

// readCalendar reads cron(0 <hours> <day of month> <month> <day of week> *); ok is false for
// anything else. A value that no cron field can have matches no day. AWS writes names in capitals
// and does not say that it refuses lower case, which can mean nothing else.
func readCalendar(expression string) (c calendar, ok bool) {
	fields, isCron := strings.CutPrefix(expression, "cron(")
	f := strings.Fields(strings.ToUpper(strings.TrimSuffix(fields, ")")))
	if !isCron || len(f) != 6 {
		return calendar{}, false
	}
	return calendar{
		inHours: strings.Contains(f[1], "/"),

		hour:  func(n int) bool { return inField(f[1], n, 0, nil) },
		month: func(n int) bool { return inField(f[3], n, 1, months) },
		day:   func(at time.Time) bool { return onDay(f[2], f[4], at) },
	}, true
}

var (
	months   = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	weekdays = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

// longestGap is how far ahead the next window is searched for. An expression has no year, so
// every one has a window within it, except February 29th.
const longestGap = 367 * day

// after returns the first window that opens after at; zero: none does.
func (c calendar) after(at time.Time) time.Time {
	for today, n := at.UTC().Truncate(day), time.Duration(0); n < longestGap; n += day {
		for hour := range hoursOf(today.Add(n), c) {
			if hour.After(at) {
				return hour
			}
		}
	}
	return time.Time{}
}

// before returns the last window that opened at or before at; zero: none did.
func (c calendar) before(at time.Time) time.Time {
	for today, n := at.UTC().Truncate(day), time.Duration(0); n < longestGap; n += day {
		var last time.Time
		for hour := range hoursOf(today.Add(-n), c) {
			if !hour.After(at) {
				last = hour
			}
		}
		if !last.IsZero() {
			return last
		}
	}
	return time.Time{}
}

// hoursOf yields the times at which windows open on a day.
func hoursOf(today time.Time, c calendar) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		if !c.month(int(today.Month())) || !c.day(today) {
			return
		}
		for hour := range 24 {
			if c.hour(hour) && !yield(today.Add(time.Duration(hour)*time.Hour)) {
				return
			}
		}
	}
}

// onDay reports whether a day matches the two day fields, one of which is a question mark.
func onDay(ofMonth, ofWeek string, at time.Time) bool {
	weekday := int(at.Weekday()) + 1
	if ofMonth == "?" {
		switch name, nth, counted := strings.Cut(ofWeek, "#"); {
		case counted: // TUE#3, the third Tuesday
			return inField(name, weekday, 1, weekdays) && strconv.Itoa((at.Day()-1)/7+1) == nth
		case ofWeek == "L":
			return at.Weekday() == time.Saturday
		}
		return inField(ofWeek, weekday, 1, weekdays)
	}
	switch name, last := strings.CutSuffix(ofMonth, "L"); {
	case last && name == "":
		return at.Add(day).Day() == 1
	case last: // SUNL, the last Sunday
		return inField(name, weekday, 1, weekdays) && at.Add(7*day).Month() != at.Month()
	}
	return inField(ofMonth, at.Day(), 1, nil)
}

// inField reports whether a number matches a field: *, numbers or names, ranges and steps,
// separated by commas.
func inField(field string, n, least int, names []string) bool {
	number := func(text string) (int, bool) {
		if at := slices.Index(names, text); at >= 0 {
			return at + least, true
		}
		number, err := strconv.Atoi(text)
		return number, err == nil
	}
	for part := range strings.SplitSeq(field, ",") {
		span, by, stepped := strings.Cut(part, "/")
		step, isStep := number(by)
		from, to, isRange := strings.Cut(span, "-")
		first, isFirst := number(from)
		last, isLast := number(to)
		switch {
		case span == "*" || span == "" && stepped:
			first = least
		case !isFirst || isRange && !isLast:
			continue
		case isRange && n > last, !isRange && !stepped && n != first:
			continue
		}
		if n >= first && (!stepped || isStep && step > 0 && (n-first)%step == 0) {
			return true
		}
	}
	return false
}
