package ecs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// found is what ECS says about one service.
type found struct {
	name    string // as in the settings
	service types.Service
	missing string       // why there is no service; "" if there is one
	tasks   []types.Task // listed as running or as stopped

	// latest is the newest deployment since then, if needsHistory; nil: there is none.
	latest *types.ServiceDeploymentBrief
}

// older lists a service's tasks that were created before a time, or whose age is not known, and
// that may still use what they have read.
//
// Only the time at which a task was created counts. It is at or after that of its deployment, and
// the SDK cuts both to the millisecond alike, so that not Before is right without a margin. The
// time it started will not do, since secrets are read between the two; nor will its deployment's
// id, since a circuit breaker gives an old deployment new tasks.
func older(f found, since time.Time) []string {
	var old []string
	there := 0
	for _, t := range f.tasks {
		if isStopped(t) {
			continue
		}
		there++
		if notBefore(t.CreatedAt, since) {
			continue
		}
		old = append(old, fmt.Sprintf("service %s: task %s, created %s, still %s",
			f.name, shortID(aws.ToString(t.TaskArn)), timestamp(t.CreatedAt), doing(t)))
	}
	// A list may lag behind, and its pages may shift while they are read. A task that is counted
	// but not listed may be an old one.
	if counted := int(f.service.RunningCount); counted > there {
		old = append(old, fmt.Sprintf("service %s: ECS counts %d running tasks, and lists %d", f.name, counted, there))
	}
	return old
}

// isStopped reports whether nothing of a task is left that could use what it has read.
func isStopped(t types.Task) bool {
	switch aws.ToString(t.LastStatus) {
	case "STOPPED", "DELETED":
		return true
	}
	return false
}

func doing(t types.Task) string {
	if aws.ToString(t.DesiredStatus) == string(types.DesiredStatusStopped) {
		return "drains"
	}
	switch aws.ToString(t.LastStatus) {
	case "PROVISIONING", "PENDING", "ACTIVATING":
		return "starts"
	}
	return "runs"
}

// failure is why a service's rollout since a time has failed; "" if it has not.
func failure(f found, since time.Time) string {
	if !rolling(f.service) {
		return deploymentFailure(f.latest)
	}
	service, primary := f.service, primaryOf(f.service)
	switch {
	case primary == nil || primary.CreatedAt == nil:
		return ""
	case !notBefore(primary.CreatedAt, since):
		return rolledBack(f, *primary, since)
	case primary.RolloutState == types.DeploymentRolloutStateFailed:
		return reasonOf(*primary)
	case primary.RolloutState == types.DeploymentRolloutStateCompleted:
		// The service has started with what it has read since then. A later failure belongs to
		// another change, and this deployment has made up for an earlier one.
		return ""
	}
	for _, d := range service.Deployments {
		superseded := !notBefore(d.CreatedAt, *primary.CreatedAt) && !rollsBack(aws.ToString(primary.RolloutStateReason))
		if d.RolloutState == types.DeploymentRolloutStateFailed && notBefore(d.CreatedAt, since) && !superseded {
			return reasonOf(d)
		}
	}
	return ""
}

// rolledBack is why the primary deployment is older than a given time: ECS gave up on a newer
// one, and went back to the last completed one. If nothing shows that there was a newer one,
// nothing has failed, and the service has yet to be deployed.
func rolledBack(f found, primary types.Deployment, since time.Time) string {
	back := fmt.Sprintf("rolled back to deployment %s, created %s", aws.ToString(primary.Id), timestamp(primary.CreatedAt))
	if d, ok := deployedSince(f.service, since); ok {
		return back + ": " + reasonOf(d)
	}
	if reason := deploymentFailure(f.latest); reason != "" {
		return back + ": " + reason
	}
	return ""
}

// deployedSince returns a deployment created at or after a time, if the service still lists one.
func deployedSince(service types.Service, since time.Time) (d types.Deployment, ok bool) {
	i := slices.IndexFunc(service.Deployments, func(d types.Deployment) bool { return notBefore(d.CreatedAt, since) })
	if i < 0 {
		return types.Deployment{}, false
	}
	return service.Deployments[i], true
}

// rolledBackUnlisted reports whether ECS has rolled a service back since a time although it lists
// no deployment since then. A failed deployment is listed until its last task has stopped. The
// event stays, as one of the service's last hundred. It names the deployment that ECS went back
// to, not the failed one, so the failed one may be older than that time.
func rolledBackUnlisted(service types.Service, since time.Time) bool {
	if _, listed := deployedSince(service, since); listed {
		return false
	}
	return slices.ContainsFunc(service.Events, func(e types.ServiceEvent) bool {
		return notBefore(e.CreatedAt, since) && rollsBack(aws.ToString(e.Message))
	})
}

// rollsBack recognises ECS's words for it: "ECS deployment circuit breaker: rolling back to
// deploymentId ecs-svc/1." for a primary deployment, "(service web) rolling back to deployment
// ecs-svc/1." for an event.
func rollsBack(message string) bool {
	return strings.Contains(strings.ToLower(message), "rolling back")
}

func reasonOf(d types.Deployment) string {
	state := fmt.Sprintf("deployment %s, created %s, is %s", aws.ToString(d.Id), timestamp(d.CreatedAt), d.RolloutState)
	if reason := aws.ToString(d.RolloutStateReason); reason != "" {
		return state + ": " + reason
	}
	return state
}

// notBefore reports whether something was certainly created at or after since.
func notBefore(created *time.Time, since time.Time) bool {
	return created != nil && !created.Before(since)
}

// shortID is enough of a task's id to find it.
func shortID(arn string) string {
	id := arn[strings.LastIndex(arn, "/")+1:]
	return id[:min(len(id), 8)]
}

func timestamp(t *time.Time) string {
	if t == nil {
		return "at an unknown time"
	}
	return t.UTC().Format(time.RFC3339Nano)
}
