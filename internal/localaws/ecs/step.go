package ecs

import "time"

// Step has a service's scheduler look once at what is to be done: it stops and starts tasks, completes the deployment, and
// drops the older ones that have no task left. Without anything to do it changes nothing. It tells whether to look again, and
// if tasks are held back because they fail, after which real time.
func (c *Core) Step(cluster, service string) (again bool, wait time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	svc, err := c.findService(cluster, service)
	if err != nil {
		return false, 0, err
	}
	svc.awake() // what wants to be looked at is looked at now
	wait = svc.step()
	return svc.awake(), wait, nil
}

// awake tells whether there may be something to do, and takes note that it is looked at.
func (svc *service) awake() bool {
	select {
	case <-svc.wake:
		return true
	default:
		return false
	}
}

// step makes the next moves. If it holds back from starting tasks that fail, it returns for how long. The caller holds the
// lock.
func (svc *service) step() (wait time.Duration) {
	primary := svc.deployments[0]
	if primary.rollout == rolloutFailed { // it starts no task, and what runs goes on
		svc.retireDeployments()
		return 0
	}

	r, tasks := svc.rollout()
	toStart, toStop := r.plan()
	if svc.Strategy != Rolling {
		toStart, toStop = r.planBeside(svc.baked(primary, r))
	}
	if len(toStop) > 0 {
		svc.poke() // to look again without them
	}
	for _, i := range toStop {
		tasks[i].stop("ServiceSchedulerInitiated", "Scaling activity initiated by deployment "+primary.id)
	}
	if toStart > 0 {
		if wait = svc.restartAt.Sub(svc.core.env.RealNow()); wait <= 0 {
			for range toStart {
				svc.core.startTask(svc.Cluster, svc.definition, svc, primary.id)
			}
		}
	}

	svc.retireDeployments()
	if r.complete() && (svc.Strategy == Rolling || svc.baked(primary, r)) && primary.rollout == rolloutInProgress {
		svc.say("(service " + svc.Name + ") has reached a steady state.")
		svc.enter(primary, rolloutCompleted, "ECS deployment "+primary.id+" completed.")
	}
	return wait
}

// rollout is what the service has and wants, and the tasks that it speaks of.
func (svc *service) rollout() (rollout, []*task) {
	tasks := svc.tasks(func(t *task) bool { return t.desired == "RUNNING" })
	r := rollout{
		desired:        svc.DesiredCount,
		minimumPercent: svc.MinimumHealthyPercent,
		maximumPercent: svc.MaximumPercent,
		deployment:     svc.deployments[0].id,
	}
	for _, t := range tasks {
		r.tasks = append(r.tasks, rolloutTask{t.startedBy, t.healthy})
	}
	return r, tasks
}

// baked tells whether a deployment's bake is over, and starts it when all its tasks are healthy. A deployment that a rollback
// revives does not bake, and neither does a service's first.
func (svc *service) baked(d *deployment, r rollout) bool {
	if !r.up() {
		return false
	}
	if d.bakedAt.IsZero() {
		d.bakedAt = svc.core.env.Now()
		if !d.revived && svc.completed != nil {
			d.bakedAt = d.bakedAt.Add(svc.BakeTime)
		}
		if at := svc.core.hooks.At; at != nil {
			at(d.bakedAt, svc.poke)
		}
	}
	return !svc.core.env.Now().Before(d.bakedAt)
}
