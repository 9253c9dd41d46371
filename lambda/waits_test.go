package main

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/rig"
)

// What tests let pass, and wait for.

// rotateWeekly turns the schedule on, without a rotation at once.
func (d *deployment) rotateWeekly() {
	d.t.Helper()
	d.schedule(&types.RotationRulesType{ScheduleExpression: aws.String("rate(7 days)")})
}

// schedule has the secret rotate by rules, not at once.
func (d *deployment) schedule(rules *types.RotationRulesType) {
	d.t.Helper()
	_, err := d.Secrets.RotateSecret(d.t.Context(), &sm.RotateSecretInput{
		SecretId: &d.SecretARN, RotationLambdaARN: &d.FunctionARN, RotateImmediately: aws.Bool(false), RotationRules: rules,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.AWS.SecretsManager.WaitRotation(d.t.Context(), d.SecretARN, ""); err != nil {
		d.t.Fatal(err)
	}
}

const week = 7 * 24 * time.Hour

// nextScheduledRotation lets a week pass, and waits for the end of what the
// schedule then starts.
func (d *deployment) nextScheduledRotation() {
	d.t.Helper()
	before := 0
	for _, event := range d.AWS.Events() {
		if rotationSucceeded(event) {
			before++
		}
	}
	d.AWS.Clock().Advance(week)
	d.awaitRotations(before + 1)
}

// awaitRotations waits until so many rotations have succeeded.
func (d *deployment) awaitRotations(n int) {
	d.t.Helper()
	_, err := d.AWS.WaitEvent(d.t.Context(), func(e host.Event) bool {
		if rotationSucceeded(e) {
			n--
		}
		return n == 0
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func rotationSucceeded(e host.Event) bool {
	r, ok := e.(localsecretsmanager.RotationEvent)
	return ok && r.Name == localsecretsmanager.RotationSucceeded
}

// pastRollout is more than the time that a rollout may take.
const pastRollout = 31 * time.Minute

// awaitFailedRollouts waits until ECS has given up the deployments of services;
// of all, if none is named.
func (d *deployment) awaitFailedRollouts(services ...string) {
	d.t.Helper()
	if len(services) == 0 {
		services = d.Application().Services
	}
	for _, service := range services {
		_, err := d.AWS.WaitEvent(d.t.Context(), func(e host.Event) bool {
			change, ok := e.(localecs.DeploymentChanged)
			return ok && change.RolloutState == "FAILED" && strings.HasSuffix(change.Service, service)
		})
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

// awaitLingering waits until so many tasks have been told to stop, which linger.
func (d *deployment) awaitLingering(tasks int) {
	d.t.Helper()
	_, err := d.AWS.WaitEvent(d.t.Context(), func(e host.Event) bool {
		if task, ok := e.(localecs.TaskChanged); ok && task.Status == "STOPPING" {
			tasks--
		}
		return tasks == 0
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// awaitRetired lets time pass, as the schedule counts it, until nothing is open.
// Nobody reconciles by hand.
func (d *deployment) awaitRetired(every time.Duration) {
	d.t.Helper()
	for range 20 {
		d.mustBeSteady()
		d.AWS.Clock().Advance(every)
		if err := d.AWS.EventBridge.WaitIdle(d.t.Context()); err != nil {
			d.t.Fatal(err)
		}
		if d.journal() == "" {
			return
		}
	}
	d.t.Fatalf("the journal still says %s", d.journal())
}

// rolledBackBySchedule brings a deployment to where its scheduled rotation has
// been rolled back, since the application did not come up, which is mended by now.
func rolledBackBySchedule(d *deployment) *deployment {
	d.t.Helper()
	d.rotateWeekly()
	d.Application().Broken.Store(true)
	d.nextScheduledRotation()
	if d.password("AWSCURRENT") == d.Password {
		d.t.Fatal("the schedule has rotated nothing")
	}
	d.awaitFailedRollouts()
	d.mustReconcile()
	d.mustSettle()
	if d.password("AWSCURRENT") != d.Password {
		d.t.Fatal("not rolled back")
	}
	d.Application().Broken.Store(false)
	return d
}

// brokenApplication is one whose new tasks do not start, as ECS's circuit
// breaker notices.
func brokenApplication() *rig.Application {
	app := &rig.Application{CircuitBreaker: true}
	app.Broken.Store(true)
	return app
}
