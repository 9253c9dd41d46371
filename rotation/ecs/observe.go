package ecs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// find reads each service and its tasks, in the order of their names, and the cluster's tasks
// that belong to no service.
func (s *Services) find(ctx context.Context, since time.Time) (services []found, alone []types.Task, err error) {
	if services, err = s.findServices(ctx, since); err != nil {
		return nil, nil, err
	}
	tasks, err := s.findTasks(ctx, services)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range tasks {
		name, of := serviceOf(t)
		if !of {
			alone = append(alone, t)
		}
		for i, f := range services { // a service may be named twice
			if of && f.missing == "" && aws.ToString(f.service.ServiceName) == name {
				services[i].tasks = append(services[i].tasks, t)
			}
		}
	}
	return services, alone, nil
}

// findServices is find without the tasks.
func (s *Services) findServices(ctx context.Context, since time.Time) ([]found, error) {
	var services []found
	for names := range slices.Chunk(s.names, describeServicesLimit) {
		out, err := s.api.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &s.cluster, Services: names})
		if err != nil {
			return nil, fmt.Errorf("describe the services %v in cluster %s: %w", names, s.cluster, err)
		}
		for _, name := range names {
			services = append(services, locate(name, out))
		}
	}
	for i, f := range services {
		if f.missing != "" || !needsHistory(f.service, since) {
			continue
		}
		var err error
		if services[i].latest, err = s.latestDeployment(ctx, f.service, since); err != nil {
			return nil, err
		}
	}
	return services, nil
}

// findTasks describes, each once, the cluster's tasks that should run, and the services' tasks
// that are stopping or have stopped. A task outside any service that was told to stop ends long
// before anything is retired.
func (s *Services) findTasks(ctx context.Context, services []found) ([]types.Task, error) {
	// The order matters: a task that is told to stop between the two calls is listed twice. In
	// the other order it would not be listed at all.
	arns, err := s.listTasks(ctx, &ecs.ListTasksInput{DesiredStatus: types.DesiredStatusRunning})
	if err != nil {
		return nil, err
	}
	for _, f := range services {
		if f.missing != "" {
			continue
		}
		stopped, err := s.listTasks(ctx, &ecs.ListTasksInput{DesiredStatus: types.DesiredStatusStopped, ServiceName: f.service.ServiceName})
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", f.name, err)
		}
		arns = append(arns, stopped...)
	}
	slices.Sort(arns)
	return s.describeTasks(ctx, slices.Compact(arns))
}

// locate finds a service, given by name or ARN, in an answer. ECS describes a deleted service as
// INACTIVE for a while. It may have tasks that are still stopping, which ECS no longer lists
// under its name.
func locate(name string, out *ecs.DescribeServicesOutput) found {
	const remedy = "correct ECS_CLUSTER and ECS_SERVICES"
	for _, service := range out.Services {
		if name != aws.ToString(service.ServiceArn) && lastPart(name) != aws.ToString(service.ServiceName) {
			continue
		}
		if status := aws.ToString(service.Status); status == "INACTIVE" {
			return found{name: name, missing: "it was deleted (" + status + "): " + remedy}
		}
		return found{name: name, service: service}
	}
	for _, failure := range out.Failures {
		if lastPart(name) == lastPart(aws.ToString(failure.Arn)) {
			return found{name: name, missing: "the cluster does not have it (" + aws.ToString(failure.Reason) + "): " + remedy}
		}
	}
	return found{name: name, missing: "ECS did not describe it: " + remedy}
}

// listTasks lists tasks of the cluster.
func (s *Services) listTasks(ctx context.Context, in *ecs.ListTasksInput) (arns []string, err error) {
	in.Cluster = &s.cluster
	pages := ecs.NewListTasksPaginator(s.api, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the tasks of cluster %s with desired status %s: %w", s.cluster, in.DesiredStatus, err)
		}
		arns = append(arns, page.TaskArns...)
	}
	return arns, nil
}

func (s *Services) describeTasks(ctx context.Context, arns []string) ([]types.Task, error) {
	var tasks []types.Task
	for some := range slices.Chunk(arns, describeTasksLimit) {
		out, err := s.api.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &s.cluster, Tasks: some})
		if err != nil {
			return nil, fmt.Errorf("describe tasks of cluster %s: %w", s.cluster, err)
		}
		for _, failure := range out.Failures {
			// ECS forgets a task about an hour after it has stopped.
			if reason := aws.ToString(failure.Reason); reason != "MISSING" {
				return nil, fmt.Errorf("describe task %s: %s", aws.ToString(failure.Arn), reason)
			}
		}
		tasks = append(tasks, out.Tasks...)
	}
	return tasks, nil
}
