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

	deployments []*deployment // the PRIMARY one first
	completed   *deployment   // the latest to complete, which may have no task left
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
	rollout    rolloutState
	reason     string // for the state
	succeeded  bool   // a task of it was healthy: failures are no longer counted
	failed     int
}

// rolloutState is how far a deployment has come.
type rolloutState string

const (
	rolloutInProgress rolloutState = "IN_PROGRESS"
	rolloutCompleted  rolloutState = "COMPLETED"
	rolloutFailed     rolloutState = "FAILED" // by the circuit breaker only
)

// serviceMessage is an entry of a service's event stream.
type serviceMessage struct {
	ID        string `json:"id"`
	CreatedAt epoch  `json:"createdAt"`
	Message   string `json:"message"`
}

// deploy makes a new deployment the primary one. The caller holds the lock, here and below.
func (svc *ecsService) deploy() {
	id := "ecs-svc/" + randomText(19, digits)
	d := &deployment{id: id, definition: svc.definition, created: svc.ecs.srv.clock.Now()}
	svc.begin(d, "ECS deployment "+id+" in progress.")
}

// begin makes a deployment the primary one and starts its rollout, of one that was there before anew.
func (svc *ecsService) begin(d *deployment, reason string) {
	others := slices.DeleteFunc(svc.deployments, func(o *deployment) bool { return o == d })
	svc.deployments = append([]*deployment{d}, others...)
	svc.definition = d.definition
	d.succeeded, d.failed = false, 0
	svc.failures, svc.restartAt = 0, time.Now()
	svc.enter(d, rolloutInProgress, reason)
	svc.poke()
}

// enter takes a deployment's rollout to a state.
func (svc *ecsService) enter(d *deployment, state rolloutState, reason string) {
	d.rollout, d.reason, d.updated = state, reason, svc.ecs.srv.clock.Now()
	if state == rolloutCompleted {
		svc.completed = d
	}
	svc.report(d)
	svc.announce(d)
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
	primary := svc.deployments[0]
	if primary.rollout == rolloutFailed { // it starts no task, and what runs goes on
		svc.retireDeployments()
		return 0
	}

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
	if r.complete() && primary.rollout == rolloutInProgress {
		svc.say("(service " + svc.Name + ") has reached a steady state.")
		svc.enter(primary, rolloutCompleted, "ECS deployment "+primary.id+" completed.")
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
	return len(svc.deployments) == 1 && svc.deployments[0].rollout == rolloutCompleted &&
		len(all) == svc.DesiredCount && len(healthy) == svc.DesiredCount
}

// taskReady notes that a task of the service is healthy.
func (svc *ecsService) taskReady(t *ecsTask) {
	svc.failures = 0
	if d := svc.deployment(t.startedBy); d != nil && d.rollout != rolloutFailed {
		d.succeeded, d.failed = true, 0
	}
	svc.poke()
}

// taskGone notes that a task has stopped. One that nobody asked to stop is replaced, and if it never was healthy, it
// counts as failed and the next one has to wait. A deployment counts failures until one of its tasks was healthy, or
// until it has failed of them.
func (svc *ecsService) taskGone(t *ecsTask, asked bool) {
	svc.poke()
	if asked {
		return
	}
	svc.restartAt = time.Now().Add(svc.RestartDelay << min(svc.failures, 5))
	if t.healthy {
		return
	}
	svc.failures++
	d := svc.deployment(t.startedBy)
	if d == nil || d.succeeded || d.rollout == rolloutFailed {
		return
	}
	d.failed++
	d.updated = svc.ecs.srv.clock.Now()
	svc.report(d)
	svc.breakCircuit(d)
}

func (svc *ecsService) deployment(id string) *deployment {
	i := slices.IndexFunc(svc.deployments, func(d *deployment) bool { return d.id == id })
	if i < 0 {
		return nil
	}
	return svc.deployments[i]
}

func (svc *ecsService) status(d *deployment) string {
	if d == svc.deployments[0] {
		return "PRIMARY"
	}
	return "ACTIVE"
}

// report tells the observers of a deployment.
func (svc *ecsService) report(d *deployment) {
	svc.reportAs(d, svc.status(d))
}

func (svc *ecsService) reportAs(d *deployment, status string) {
	svc.ecs.srv.events.emit(DeploymentChanged{
		At: svc.ecs.srv.clock.Now(), Service: svc.arn, Deployment: d.id,
		Status: status, RolloutState: string(d.rollout), Reason: d.reason, FailedTasks: d.failed,
	})
}

// say adds to the service's event stream, which holds the latest hundred.
func (svc *ecsService) say(text string) {
	m := serviceMessage{newUUID(), epoch(svc.ecs.srv.clock.Now()), text}
	svc.messages = append([]serviceMessage{m}, svc.messages...)
	svc.messages = svc.messages[:min(len(svc.messages), 100)]
}
