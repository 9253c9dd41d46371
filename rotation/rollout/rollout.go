// Package rollout has the words in which the engine and whatever redeploys the
// services speak of how far a redeploy has come.
package rollout

import "time"

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
