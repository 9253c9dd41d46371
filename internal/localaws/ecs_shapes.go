package localaws

import (
	"maps"
	"slices"
)

// What the ECS API tells of things, as far as it is told here.

type clusterShape struct {
	ARN      string `json:"clusterArn"`
	Name     string `json:"clusterName"`
	Status   string `json:"status"`
	Running  int    `json:"runningTasksCount"`
	Pending  int    `json:"pendingTasksCount"`
	Services int    `json:"activeServicesCount"`
}

type serviceShape struct {
	ARN                  string               `json:"serviceArn"`
	Name                 string               `json:"serviceName"`
	ClusterARN           string               `json:"clusterArn"`
	Status               string               `json:"status"`
	Desired              int                  `json:"desiredCount"`
	Running              int                  `json:"runningCount"`
	Pending              int                  `json:"pendingCount"`
	LaunchType           string               `json:"launchType"`
	TaskDefinition       string               `json:"taskDefinition"`
	DeploymentController map[string]string    `json:"deploymentController"`
	Configuration        serviceConfiguration `json:"deploymentConfiguration"`
	Deployments          []deploymentShape    `json:"deployments"`
	Events               []serviceMessage     `json:"events"`
	SchedulingStrategy   string               `json:"schedulingStrategy"`
	CreatedAt            epoch                `json:"createdAt"`
}

type serviceConfiguration struct {
	CircuitBreaker        circuitBreakerShape `json:"deploymentCircuitBreaker"`
	MaximumPercent        int                 `json:"maximumPercent"`
	MinimumHealthyPercent int                 `json:"minimumHealthyPercent"`
	Strategy              string              `json:"strategy"`
}

type circuitBreakerShape struct {
	Enable   bool `json:"enable"`
	Rollback bool `json:"rollback"`
}

type deploymentShape struct {
	ID             string `json:"id"`
	Status         string `json:"status"`
	TaskDefinition string `json:"taskDefinition"`
	Desired        int    `json:"desiredCount"`
	Running        int    `json:"runningCount"`
	Pending        int    `json:"pendingCount"`
	Failed         int    `json:"failedTasks"`
	CreatedAt      epoch  `json:"createdAt"`
	UpdatedAt      epoch  `json:"updatedAt"`
	LaunchType     string `json:"launchType"`
	RolloutState   string `json:"rolloutState,omitempty"`
	RolloutReason  string `json:"rolloutStateReason,omitempty"`
}

type taskShape struct {
	ARN            string           `json:"taskArn"`
	ClusterARN     string           `json:"clusterArn"`
	TaskDefinition string           `json:"taskDefinitionArn"`
	Group          string           `json:"group"`
	StartedBy      string           `json:"startedBy,omitempty"`
	LaunchType     string           `json:"launchType"`
	LastStatus     string           `json:"lastStatus"`
	DesiredStatus  string           `json:"desiredStatus"`
	HealthStatus   string           `json:"healthStatus"`
	Containers     []containerShape `json:"containers"`
	CreatedAt      epoch            `json:"createdAt"`
	StartedAt      epoch            `json:"startedAt,omitzero"`
	StoppingAt     epoch            `json:"stoppingAt,omitzero"`
	StoppedAt      epoch            `json:"stoppedAt,omitzero"`
	StopCode       string           `json:"stopCode,omitempty"`
	StoppedReason  string           `json:"stoppedReason,omitempty"`
}

type containerShape struct {
	Name         string `json:"name"`
	Image        string `json:"image"`
	TaskARN      string `json:"taskArn"`
	LastStatus   string `json:"lastStatus"`
	HealthStatus string `json:"healthStatus"`
	ExitCode     *int   `json:"exitCode,omitempty"`
}

type taskDefinitionShape struct {
	ARN         string                     `json:"taskDefinitionArn"`
	Family      string                     `json:"family"`
	Revision    int                        `json:"revision"`
	Status      string                     `json:"status"`
	NetworkMode string                     `json:"networkMode"`
	Containers  []containerDefinitionShape `json:"containerDefinitions"`
}

type containerDefinitionShape struct {
	Name        string            `json:"name"`
	Image       string            `json:"image"`
	Essential   bool              `json:"essential"`
	StopTimeout int               `json:"stopTimeout"` // seconds
	Environment []nameValue       `json:"environment"`
	Secrets     []secretReference `json:"secrets"`
}

type nameValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type secretReference struct {
	Name      string `json:"name"`
	ValueFrom string `json:"valueFrom"`
}

// pendingStatus is counted as pending: on its way to run.
func pendingStatus(t *ecsTask) bool { return t.last == "PROVISIONING" || t.last == "PENDING" }

