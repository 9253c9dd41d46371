package ecs

import (
	"maps"
	"slices"

	"mautic-rotation/internal/localaws/wire"
)

// ClusterDescription is what the API tells of a cluster.
type ClusterDescription struct {
	ARN      string `json:"clusterArn"`
	Name     string `json:"clusterName"`
	Status   string `json:"status"`
	Running  int    `json:"runningTasksCount"`
	Pending  int    `json:"pendingTasksCount"`
	Services int    `json:"activeServicesCount"`
}

// ServiceDescription is what the API tells of a service.
type ServiceDescription struct {
	ARN                  string                  `json:"serviceArn"`
	Name                 string                  `json:"serviceName"`
	ClusterARN           string                  `json:"clusterArn"`
	Status               string                  `json:"status"`
	Desired              int                     `json:"desiredCount"`
	Running              int                     `json:"runningCount"`
	Pending              int                     `json:"pendingCount"`
	LaunchType           string                  `json:"launchType"`
	TaskDefinition       string                  `json:"taskDefinition"`
	DeploymentController map[string]string       `json:"deploymentController"`
	Configuration        DeploymentConfiguration `json:"deploymentConfiguration"`
	Deployments          []DeploymentDescription `json:"deployments"`
	Events               []ServiceEvent          `json:"events"`
	SchedulingStrategy   string                  `json:"schedulingStrategy"`
	CreatedAt            wire.Epoch              `json:"createdAt"`
}

// DeploymentConfiguration bounds a service's deployments.
type DeploymentConfiguration struct {
	CircuitBreaker        CircuitBreaker `json:"deploymentCircuitBreaker"`
	MaximumPercent        int            `json:"maximumPercent"`
	MinimumHealthyPercent int            `json:"minimumHealthyPercent"`
	Strategy              string         `json:"strategy"`
	BakeTime              int            `json:"bakeTimeInMinutes,omitempty"`
}

// CircuitBreaker says whether deployments fail and are rolled back.
type CircuitBreaker struct {
	Enable   bool `json:"enable"`
	Rollback bool `json:"rollback"`
}

// DeploymentDescription is what the API tells of a deployment.
type DeploymentDescription struct {
	ID             string     `json:"id"`
	Status         string     `json:"status"`
	TaskDefinition string     `json:"taskDefinition"`
	Desired        int        `json:"desiredCount"`
	Running        int        `json:"runningCount"`
	Pending        int        `json:"pendingCount"`
	Failed         int        `json:"failedTasks"`
	CreatedAt      wire.Epoch `json:"createdAt"`
	UpdatedAt      wire.Epoch `json:"updatedAt"`
	LaunchType     string     `json:"launchType"`
	RolloutState   string     `json:"rolloutState,omitempty"`
	RolloutReason  string     `json:"rolloutStateReason,omitempty"`
}

// TaskDescription is what the API tells of a task.
type TaskDescription struct {
	ARN            string                 `json:"taskArn"`
	ClusterARN     string                 `json:"clusterArn"`
	TaskDefinition string                 `json:"taskDefinitionArn"`
	Group          string                 `json:"group"`
	StartedBy      string                 `json:"startedBy,omitempty"`
	LaunchType     string                 `json:"launchType"`
	LastStatus     string                 `json:"lastStatus"`
	DesiredStatus  string                 `json:"desiredStatus"`
	HealthStatus   string                 `json:"healthStatus"`
	Containers     []ContainerDescription `json:"containers"`
	Attachments    []Attachment           `json:"attachments"`
	CreatedAt      wire.Epoch             `json:"createdAt"`
	StartedAt      wire.Epoch             `json:"startedAt,omitzero"`
	StoppingAt     wire.Epoch             `json:"stoppingAt,omitzero"`
	StoppedAt      wire.Epoch             `json:"stoppedAt,omitzero"`
	StopCode       string                 `json:"stopCode,omitempty"`
	StoppedReason  string                 `json:"stoppedReason,omitempty"`
}

