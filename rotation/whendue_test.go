package rotation_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/rotation"
)

// The schedule is monthly, by the calendar.
func TestTheOnlyCredentialOfASecretIsRotatedWhenItIsDueOrEachTime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		whenDue bool
		want    []string // after each of four months
		every   time.Duration
	}{
		"when it is due": {true, []string{"database-1", "database-1", "database-1", "database-2"}, 90 * day},
		"each time":      {false, []string{"database-1", "database-2", "database-3", "database-4"}, 31 * day},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			e.reconfigure(func(c *rotation.Config) { c.Kinds, c.WhenDue = c.Kinds[:1], e.onlyIf(tc.whenDue) })
			e.scheduleWith(types.RotationRulesType{ScheduleExpression: aws.String("cron(0 3 1 * ? *)"), Duration: aws.String("4h")})
			for month, want := range tc.want {
				e.toTheNextWindow()
				e.currentHolds(want, "admin-0")
				e.closeAll()
				found := e.status()
				db := credentialOf(t, found, "database")
				if off := time.Duration(db.EverySeconds)*time.Second - tc.every; off.Abs() > 3*day {
					t.Errorf("month %d: it is said to be every %s", month, time.Duration(db.EverySeconds)*time.Second)
				}
				if db.Due == nil {
					t.Fatalf("month %d: it is not said when it is due", month)
				}
				// It is rotated in the first window that is told, at any age less.
				most := tc.every + 3*day
				if age := time.Duration(db.GreatestAgeSeconds) * time.Second; age < tc.every-7*day || age > most {
					t.Errorf("month %d: it is said to become %s old", month, age)
				}
			}
		})
	}
}

// The version's date tells how old a value is at most, but not that a rotation made it.
func TestACredentialThatWasNeverRotatedIsDueInTheNextWindow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		several, whenDue bool
	}{"when it is due": {whenDue: true}, "each time": {}, "one of several": {several: true}} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			e.reconfigure(func(c *rotation.Config) {
				c.WhenDue = e.onlyIf(tc.whenDue)
				if !tc.several {
					c.Kinds = c.Kinds[:1]
				}
			})
			e.scheduleWith(types.RotationRulesType{ScheduleExpression: aws.String("cron(0 3 8 * ? *)"), Duration: aws.String("4h")})
			found := e.status()
			for _, c := range found.Credentials {
				if c.From != "version" || c.Due == nil || !c.Due.Equal(*found.Schedule.Next) || c.GreatestAgeSeconds != int64(c.Due.Sub(c.RotatedAt)/time.Second) {
					t.Errorf("%+v is not due at %s", c, found.Schedule.Next)
				}
			}
			e.toTheNextWindow()
			if admin := map[bool]string{false: "admin-0", true: "admin-1"}[tc.several]; len(found.Credentials) > 1 != tc.several {
				t.Errorf("the credentials are %+v", found.Credentials)
			} else {
				e.currentHolds("database-1", admin)
			}
		})
	}
}

// Each secret of a function has a schedule of its own, and one may be the rhythm and the
// other not.
func TestEachSecretIsRotatedWhenItIsDueOrEachTimeByItsOwnSchedule(t *testing.T) {
	e := newEngine(t)
	other := e.besides(`{"database": "database-0"}`)
	every := map[string]time.Duration{e.arn: 90 * day, other: 31 * day}
	e.reconfigure(func(c *rotation.Config) { c.Kinds, c.WhenDue = c.Kinds[:1], []string{e.arn} })
	for arn, want := range every {
		e.of(arn, func() {
			e.scheduleWith(types.RotationRulesType{ScheduleExpression: aws.String("cron(0 3 1 * ? *)"), Duration: aws.String("4h")})
			if off := time.Duration(credentialOf(t, e.status(), "database").EverySeconds)*time.Second - want; off.Abs() > 3*day {
				t.Errorf("%s: it is said to be every %s, want %s", arn, off+want, want)
			}
		})
	}
}

// onlyIf are the engine's secret, or none.
func (e *engine) onlyIf(whenDue bool) []string {
	if whenDue {
		return []string{e.arn}
	}
	return nil
}

// toTheNextWindow turns the clock into the window in which the schedule rotates next, and
// waits until it has.
func (e *engine) toTheNextWindow() {
	e.t.Helper()
	secret, err := e.secrets.DescribeSecret(e.t.Context(), &sm.DescribeSecretInput{SecretId: &e.arn})
	if err != nil {
		e.t.Fatal(err)
	}
	e.rotatedAfter(secret.NextRotationDate.Add(-time.Hour).Sub(e.aws.Clock().Now()))
}
