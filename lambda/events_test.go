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

func TestEventsMayBeLostDoubledOrOutOfOrder(t *testing.T) {
	t.Parallel()
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
		d.mustBeSteady()
		d.tasksHave(d.password("AWSCURRENT"))
		d.mustSettle()
	}
	d.noLoginFailed()
}

func TestOldTasksOnTheLastPageOfAListKeepTheirPassword(t *testing.T) {
	linger := make(chan struct{})
	app := &rig.Application{Services: []string{"mautic-prod-web"}, Linger: linger}
	d := deployApplication(t, app, func(o *rig.Options) { o.AWS.ListTasksPageSize = 1 })
	d.mustRotate()
	d.awaitLingering(app.Tasks)
	d.mustReconcile()
	d.mustReconcile()
	d.accepts(true, d.Password)
	close(linger)
	d.mustSettle()
	d.accepts(false, d.Password)
	d.noLoginFailed()
}
