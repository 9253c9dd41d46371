package main

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws/host"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/rig"
)

const week = 7 * 24 * time.Hour

// rolledBackBySchedule is a deployment whose scheduled rotation has been rolled
// back, since the application did not come up, which is mended by now.
func rolledBackBySchedule(t *testing.T) *deployment {
	t.Helper()
	app := &rig.Application{CircuitBreaker: true}
	d := deployApplication(t, app)
	d.rotateWeekly()
	app.Broken.Store(true)
	d.nextScheduledRotation()
	if d.password("AWSCURRENT") == d.Password {
		t.Fatal("the schedule has rotated nothing")
	}
	d.awaitFailedRollout(true)
	d.mustReconcile()
	d.mustSettle()
	if d.password("AWSCURRENT") != d.Password {
		t.Fatal("not rolled back")
	}
	app.Broken.Store(false)
	return d
}

// rotateWeekly turns the schedule on, without a rotation at once.
func (d *deployment) rotateWeekly() {
	d.t.Helper()
	_, err := d.Secrets.RotateSecret(d.t.Context(), &sm.RotateSecretInput{
		SecretId: &d.SecretARN, RotationLambdaARN: &d.FunctionARN, RotateImmediately: aws.Bool(false),
		RotationRules: &types.RotationRulesType{ScheduleExpression: aws.String("rate(7 days)")},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.AWS.SecretsManager.WaitRotation(d.t.Context(), d.SecretARN, ""); err != nil {
		d.t.Fatal(err)
	}
}

// nextScheduledRotation lets a week pass, and waits for the end of what the
// schedule then starts.
func (d *deployment) nextScheduledRotation() {
	d.t.Helper()
	ended := func() (n int) {
		for _, event := range d.AWS.Events() {
			if r, ok := event.(localsecretsmanager.RotationEvent); ok && r.Name == localsecretsmanager.RotationSucceeded {
				n++
			}
		}
		return n
	}
	before, seen := ended(), 0
	d.AWS.Clock().Advance(week)
	_, err := d.AWS.WaitEvent(d.t.Context(), func(e host.Event) bool {
		if r, ok := e.(localsecretsmanager.RotationEvent); ok && r.Name == localsecretsmanager.RotationSucceeded {
			seen++
		}
		return seen > before
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func TestAScheduleDoesNotRotateAgainWhatWasRolledBack(t *testing.T) {
	d := rolledBackBySchedule(t)
	for range 2 {
		d.nextScheduledRotation()
		if d.password("AWSCURRENT") != d.Password {
			t.Fatal("the schedule has rotated again")
		}
	}
	if !strings.Contains(d.log.String(), "nothing is rotated by the schedule") || !strings.Contains(d.log.String(), `"HeldOff":1`) {
		t.Error("the log and the metrics do not tell")
	}

	// Two days on, somebody rotates by hand.
	d.AWS.Clock().Advance(2 * 24 * time.Hour)
	d.mustRotate()
	d.mustSettle()
	byHand := d.password("AWSCURRENT")
	if byHand == d.Password {
		t.Fatal("a rotation by hand was held off too")
	}
	d.nextScheduledRotation()
	if d.password("AWSCURRENT") == byHand {
		t.Error("the schedule is held off still, after a rotation that came to a good end")
	}
	d.mustSettle()
	d.noLoginFailed()
}

func TestARolledBackScheduleGoesOnWhenItIsReleased(t *testing.T) {
	d := rolledBackBySchedule(t)
	if err := d.Invoke([]byte(`{"Action":"release","SecretId":"` + d.SecretARN + `"}`)); err != nil {
		t.Fatal(err)
	}
	d.nextScheduledRotation()
	if d.password("AWSCURRENT") == d.Password {
		t.Error("the schedule is held off still")
	}
	d.mustSettle()
	d.noLoginFailed()
}
