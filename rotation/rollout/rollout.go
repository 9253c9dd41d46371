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

// A Service is one ECS service since a time, as the rollout of a secret finds it.
type Service struct {
	Name string // "": the tasks of the cluster that no service runs

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
