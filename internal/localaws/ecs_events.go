package localaws

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
func (svc *ecsService) announce(d *deployment) {
	if svc.DeploymentController != "ECS" {
		return
	}
	eventType := "INFO"
	if d.rollout == rolloutFailed {
		eventType = "ERROR"
	}
	name := "SERVICE_DEPLOYMENT_" + string(d.rollout)
	svc.ecs.srv.bus.publish(BusEvent{
		Source: "aws.ecs", DetailType: "ECS Deployment State Change", Resource: svc.arn, Name: name, Deployment: d.id,
	}, deploymentDetail{eventType, name, d.id, eventTime(d.updated), d.reason})
}
