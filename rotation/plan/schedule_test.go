package plan

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestARotationInTheSchedulesWindowOrPastItIsScheduled(t *testing.T) {
	end := today.Add(48 * time.Hour)
	days := Schedule{Expression: "rate(90 days)", Next: end}
	window := Schedule{Window: "3h", Next: end}
	hours := Schedule{Expression: "rate(4 hours)", Next: end}
	calendar := Schedule{Expression: "cron(0 /8 * * ? *)", Next: time.Date(2026, 12, 1, 17, 0, 0, 0, time.UTC)}
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
		{"before that of a calendar in hours", calendar, calendar.Next.Add(-2 * time.Hour), false},
		{"within that of a calendar in hours", calendar, calendar.Next.Add(-time.Minute), true},
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
	f.Add("cron(0 8/4 ? 1/3 SUN#1 *)", "4h", int64(0), int64(1700000000), int64(1701000000))
	f.Add("cron(0 3 29 2 ? *)", "4h", int64(0), int64(1700000000), int64(1701000000))
	f.Add("cron(0 -1/9223372036854775807,/0 * * ? *)", "4h", int64(0), int64(1700000000), int64(1701000000))
	f.Add("rate(-5 days)", "-3h", int64(0), int64(0), int64(0))
	f.Add("rate(9223372036854775807 days)", "9999999h", int64(9223372036854775807), int64(0), int64(0))
	f.Add("", "", int64(30), int64(-62135596800), int64(253402300799))
	f.Fuzz(func(t *testing.T, expression, duration string, days, last, next int64) {
		s := Schedule{Expression: expression, Window: duration, Days: days, Last: time.Unix(last, 0), Next: time.Unix(next, 0)}
		interval := s.Interval(time.Unix(last, 0))
		if interval < 0 || interval > 1000*24*time.Hour {
			t.Fatalf("rotated every %s", interval)
		}
		if _, byCalendar := s.interval(time.Unix(last, 0)); !byCalendar && interval != 0 && interval < 4*time.Hour {
			t.Fatalf("rotated every %s, and not by the calendar", interval)
		}
		if rhythm := s.Rhythm(); rhythm < 0 || rhythm > 1000*24*time.Hour {
			t.Fatalf("a rhythm of %s", rhythm)
		}
		if due := s.Due(s.Last, 90*day, false, s.Next); !due.IsZero() && due.Before(s.Next) {
			t.Fatalf("due at %s, before the next rotation at %s", due, s.Next)
		}
		if window := s.window(); window <= 0 || window > 24*time.Hour {
			t.Fatalf("a window of %s", window)
		}
	})
}

