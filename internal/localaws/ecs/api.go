package ecs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mautic-rotation/internal/localaws/wire"
)

// Failure tells of one of several things asked for that does not exist.
type Failure struct {
	ARN    string `json:"arn"`
	Reason string `json:"reason"`
}

func invalidParameter(text string) *wire.Error {
	return &wire.Error{Code: "InvalidParameterException", Message: text}
}

// DescribeClustersInput names clusters; none stand for the default one.
type DescribeClustersInput struct {
	Clusters []string `json:"clusters"`
}

// DescribeClustersOutput is the answer of DescribeClusters.
type DescribeClustersOutput struct {
	Clusters []ClusterDescription `json:"clusters"`
	Failures []Failure            `json:"failures"`
}

// DescribeClusters describes clusters.
func (c *Core) DescribeClusters(_ context.Context, in DescribeClustersInput) (out DescribeClustersOutput, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out = DescribeClustersOutput{[]ClusterDescription{}, []Failure{}}
	if len(in.Clusters) == 0 {
		in.Clusters = []string{"default"}
	}
	for _, id := range in.Clusters {
		name, err := c.clusterName(id)
		if err != nil {
			out.Failures = append(out.Failures, Failure{c.clusterARN(lastPart(id)), "MISSING"})
			continue
		}
		out.Clusters = append(out.Clusters, c.describeCluster(name))
	}
	return out, nil
}

// DescribeServicesInput names services of one cluster.
type DescribeServicesInput struct {
	Cluster  string   `json:"cluster"`
	Services []string `json:"services"`
}

// DescribeServicesOutput is the answer of DescribeServices.
type DescribeServicesOutput struct {
	Services []ServiceDescription `json:"services"`
	Failures []Failure            `json:"failures"`
}

