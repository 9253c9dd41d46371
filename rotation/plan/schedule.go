package plan

import (
	"fmt"
	"strings"
	"time"
)

// A Schedule is a secret's rotation schedule, in Secrets Manager's terms.
type Schedule struct {
	Expression string    // rate(…) or cron(…); "": the schedule is in Days, or there is none
	Days       int64     // between two rotations; 0: see Expression
	Window     string    // its length, such as 3h; "": the default for the expression
	Last, Next time.Time // when it was last rotated, and the latest time of the next rotation; zero: never
}

// Starts reports whether a rotation that begins now was started by the schedule: one is due now,
// or overdue. Next is the end of the window in which Secrets Manager starts a rotation at any
// moment.
func (s Schedule) Starts(now time.Time) bool {
	return !s.Next.IsZero() && !now.Before(s.Next.Add(-s.window()-scheduleSlack))
}

// scheduleSlack allows for clocks that differ.
const scheduleSlack = 5 * time.Minute

// Interval is the time from the scheduled rotation that is current at a time, or was last, to the
// one after it. If the schedule does not say, it is the time between the last rotation and the
// next one. 0: not known.
func (s Schedule) Interval(at time.Time) time.Duration {
	interval, _ := s.interval(at)
	return interval
}

// interval is Interval. byCalendar says that the next interval may be different.
func (s Schedule) interval(at time.Time) (interval time.Duration, byCalendar bool) {
	if calendar, ok := readCalendar(s.Expression); ok {
		opened := calendar.before(at.Add(scheduleSlack))
		if next := calendar.after(at.Add(scheduleSlack)); !opened.IsZero() && !next.IsZero() {
			return next.Sub(opened), true
		}
	}
	return s.steady(), false
}

// steady is the interval of a schedule without a calendar, which is always the same. 0: not
// known.
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

// Rhythm is the time from the previous scheduled rotation to the next one. 0: not known.
func (s Schedule) Rhythm() time.Duration {
	if s.Next.IsZero() {
		return s.Interval(s.Last)
	}
	return s.Interval(s.opens().Add(-scheduleSlack - 1))
}

// opens is when the window that ends at Next opens.
func (s Schedule) opens() time.Time {
	if calendar, ok := readCalendar(s.Expression); ok {
		// A window lasts at least an hour, and the next one may open when it closes.
		if opened := calendar.before(s.Next.Add(-time.Minute)); s.Next.Sub(opened) <= day {
			return opened
		}
	}
	return s.Next.Add(-s.window())
}

const (
	day = 24 * time.Hour
	// leastInterval and maxInterval are the bounds that Secrets Manager sets.
	leastInterval = 4 * time.Hour
	maxInterval   = 1000 * day
)

// intervalIn is n units, or 0 if that cannot be the time between two scheduled rotations: someone
// may have rotated by hand just before the next one.
func intervalIn(n int64, unit time.Duration) time.Duration {
	if n < int64(leastInterval/unit) || n > int64(maxInterval/unit) || n == 0 {
		return 0
	}
	return time.Duration(n) * unit
}

// window is the length of the window, at most a day. If none is set, Secrets Manager closes it
// after an hour for a schedule in hours, and at the end of the day for one in days.
func (s Schedule) window() time.Duration {
	if length, err := time.ParseDuration(s.Window); err == nil && length > 0 && length <= day {
		return length
	}
	if c, _ := readCalendar(s.Expression); c.inHours || strings.Contains(s.Expression, "hour") {
		return time.Hour
	}
	return day
}

// Due is the end of the window in which the schedule is certain to rotate a kind next, given when
// it was last rotated; eachTime: every scheduled rotation changes it. A kind is due only if it is
// due at the start of the window, because the rotation may start at any moment of it. A kind that
// was never rotated (last is zero) is due at once. Zero: not known.
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
		default: // always the same, so there is nothing to look at in between
			opens = opens.Add((1 + (missing-1)/interval) * interval)
		}
	}
	return time.Time{} // or so far off that the schedule will have changed
}
