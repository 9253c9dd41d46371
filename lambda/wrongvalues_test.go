package main

import (
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/rig"
)

// AWSCURRENT gets a value that its target refuses, or that cannot be compared with
// the others. Nothing is taken away, and an operator is told where the right value is.

func TestAPasswordThatIsMistypedByHandIsAnAlarmThatNamesTheVersionWithTheRightOne(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ overlap bool }{
		"while the old password is accepted": {overlap: true},
		"after the old password is retired":  {},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployApplication(t, &rig.Application{})
			promoted := d.mustRollOut()
			if !tc.overlap {
				d.mustEnd()
			}
			right, version := d.raw("AWSCURRENT"), d.labelled("AWSCURRENT").ID
			from, old := d.mark(), d.labelled("AWSPREVIOUS").ID
			d.put(withPassword(right, "mistyped-by-hand-0123456789abcdef"))
			for range 3 {
				_ = d.tick() // may fail, as long as it says why
			}
			if tc.overlap && !strings.Contains(d.log.String()[from:], version) {
				version = old // its value is accepted as well
			}
			d.alarms(from, version)
			d.accepts(true, promoted)
			d.accepts(tc.overlap, d.Password)
			d.everyAcceptedPasswordIsLabelled()
			d.wantDeployments(1) // tasks that start now could not log in

			d.put(right)
			d.mustEndWith(promoted)
			d.calm()
			d.noLoginFailed()
		})
	}
}

func TestAMoveToTheVersionThatWasRolledBackIsAnAlarmAndTheScheduleStaysHeldOff(t *testing.T) {
	app := &rig.Application{CircuitBreaker: true}
	d := deployApplication(t, app)
	d.rotateWeekly()
	app.Broken.Store(true)
	d.nextScheduledRotation()
	bad := d.labelled("AWSCURRENT").ID
	d.awaitFailedRollouts()
	d.mustEndWith(d.Password)
	good := d.labelled("AWSCURRENT").ID
	before, from := d.deployments(), d.mark()

	d.moveLabel("AWSCURRENT", bad, good)
	for range 3 {
		_ = d.tick()
	}
	d.alarms(from, good)
	d.accepts(true, d.Password)
	d.everyAcceptedPasswordIsLabelled()
	if after := d.deployments(); after["mautic-prod-web"] != before["mautic-prod-web"] {
		t.Error("deployed with a password that is refused")
	}

	d.moveLabel("AWSCURRENT", good, bad)
	d.mustEnd()
	app.Broken.Store(false)
	d.nextScheduledRotation()
	if d.password("AWSCURRENT") != d.Password {
		t.Error("the schedule is not held off any more")
	}
	d.noLoginFailed()
}

func TestWhileAWSCURRENTCannotBeComparedNothingIsTakenAway(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(document string) string{
		"another host":                func(s string) string { return strings.Replace(s, `"127.0.0.1"`, `"localhost"`, 1) },
		"the field moved away":        func(s string) string { return strings.Replace(s, `"database_password"`, `"moved_away"`, 1) },
		"another account":             func(s string) string { return strings.Replace(s, `"database_user": "`, `"database_user": "other_`, 1) },
		"the value is no JSON at all": func(string) string { return "moved to another secret" },
	} {
		t.Run(name, func(t *testing.T) {
			d := deployApplication(t, &rig.Application{})
			promoted := d.mustRollOut()
			right := d.raw("AWSCURRENT")
			changed := change(right)
			if changed == right {
				t.Fatal("nothing was changed")
			}
			from := d.mark()
			d.put(changed)
			var fault error
			for range 3 {
				fault = d.tick()
				d.AWS.Clock().Advance(pastRollout)
			}
			if d.warned(from, d.SecretName); fault == nil { // an error is an alarm of its own
				d.alarms(from, d.SecretName)
			}
			d.accepts(true, d.Password, promoted)
			d.everyAcceptedPasswordIsLabelled()

			d.put(right)
			d.mustEndWith(promoted)
			d.calm()
			d.noLoginFailed()
		})
	}
}

func TestAPasswordThatIsResetByHandToTheOldOneIsSetAgain(t *testing.T) {
	d := deployApplication(t, &rig.Application{}, observedFor("60"))
	promoted := d.mustRollOut()
	for range 3 {
		if err := d.tick(); err != nil {
			t.Fatal(err)
		}
	}
	if d.book().Rollout().Open() {
		t.Fatal("the rollout has not converged")
	}
	d.accepts(true, d.Password, promoted) // the old one is observed

	d.resetPassword(d.Password)
	d.accepts(false, promoted)
	d.mustReconcile()
	d.accepts(true, promoted)
	if d.password("AWSCURRENT") != promoted {
		t.Error("rolled back, after the rollout had converged")
	}
	d.everyAcceptedPasswordIsLabelled()
	d.wantDeployments(1)
}

func TestAPasswordThatIsResetByHandAfterTheOldOneIsRetiredIsAnAlarm(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	d.mustRotate()
	d.mustEnd()
	promoted, version := d.password("AWSCURRENT"), d.labelled("AWSCURRENT").ID
	from := d.mark()
	d.resetPassword("chosen-by-hand-0123456789abcdef")
	d.accepts(false, promoted, d.Password)
	for range 3 {
		_ = d.tick()
		d.AWS.Clock().Advance(25 * time.Hour) // targets are asked once a day at least
	}
	d.alarms(from, version)
	if d.labelled("AWSCURRENT").ID != version {
		t.Error("AWSCURRENT was moved")
	}
	d.resetPassword(promoted)
	_ = d.tick()
	d.mustEndWith(promoted)
	d.calm()
}