// DescribeServices describes services with their deployments.
func (c *Core) DescribeServices(_ context.Context, in DescribeServicesInput) (out DescribeServicesOutput, err error) {
	if len(in.Services) == 0 {
		return out, invalidParameter("Services cannot be empty.")
	}
	if len(in.Services) > 10 {
		return out, invalidParameter("Too many services specified. You can specify up to 10 services.")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cluster, err := c.clusterName(in.Cluster)
	if err != nil {
		return out, err
	}
	out = DescribeServicesOutput{[]ServiceDescription{}, []Failure{}}
	for _, id := range in.Services {
		svc, err := c.findService(in.Cluster, id)
		if err != nil {
			out.Failures = append(out.Failures, Failure{c.env.Account.ARN("ecs", "service/"+cluster+"/"+lastPart(id)), "MISSING"})
			continue
		}
		out.Services = append(out.Services, svc.describe())
	}
	return out, nil
}

// ListServicesInput asks for a page of a cluster's services.
type ListServicesInput struct {
	Cluster    string `json:"cluster"`
	MaxResults int    `json:"maxResults"`
	NextToken  string `json:"nextToken"`
}

// ListServicesOutput is the answer of ListServices.
type ListServicesOutput struct {
	ServiceARNs []string `json:"serviceArns"`
	NextToken   string   `json:"nextToken,omitempty"`
}

// ListServices lists the ARNs of services.
func (c *Core) ListServices(_ context.Context, in ListServicesInput) (out ListServicesOutput, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cluster, err := c.clusterName(in.Cluster)
	if err != nil {
		return out, err
	}
	var arns []string
	for _, svc := range c.services {
		if svc.Cluster == cluster {
			arns = append(arns, svc.arn)
		}
	}
	if in.MaxResults == 0 {
		in.MaxResults = 10
	}
	if out.ServiceARNs, out.NextToken, err = wire.Page(arns, in.MaxResults, 100, in.NextToken); err != nil {
		return out, invalidParameter("Invalid token.")
	}
	return out, nil
}

// UpdateServiceInput is what to change of a service.
type UpdateServiceInput struct {
	Cluster                 string `json:"cluster"`
	Service                 string `json:"service"`
	DesiredCount            *int   `json:"desiredCount"`
	TaskDefinition          string `json:"taskDefinition"`
	ForceNewDeployment      bool   `json:"forceNewDeployment"`
	DeploymentConfiguration *struct {
		MinimumHealthyPercent *int `json:"minimumHealthyPercent"`
		MaximumPercent        *int `json:"maximumPercent"`

		CircuitBreaker *CircuitBreaker `json:"deploymentCircuitBreaker"`
	} `json:"deploymentConfiguration"`
}

// UpdateServiceOutput is the answer of UpdateService.
type UpdateServiceOutput struct {
	Service ServiceDescription `json:"service"`
}

// UpdateService changes a service. A forced deployment and another task definition start a new deployment; another
// number of tasks does not.
func (c *Core) UpdateService(_ context.Context, in UpdateServiceInput) (out UpdateServiceOutput, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	svc, err := c.findService(in.Cluster, in.Service)
	if err != nil {
		return out, err
	}
	if in.ForceNewDeployment && svc.DeploymentController != "ECS" {
		return out, invalidParameter(fmt.Sprintf("Cannot force a new deployment on services with a %s deployment controller.", svc.DeploymentController))
	}
	definition := svc.definition
	if in.TaskDefinition != "" {
		if definition = c.findDefinition(in.TaskDefinition); definition == nil {
			return out, &wire.Error{Code: "ClientException", Message: "TaskDefinition not found."}
		}
	}
	if definition.inactive && (in.ForceNewDeployment || in.TaskDefinition != "") {
		return out, &wire.Error{Code: "ClientException", Message: "TaskDefinition is inactive"}
	}
	if in.DesiredCount != nil {
		if *in.DesiredCount < 0 {
			return out, invalidParameter("DesiredCount cannot be negative.")
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
	return UpdateServiceOutput{svc.describe()}, nil
}

// ListTasksInput filters and pages a cluster's tasks.
type ListTasksInput struct {
	Cluster       string `json:"cluster"`
	ServiceName   string `json:"serviceName"`
	Family        string `json:"family"`
	StartedBy     string `json:"startedBy"`
	DesiredStatus string `json:"desiredStatus"`
	MaxResults    int    `json:"maxResults"`
	NextToken     string `json:"nextToken"`
}

// ListTasksOutput is the answer of ListTasks.
type ListTasksOutput struct {
	TaskARNs  []string `json:"taskArns"`
	NextToken string   `json:"nextToken,omitempty"`
}

// ListTasks lists tasks by their desired status, by default RUNNING. A task that is to stop counts as STOPPED from then
// on, while it drains and its container still runs.
func (c *Core) ListTasks(_ context.Context, in ListTasksInput) (out ListTasksOutput, err error) {
	if in.StartedBy != "" && (in.ServiceName != "" || in.Family != "" || in.DesiredStatus != "") {
		return out, invalidParameter("cannot specify startedBy with other filters")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cluster, err := c.clusterName(in.Cluster)
	if err != nil {
		return out, err
	}
	var svc *service
	if in.ServiceName != "" {
		if svc, err = c.findService(in.Cluster, in.ServiceName); err != nil {
			return out, err
		}
	}
	status := cmp.Or(in.DesiredStatus, "RUNNING")
	var arns []string
	for _, t := range c.tasks {
		if t.cluster == cluster && t.desired == status && !t.forgotten() &&
			(svc == nil || t.service == svc) &&
			(in.Family == "" || t.definition.family == in.Family) &&
			(in.StartedBy == "" || t.startedBy == in.StartedBy) {
			arns = append(arns, t.arn)
		}
	}
	if out.TaskARNs, out.NextToken, err = wire.Page(arns, in.MaxResults, cmp.Or(c.opts.ListTasksPageSize, 100), in.NextToken); err != nil {
		return out, invalidParameter("Invalid token.")
	}
	return out, nil
}

// DescribeTasksInput names tasks of one cluster.
type DescribeTasksInput struct {
	Cluster string   `json:"cluster"`
	Tasks   []string `json:"tasks"`
}

// DescribeTasksOutput is the answer of DescribeTasks.
type DescribeTasksOutput struct {
	Tasks    []TaskDescription `json:"tasks"`
	Failures []Failure         `json:"failures"`
}

// DescribeTasks describes tasks, those that stopped within the hour included.
func (c *Core) DescribeTasks(_ context.Context, in DescribeTasksInput) (out DescribeTasksOutput, err error) {
	if len(in.Tasks) == 0 {
		return out, invalidParameter("Tasks cannot be empty.")
	}
	if len(in.Tasks) > 100 {
		return out, invalidParameter("Tasks cannot have more than 100 elements.")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cluster, err := c.clusterName(in.Cluster)
	if err != nil {
		return out, err
	}
	out = DescribeTasksOutput{[]TaskDescription{}, []Failure{}}
	for _, id := range in.Tasks {
		i := slices.IndexFunc(c.tasks, func(t *task) bool {
			return t.cluster == cluster && (t.arn == id || lastPart(t.arn) == id) && !t.forgotten()
		})
		if i < 0 {
			out.Failures = append(out.Failures, Failure{c.env.Account.ARN("ecs", "task/"+cluster+"/"+lastPart(id)), "MISSING"})
			continue
		}
		out.Tasks = append(out.Tasks, c.tasks[i].describe())
	}
	return out, nil
}

// DescribeTaskDefinitionInput names a task definition by ARN, family:revision, or family.
type DescribeTaskDefinitionInput struct {
	TaskDefinition string `json:"taskDefinition"`
}

// DescribeTaskDefinitionOutput is the answer of DescribeTaskDefinition.
type DescribeTaskDefinitionOutput struct {
	TaskDefinition TaskDefinitionDescription `json:"taskDefinition"`
}

// DescribeTaskDefinition describes one revision.
func (c *Core) DescribeTaskDefinition(_ context.Context, in DescribeTaskDefinitionInput) (out DescribeTaskDefinitionOutput, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.findDefinition(in.TaskDefinition)
	if d == nil {
		return out, &wire.Error{Code: "ClientException", Message: "Unable to describe task definition."}
	}
	return DescribeTaskDefinitionOutput{d.describe()}, nil
}

// findDefinition resolves a task definition by ARN, family:revision, or family, which means its latest revision.
func (c *Core) findDefinition(id string) *taskDefinition {
	family, revision, pinned := strings.Cut(lastPart(id), ":")
	for _, d := range slices.Backward(c.definitions) {
		if d.family == family && (!pinned || strconv.Itoa(d.revision) == revision) {
			return d
		}
	}
	return nil
}
