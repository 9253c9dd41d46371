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

// Interval is the time between two scheduled rotations, as far as the schedule
// says it plainly, and else by the last rotation and the next one. 0: not known.
func (s Schedule) Interval() time.Duration {
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

const (
	day = 24 * time.Hour
	// maxInterval is the most that Secrets Manager takes.
	maxInterval = 1000 * day
)

// intervalIn is n units, or 0 where that is no time between two rotations.
func intervalIn(n int64, unit time.Duration) time.Duration {
	if n < 0 || n > int64(maxInterval/unit) {
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
	if strings.Contains(s.Expression, "hour") {
		return time.Hour
	}
	return day
}

// Due is the end of the window in which the schedule rotates a kind next, that was last
// rotated at last, and not before a time. Zero: not known.
func (s Schedule) Due(last time.Time, every time.Duration, only bool, notBefore time.Time) time.Time {
	interval := s.Interval()
	if s.Next.IsZero() {
		return time.Time{}
	}
	from := notBefore
	if first := last.Add(every - interval/2); !only && first.After(from) {
		from = first
	}
	switch late := from.Sub(s.Next); {
	case late <= 0:
		return s.Next
	case interval == 0:
		return time.Time{}
	case late > maxInterval:
		return time.Time{} // so far off that the schedule will be another one
	default:
		return s.Next.Add((late + interval - 1) / interval * interval)
	}
}
