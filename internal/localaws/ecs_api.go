package localaws

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A failure tells of one of several things asked for that is not there.
type failure struct {
	ARN    string `json:"arn"`
	Reason string `json:"reason"`
}

type clusterInput struct {
	Cluster    string   `json:"cluster"`
	Clusters   []string `json:"clusters"`
	Service    string   `json:"service"`
	Services   []string `json:"services"`
	Tasks      []string `json:"tasks"`
	MaxResults int      `json:"maxResults"`
	NextToken  string   `json:"nextToken"`
}

func ecsParameter(text string) *Error {
	return &Error{Code: "InvalidParameterException", Message: text}
}

type describeClustersOutput struct {
	Clusters []clusterShape `json:"clusters"`
	Failures []failure      `json:"failures"`
}

func (e *ecs) describeClusters(_ context.Context, in clusterInput) (*describeClustersOutput, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := &describeClustersOutput{[]clusterShape{}, []failure{}}
	if len(in.Clusters) == 0 {
		in.Clusters = []string{"default"}
	}
	for _, id := range in.Clusters {
		name, err := e.clusterName(id)
		if err != nil {
			out.Failures = append(out.Failures, failure{e.clusterARN(lastPart(id)), "MISSING"})
			continue
		}
		out.Clusters = append(out.Clusters, e.clusterShape(name))
	}
	return out, nil
}

type describeServicesOutput struct {
	Services []serviceShape `json:"services"`
	Failures []failure      `json:"failures"`
}

