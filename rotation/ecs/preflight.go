package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/rotation/credential"
)

// Preflight checks whether each service exists and accepts a forced deployment, whether a restart
// would make it use the secret's new value, and what else a restart would change. The secret is
// given by its full ARN. Preflight cannot check whether UpdateService is permitted: ECS has no
// dry run for it.
func (s *Services) Preflight(ctx context.Context, secretARN string) []credential.Check {
	checks, services := s.preflight(ctx)
	definitions := map[string]described{} // by ARN: services may share one
	for _, service := range services {
		if aws.ToString(service.Status) != "ACTIVE" || service.TaskDefinition == nil {
			continue
		}
		arn := *service.TaskDefinition
		definition, known := definitions[arn]
		if !known {
			definition = s.describeDefinition(ctx, arn)
			definitions[arn] = definition
		}
		checks = append(checks, serviceChecks(service, definition, secretARN)...)
	}
	return checks
}

// preflight checks each service, and returns those that exist.
func (s *Services) preflight(ctx context.Context) ([]credential.Check, []types.Service) {
	var checks []credential.Check
	var services []types.Service
	for names := range slices.Chunk(s.names, describeServicesLimit) {
		out, err := s.api.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &s.cluster, Services: names})
		if err != nil {
			checks = append(checks, credential.Check{
				What:    "describe the services " + strings.Join(names, ", "),
				Problem: fmt.Errorf("in cluster %s: %w", s.cluster, err),
			})
			continue
		}
		for _, failure := range out.Failures {
			checks = append(checks, credential.Check{
				What:    "service " + aws.ToString(failure.Arn),
				Problem: fmt.Errorf("cluster %s does not have it (%s): correct ECS_CLUSTER and ECS_SERVICES", s.cluster, aws.ToString(failure.Reason)),
			})
		}
		for _, service := range out.Services {
			checks = append(checks, credential.Check{
				What:    "service " + aws.ToString(service.ServiceName) + " accepts a forced deployment",
				Problem: redeployable(service),
			}, credential.Check{
				What:    "service " + aws.ToString(service.ServiceName) + " has room for a deployment",
				Problem: deploymentDeadlock(service),
			})
		}
		services = append(services, out.Services...)
	}
	return checks, services
}

// described is a task definition, or why it could not be read.
type described struct {
	definition types.TaskDefinition
	err        error
}

func (s *Services) describeDefinition(ctx context.Context, arn string) described {
	out, err := s.api.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &arn})
	switch {
	case err != nil:
		return described{err: err}
	case out.TaskDefinition == nil:
		return described{err: fmt.Errorf("the answer holds no task definition")}
	}
	return described{definition: *out.TaskDefinition}
}

// unread is the problem with a task definition that cannot be read: its tasks might read a pinned
// version of the secret and still count as new.
func unread(arn string, err error) error {
	remedy := "deploy the service with a task definition that still exists"
	if isDenied(err) {
		remedy = "grant ecs:DescribeTaskDefinition on * to the function's role"
	}
	return fmt.Errorf("cannot tell which version of the secret task definition %s reads: %s: %w", lastPart(arn), remedy, err)
}

// serviceChecks describes what a restart of a service would change.
func serviceChecks(service types.Service, d described, secretARN string) []credential.Check {
	name := aws.ToString(service.ServiceName)
	reads := credential.Check{What: "service " + name + " reads the secret's current version when its tasks start"}
	checks := []credential.Check{{
		What:    "service " + name + " keeps its number of tasks while they are replaced",
		Warning: shrinks(service),
	}, {
		What:    "service " + name + " runs tasks, which show whether the application starts",
		Warning: idle(service),
	}}
	if d.err != nil {
		reads.Problem = unread(*service.TaskDefinition, d.err)
		return append(checks, reads)
	}
	reads.Problem, reads.Warning = secretUse(d.definition, secretARN)
	if jobs, found := cronJobs(d.definition); found {
		checks = append(checks, credential.Check{What: "the cron jobs of service " + name + " get the variables that its tasks read at start", Warning: jobs})
	}
	return append(checks, reads, credential.Check{
		What:    "service " + name + " runs the same images after a restart",
		Warning: mutableImages(d.definition),
	}, credential.Check{
		What:    "service " + name + " has a task definition to start tasks with",
		Problem: inactive(d.definition),
	})
}

// inactive is set if ECS starts no new tasks: it still describes a task definition that was
// deregistered.
func inactive(definition types.TaskDefinition) error {
	if definition.Status == "" || definition.Status == types.TaskDefinitionStatusActive {
		return nil
	}
	return fmt.Errorf("its task definition %s is %s, so ECS starts no new task: deploy the service with an ACTIVE one",
		lastPart(aws.ToString(definition.TaskDefinitionArn)), definition.Status)
}

// redeployable is why a service does not accept a forced deployment.
func redeployable(service types.Service) error {
	if status := aws.ToString(service.Status); status != "ACTIVE" {
		return fmt.Errorf("its status is %s: remove it from ECS_SERVICES", status)
	}
	controller := service.DeploymentController
	if controller != nil && controller.Type != "" && controller.Type != types.DeploymentControllerTypeEcs {
		return fmt.Errorf("its deployment controller is %s, so ECS does not deploy it: redeploy it with its own pipeline, and remove it from ECS_SERVICES", controller.Type)
	}
	return nil
}

// idle is set if a service should run no task.
func idle(service types.Service) error {
	if service.DesiredCount > 0 {
		return nil
	}
	return errors.New("its desired count is 0, so nothing would show whether the application starts with the new values: set it to at least 1, or remove the service from ECS_SERVICES")
}

// shrinks is set if a deployment stops tasks before others have taken their place.
func shrinks(service types.Service) error {
	configuration := service.DeploymentConfiguration
	if !rolling(service) || configuration == nil || configuration.MinimumHealthyPercent == nil || *configuration.MinimumHealthyPercent >= 100 {
		return nil
	}
	return fmt.Errorf("its minimumHealthyPercent is %d: a deployment stops old tasks first, so fewer run in the meantime; set it to 100 if that is too few",
		*configuration.MinimumHealthyPercent)
}

// deploymentDeadlock is set if a deployment can neither start a task nor stop one: ECS rounds the minimum
// number of tasks up, and the maximum down.
func deploymentDeadlock(service types.Service) error {
	c, desired := service.DeploymentConfiguration, service.DesiredCount
	if !rolling(service) || c == nil || c.MinimumHealthyPercent == nil || c.MaximumPercent == nil || desired == 0 {
		return nil
	}
	least := (desired**c.MinimumHealthyPercent + 99) / 100
	most := desired * *c.MaximumPercent / 100
	if least < desired || most > desired {
		return nil
	}
	return fmt.Errorf("it has %d tasks, and a deployment may neither stop one nor start another (minimumHealthyPercent %d, maximumPercent %d): raise maximumPercent",
		desired, *c.MinimumHealthyPercent, *c.MaximumPercent)
}

// lastPart returns the name at the end of an ARN; a name stays as it is.
func lastPart(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
