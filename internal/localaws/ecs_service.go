package localaws

import (
	"slices"
	"time"
)

// ecsService is a service and its deployments.
type ecsService struct {
	Service
	ecs        *ecs
	arn        string
	created    time.Time
	definition *taskDefinition

	deployments []*deployment // the newest, which is PRIMARY, first
	messages    []serviceMessage

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
	completed  bool
	succeeded  bool // a task of it was healthy: failures are no longer counted
	failed     int
}

// serviceMessage is an entry of a service's event stream.
type serviceMessage struct {
	ID        string `json:"id"`
	CreatedAt epoch  `json:"createdAt"`
	Message   string `json:"message"`
}

// deploy makes a new deployment the primary one. The caller holds the lock, here and below.
func (svc *ecsService) deploy() {
	now := svc.ecs.srv.clock.Now()
	d := &deployment{id: "ecs-svc/" + randomText(19, digits), definition: svc.definition, created: now, updated: now}
	svc.deployments = append([]*deployment{d}, svc.deployments...)
	svc.failures, svc.restartAt = 0, time.Now()
	svc.report(d)
	svc.poke()
}

// poke has the service look at what there is to do.
func (svc *ecsService) poke() {
	select {
	case svc.wake <- struct{}{}:
	default:
	}
}

// control moves the service towards what it is to be, until the server is closed.
func (svc *ecsService) control() {
	for {
		wait := svc.act()
		var again <-chan time.Time
		if wait > 0 {
			again = time.After(wait)
		}
		select {
		case <-svc.ecs.srv.ctx.Done():
			return
		case <-svc.wake:
		case <-again:
		}
	}
}

// act makes the next moves. If it holds back from starting tasks that fail, it returns for how long.
func (svc *ecsService) act() (wait time.Duration) {
	svc.ecs.mu.Lock()
	defer svc.ecs.mu.Unlock()
	now, primary := svc.ecs.srv.clock.Now(), svc.deployments[0]

	tasks := svc.tasks(func(t *ecsTask) bool { return t.desired == "RUNNING" })
	r := rollout{
		desired:        svc.DesiredCount,
		minimumPercent: svc.MinimumHealthyPercent,
		maximumPercent: svc.MaximumPercent,
		deployment:     primary.id,
	}
	for _, t := range tasks {
		r.tasks = append(r.tasks, rolloutTask{t.startedBy, t.healthy})
	}
	toStart, toStop := r.plan()
	if len(toStop) > 0 {
		svc.poke() // to look again without them
	}
	for _, i := range toStop {
		tasks[i].stop("ServiceSchedulerInitiated", "Scaling activity initiated by deployment "+primary.id)
	}
	if toStart > 0 {
		if wait = time.Until(svc.restartAt); wait <= 0 {
			for range toStart {
				svc.ecs.startTask(svc.Cluster, svc.definition, svc, primary.id)
			}
		}
	}

	svc.retireDeployments()
	if r.complete() && !primary.completed {
		primary.completed, primary.updated = true, now
		svc.say("(service " + svc.Name + ") has reached a steady state.")
		svc.report(primary)
	}
	return wait
}

// tasks lists the service's tasks that are not gone and match.
func (svc *ecsService) tasks(match func(*ecsTask) bool) []*ecsTask {
	var found []*ecsTask
	for _, t := range svc.ecs.tasks {
		if t.service == svc && t.last != "STOPPED" && match(t) {
			found = append(found, t)
		}
	}
	return found
}

// retireDeployments drops the older deployments that have no task left.
func (svc *ecsService) retireDeployments() {
	primary := svc.deployments[0]
	svc.deployments = slices.DeleteFunc(svc.deployments, func(d *deployment) bool {
		gone := d != primary && len(svc.tasks(func(t *ecsTask) bool { return t.startedBy == d.id })) == 0
		if gone {
			svc.reportAs(d, "INACTIVE")
		}
		return gone
	})
}

// stable asks for what the SDKs' waiter asks for, one deployment and as many running tasks as desired, and for health.
func (svc *ecsService) stable() bool {
	healthy := svc.tasks(func(t *ecsTask) bool { return t.healthy })
	all := svc.tasks(func(*ecsTask) bool { return true })
	return len(svc.deployments) == 1 && svc.deployments[0].completed &&
		len(all) == svc.DesiredCount && len(healthy) == svc.DesiredCount
}

// taskReady notes that a task of the service is healthy.
func (svc *ecsService) taskReady(t *ecsTask) {
	svc.failures = 0
	if d := svc.deployment(t.startedBy); d != nil {
		d.succeeded, d.failed = true, 0
	}
	svc.poke()
}

// taskGone notes that a task has stopped. One that nobody asked to stop is replaced, and if it never was healthy, it
// counts as failed and the next one has to wait. A deployment counts failures until one of its tasks was healthy.
func (svc *ecsService) taskGone(t *ecsTask, asked bool) {
	if !asked {
		svc.restartAt = time.Now().Add(svc.RestartDelay << min(svc.failures, 5))
	}
	if !asked && !t.healthy {
		svc.failures++
		if d := svc.deployment(t.startedBy); d != nil && !d.succeeded {
			d.failed++
			d.updated = svc.ecs.srv.clock.Now()
			svc.report(d)
		}
	}
	svc.poke()
}

func (svc *ecsService) deployment(id string) *deployment {
	i := slices.IndexFunc(svc.deployments, func(d *deployment) bool { return d.id == id })
	if i < 0 {
		return nil
	}
	return svc.deployments[i]
}

// status of a deployment, and of its rollout. Without a circuit breaker a rollout never fails.
func (svc *ecsService) status(d *deployment) (status, rolloutState string) {
	status, rolloutState = "ACTIVE", "IN_PROGRESS"
	if d == svc.deployments[0] {
		status = "PRIMARY"
	}
	if d.completed {
		rolloutState = "COMPLETED"
	}
	return status, rolloutState
}

// report tells the observers of a deployment.
func (svc *ecsService) report(d *deployment) {
	status, _ := svc.status(d)
	svc.reportAs(d, status)
}

func (svc *ecsService) reportAs(d *deployment, status string) {
	_, rolloutState := svc.status(d)
	svc.ecs.srv.events.emit(DeploymentChanged{
		At: svc.ecs.srv.clock.Now(), Service: svc.arn, Deployment: d.id,
		Status: status, RolloutState: rolloutState, FailedTasks: d.failed,
	})
}

// say adds to the service's event stream, which holds the latest hundred.
func (svc *ecsService) say(text string) {
	m := serviceMessage{newUUID(), epoch(svc.ecs.srv.clock.Now()), text}
	svc.messages = append([]serviceMessage{m}, svc.messages...)
	svc.messages = svc.messages[:min(len(svc.messages), 100)]
}