// An Attachment is what the API tells of a task's network interface.
type Attachment struct {
	Type    string      `json:"type"`
	Status  string      `json:"status"`
	Details []NameValue `json:"details"`
}

// ContainerDescription is what the API tells of a task's container.
type ContainerDescription struct {
	Name         string `json:"name"`
	Image        string `json:"image"`
	TaskARN      string `json:"taskArn"`
	LastStatus   string `json:"lastStatus"`
	HealthStatus string `json:"healthStatus"`
	ExitCode     *int   `json:"exitCode,omitempty"`
}

// TaskDefinitionDescription is what the API tells of a task definition.
type TaskDefinitionDescription struct {
	ARN         string                `json:"taskDefinitionArn"`
	Family      string                `json:"family"`
	Revision    int                   `json:"revision"`
	Status      string                `json:"status"`
	NetworkMode string                `json:"networkMode"`
	Containers  []ContainerDefinition `json:"containerDefinitions"`
}

// ContainerDefinition is the container of a task definition.
type ContainerDefinition struct {
	Name        string            `json:"name"`
	Image       string            `json:"image"`
	Essential   bool              `json:"essential"`
	EntryPoint  []string          `json:"entryPoint,omitempty"`
	Command     []string          `json:"command,omitempty"`
	StopTimeout int               `json:"stopTimeout"` // seconds
	HealthCheck HealthCheck       `json:"healthCheck"` // [Task.Ready] stands for it
	Environment []NameValue       `json:"environment"`
	Secrets     []SecretReference `json:"secrets"`
}

// HealthCheck is how a container is found to be healthy.
type HealthCheck struct {
	Command []string `json:"command"`
}

// NameValue is an environment variable.
type NameValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// SecretReference is an environment variable that is read from Secrets Manager.
type SecretReference struct {
	Name      string `json:"name"`
	ValueFrom string `json:"valueFrom"`
}

// pendingStatus is counted as pending: on its way to run.
func pendingStatus(t *task) bool { return t.last == "PROVISIONING" || t.last == "PENDING" }

// runningStatus is counted as running, and so is a task that drains.
func runningStatus(t *task) bool {
	return t.last == "RUNNING" || t.last == "DEACTIVATING" || t.last == "STOPPING"
}

func count(tasks []*task, match func(*task) bool) int {
	n := 0
	for _, t := range tasks {
		if match(t) {
			n++
		}
	}
	return n
}

func (c *Core) describeCluster(name string) ClusterDescription {
	in := slices.DeleteFunc(slices.Clone(c.tasks), func(t *task) bool { return t.cluster != name })
	d := ClusterDescription{
		ARN: c.clusterARN(name), Name: name, Status: "ACTIVE",
		Running: count(in, runningStatus), Pending: count(in, pendingStatus),
	}
	for _, svc := range c.services {
		if svc.Cluster == name {
			d.Services++
		}
	}
	return d
}

func (svc *service) describe() ServiceDescription {
	tasks := svc.tasks(func(*task) bool { return true })
	s := ServiceDescription{
		ARN: svc.arn, Name: svc.Name, ClusterARN: svc.core.clusterARN(svc.Cluster), Status: "ACTIVE",
		Desired: svc.DesiredCount, Running: count(tasks, runningStatus), Pending: count(tasks, pendingStatus),
		LaunchType: "FARGATE", TaskDefinition: svc.definition.arn, SchedulingStrategy: "REPLICA", CreatedAt: wire.Epoch(svc.created),
		DeploymentController: map[string]string{"type": svc.DeploymentController},
		Configuration: DeploymentConfiguration{
			CircuitBreaker: CircuitBreaker{svc.CircuitBreaker, svc.CircuitBreakerRollback},
			MaximumPercent: svc.MaximumPercent, MinimumHealthyPercent: svc.MinimumHealthyPercent, Strategy: svc.Strategy,
			BakeTime: int(svc.BakeTime.Minutes()),
		},
		Events: append([]ServiceEvent{}, svc.messages...),
	}
	for _, d := range svc.deployments {
		s.Deployments = append(s.Deployments, svc.describeDeployment(d))
	}
	return s
}

