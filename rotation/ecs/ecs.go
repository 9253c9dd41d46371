// Package ecs restarts the tasks that run Mautic, so that they read the secret
// again: ECS injects a secret only when a container starts.
package ecs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/rotation"
)

// API is what this package uses of ECS.
type API interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	UpdateService(context.Context, *ecs.UpdateServiceInput, ...func(*ecs.Options)) (*ecs.UpdateServiceOutput, error)
}

// Services are the ECS services of one cluster that run the application: its
// web servers, its cron jobs, its workers.
type Services struct {
	api     API
	cluster string
	names   []string
}

var _ rotation.Redeployer = (*Services)(nil)

// New returns the services of a cluster, given by name or ARN.
func New(api API, cluster string, services []string) *Services {
	return &Services{api: api, cluster: cluster, names: services}
}

// Redeploy forces a new deployment of each service. One that fails does not
// keep the others from theirs. Doing it twice replaces the tasks once more,
// and a deployment that a newer one supersedes is no failure.
func (s *Services) Redeploy(ctx context.Context, log *slog.Logger) error {
	var faults []error
	for _, name := range s.names {
		out, err := s.api.UpdateService(ctx, &ecs.UpdateServiceInput{
			Cluster:            &s.cluster,
			Service:            &name,
			ForceNewDeployment: true,
		})
		if err != nil {
			faults = append(faults, fmt.Errorf("force a new deployment of service %s in cluster %s: %w", name, s.cluster, err))
			continue
		}
		log.Info("started a new deployment", "cluster", s.cluster, "service", name, "deployment", primaryID(out.Service))
	}
	return errors.Join(faults...)
}

func primaryID(service *types.Service) string {
	if service == nil {
		return ""
	}
	for _, d := range service.Deployments {
		if aws.ToString(d.Status) == "PRIMARY" {
			return aws.ToString(d.Id)
		}
	}
	return ""
}

// describeLimit is how many services DescribeServices takes in one call.
const describeLimit = 10

// Preflight finds out whether each service is there and takes a forced
// deployment. It cannot tell whether UpdateService is permitted: ECS has no
// rehearsal of it.
func (s *Services) Preflight(ctx context.Context) []rotation.Check {
	var checks []rotation.Check
	for names := range slices.Chunk(s.names, describeLimit) {
		out, err := s.api.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &s.cluster, Services: names})
		if err != nil {
			checks = append(checks, rotation.Check{
				What:    "describe the services " + strings.Join(names, ", "),
				Problem: fmt.Errorf("in cluster %s: %w", s.cluster, err),
			})
			continue
		}
		for _, failure := range out.Failures {
			checks = append(checks, rotation.Check{
				What:    "service " + aws.ToString(failure.Arn),
				Problem: fmt.Errorf("cluster %s does not have it (%s): correct ECS_CLUSTER and ECS_SERVICES", s.cluster, aws.ToString(failure.Reason)),
			})
		}
		for _, service := range out.Services {
			checks = append(checks, rotation.Check{
				What:    "service " + aws.ToString(service.ServiceName) + " takes a forced deployment",
				Problem: redeployable(service),
			})
		}
	}
	return checks
}

// redeployable tells why a service takes no forced deployment.
func redeployable(service types.Service) error {
	if status := aws.ToString(service.Status); status != "ACTIVE" {
		return fmt.Errorf("its status is %s: take it out of ECS_SERVICES", status)
	}
	controller := service.DeploymentController
	if controller != nil && controller.Type != "" && controller.Type != types.DeploymentControllerTypeEcs {
		return fmt.Errorf("its deployment controller is %s, which ECS does not deploy itself: redeploy it by its own pipeline, and take it out of ECS_SERVICES", controller.Type)
	}
	return nil
}
