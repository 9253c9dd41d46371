package ecs

import (
	"slices"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// service is a service and its deployments.
type service struct {
	Service
	core       *Core
	arn        string
	created    time.Time
	definition *taskDefinition

	deployments []*deployment        // the PRIMARY one first
	completed   *deployment          // the latest to complete, which may have no task left
	history     []*serviceDeployment // the newest first
	messages    []ServiceEvent

	wake      chan struct{} // has an element when there may be something to do
	failures  int           // of tasks, in a row
	restartAt time.Time     // no task is started before; real time
}

// deployment is one rollout of a service's tasks.
type deployment struct {
	id         string
	definition *taskDefinition
	created    time.Time
	updated    time.Time
	rollout    rolloutState
	reason     string // for the state
	succeeded  bool   // a task of it was healthy: failures are no longer counted
	failed     int
	revived    bool      // it was gone back to, and does not bake again
	bakedAt    time.Time // when its bake is over; zero: it has not begun
}

// rolloutState is how far a deployment has come.
type rolloutState string

const (
	rolloutInProgress rolloutState = "IN_PROGRESS"
	rolloutCompleted  rolloutState = "COMPLETED"
	rolloutFailed     rolloutState = "FAILED" // by the circuit breaker only
)

// ServiceEvent is an entry of a service's event stream.
type ServiceEvent struct {
	ID        string     `json:"id"`
	CreatedAt wire.Epoch `json:"createdAt"`
	Message   string     `json:"message"`
}

// deploy makes a new deployment the primary one. The caller holds the lock, here and below.
func (svc *service) deploy() {
	id := "ecs-svc/" + svc.core.env.Random.Text(19, host.Digits)
	d := &deployment{id: id, definition: svc.definition, created: svc.core.env.Now()}
	svc.record(d)
	svc.begin(d, "ECS deployment "+id+" in progress.")
}

// begin makes a deployment the primary one and starts its rollout, of one that was there before anew.
func (svc *service) begin(d *deployment, reason string) {
	others := slices.DeleteFunc(svc.deployments, func(o *deployment) bool { return o == d })
	svc.deployments = append([]*deployment{d}, others...)
	svc.definition = d.definition
	d.succeeded, d.failed, d.bakedAt = false, 0, time.Time{}
	svc.failures, svc.restartAt = 0, svc.core.env.RealNow()
	svc.enter(d, rolloutInProgress, reason)
	svc.poke()
}

// enter takes a deployment's rollout to a state.
func (svc *service) enter(d *deployment, state rolloutState, reason string) {
	d.rollout, d.reason, d.updated = state, reason, svc.core.env.Now()
	if state == rolloutCompleted {
		svc.completed = d
		svc.finish(d)
	}
	svc.report(d)
	svc.announce(d)
}

// poke has the service look at what there is to do.
func (svc *service) poke() {
	select {
	case svc.wake <- struct{}{}:
	default:
	}
}

// tasks lists the service's tasks that have not stopped and match.
func (svc *service) tasks(match func(*task) bool) []*task {
	var found []*task
	for _, t := range svc.core.tasks {
		if t.service == svc && t.last != "STOPPED" && match(t) {
			found = append(found, t)
		}
	}
	return found
}

// retireDeployments drops the older deployments that have no task left.
func (svc *service) retireDeployments() {
	primary := svc.deployments[0]
	svc.deployments = slices.DeleteFunc(svc.deployments, func(d *deployment) bool {
		finished := d != primary && len(svc.tasks(func(t *task) bool { return t.startedBy == d.id })) == 0
		if finished {
			svc.reportAs(d, "INACTIVE")
		}
		return finished
	})
}

// stable asks for what the SDKs' waiter asks for, one deployment and as many running tasks as desired, and for health.
func (svc *service) stable() bool {
	healthy := svc.tasks(func(t *task) bool { return t.healthy })
	all := svc.tasks(func(*task) bool { return true })
	return len(svc.deployments) == 1 && svc.deployments[0].rollout == rolloutCompleted &&
		len(all) == svc.DesiredCount && len(healthy) == svc.DesiredCount
}

// taskReady notes that a task of the service is healthy.
func (svc *service) taskReady(t *task) {
	svc.failures = 0
	if d := svc.deployment(t.startedBy); d != nil && d.rollout != rolloutFailed {
		d.succeeded, d.failed = true, 0
	}
	if svc.Strategy != Rolling {
		r, _ := svc.rollout()
		svc.baked(svc.deployments[0], r) // it begins now, and not when the scheduler looks
	}
	svc.poke()
}

// taskStopped notes that a task has stopped. One that nobody asked to stop is replaced, and if it never was healthy, it
// counts as failed and the next one has to wait. A deployment counts failures until one of its tasks was healthy, or
// until it has failed of them.
func (svc *service) taskStopped(t *task, asked bool) {
	svc.poke()
	if asked {
		return
	}
	svc.restartAt = svc.core.env.RealNow().Add(svc.RestartDelay << min(svc.failures, 5))
	if t.healthy {
		return
	}
	svc.failures++
	d := svc.deployment(t.startedBy)
	if d == nil || d.succeeded || d.rollout == rolloutFailed {
		return
	}
	d.failed++
	d.updated = svc.core.env.Now()
	svc.report(d)
	svc.breakCircuit(d)
}

func (svc *service) deployment(id string) *deployment {
	i := slices.IndexFunc(svc.deployments, func(d *deployment) bool { return d.id == id })
	if i < 0 {
		return nil
	}
	return svc.deployments[i]
}

func (svc *service) status(d *deployment) string {
	if d == svc.deployments[0] {
		return "PRIMARY"
	}
	return "ACTIVE"
}

// report tells the observers of a deployment.
func (svc *service) report(d *deployment) {
	svc.reportAs(d, svc.status(d))
}

func (svc *service) reportAs(d *deployment, status string) {
	svc.core.env.Emit(DeploymentChanged{
		At: svc.core.env.Now(), Service: svc.arn, Deployment: d.id,
		Status: status, RolloutState: string(d.rollout), Reason: d.reason, FailedTasks: d.failed,
	})
}

// say adds to the service's event stream, which holds the latest hundred.
func (svc *service) say(text string) {
	m := ServiceEvent{svc.core.env.Random.UUID(), wire.Epoch(svc.core.env.Now()), text}
	svc.messages = append([]ServiceEvent{m}, svc.messages...)
	svc.messages = svc.messages[:min(len(svc.messages), 100)]
}
