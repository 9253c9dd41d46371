package ecs

import (
	"fmt"
	"slices"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// keepStopped is how long ECS shows a task after it has stopped.
const keepStopped = time.Hour

// task is a task. The lock of the Core guards what changes.
type task struct {
	core       *Core
	arn        string
	cluster    string
	service    *service // nil for a standalone task
	definition *taskDefinition
	startedBy  string // a service's deployment id
	address    string // its private one
	created    time.Time

	desired string // RUNNING, STOPPED
	last    string // PROVISIONING, PENDING, RUNNING, DEACTIVATING, STOPPING, STOPPED
	healthy bool   // has told that it is ready

	started, stopping, stopped time.Time
	stopCode, stopReason       string
	exitCode                   *int

	stopAsked chan struct{} // closed when it is to stop
}

// startTask places a task. The caller holds the lock.
func (c *Core) startTask(cluster string, d *taskDefinition, svc *service, startedBy string) *task {
	c.tasks = slices.DeleteFunc(c.tasks, (*task).forgotten)
	c.placed++
	t := &task{
		core:       c,
		arn:        c.env.Account.ARN("ecs", "task/"+cluster+"/"+c.env.Random.Text(32, host.Hex)),
		cluster:    cluster,
		service:    svc,
		definition: d,
		startedBy:  startedBy,
		address:    fmt.Sprintf("10.%d.%d.%d", c.placed>>16&0xff, c.placed>>8&0xff, c.placed&0xff),
		created:    c.env.Now(),
		desired:    "RUNNING",
		last:       "PROVISIONING",
		stopAsked:  make(chan struct{}),
	}
	c.tasks = append(c.tasks, t)
	if c.hooks.Placed != nil {
		c.hooks.Placed(t)
	}
	return t
}

// forgotten tells whether the task stopped so long ago that ECS no longer shows it.
func (t *task) forgotten() bool {
	return t.last == "STOPPED" && t.core.env.Now().Sub(t.stopped) > keepStopped
}

// stop asks a task to stop, if nothing did before. The caller holds the lock.
func (t *task) stop(code, reason string) {
	if t.desired == "STOPPED" {
		return
	}
	t.desired = "STOPPED"
	t.stopping = t.core.env.Now()
	t.stopCode, t.stopReason = code, reason
	close(t.stopAsked)
}

// become takes the task to its next status.
func (t *task) become(status string) {
	t.core.mu.Lock()
	defer t.core.mu.Unlock()
	t.last = status
	if status == "RUNNING" {
		t.started = t.core.env.Now()
	}
	t.report()
}

// ready is [Task.Ready].
func (t *task) ready() {
	t.core.mu.Lock()
	defer t.core.mu.Unlock()
	if t.healthy || t.last == "STOPPED" {
		return
	}
	t.healthy = true
	if t.service != nil {
		t.service.taskReady(t)
	}
	t.report()
}

// end is the task's end. The reason counts if nobody had asked it to stop. If it is interrupted, because the stand-in is
// closed, its end counts as asked for.
func (t *task) end(exitCode *int, reason string, interrupted bool) {
	t.core.mu.Lock()
	defer t.core.mu.Unlock()
	asked := t.desired == "STOPPED" || interrupted
	code := "TaskFailedToStart"
	if exitCode != nil {
		code = "EssentialContainerExited"
	}
	t.stop(code, reason)
	t.last, t.stopped, t.exitCode = "STOPPED", t.core.env.Now(), exitCode
	t.report()
	if t.service != nil {
		t.service.taskStopped(t, asked)
	}
}

// report tells the observers where the task stands.
func (t *task) report() {
	ev := TaskChanged{
		At: t.core.env.Now(), Task: t.arn, Cluster: t.cluster, StartedBy: t.startedBy,
		Status: t.last, Healthy: t.healthy, CreatedAt: t.created, Reason: t.stopReason,
	}
	if t.service != nil {
		ev.Service = t.service.Name
	}
	t.core.env.Emit(ev)
}

// SetTaskStatus takes a task to its next status, as its container agent would: PENDING, RUNNING, DEACTIVATING, STOPPING.
func (c *Core) SetTaskStatus(arn, status string) error {
	t, err := c.lookUpTask(arn)
	if err == nil {
		t.become(status)
	}
	return err
}

// MarkTaskReady notes that the health check of a task's container passes.
func (c *Core) MarkTaskReady(arn string) error {
	t, err := c.lookUpTask(arn)
	if err == nil {
		t.ready()
	}
	return err
}

// EndTask ends a task; nil stands for no exit code, if its container did not start. The reason counts if nobody had asked it
// to stop.
func (c *Core) EndTask(arn string, exitCode *int, reason string) error {
	t, err := c.lookUpTask(arn)
	if err == nil {
		t.end(exitCode, reason, false)
	}
	return err
}

func (c *Core) lookUpTask(arn string) (*task, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.tasks, func(t *task) bool { return t.arn == arn && t.last != "STOPPED" })
	if i < 0 {
		return nil, &wire.Error{Code: "InvalidParameterException", Message: "The referenced task was not found."}
	}
	return c.tasks[i], nil
}
