package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	localeventbridge "mautic-rotation/internal/localaws/eventbridge"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

// awaitRetired lets time pass, as the schedule counts it, until nothing is open.
// Nobody reconciles by hand.
func (d *deployment) awaitRetired(every time.Duration) {
	d.t.Helper()
	for range 20 {
		if err := d.WaitSteady(d.t.Context()); err != nil {
			d.t.Fatal(err)
		}
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

func TestEventsMayBeLostDoubledOrOutOfOrder(t *testing.T) {
	const every = 5 * time.Minute
	for name, fault := range map[string]func(e localeventbridge.Event, later <-chan struct{}) localeventbridge.Fault{
		"lost": func(e localeventbridge.Event, _ <-chan struct{}) localeventbridge.Fault {
			return localeventbridge.Fault{Lose: e.Source == "aws.ecs"}
		},
		"doubled": func(localeventbridge.Event, <-chan struct{}) localeventbridge.Fault {
			return localeventbridge.Fault{Twice: true}
		},
		"out of order": func(e localeventbridge.Event, later <-chan struct{}) localeventbridge.Fault {
			if e.Name == "SERVICE_DEPLOYMENT_IN_PROGRESS" {
				return localeventbridge.Fault{Late: later}
			}
			return localeventbridge.Fault{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployApplication(t, &rig.Application{})
			if err := d.AWS.EventBridge.SendEvents(rig.FunctionName); err != nil {
				t.Fatal(err)
			}
			if _, err := d.AWS.EventBridge.Schedule(rig.FunctionName, every, nil); err != nil {
				t.Fatal(err)
			}
			later := make(chan struct{})
			d.AWS.EventBridge.Intercept(func(e localeventbridge.Event) localeventbridge.Fault { return fault(e, later) })
			d.mustRotate()
			d.awaitRetired(every)
			close(later) // what was held back comes when all is over
			if err := d.AWS.EventBridge.WaitIdle(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.accepts(true, d.password("AWSCURRENT"))
			d.accepts(false, d.Password)
			d.noLoginFailed()
			if d.journal() != "" {
				t.Errorf("the journal says %s", d.journal())
			}
		})
	}
}

func TestTheStepsThemselvesRedeploy(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	var once sync.Once
	d.AWS.Intercept(func(c wire.Call) (fault wire.Fault) {
		if c.Operation == "UpdateSecretVersionStage" && strings.Contains(c.Detail, "VersionStage=AWSCURRENT") {
			once.Do(func() { fault.KillAfter = true }) // the retry finds its token current
		}
		return fault
	})
	for range 2 { // the first rotation dies with the promotion, the second does not
		d.mustRotate()
		if err := d.WaitSteady(t.Context()); err != nil {
			t.Fatal(err)
		}
		current := d.password("AWSCURRENT")
		for _, task := range d.Application().Records() {
			if task.Stopped.IsZero() && task.Password != current {
				t.Errorf("a task of %s was not replaced", task.Service)
			}
		}
		d.mustSettle()
	}
	d.noLoginFailed()
}

func TestOldTasksOnTheLastPageOfAListKeepTheirPassword(t *testing.T) {
	app := &rig.Application{Services: []string{"mautic-prod-web"}, DrainTime: 2 * time.Second}
	d := deployApplication(t, app, func(o *rig.Options) { o.AWS.ListTasksPageSize = 1 })
	d.mustRotate()
	draining := func() bool {
		for _, task := range app.Records() {
			if task.Stopped.IsZero() && task.Password == d.Password {
				return true
			}
		}
		return false
	}
	for draining() {
		d.mustReconcile()
		if draining() { // so it was during the reconcile
			d.accepts(true, d.Password)
		}
	}
	d.mustSettle()
	d.accepts(false, d.Password)
	d.noLoginFailed()
}
