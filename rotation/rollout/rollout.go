// Package rollout has the words in which the engine and whatever redeploys the
// services speak of how far a redeploy has come.
package rollout

import (
	"errors"
	"time"
)

// ErrUnclear says that a check has found the application neither healthy nor ill:
// something answers, and not as the application does (a redirect, 403 of a
// firewall, 429 of a rate limit), or the check had no time to end. That is no
// evidence against a promotion. An error of a check that does not wrap it is: the
// application answers 5xx, or nothing answers.
var ErrUnclear = errors.New("it is not clear whether the application is healthy")

// A State is how far the services have come with replacing what ran before a
// redeploy.
type State struct {
	// Fresh: everything that runs, starts or still drains was created since the
	// redeploy. Nothing runs that has read the secret before, whatever has become
	// of the deployments.
	Fresh bool

	// Stale is why it is not Fresh, in words for a person: "service web: task
	// 1a2b3c4d, created 2026-03-01T12:00:00Z, still drains".
	Stale []string

	// Failed are the services whose rollout has failed since the redeploy, and
	// why. What a newer deployment has superseded has not failed. ECS gives up on
	// a deployment only with a circuit breaker or alarms.
	Failed []string

	// Steady: each service runs as many tasks as it is to, and deploys nothing.
	Steady bool

	// Bake is for how long, by the services' own settings, a deployment runs old
	// and new tasks side by side before it stops the old ones.
	Bake time.Duration
}

// A Service is one ECS service since a time, as the rollout of a secret finds it.
type Service struct {
	Name string

	Missing string // why it cannot be observed: it does not exist, or is not described
	Desired int
	Fresh   int // running tasks that were created at or after since, and read AWSCURRENT

	// Deployed: it has had a deployment that was created at or after since.
	Deployed bool

	// Deploying: a deployment of it is in progress, whoever started it.
	Deploying bool

	// Older are the tasks from before since that have not stopped, in words.
	Older []string

	// Failed is why its deployment failed; "" where it did not.
	Failed string

	// Bake is how long its deployments wait by themselves before they complete.
	Bake time.Duration
}
