package secretsmanager

import (
	"math/rand/v2"
	"testing"
	"time"

	"mautic-rotation/rotation/plan"
)

// The function reads cron expressions on its own, and this stand-in does so by
// other means: the two have to come to the same times.
func TestTheFunctionReadsACronExpressionAsThisStandInDoes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	compared := map[string]bool{}
	for range 4000 {
		days, weekdays := pick("*", "1", "31", "L", "SUNL", "3L", "1,15", "1-7", "1/2", "20/5", "30,1-3", "*/9"), "?"
		if random.IntN(2) == 0 {
			days, weekdays = "?", pick("*", "L", "SUN", "7", "TUE#3", "1#5", "2#1", "MON-FRI", "1,4", "1/2", "THU/2")
		}
		expression := "0 " + pick("0", "3", "23", "/8", "8/8", "2/10", "0/4") + " " + days + " " + pick("*", "1", "FEB", "1/3", "JAN,APR,JUL,OCT", "1-3", "12", "1/11", "2/5") + " " + weekdays + " *"
		stands, err := parseCron(expression, time.Hour)
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.Int64N(int64(6 * 365 * 24 * time.Hour))))
		first := stands.after(at).start
		second := stands.after(first).start
		if first.IsZero() || second.IsZero() || second.Sub(first) > 366*24*time.Hour {
			continue // a 31st of February, a 29th, or a month's fifth day
		}
		reads := plan.Schedule{Expression: "cron(" + expression + ")", Window: "1h"}
		if got := reads.Interval(first); got != second.Sub(first) {
			t.Errorf("%s: at %s the function waits %s, and AWS %s", expression, first, got, second.Sub(first))
		}
		reads.Next = first.Add(time.Hour)
		if due := reads.Due(time.Time{}, 0, true, first.Add(time.Minute)); !due.Equal(second.Add(time.Hour)) {
			t.Errorf("%s: after %s the function waits until %s, and AWS opens at %s", expression, first, due, second)
		}
		compared[expression] = true
	}
	if len(compared) < 800 {
		t.Errorf("only %d expressions were compared", len(compared))
	}
}
