// Package ecs restarts the tasks that run Mautic, so that they read the secret
// again: ECS injects a secret only when a container starts. It also tells when
// that has been done, and finds out beforehand whether it would help.
//
//	services := ecs.New(client, "mautic-prod-cluster", []string{"web", "cron"})
//	for _, service := range observed { // by services.Observe(ctx, secretARN, since)
//		if !service.Deployed {
//			err := services.RedeployService(ctx, service.Name, log)
//		}
//	}
//
// Times of deployments and tasks are ECS's own, to the millisecond.
package ecs

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

// API is the part of ECS's API that this package uses.
type API interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	ListServiceDeployments(context.Context, *ecs.ListServiceDeploymentsInput, ...func(*ecs.Options)) (*ecs.ListServiceDeploymentsOutput, error)
	UpdateService(context.Context, *ecs.UpdateServiceInput, ...func(*ecs.Options)) (*ecs.UpdateServiceOutput, error)
	ListTasks(context.Context, *ecs.ListTasksInput, ...func(*ecs.Options)) (*ecs.ListTasksOutput, error)
	DescribeTasks(context.Context, *ecs.DescribeTasksInput, ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error)
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
}

// Services are the ECS services of one cluster that run the application: its
// web servers, its cron jobs, its workers.
type Services struct {
	api     API
	cluster string
	names   []string
	uses    sync.Map // of task definitions and secrets: see useOf
}

// New returns the services of a cluster, given by name or ARN.
func New(api API, cluster string, services []string) *Services {
	return &Services{api: api, cluster: cluster, names: services}
}

// Names returns the names or ARNs of the services.
func (s *Services) Names() []string { return s.names }

// describeServicesLimit and describeTasksLimit are how many services DescribeServices, and how
// many tasks DescribeTasks, accept in one call.
const (
	describeServicesLimit = 10
	describeTasksLimit    = 100
)