func (svc *service) describeDeployment(d *deployment) DeploymentDescription {
	status := svc.status(d)
	tasks := svc.tasks(func(t *task) bool { return t.startedBy == d.id })
	s := DeploymentDescription{
		ID: d.id, Status: status, TaskDefinition: d.definition.arn, LaunchType: "FARGATE",
		Running: count(tasks, runningStatus), Pending: count(tasks, pendingStatus), Failed: d.failed,
		CreatedAt: wire.Epoch(d.created), UpdatedAt: wire.Epoch(d.updated),
	}
	if status == "PRIMARY" {
		s.Desired = svc.DesiredCount
	}
	if svc.DeploymentController == "ECS" && svc.Strategy == Rolling {
		s.RolloutState, s.RolloutReason = string(d.rollout), d.reason
	}
	return s
}

func (t *task) describe() TaskDescription {
	health := "UNKNOWN"
	if t.healthy {
		health = "HEALTHY"
	}
	group := "family:" + t.definition.family
	if t.service != nil {
		group = "service:" + t.service.Name
	}
	return TaskDescription{
		ARN: t.arn, ClusterARN: t.core.clusterARN(t.cluster), TaskDefinition: t.definition.arn, Group: group,
		StartedBy: t.startedBy, LaunchType: "FARGATE", LastStatus: t.last, DesiredStatus: t.desired, HealthStatus: health,
		Containers: []ContainerDescription{{
			Name: t.definition.container.ContainerName, Image: t.definition.container.Image, TaskARN: t.arn,
			LastStatus: containerStatus(t.last), HealthStatus: health, ExitCode: t.exitCode,
		}},
		Attachments: []Attachment{{Type: "ElasticNetworkInterface", Status: attachmentStatus(t.last), Details: []NameValue{{"privateIPv4Address", t.address}}}},
		CreatedAt:   wire.Epoch(t.created), StartedAt: wire.Epoch(t.started), StoppingAt: wire.Epoch(t.stopping), StoppedAt: wire.Epoch(t.stopped),
		StopCode: t.stopCode, StoppedReason: t.stopReason,
	}
}

// attachmentStatus is a network interface's in a task of the given status.
func attachmentStatus(task string) string {
	switch task {
	case "PROVISIONING":
		return "ATTACHING"
	case "STOPPED":
		return "DELETED"
	}
	return "ATTACHED"
}

// containerStatus is a container's status in a task of the given one: containers know three.
func containerStatus(task string) string {
	switch task {
	case "PROVISIONING", "PENDING":
		return "PENDING"
	case "STOPPED":
		return "STOPPED"
	}
	return "RUNNING"
}

func (d *taskDefinition) describe() TaskDefinitionDescription {
	o := d.container
	c := ContainerDefinition{
		Name: o.ContainerName, Image: o.Image, Essential: true, StopTimeout: int(o.StopTimeout.Seconds()),
		EntryPoint: o.EntryPoint, Command: o.Command,
		Environment: []NameValue{}, Secrets: []SecretReference{},
		HealthCheck: HealthCheck{Command: []string{"CMD-SHELL", "curl -f http://localhost/s/login"}},
	}
	for _, name := range slices.Sorted(maps.Keys(o.Environment)) {
		c.Environment = append(c.Environment, NameValue{name, o.Environment[name]})
	}
	for _, s := range o.Secrets {
		c.Secrets = append(c.Secrets, SecretReference(s))
	}
	return TaskDefinitionDescription{
		ARN: d.arn, Family: d.family, Revision: d.revision, Status: d.status(), NetworkMode: "awsvpc",
		Containers: []ContainerDefinition{c},
	}
}
