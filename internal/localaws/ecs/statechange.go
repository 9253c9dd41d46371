package ecs

// deploymentDetail is the detail of an "ECS Deployment State Change".
type deploymentDetail struct {
	EventType    string `json:"eventType"` // INFO, ERROR
	EventName    string `json:"eventName"`
	DeploymentID string `json:"deploymentId"`
	UpdatedAt    string `json:"updatedAt"`
	Reason       string `json:"reason"`
}

// announce tells EventBridge of the state that a deployment's rollout has entered. A rollback is a deployment in
// progress, under the id of the one that is gone back to; what tells it from others is its reason. A deployment is
// completed when no other has a task that is to run, which leaves those that drain.
func (svc *service) announce(d *deployment) {
	if svc.DeploymentController != "ECS" {
		return
	}
	eventType := "INFO"
	if d.rollout == rolloutFailed {
		eventType = "ERROR"
	}
	name := "SERVICE_DEPLOYMENT_" + string(d.rollout)
	if publish := svc.core.hooks.DeploymentStateChange; publish != nil {
		publish(svc.arn, name, d.id, deploymentDetail{eventType, name, d.id, d.updated.UTC().Format("2006-01-02T15:04:05Z"), d.reason})
	}
}
