package main

import (
	"testing"
	"time"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/rig"
)

// sideBySide waits until as many new tasks are healthy as the application has.
func (d *deployment) sideBySide(app *rig.Application, since time.Time) {
	d.t.Helper()
	healthy := map[string]bool{}
	_, err := d.AWS.WaitEvent(d.t.Context(), func(e host.Event) bool {
		if task, ok := e.(localecs.TaskChanged); ok && task.Healthy && !task.CreatedAt.Before(since) {
			healthy[task.Task] = true
		}
		return len(healthy) == len(app.Services)*app.Tasks
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func TestADeploymentThatBakesForLongerThanARolloutMayTakeIsNotRolledBack(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{localecs.BlueGreen, localecs.Linear, localecs.Canary} {
		t.Run(strategy, func(t *testing.T) {
			app := &rig.Application{Strategy: strategy, BakeTime: time.Hour}
			d := deployApplication(t, app)
			since := d.AWS.Clock().Now()
			d.mustRotate()
			promoted := d.password("AWSCURRENT")
			d.sideBySide(app, since)
			d.AWS.Clock().Advance(pastRollout)
			d.mustReconcile()
			if d.password("AWSCURRENT") != promoted {
				t.Fatalf("rolled back while it bakes: %s", d.journal())
			}
			d.accepts(true, d.Password, promoted)
			d.AWS.Clock().Advance(time.Hour)
			d.mustSettle()
			d.accepts(false, d.Password)
			d.noLoginFailed()
		})
	}
}

func TestADeploymentOfAnotherStrategyThatFailsIsRolledBack(t *testing.T) {
	app := brokenApplication()
	app.Strategy = localecs.BlueGreen
	d := deployApplication(t, app)
	d.mustRotate()
	bad := d.password("AWSCURRENT")
	d.mustBeSteady() // ECS has gone back to the old tasks
	d.mustReconcile()
	if d.password("AWSCURRENT") != d.Password {
		t.Fatalf("not rolled back: %s", d.journal())
	}
	d.mustSettle()
	d.accepts(true, d.Password)
	d.accepts(false, bad)
	d.noLoginFailed()
}
