package main

import (
	"testing"
	"time"

	"mautic-rotation/internal/rig"
)

func TestAScheduleDoesNotRotateAgainWhatWasRolledBack(t *testing.T) {
	d := rolledBackBySchedule(deployApplication(t, &rig.Application{CircuitBreaker: true}))
	for range 2 {
		d.nextScheduledRotation()
		if d.password("AWSCURRENT") != d.Password {
			t.Fatal("the schedule has rotated again")
		}
	}
	d.logSays("nothing is rotated by the schedule", `"HeldOff":1`)

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
	d := rolledBackBySchedule(deployApplication(t, &rig.Application{CircuitBreaker: true}))
	d.act(actionRelease)
	d.nextScheduledRotation()
	if d.password("AWSCURRENT") == d.Password {
		t.Error("the schedule is held off still")
	}
	d.mustSettle()
	d.noLoginFailed()
}