func (e *ecs) describeServices(_ context.Context, in clusterInput) (*describeServicesOutput, error) {
	if len(in.Services) == 0 {
		return nil, ecsParameter("Services cannot be empty.")
	}
	if len(in.Services) > 10 {
		return nil, ecsParameter("Too many services specified. You can specify up to 10 services.")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	cluster, err := e.clusterName(in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &describeServicesOutput{[]serviceShape{}, []failure{}}
	for _, id := range in.Services {
		svc, err := e.findService(in.Cluster, id)
		if err != nil {
			out.Failures = append(out.Failures, failure{e.srv.arn("ecs", "service/"+cluster+"/"+lastPart(id)), "MISSING"})
			continue
		}
		out.Services = append(out.Services, svc.shape())
	}
	return out, nil
}

type listServicesOutput struct {
	ServiceARNs []string `json:"serviceArns"`
	NextToken   string   `json:"nextToken,omitempty"`
}

func (e *ecs) listServices(_ context.Context, in clusterInput) (*listServicesOutput, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	cluster, err := e.clusterName(in.Cluster)
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, svc := range e.services {
		if svc.Cluster == cluster {
			arns = append(arns, svc.arn)
		}
	}
	if in.MaxResults == 0 {
		in.MaxResults = 10
	}
	out := &listServicesOutput{}
	if out.ServiceARNs, out.NextToken, err = page(arns, in.MaxResults, 100, in.NextToken); err != nil {
		return nil, ecsParameter("Invalid token.")
	}
	return out, nil
}

type updateServiceInput struct {
	Cluster                 string `json:"cluster"`
	Service                 string `json:"service"`
	DesiredCount            *int   `json:"desiredCount"`
	TaskDefinition          string `json:"taskDefinition"`
	ForceNewDeployment      bool   `json:"forceNewDeployment"`
	DeploymentConfiguration *struct {
		MinimumHealthyPercent *int `json:"minimumHealthyPercent"`
		MaximumPercent        *int `json:"maximumPercent"`

		CircuitBreaker *circuitBreakerShape `json:"deploymentCircuitBreaker"`
	} `json:"deploymentConfiguration"`
}

type updateServiceOutput struct {
	Service serviceShape `json:"service"`
}

// updateService changes a service. A forced deployment and another task definition start a new deployment; another
// number of tasks does not.
func (e *ecs) updateService(_ context.Context, in updateServiceInput) (*updateServiceOutput, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	svc, err := e.findService(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if in.ForceNewDeployment && svc.DeploymentController != "ECS" {
		return nil, ecsParameter(fmt.Sprintf("Cannot force a new deployment on services with a %s deployment controller.", svc.DeploymentController))
	}
	definition := svc.definition
	if in.TaskDefinition != "" {
		if definition = e.findDefinition(in.TaskDefinition); definition == nil {
			return nil, &Error{Code: "ClientException", Message: "TaskDefinition not found."}
		}
	}
	if in.DesiredCount != nil {
		if *in.DesiredCount < 0 {
			return nil, ecsParameter("DesiredCount cannot be negative.")
		}
		svc.DesiredCount = *in.DesiredCount
	}
	if c := in.DeploymentConfiguration; c != nil {
		if c.MinimumHealthyPercent != nil {
			svc.MinimumHealthyPercent = *c.MinimumHealthyPercent
		}
		if c.MaximumPercent != nil {
			svc.MaximumPercent = *c.MaximumPercent
		}
		if b := c.CircuitBreaker; b != nil {
			svc.CircuitBreaker, svc.CircuitBreakerRollback = b.Enable, b.Rollback
		}
	}
	if in.ForceNewDeployment || definition != svc.definition {
		svc.definition = definition
		svc.deploy()
	}
	svc.poke()
	return &updateServiceOutput{svc.shape()}, nil
}

type listTasksInput struct {
	Cluster       string `json:"cluster"`
	ServiceName   string `json:"serviceName"`
	Family        string `json:"family"`
	StartedBy     string `json:"startedBy"`
	DesiredStatus string `json:"desiredStatus"`
	MaxResults    int    `json:"maxResults"`
	NextToken     string `json:"nextToken"`
}

type listTasksOutput struct {
	TaskARNs  []string `json:"taskArns"`
	NextToken string   `json:"nextToken,omitempty"`
}

// listTasks lists tasks by their desired status, by default RUNNING. A task that is to stop counts as STOPPED from then
// on, while it drains and its container still runs.
func (e *ecs) listTasks(_ context.Context, in listTasksInput) (*listTasksOutput, error) {
	if in.StartedBy != "" && (in.ServiceName != "" || in.Family != "" || in.DesiredStatus != "") {
		return nil, ecsParameter("cannot specify startedBy with other filters")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	cluster, err := e.clusterName(in.Cluster)
	if err != nil {
		return nil, err
	}
	var svc *ecsService
	if in.ServiceName != "" {
		if svc, err = e.findService(in.Cluster, in.ServiceName); err != nil {
			return nil, err
		}
	}
	status := in.DesiredStatus
	setDefault(&status, "RUNNING")
	var arns []string
	for _, t := range e.tasks {
		if t.cluster == cluster && t.desired == status && !t.forgotten() &&
			(svc == nil || t.service == svc) &&
			(in.Family == "" || t.definition.family == in.Family) &&
			(in.StartedBy == "" || t.startedBy == in.StartedBy) {
			arns = append(arns, t.arn)
		}
	}
	out := &listTasksOutput{}
	if out.TaskARNs, out.NextToken, err = page(arns, in.MaxResults, cmp.Or(e.srv.opts.ListTasksPageSize, 100), in.NextToken); err != nil {
		return nil, ecsParameter("Invalid token.")
	}
	return out, nil
}

type describeTasksOutput struct {
	Tasks    []taskShape `json:"tasks"`
	Failures []failure   `json:"failures"`
}

func (e *ecs) describeTasks(_ context.Context, in clusterInput) (*describeTasksOutput, error) {
	if len(in.Tasks) == 0 {
		return nil, ecsParameter("Tasks cannot be empty.")
	}
	if len(in.Tasks) > 100 {
		return nil, ecsParameter("Tasks cannot have more than 100 elements.")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	cluster, err := e.clusterName(in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &describeTasksOutput{[]taskShape{}, []failure{}}
	for _, id := range in.Tasks {
		i := slices.IndexFunc(e.tasks, func(t *ecsTask) bool {
			return t.cluster == cluster && (t.arn == id || lastPart(t.arn) == id) && !t.forgotten()
		})
		if i < 0 {
			out.Failures = append(out.Failures, failure{e.srv.arn("ecs", "task/"+cluster+"/"+lastPart(id)), "MISSING"})
			continue
		}
		out.Tasks = append(out.Tasks, e.tasks[i].shape())
	}
	return out, nil
}

type describeTaskDefinitionInput struct {
	TaskDefinition string `json:"taskDefinition"`
}

type describeTaskDefinitionOutput struct {
	TaskDefinition taskDefinitionShape `json:"taskDefinition"`
}

func (e *ecs) describeTaskDefinition(_ context.Context, in describeTaskDefinitionInput) (*describeTaskDefinitionOutput, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.findDefinition(in.TaskDefinition)
	if d == nil {
		return nil, &Error{Code: "ClientException", Message: "Unable to describe task definition."}
	}
	return &describeTaskDefinitionOutput{d.shape()}, nil
}

// findDefinition resolves a task definition by ARN, family:revision, or family, which means its latest revision.
func (e *ecs) findDefinition(id string) *taskDefinition {
	family, revision, pinned := strings.Cut(lastPart(id), ":")
	for _, d := range slices.Backward(e.definitions) {
		if d.family == family && (!pinned || strconv.Itoa(d.revision) == revision) {
			return d
		}
	}
	return nil
}