// runningStatus is counted as running, and so is a task that drains.
func runningStatus(t *ecsTask) bool {
	return t.last == "RUNNING" || t.last == "DEACTIVATING" || t.last == "STOPPING"
}

func count(tasks []*ecsTask, match func(*ecsTask) bool) int {
	n := 0
	for _, t := range tasks {
		if match(t) {
			n++
		}
	}
	return n
}

func (e *ecs) clusterShape(name string) clusterShape {
	in := slices.DeleteFunc(slices.Clone(e.tasks), func(t *ecsTask) bool { return t.cluster != name })
	c := clusterShape{
		ARN: e.clusterARN(name), Name: name, Status: "ACTIVE",
		Running: count(in, runningStatus), Pending: count(in, pendingStatus),
	}
	for _, svc := range e.services {
		if svc.Cluster == name {
			c.Services++
		}
	}
	return c
}

func (svc *ecsService) shape() serviceShape {
	tasks := svc.tasks(func(*ecsTask) bool { return true })
	s := serviceShape{
		ARN: svc.arn, Name: svc.Name, ClusterARN: svc.ecs.clusterARN(svc.Cluster), Status: "ACTIVE",
		Desired: svc.DesiredCount, Running: count(tasks, runningStatus), Pending: count(tasks, pendingStatus),
		LaunchType: "FARGATE", TaskDefinition: svc.definition.arn, SchedulingStrategy: "REPLICA", CreatedAt: epoch(svc.created),
		DeploymentController: map[string]string{"type": svc.DeploymentController},
		Configuration: serviceConfiguration{
			CircuitBreaker: circuitBreakerShape{svc.CircuitBreaker, svc.CircuitBreakerRollback},
			MaximumPercent: svc.MaximumPercent, MinimumHealthyPercent: svc.MinimumHealthyPercent, Strategy: "ROLLING",
		},
		Events: append([]serviceMessage{}, svc.messages...),
	}
	for _, d := range svc.deployments {
		s.Deployments = append(s.Deployments, svc.deploymentShape(d))
	}
	return s
}

func (svc *ecsService) deploymentShape(d *deployment) deploymentShape {
	status := svc.status(d)
	tasks := svc.tasks(func(t *ecsTask) bool { return t.startedBy == d.id })
	s := deploymentShape{
		ID: d.id, Status: status, TaskDefinition: d.definition.arn, LaunchType: "FARGATE",
		Running: count(tasks, runningStatus), Pending: count(tasks, pendingStatus), Failed: d.failed,
		CreatedAt: epoch(d.created), UpdatedAt: epoch(d.updated),
	}
	if status == "PRIMARY" {
		s.Desired = svc.DesiredCount
	}
	if svc.DeploymentController == "ECS" {
		s.RolloutState, s.RolloutReason = string(d.rollout), d.reason
	}
	return s
}

func (t *ecsTask) shape() taskShape {
	health := "UNKNOWN"
	if t.healthy {
		health = "HEALTHY"
	}
	group := "family:" + t.definition.family
	if t.service != nil {
		group = "service:" + t.service.Name
	}
	return taskShape{
		ARN: t.arn, ClusterARN: t.ecs.clusterARN(t.cluster), TaskDefinition: t.definition.arn, Group: group,
		StartedBy: t.startedBy, LaunchType: "FARGATE", LastStatus: t.last, DesiredStatus: t.desired, HealthStatus: health,
		Containers: []containerShape{{
			Name: t.definition.container.ContainerName, Image: t.definition.container.Image, TaskARN: t.arn,
			LastStatus: containerStatus(t.last), HealthStatus: health, ExitCode: t.exitCode,
		}},
		CreatedAt: epoch(t.created), StartedAt: epoch(t.started), StoppingAt: epoch(t.stopping), StoppedAt: epoch(t.stopped),
		StopCode: t.stopCode, StoppedReason: t.stopReason,
	}
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

func (d *taskDefinition) shape() taskDefinitionShape {
	o := d.container
	c := containerDefinitionShape{
		Name: o.ContainerName, Image: o.Image, Essential: true, StopTimeout: int(o.StopTimeout.Seconds()),
		Environment: []nameValue{}, Secrets: []secretReference{},
	}
	for _, name := range slices.Sorted(maps.Keys(o.Environment)) {
		c.Environment = append(c.Environment, nameValue{name, o.Environment[name]})
	}
	for _, s := range o.Secrets {
		c.Secrets = append(c.Secrets, secretReference(s))
	}
	return taskDefinitionShape{
		ARN: d.arn, Family: d.family, Revision: d.revision, Status: "ACTIVE", NetworkMode: "awsvpc",
		Containers: []containerDefinitionShape{c},
	}
}
