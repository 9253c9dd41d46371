package ecs

import (
	"cmp"
	"context"
	"time"
)

// ContainerSecret is an environment variable that is read from Secrets Manager by
//
//	arn:aws:secretsmanager:region:account:secret:name-AbCdEf:json-key:version-stage:version-id
//
// The last three parts may be empty, or be left out from the end.
type ContainerSecret struct {
	Name      string
	ValueFrom string
}

// Service is an ECS service that keeps a number of equal tasks running, with one container each.
type Service struct {
	Cluster      string // default "default"; made unless it exists
	Name         string
	Family       string // of the task definition, default Name
	DesiredCount int    // default 1; -1 means none

	// MinimumHealthyPercent bounds how many tasks may be missing in a deployment, MaximumPercent how many there may be.
	// 0 means the defaults, 100 and 200; -1 means 0 percent.
	MinimumHealthyPercent int
	MaximumPercent        int

	// DeploymentController is "ECS" (the default), "CODE_DEPLOY" or "EXTERNAL"; with the last two no deployment can be
	// forced.
	DeploymentController string

	// Strategy is how a deployment replaces tasks: [Rolling] (the default), [BlueGreen], [Linear] or [Canary]. With all but the
	// first, the new tasks start beside the old ones, which go on for BakeTime after all new ones are healthy: that is by the
	// stand-in's clock, and is told in whole minutes.
	Strategy string
	BakeTime time.Duration

	// CircuitBreaker fails a deployment whose tasks fail; without, its tasks are tried again for ever. With
	// CircuitBreakerRollback, the deployment that completed last then becomes the primary one again, under its old id and
	// date of creation; else the service stalls as it is. FailureThreshold is how many failed tasks it takes; 0 stands
	// for ECS's number, half the desired count, but at least 3 and at most 200.
	CircuitBreaker         bool
	CircuitBreakerRollback bool
	FailureThreshold       int

	ContainerName string // default "app"
	Image         string
	EntryPoint    []string // in place of the image's
	Command       []string
	Environment   map[string]string

	// Secrets are read when a task starts, and not again, whatever becomes of them while it runs.
	Secrets []ContainerSecret

	// Run is the container's process. It is to call [Task.Ready] when its health check would pass, and to return when its
	// context ends, which stands for SIGTERM. Returning before is the end of the task, which the service replaces. Not
	// returning within StopTimeout stands for SIGKILL, and leaves the func to itself.
	Run func(ctx context.Context, task Task) error

	// PlacementTime passes between a task's creation and the reading of its secrets, StartTime between that and the start
	// of its container, DrainTime between the decision to stop it and SIGTERM, and StopTimeout (default 30 s) at most
	// between that and its end. These are real durations.
	PlacementTime, StartTime, DrainTime, StopTimeout time.Duration

	// RestartDelay is how long the service waits after a task that ended by itself, doubled, up to 32 times, with each
	// that never was ready. Default 100 ms; AWS's delays are longer.
	RestartDelay time.Duration
}

// The strategies of the deployment controller ECS.
const (
	Rolling   = "ROLLING"
	BlueGreen = "BLUE_GREEN"
	Linear    = "LINEAR"
	Canary    = "CANARY"
)

// Task is a task as its container sees it.
type Task struct {
	ARN        string
	Cluster    string
	Service    string // name, "" for a standalone task
	Deployment string // id of the deployment that started it, "" for a standalone task
	CreatedAt  time.Time

	// Env is the container's environment, with its secrets as they were when the task started.
	Env map[string]string

	ready func()
}

// Ready tells that the container's health check passes. Without it a deployment goes on waiting for the task.
func (t Task) Ready() { t.ready() }

func (o *Service) fillIn() {
	o.Cluster = cmp.Or(o.Cluster, "default")
	o.Family = cmp.Or(o.Family, o.Name)
	o.DeploymentController = cmp.Or(o.DeploymentController, "ECS")
	o.Strategy = cmp.Or(o.Strategy, Rolling)
	o.ContainerName = cmp.Or(o.ContainerName, "app")
	o.Image = cmp.Or(o.Image, "mautic/mautic:latest")
	o.StopTimeout = cmp.Or(o.StopTimeout, 30*time.Second)
	o.RestartDelay = cmp.Or(o.RestartDelay, 100*time.Millisecond)
	o.DesiredCount = cmp.Or(o.DesiredCount, 1)
	o.MinimumHealthyPercent = cmp.Or(o.MinimumHealthyPercent, 100)
	o.MaximumPercent = cmp.Or(o.MaximumPercent, 200)
	o.DesiredCount = max(o.DesiredCount, 0)
	o.MinimumHealthyPercent = max(o.MinimumHealthyPercent, 0)
}
