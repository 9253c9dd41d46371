package ecs

// failureThreshold is the number of failed tasks at which the circuit breaker ends a deployment.
func (o *Service) failureThreshold() int {
	if o.FailureThreshold > 0 {
		return o.FailureThreshold
	}
	return min(max((o.DesiredCount+1)/2, 3), 200)
}

// breakCircuit fails the primary deployment if too many of its tasks have failed, and rolls back if the service is set to.
// ECS rolls back to the deployment that completed last, which thereby is no longer completed: if that one fails too, or
// is superseded before it completes again and its successor fails, there is none to roll back to and the service stalls.
// Only the tasks that are missing are started, and they read their secrets as all tasks do: what is current now.
func (svc *service) breakCircuit(d *deployment) {
	if !svc.CircuitBreaker || svc.DeploymentController != "ECS" || d != svc.deployments[0] ||
		d.rollout != rolloutInProgress || d.failed < svc.failureThreshold() {
		return
	}
	svc.say("(service " + svc.Name + ") (deployment " + d.id + ") deployment failed: tasks failed to start.")
	svc.enter(d, rolloutFailed, "ECS deployment circuit breaker: tasks failed to start.")
	back := svc.completed
	rolls := svc.CircuitBreakerRollback && back != nil && back.rollout == rolloutCompleted
	svc.fail(d, rolls)
	if rolls {
		back.revived = true
		svc.say("(service " + svc.Name + ") rolling back to deployment " + back.id + ".")
		svc.begin(back, "ECS deployment circuit breaker: rolling back to deploymentId "+back.id+".")
	}
}
