package secretsmanager

import (
	"errors"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/wire"
)

// at reads a time of the year 2026, whose first day is a Thursday.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04:05", text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWindowsOfASchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rules             RotationRules
		last, start, ends string
	}{
		{RotationRules{AutomaticallyAfterDays: 30}, "2026-01-01 10:20:30", "2026-01-31 00:00:00", "2026-01-31 23:59:59"},
		{RotationRules{AutomaticallyAfterDays: 30, Duration: "3h"}, "2026-01-01 10:20:30", "2026-01-31 00:00:00", "2026-01-31 03:00:00"},
		{RotationRules{ScheduleExpression: "rate(10 days)"}, "2026-01-01 10:20:30", "2026-01-11 00:00:00", "2026-01-11 23:59:59"},
		{RotationRules{ScheduleExpression: "rate(1 day)"}, "2026-01-01 10:20:30", "2026-01-02 00:00:00", "2026-01-02 23:59:59"},
		{RotationRules{ScheduleExpression: "rate(4 hours)"}, "2026-01-01 10:20:30", "2026-01-01 14:00:00", "2026-01-01 15:00:00"},
		{RotationRules{ScheduleExpression: "cron(0 10 * * ? *)"}, "2026-01-01 10:00:00", "2026-01-02 10:00:00", "2026-01-02 23:59:59"},
		{RotationRules{ScheduleExpression: "cron(0 10 * * ? *)"}, "2026-01-01 09:59:59", "2026-01-01 10:00:00", "2026-01-01 23:59:59"},
		{RotationRules{ScheduleExpression: "cron(0 /8 * * ? *)"}, "2026-01-01 10:00:00", "2026-01-01 16:00:00", "2026-01-01 17:00:00"},
		{RotationRules{ScheduleExpression: "cron(0 2/10 * * ? *)"}, "2026-01-01 22:00:00", "2026-01-02 02:00:00", "2026-01-02 03:00:00"},
		{RotationRules{ScheduleExpression: "cron(0 18 ? * SAT *)"}, "2026-01-01 10:00:00", "2026-01-03 18:00:00", "2026-01-03 23:59:59"},
		{RotationRules{ScheduleExpression: "cron(0 8 1 * ? *)"}, "2026-01-01 10:00:00", "2026-02-01 08:00:00", "2026-02-01 23:59:59"},
		{RotationRules{ScheduleExpression: "cron(0 1 ? 1/3 SUN#1 *)"}, "2026-01-05 10:00:00", "2026-04-05 01:00:00", "2026-04-05 23:59:59"},
		{RotationRules{ScheduleExpression: "cron(0 17 L * ? *)"}, "2026-02-01 10:00:00", "2026-02-28 17:00:00", "2026-02-28 23:59:59"},
		{RotationRules{ScheduleExpression: "cron(0 8 ? * MON-FRI *)"}, "2026-01-02 10:00:00", "2026-01-05 08:00:00", "2026-01-05 23:59:59"},
		{RotationRules{ScheduleExpression: "cron(0 16 1,15 * ? *)", Duration: "2h"}, "2026-01-02 10:00:00", "2026-01-15 16:00:00", "2026-01-15 18:00:00"},
		{RotationRules{ScheduleExpression: "cron(0 0 ? 1/11 2#1 *)"}, "2026-01-06 00:00:00", "2026-12-07 00:00:00", "2026-12-07 23:59:59"},
		{RotationRules{ScheduleExpression: "cron(0 0 SUNL JAN ? *)"}, "2026-01-01 00:00:00", "2026-01-25 00:00:00", "2026-01-25 23:59:59"},
		{RotationRules{ScheduleExpression: "cron(0 0 29 2 ? *)"}, "2026-01-01 00:00:00", "2028-02-29 00:00:00", "2028-02-29 23:59:59"},
	} {
		name := c.rules.ScheduleExpression + c.rules.Duration + " after " + c.last
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan, err := parseRules(&c.rules)
			if err != nil {
				t.Fatal(err)
			}
			got := plan.after(at(t, c.last))
			if want := (window{at(t, c.start), at(t, c.ends)}); got != want {
				t.Errorf("got %v to %v, want %v to %v", got.start, got.end, want.start, want.end)
			}
		})
	}
}

func TestSchedulesThatSecretsManagerRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []RotationRules{
		{},
		{AutomaticallyAfterDays: 1001},
		{AutomaticallyAfterDays: 1, ScheduleExpression: "rate(1 day)"},
		{ScheduleExpression: "rate(3 hours)"},
		{ScheduleExpression: "rate(1000 days)"},
		{ScheduleExpression: "rate(0 days)"},
		{ScheduleExpression: "rate(5 minutes)"},
		{ScheduleExpression: "every day"},
		{ScheduleExpression: "rate(4 hours)", Duration: "5h"},
		{ScheduleExpression: "rate(4 days)", Duration: "0h"},
		{ScheduleExpression: "rate(4 days)", Duration: "90m"},
		{ScheduleExpression: "rate(4 days)", Duration: "25h"},
		{ScheduleExpression: "cron(5 10 * * ? *)"},
		{ScheduleExpression: "cron(0 10 * * ? 2027)"},
		{ScheduleExpression: "cron(0 10 * * * *)"},
		{ScheduleExpression: "cron(0 10 ? * ? *)"},
		{ScheduleExpression: "cron(0 24 * * ? *)"},
		{ScheduleExpression: "cron(0 /3 * * ? *)"},
		{ScheduleExpression: "cron(0 * * * ? *)"},
		{ScheduleExpression: "cron(0 10 * FOO ? *)"},
		{ScheduleExpression: "cron(0 10 5-1 * ? *)"},
		{ScheduleExpression: "cron(0 10 ? * SUN#6 *)"},
		{ScheduleExpression: "cron(0 23 * * ? *)", Duration: "2h"},
		{ScheduleExpression: "cron(0 0/8 * * ? *)", Duration: "9h"},
	} {
		t.Run(c.ScheduleExpression+c.Duration, func(t *testing.T) {
			t.Parallel()
			_, err := parseRules(&c)
			if refused := new(wire.Error); !errors.As(err, &refused) || refused.Code != "InvalidParameterException" {
				t.Errorf("got %v", err)
			}
		})
	}
}
