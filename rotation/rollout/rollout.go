// Package rollout has the types in which the engine, package plan and package ecs describe how
// far a redeploy has come.
package rollout

import (
	"errors"
	"time"
)

// ErrUnclear says that a health check found the application neither healthy nor unhealthy:
// something answers, but not as the application does (a redirect, a firewall's 403, a rate
// limit's 429), or the check ran out of time. That is no evidence against a promotion. Any other
// error of a health check is: the application answers 5xx, or nothing answers.
var ErrUnclear = errors.New("it is not clear whether the application is healthy")

// A Service is what an ECS service has done since a given time.
type Service struct {
	Name string // "": the tasks of the cluster that no service runs

	Missing string // why it cannot be observed: it does not exist, or ECS did not describe it
	Desired int
	Fresh   int // running tasks that were created at or after that time, and read AWSCURRENT

	// Deployed: it has had a deployment that was created at or after that time.
	Deployed bool

	// Deploying: one of its deployments is in progress, whoever started it.
	Deploying bool

	// Older describes the tasks created before that time that have not stopped.
	Older []string

	// Failed is why its deployment failed; "" if it did not.
	Failed string

	// Bake is how long ECS waits by itself before a deployment completes (bake time).
	Bake time.Duration
}
