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

func TestAScheduleTellsWhenAKindIsDue(t *testing.T) {
	t.Parallel()
	at := func(days int) time.Time { return today.Add(time.Duration(days) * day) }
	monthly := Schedule{Expression: "rate(30 days)", Last: at(-30), Next: at(0)}
	for _, tc := range []struct {
		name      string
		s         Schedule
		last      time.Time
		every     time.Duration
		only      bool
		notBefore time.Time
		due       time.Time
	}{
		{"the only kind", monthly, at(-1), 30 * day, true, time.Time{}, at(0)},
		{"one that is due", monthly, at(-80), 90 * day, false, time.Time{}, at(0)},
		{"one that is due half an interval before its rhythm is over", monthly, at(-75), 90 * day, false, time.Time{}, at(0)},
		{"one that is not yet", monthly, at(-74), 90 * day, false, time.Time{}, at(30)},
		{"one that was just rotated", monthly, at(0), 90 * day, false, time.Time{}, at(90)},
		{"one that is due each time", monthly, at(0), 45 * day, false, time.Time{}, at(30)},
		{"one of which it is not known", monthly, time.Time{}, 90 * day, false, time.Time{}, at(0)},
		{"not before a pause is over", monthly, at(-80), 90 * day, false, at(31), at(60)},
		{"not before a pause is over that ends when the schedule will be another one", monthly, at(-80), 90 * day, false, at(3000), time.Time{}},
		{"no schedule", Schedule{}, at(-80), 90 * day, false, time.Time{}, time.Time{}},
		{"no interval, and due", Schedule{Next: at(0)}, at(-90), 90 * day, false, time.Time{}, at(0)},
		{"no interval, and not due", Schedule{Next: at(0)}, at(-30), 90 * day, false, time.Time{}, time.Time{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := tc.s.Due(tc.last, tc.every, tc.only, tc.notBefore); !got.Equal(tc.due) {
				t.Errorf("due at %s, want %s", got, tc.due)
			}
		})
	}
}

// TestWhatASchedulePromisesIsWhatItSelects rotates by the selection for years, and compares
// that with the times that were promised.
func TestWhatASchedulePromisesIsWhatItSelects(t *testing.T) {
	t.Parallel()
	for _, interval := range []int{1, 7, 30, 90} {
		last := map[string]time.Time{"database": today, "admin": today, "smtp": today}
		s := Schedule{Days: int64(interval)}
		promised := map[string]time.Time{}
		for now := today; now.Before(today.Add(3 * 365 * day)); {
			s.Last, now = now, now.Add(s.Interval())
			s.Next = now
			for name := range last {
				if promised[name].IsZero() {
					promised[name] = s.Due(last[name], everyKind[name], false, time.Time{})
				}
			}
			for _, name := range Select(Candidates{Now: now, Scheduled: true, Interval: s.Interval(), Present: []string{"admin", "database", "smtp"}, Last: last, Every: everyKind}).Kinds {
				if !promised[name].Equal(now) {
					t.Errorf("every %d days: %s is rotated at %s, and was to be at %s", interval, name, now, promised[name])
				}
				last[name], promised[name] = now, time.Time{}
			}
		}
	}
}