func TestAScheduleTellsWhenAKindIsDue(t *testing.T) {
	t.Parallel()
	at := func(days int) time.Time { return today.Add(time.Duration(days) * day) }
	utc := func(text string) time.Time {
		found, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	monthly := Schedule{Expression: "rate(30 days)", Window: "1h", Last: at(-30), Next: at(0)}
	first := Schedule{Expression: "cron(0 3 1 * ? *)", Window: "4h", Last: utc("2026-11-20 12:00"), Next: utc("2026-12-01 07:00")}
	sunday := Schedule{Expression: "cron(0 3 ? * SUN#1 *)", Window: "1h", Last: utc("2026-11-01 03:30"), Next: utc("2026-12-06 04:00")}
	for _, tc := range []struct {
		name      string
		s         Schedule
		last      time.Time
		every     time.Duration
		eachTime  bool
		notBefore time.Time
		due       time.Time
	}{
		{"each time", monthly, at(-1), 30 * day, true, time.Time{}, at(0)},
		{"one that is due", monthly, at(-80), 90 * day, false, time.Time{}, at(0)},
		{"one that is due half an interval before its rhythm is over", monthly, at(-75).Add(-time.Hour), 90 * day, false, time.Time{}, at(0)},
		{"one that is due in the middle of the window", monthly, at(-75).Add(-time.Minute), 90 * day, false, time.Time{}, at(30)},
		{"one that is not yet", monthly, at(-74), 90 * day, false, time.Time{}, at(30)},
		{"one that was just rotated", monthly, at(0), 90 * day, false, time.Time{}, at(90)},
		{"one that is due each time", monthly, at(0), 44 * day, false, time.Time{}, at(30)},
		{"one of which it is not known", monthly, time.Time{}, 90 * day, false, time.Time{}, at(0)},
		{"not before a pause is over", monthly, at(-80), 90 * day, false, at(31), at(60)},
		{"not before a pause is over that ends in the window", monthly, at(-80), 90 * day, false, at(30).Add(-time.Minute), at(60)},
		{"not before a pause is over that ends when the schedule will be another one", monthly, at(-80), 90 * day, false, at(3000), time.Time{}},
		{"no schedule", Schedule{}, at(-80), 90 * day, false, time.Time{}, time.Time{}},
		{"no interval, and due", Schedule{Window: "1h", Next: at(0)}, at(-91), 90 * day, false, time.Time{}, at(0)},
		{"no interval, and not due", Schedule{Window: "1h", Next: at(0)}, at(-30), 90 * day, false, time.Time{}, time.Time{}},

		{"monthly, by the calendar, and rotated by hand eleven days before", first, utc("2026-11-20 12:00"), 90 * day, false, time.Time{}, utc("2027-02-01 07:00").Add(28 * day)},
		{"monthly, by the calendar, and due before three months are over", first, utc("2026-09-16 11:00"), 90 * day, false, time.Time{}, utc("2026-12-01 07:00")},
		{"monthly, by the calendar, each time", first, utc("2026-11-20 12:00"), 0, true, time.Time{}, utc("2026-12-01 07:00")},
		{"on first Sundays", sunday, utc("2026-11-01 03:30"), 60 * day, false, time.Time{}, utc("2027-01-03 04:00")},
		{"on first Sundays, after a pause", sunday, utc("2026-11-01 03:30"), 60 * day, false, utc("2027-01-03 03:01"), utc("2027-02-07 04:00")},
		{"quarterly", Schedule{Expression: "cron(0 3 1 1/3 ? *)", Next: utc("2027-01-02 00:00").Add(-time.Second)}, utc("2026-10-01 04:00"), 90 * day, false, time.Time{}, utc("2027-01-02 00:00").Add(-time.Second)},
		{"a cron expression that is none", Schedule{Expression: "cron(0 3 32 * ? *)", Window: "1h", Last: at(-30), Next: at(0)}, at(-30), 60 * day, false, time.Time{}, at(30)},
		{"by the calendar, never rotated", first, time.Time{}, 90 * day, false, time.Time{}, utc("2026-12-01 07:00")},
		{"by the calendar, never rotated, after a pause", first, time.Time{}, 90 * day, false, utc("2026-12-02 00:00"), utc("2027-01-01 07:00")},
		{"in small letters", Schedule{Expression: "cron(0 3 ? jan-dec sun#1 *)", Window: "1h", Last: sunday.Last, Next: sunday.Next}, utc("2026-11-01 03:30"), 60 * day, false, time.Time{}, utc("2027-01-03 04:00")},
		{"no interval, for somebody rotated by hand just before the next one", Schedule{Window: "1h", Last: at(0).Add(-20 * time.Minute), Next: at(0)}, at(-30), 90 * day, false, time.Time{}, time.Time{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := tc.s.Due(tc.last, tc.every, tc.eachTime, tc.notBefore); !got.Equal(tc.due) {
				t.Errorf("due at %s, want %s", got, tc.due)
			}
		})
	}
}

// What a calendar does not say is looked for once, not for each rotation until then. It is
// measured by what is allocated, since a machine may be busy.
func TestAScheduleThatNobodyUnderstandsTakesNoTime(t *testing.T) {
	next := time.Date(2026, 12, 13, 7, 0, 0, 0, time.UTC)
	for _, expression := range []string{"cron(0 3 32 * ? *)", "cron(0 3 ? * SUNDAY *)", "every(Sunday)"} {
		for _, ago := range []time.Duration{time.Second, 20 * time.Minute, 4 * time.Hour} {
			s := Schedule{Expression: expression, Window: "1h", Last: next.Add(-ago), Next: next}
			if n := testing.AllocsPerRun(1, func() { s.Due(s.Last, 60*day, false, time.Time{}) }); n > 50_000 {
				t.Errorf("%s, rotated %s before the next one: %v allocations", expression, ago, n)
			}
		}
	}
}

func TestTheRhythmOfASchedule(t *testing.T) {
	t.Parallel()
	next := time.Date(2026, 12, 6, 4, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		s    Schedule
		want time.Duration
	}{
		{Schedule{Expression: "rate(30 days)", Next: next}, 30 * day},
		{Schedule{Expression: "rate(4 hours)"}, 4 * time.Hour},
		{Schedule{Days: 90}, 90 * day},
		{Schedule{}, 0},
		// The gap that leads to the next one, wherever the last rotation was.
		{Schedule{Expression: "cron(0 3 ? * SUN#1 *)", Window: "1h", Last: next.Add(-2 * day), Next: next}, 35 * day},
		{Schedule{Expression: "cron(0 0/4 * * ? *)", Window: "4h", Next: next}, 4 * time.Hour},
		{Schedule{Expression: "cron(0 3 6 1/3 ? *)", Next: next.Add(31 * day)}, 92 * day},
	} {
		if got := tc.s.Rhythm(); got != tc.want {
			t.Errorf("%+v: %s, want %s", tc.s, got, tc.want)
		}
	}
}

// opportunities are the times of the scheduled rotations that follow, at any moment of
// their windows; each is asked for once the one before is over.
func opportunities(expression string, pick func(of time.Duration) time.Duration) func(Schedule) (Schedule, time.Time) {
	return func(s Schedule) (Schedule, time.Time) {
		opens := s.opens().Add(s.Interval(s.Next))
		if c, ok := readCalendar(expression); ok {
			opens = c.after(s.Next)
		}
		window := s.window()
		return Schedule{Expression: expression, Window: s.Window, Last: s.Last, Next: opens.Add(window)}, opens.Add(pick(window))
	}
}

// TestWhatASchedulePromisesIsWhatItSelects rotates by the selection for years, and compares
// that with the times that were promised.
func TestWhatASchedulePromisesIsWhatItSelects(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{
		"rate(1 day)", "rate(7 days)", "rate(30 days)", "rate(90 days)",
		"cron(0 3 1 * ? *)", "cron(0 3 ? * SUN#1 *)", "cron(0 22 L * ? *)", "cron(0 3 ? * MON *)", "cron(0 3 1,15 * ? *)", "cron(0 3 1 1/3 ? *)", "cron(0 3 * * ? *)",
	} {
		random := rand.New(rand.NewPCG(1, 2))
		next := opportunities(expression, func(of time.Duration) time.Duration { return time.Duration(random.Int64N(int64(of))) })
		last := map[string]time.Time{"database": today, "admin": today, "smtp": today}
		promised := map[string]time.Time{}
		s := Schedule{Expression: expression, Window: "1h", Last: today, Next: today}
		for s.Next.Before(today.Add(6 * 365 * day)) {
			var now time.Time
			s, now = next(s)
			for name := range last {
				if promised[name].IsZero() {
					promised[name] = s.Due(last[name], everyKind[name], false, time.Time{})
				}
			}
			if random.IntN(3) == 0 { // somebody rotated by hand, which moves Last alone
				s.Last = now.Add(-time.Hour)
			}
			for _, name := range Select(Candidates{Now: now, Scheduled: true, Interval: s.Interval(now), Present: []string{"admin", "database", "smtp"}, Last: last, Every: everyKind}).Kinds {
				if late := promised[name].Sub(now); late <= 0 || late > time.Hour {
					t.Errorf("%s: %s is rotated at %s, and was to be until %s", expression, name, now, promised[name])
				}
				last[name], promised[name] = now, time.Time{}
			}
			s.Last = now
		}
	}
}

// The rhythms that are usual, by the schedule that the template has.
func TestAMonthlyCalendarKeepsTheUsualRhythms(t *testing.T) {
	t.Parallel()
	for expression, tolerance := range map[string]time.Duration{"cron(0 3 1 * ? *)": 4 * day, "cron(0 3 ? * SUN#1 *)": 9 * day} {
		for present, whenDue := range map[string]bool{"admin": true, "database": true, "smtp": true, "admin database smtp": false} {
			next := opportunities(expression, func(of time.Duration) time.Duration { return of / 2 })
			last := map[string]time.Time{}
			s := Schedule{Expression: expression, Window: "4h", Next: today}
			for s.Next.Before(today.Add(20 * 365 * day)) {
				var now time.Time
				s, now = next(s)
				for _, name := range Select(Candidates{Now: now, Scheduled: true, Interval: s.Interval(now), Present: strings.Fields(present), Last: last, Every: everyKind, WhenDue: whenDue}).Kinds {
					if before, known := last[name]; known {
						if off := now.Sub(before) - everyKind[name]; off.Abs() > tolerance {
							t.Errorf("%s, %s: %s is rotated at %s, %s after the time before", expression, present, name, now, now.Sub(before))
						}
					}
					last[name] = now
				}
			}
			if len(last) != len(strings.Fields(present)) {
				t.Errorf("%s: rotated were %v", present, last)
			}
		}
	}
}
