package plan

import (
	"fmt"
	"strings"
	"time"
)

// A Schedule is when Secrets Manager rotates a secret by itself, in its own words.
type Schedule struct {
	Expression string    // rate(…) or cron(…); "": the schedule is in Days, or there is none
	Days       int64     // between two rotations; 0: see Expression
	Window     string    // its length, as in 3h; "": as long as is usual for the expression
	Last, Next time.Time // when it was rotated last, and is at the latest; zero: never
}

// Starts tells whether a rotation that begins now was started by the
// schedule: it is time for one, or past it. Next is the end of the
// window in which Secrets Manager starts a rotation, at any moment.
func (s Schedule) Starts(now time.Time) bool {
	return !s.Next.IsZero() && !now.Before(s.Next.Add(-s.window()-scheduleSlack))
}

// scheduleSlack is for clocks that differ.
const scheduleSlack = 5 * time.Minute

// Interval is the time from the scheduled rotation whose turn it is at a time, or
// was last, to the one after it. Where the schedule does not say it, it is that
// between the last rotation and the next one. 0: not known.
func (s Schedule) Interval(at time.Time) time.Duration {
	interval, _ := s.interval(at)
	return interval
}

// interval is Interval. byCalendar tells that the one after it may be another.
func (s Schedule) interval(at time.Time) (interval time.Duration, byCalendar bool) {
	if calendar, ok := readCalendar(s.Expression); ok {
		opened := calendar.before(at.Add(scheduleSlack))
		if next := calendar.after(at.Add(scheduleSlack)); !opened.IsZero() && !next.IsZero() {
			return next.Sub(opened), true
		}
	}
	return s.steady(), false
}

// steady is the interval without a calendar, which is the same each time. 0: not known.
func (s Schedule) steady() time.Duration {
	var n int64
	var unit string
	if _, err := fmt.Sscanf(s.Expression, "rate(%d %s", &n, &unit); err == nil {
		if strings.HasPrefix(unit, "hour") {
			return intervalIn(n, time.Hour)
		}
		return intervalIn(n, day)
	}
	if s.Days > 0 {
		return intervalIn(s.Days, day)
	}
	if s.Last.IsZero() || s.Next.IsZero() {
		return 0
	}
	return intervalIn(int64(s.Next.Sub(s.Last)), time.Nanosecond)
}

// Rhythm is the time from the scheduled rotation before to the next one. 0: not
// known.
func (s Schedule) Rhythm() time.Duration {
	if s.Next.IsZero() {
		return s.Interval(s.Last)
	}
	return s.Interval(s.opens().Add(-scheduleSlack - 1))
}

// opens is when the window opens that Next is the end of.
func (s Schedule) opens() time.Time {
	if calendar, ok := readCalendar(s.Expression); ok {
		// A window is an hour at least, and the next one may open when it closes.
		if opened := calendar.before(s.Next.Add(-time.Minute)); s.Next.Sub(opened) <= day {
			return opened
		}
	}
	return s.Next.Add(-s.window())
}

const (
	day = 24 * time.Hour
	// leastInterval and maxInterval are the least and the most that Secrets Manager takes.
	leastInterval = 4 * time.Hour
	maxInterval   = 1000 * day
)

// intervalIn is n units, or 0 where that is no time between two scheduled rotations: somebody
// may have rotated by hand a moment before the next one.
func intervalIn(n int64, unit time.Duration) time.Duration {
	if n < int64(leastInterval/unit) || n > int64(maxInterval/unit) || n == 0 {
		return 0
	}
	return time.Duration(n) * unit
}

// window is the length of the window, which is within a day. Without one, Secrets Manager
// closes it after an hour for a schedule in hours, and at the end of the day
// for one in days.
func (s Schedule) window() time.Duration {
	if length, err := time.ParseDuration(s.Window); err == nil && length > 0 && length <= day {
		return length
	}
	if c, _ := readCalendar(s.Expression); c.inHours || strings.Contains(s.Expression, "hour") {
		return time.Hour
	}
	return day
}

// Due is the end of the window in which the schedule surely rotates a kind next, that was
// last rotated at last, and not before a time; eachTime: it is rotated each time. It is
// due when it is so from the beginning of the window on, for the rotation starts at any
// moment of it. One that was never rotated, whose last is zero, is due at once. Zero: not
// known.
func (s Schedule) Due(last time.Time, every time.Duration, eachTime bool, notBefore time.Time) time.Time {
	if s.Next.IsZero() {
		return time.Time{}
	}
	opens := s.opens()
	for length, first := s.Next.Sub(opens), opens; opens.Sub(first) <= maxInterval; {
		interval, byCalendar := s.interval(opens)
		from := notBefore
		if due := last.Add(every - interval/2); !eachTime && due.After(from) {
			from = due
		}
		missing := from.Sub(opens)
		switch {
		case missing <= 0:
			return opens.Add(length)
		case interval == 0, missing > maxInterval:
			return time.Time{}
		case byCalendar:
			opens = opens.Add(interval)
		default: // the same each time, so that there is nothing to look at in between
			opens = opens.Add((1 + (missing-1)/interval) * interval)
		}
	}
	return time.Time{} // or so far off that the schedule will be another one
}
