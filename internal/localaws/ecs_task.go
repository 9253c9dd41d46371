package localaws

import (
	"context"
	"maps"
	"slices"
	"time"
)

// keepStopped is how long ECS shows a task after it has stopped.
const keepStopped = time.Hour

// ecsTask is a task. The lock of ecs guards what changes.
type ecsTask struct {
	ecs        *ecs
	arn        string
	cluster    string
	service    *ecsService // nil for a standalone task
	definition *taskDefinition
	startedBy  string // a service's deployment id
	created    time.Time

	desired string // RUNNING, STOPPED
	last    string // PROVISIONING, PENDING, RUNNING, DEACTIVATING, STOPPING, STOPPED
	healthy bool   // has told that it is ready

	started, stopping, stopped time.Time
	stopCode, stopReason       string
	exitCode                   *int

	stopAsked chan struct{} // closed when it is to stop
}

// startTask creates a task and lets it go its way. The caller holds the lock.
func (e *ecs) startTask(cluster string, d *taskDefinition, svc *ecsService, startedBy string) *ecsTask {
	e.tasks = slices.DeleteFunc(e.tasks, (*ecsTask).forgotten)
	t := &ecsTask{
		ecs:        e,
		arn:        e.srv.arn("ecs", "task/"+cluster+"/"+randomText(32, "0123456789abcdef")),
		cluster:    cluster,
		service:    svc,
		definition: d,
		startedBy:  startedBy,
		created:    e.srv.clock.Now(),
		desired:    "RUNNING",
		last:       "PROVISIONING",
		stopAsked:  make(chan struct{}),
	}
	e.tasks = append(e.tasks, t)
	e.srv.spawn(t.live)
	return t
}

// forgotten tells whether the task stopped so long ago that ECS no longer shows it.
func (t *ecsTask) forgotten() bool {
	return t.last == "STOPPED" && t.ecs.srv.clock.Now().Sub(t.stopped) > keepStopped
}

// stop asks a task to stop, if nothing did before. The caller holds the lock.
func (t *ecsTask) stop(code, reason string) {
	if t.desired == "STOPPED" {
		return
	}
	t.desired = "STOPPED"
	t.stopping = t.ecs.srv.clock.Now()
	t.stopCode, t.stopReason = code, reason
	close(t.stopAsked)
}

// live is a task from its creation to its end. Between the two, its secrets are read once: after the placement, so
// that a task may be created before a rotation and start with what the rotation wrote, or the other way round.
func (t *ecsTask) live() {
	c := t.definition.container
	if !t.pause(c.PlacementTime) {
		t.end(nil, "")
		return
	}
	t.become("PENDING")
	env, err := t.ecs.environment(t)
	if err != nil {
		t.end(nil, "ResourceInitializationError: unable to pull secrets or registry auth: "+err.Error())
		return
	}
	if !t.pause(c.StartTime) {
		t.end(nil, "")
		return
	}
	t.run(env)
}

// run is the life of the task's container.
func (t *ecsTask) run(env map[string]string) {
	c, srv := t.definition.container, t.ecs.srv
	t.become("RUNNING")
	view := Task{
		ARN: t.arn, Cluster: t.cluster, CreatedAt: t.created, Env: env, ready: t.ready,
	}
	if t.service != nil {
		view.Service, view.Deployment = t.service.Name, t.startedBy
	}
	ctx, terminate := context.WithCancel(context.Background())
	defer terminate()
	exited := make(chan error, 1)
	go func() { exited <- c.Run(ctx, view) }()

	select {
	case err := <-exited:
		t.exit(err)
		return
	case <-srv.ctx.Done():
	case <-t.stopAsked:
		t.become("DEACTIVATING")
		select {
		case <-time.After(c.DrainTime):
		case <-srv.ctx.Done():
		}
		t.become("STOPPING")
	}
	terminate()
	select {
	case err := <-exited:
		t.exit(err)
	case <-time.After(c.StopTimeout):
		killed := 137
		t.end(&killed, "")
	}
}

// exit ends the task after its container returned.
func (t *ecsTask) exit(err error) {
	code := 0
	if err != nil {
		code = 1
	}
	t.end(&code, "Essential container in task exited")
}

// pause lets time pass, and returns false if the task is to stop meanwhile.
func (t *ecsTask) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
	case <-t.stopAsked:
	case <-t.ecs.srv.ctx.Done():
	}
	select {
	case <-t.stopAsked:
		return false
	default:
		return t.ecs.srv.ctx.Err() == nil
	}
}

// become takes the task to its next status.
func (t *ecsTask) become(status string) {
	t.ecs.mu.Lock()
	defer t.ecs.mu.Unlock()
	t.last = status
	if status == "RUNNING" {
		t.started = t.ecs.srv.clock.Now()
	}
	t.report()
}

// ready is [Task.Ready].
func (t *ecsTask) ready() {
	t.ecs.mu.Lock()
	defer t.ecs.mu.Unlock()
	if t.healthy || t.last == "STOPPED" {
		return
	}
	t.healthy = true
	t.report()
	if t.service != nil {
		t.service.taskReady(t)
	}
}

// end is the task's end. The reason counts if nobody had asked it to stop.
func (t *ecsTask) end(exitCode *int, reason string) {
	t.ecs.mu.Lock()
	defer t.ecs.mu.Unlock()
	asked := t.desired == "STOPPED" || t.ecs.srv.ctx.Err() != nil
	code := "TaskFailedToStart"
	if exitCode != nil {
		code = "EssentialContainerExited"
	}
	t.stop(code, reason)
	t.last, t.stopped, t.exitCode = "STOPPED", t.ecs.srv.clock.Now(), exitCode
	t.report()
	if t.service != nil {
		t.service.taskGone(t, asked)
	}
}

// report tells the observers where the task stands.
func (t *ecsTask) report() {
	ev := TaskChanged{
		At: t.ecs.srv.clock.Now(), Task: t.arn, Cluster: t.cluster, StartedBy: t.startedBy,
		Status: t.last, Healthy: t.healthy, CreatedAt: t.created, Reason: t.stopReason,
	}
	if t.service != nil {
		ev.Service = t.service.Name
	}
	t.ecs.srv.events.emit(ev)
}

// environment is what a task's container is started with.
func (e *ecs) environment(t *ecsTask) (map[string]string, error) {
	env := maps.Clone(t.definition.container.Environment)
	if env == nil {
		env = map[string]string{}
	}
	for _, s := range t.definition.container.Secrets {
		v, err := e.secretValue(t, s.ValueFrom)
		if err != nil {
			return nil, err
		}
		env[s.Name] = v
	}
	return env, nil
}
