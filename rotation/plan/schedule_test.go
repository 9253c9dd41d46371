package plan

import (
	"testing"
	"time"
)

func TestARotationInTheSchedulesWindowOrPastItIsScheduled(t *testing.T) {
	end := today.Add(48 * time.Hour)
	days := Schedule{Expression: "rate(90 days)", Next: end}
	window := Schedule{Window: "3h", Next: end}
	hours := Schedule{Expression: "rate(4 hours)", Next: end}
	for _, tc := range []struct {
		name     string
		schedule Schedule
		now      time.Time
		want     bool
	}{
		{"no schedule", Schedule{}, today, false},
		{"before the window", days, end.Add(-25 * time.Hour), false},
		{"within it", days, end.Add(-23 * time.Hour), true},
		{"by a clock that is behind", days, end.Add(-24*time.Hour - time.Minute), true},
		{"past it, after failures", days, end.Add(24 * time.Hour), true},
		{"before a window of its own", window, end.Add(-4 * time.Hour), false},
		{"within a window of its own", window, end.Add(-2 * time.Hour), true},
		{"before that of a schedule in hours", hours, end.Add(-2 * time.Hour), false},
		{"within that of a schedule in hours", hours, end.Add(-time.Minute), true},
	} {
		if got := tc.schedule.Starts(tc.now); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// FuzzSchedule holds what is read of a schedule to lengths of time that one can
// have: a secret is rotated at least every 1000 days, and no window is longer
// than the time between two rotations.
func FuzzSchedule(f *testing.F) {
	f.Add("rate(90 days)", "3h", int64(0), int64(0), int64(0))
	f.Add("rate(4 hours)", "", int64(0), int64(0), int64(0))
	f.Add("cron(0 16 1,15 * ? *)", "2h30m", int64(0), int64(1700000000), int64(1701000000))
	f.Add("rate(-5 days)", "-3h", int64(0), int64(0), int64(0))
	f.Add("rate(9223372036854775807 days)", "9999999h", int64(9223372036854775807), int64(0), int64(0))
	f.Add("", "", int64(30), int64(-62135596800), int64(253402300799))
	f.Fuzz(func(t *testing.T, expression, duration string, days, last, next int64) {
		s := Schedule{Expression: expression, Window: duration, Days: days, Last: time.Unix(last, 0), Next: time.Unix(next, 0)}
		interval := s.Interval()
		if interval < 0 || interval > 1000*24*time.Hour {
			t.Fatalf("rotated every %s", interval)
		}
		if window := s.window(); window <= 0 || window > 24*time.Hour {
			t.Fatalf("a window of %s", window)
		}
	})
}
