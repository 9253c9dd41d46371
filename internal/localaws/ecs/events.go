package ecs

import "time"

// TaskChanged tells that an ECS task has changed its status or become healthy.
type TaskChanged struct {
	At        time.Time
	Task      string // ARN
	Cluster   string
	Service   string // name, "" for a standalone task
	StartedBy string // for a task of a service, the deployment's id
	Status    string // PROVISIONING, PENDING, RUNNING, DEACTIVATING, STOPPING, STOPPED
	Healthy   bool
	CreatedAt time.Time
	Reason    string // why it stops or has stopped
}

// DeploymentChanged tells of a deployment that has begun, completed, had a task fail, failed, or has no task left.
type DeploymentChanged struct {
	At           time.Time
	Service      string // ARN
	Deployment   string // id
	Status       string // PRIMARY, ACTIVE, INACTIVE
	RolloutState string // IN_PROGRESS, COMPLETED, FAILED
	Reason       string // for the rollout's state
	FailedTasks  int
}

// When is the event's time.
func (e TaskChanged) When() time.Time { return e.At }

// When is the event's time.
func (e DeploymentChanged) When() time.Time { return e.At }
