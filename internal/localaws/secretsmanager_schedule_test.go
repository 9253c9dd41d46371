package localaws_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
)

var newYearsMorning = time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)

// schedule turns rotation on without rotating, and waits for the test that this runs.
func (f *fixture) schedule(function, expression string) {
	f.T.Helper()
	_, err := f.Secrets.RotateSecret(f.Ctx, &secretsmanager.RotateSecretInput{
		SecretId: aws.String("s"), RotationLambdaARN: &function, RotateImmediately: aws.Bool(false),
		RotationRules: &types.RotationRulesType{ScheduleExpression: &expression},
	})
	if err != nil {
		f.T.Fatal(err)
	}
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", ""); err != nil {
		f.T.Fatal(err)
	}
}

// rotations waits for the nth rotation to end with the name.
func (f *fixture) rotation(n int, name localsecretsmanager.RotationEventName) {
	f.T.Helper()
	seen := 0
	_, err := f.WaitEvent(f.Ctx, func(e host.Event) bool {
		if r, ok := e.(localsecretsmanager.RotationEvent); ok && r.Name == name {
			seen++
		}
		return seen == n
	})
	if err != nil {
		f.T.Fatalf("%s number %d: %v", name, n, err)
	}
}

func (f *fixture) wantNext(want time.Time) {
	f.T.Helper()
	if d := f.describe(); d.NextRotationDate == nil || !d.NextRotationDate.Equal(want) {
		f.T.Errorf("NextRotationDate is %v, want %v", d.NextRotationDate, want)
	}
}

func TestAScheduledRotationStartsWhenTheClockPassesItsWindow(t *testing.T) {
	t.Parallel()
	clock := host.ClockAt(newYearsMorning)
	f, _, fn, _, _ := rotating(t, localaws.Options{Clock: clock})
	f.schedule(fn, "rate(30 days)")
	f.wantNext(time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC))

	clock.Advance(29 * 24 * time.Hour)
	f.wantStory("TestRotationStarted test TestRotationSucceeded")
	clock.Advance(24 * time.Hour)
	f.rotation(1, localsecretsmanager.RotationSucceeded)
	f.wantNext(time.Date(2026, 3, 2, 23, 59, 59, 0, time.UTC))
	d := f.describe()
	if d.LastRotatedDate.Before(newYearsMorning.Add(30*24*time.Hour)) || aws.ToInt64(d.RotationRules.AutomaticallyAfterDays) != 30 {
		t.Errorf("%+v", d)
	}

	clock.Advance(365 * 24 * time.Hour) // past several windows: one rotation
	f.rotation(2, localsecretsmanager.RotationSucceeded)
	f.wantNext(time.Date(2027, 3, 2, 23, 59, 59, 0, time.UTC))
}

func TestAfterAFailedRotationTheDateIsInThePast(t *testing.T) {
	t.Parallel()
	clock := host.ClockAt(newYearsMorning)
	f, r, fn, _, _ := rotating(t, localaws.Options{Clock: clock, RotationRetries: -1})
	broken := true
	r.before = func(_ context.Context, e step) error {
		if broken && e.Step == "setSecret" {
			return errors.New("broken")
		}
		return nil
	}
	f.schedule(fn, "rate(1 day)")
	clock.Advance(24 * time.Hour)
	f.rotation(1, localsecretsmanager.RotationFailed)
	f.wantNext(time.Date(2026, 1, 2, 23, 59, 59, 0, time.UTC))

	// In the next window it is taken up again, with its token.
	broken = false
	clock.Advance(24 * time.Hour)
	f.rotation(1, localsecretsmanager.RotationSucceeded)
	f.wantNext(time.Date(2026, 1, 4, 23, 59, 59, 0, time.UTC))
	state, _ := f.SecretsManager.State("s")
	if len(state.Versions) != 2 {
		t.Errorf("versions: %+v", state.Versions)
	}
}

func TestTheDateMayMoveOnWhenARotationStarts(t *testing.T) {
	t.Parallel()
	clock := host.ClockAt(newYearsMorning)
	f, r, fn, _, _ := rotating(t, localaws.Options{
		Clock: clock, RotationRetries: -1, Variants: localsecretsmanager.Variants{NextRotationDate: localsecretsmanager.NextRotationDateOnStart},
	})
	r.before = func(_ context.Context, e step) error {
		if e.Step == "setSecret" {
			return errors.New("broken")
		}
		return nil
	}
	f.schedule(fn, "rate(1 day)")
	clock.Advance(24 * time.Hour)
	f.rotation(1, localsecretsmanager.RotationFailed)
	f.wantNext(time.Date(2026, 1, 3, 23, 59, 59, 0, time.UTC))
}

func TestARotationMayStartLateInItsWindow(t *testing.T) {
	t.Parallel()
	clock := host.ClockAt(newYearsMorning)
	f, _, fn, _, _ := rotating(t, localaws.Options{Clock: clock, Variants: localsecretsmanager.Variants{RotateLateInWindow: true}})
	f.schedule(fn, "cron(0 12 * * ? *)")
	clock.Advance(13 * time.Hour)
	f.wantStory("TestRotationStarted test TestRotationSucceeded")
	clock.Advance(time.Hour - time.Minute)
	f.rotation(1, localsecretsmanager.RotationSucceeded)
	f.wantNext(time.Date(2026, 1, 2, 23, 59, 59, 0, time.UTC))
}

func TestAValueWrittenByHandCountsAsARotation(t *testing.T) {
	t.Parallel()
	clock := host.ClockAt(newYearsMorning)
	f, _, fn, _, _ := rotating(t, localaws.Options{Clock: clock})
	f.schedule(fn, "rate(10 days)")
	clock.Advance(5 * 24 * time.Hour)
	f.Put(localtest.Token("by hand"), "x")
	f.wantNext(time.Date(2026, 1, 16, 23, 59, 59, 0, time.UTC))
}

func TestNothingRotatesOnScheduleOnceRotationIsOff(t *testing.T) {
	t.Parallel()
	clock := host.ClockAt(newYearsMorning)
	f, _, fn, _, _ := rotating(t, localaws.Options{Clock: clock})
	f.schedule(fn, "rate(1 day)")
	if _, err := f.Secrets.CancelRotateSecret(f.Ctx, &secretsmanager.CancelRotateSecretInput{SecretId: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(48 * time.Hour)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.wantStory("TestRotationStarted test TestRotationSucceeded")
}

func TestRepliesAreDatedByTheClock(t *testing.T) {
	t.Parallel()
	clock := host.ClockAt(newYearsMorning)
	f := start(t, localaws.Options{Clock: clock})
	f.Function(locallambda.Function{Name: "fn"})
	_, header, _ := f.InvokeHTTP("fn", "DryRun", "{}")
	if got, err := time.Parse(time.RFC1123, header.Get("Date")); err != nil || got.Sub(newYearsMorning).Abs() > time.Minute {
		t.Errorf("Date: %s, %v", header.Get("Date"), err)
	}
}
