package ecs

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// rolling reports whether ECS replaces a service's tasks gradually (its rolling strategy). With
// its other strategies (blue/green, linear, canary) old and new tasks run side by side during the
// bake time, and DescribeServices does not show how a deployment ended.
func rolling(service types.Service) bool {
	c := service.DeploymentConfiguration
	return c == nil || c.Strategy == "" || c.Strategy == types.DeploymentStrategyRolling
}

// needsHistory reports whether DescribeServices does not show how the deployments since a time
// ended: for a service that is not rolling, and for one that was rolled back.
func needsHistory(service types.Service, since time.Time) bool {
	return !rolling(service) || rolledBackUnlisted(service, since)
}

// latestDeployment returns a service's newest deployment that was created at or after a time; nil
// if there is none.
func (s *Services) latestDeployment(ctx context.Context, service types.Service, since time.Time) (*types.ServiceDeploymentBrief, error) {
	name := aws.ToString(service.ServiceName)
	in := &ecs.ListServiceDeploymentsInput{
		Cluster: &s.cluster, Service: &name, CreatedAt: &types.CreatedAt{After: aws.Time(since.Add(-time.Second))},
	}
	var latest *types.ServiceDeploymentBrief
	for {
		page, err := s.api.ListServiceDeployments(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list the deployments of service %s in cluster %s: %w", name, s.cluster, err)
		}
		// ECS's documentation does not say in which order it lists them.
		for _, d := range page.ServiceDeployments {
			if notBefore(d.CreatedAt, since) && (latest == nil || d.CreatedAt.After(*latest.CreatedAt)) {
				latest = &d
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return latest, nil
		}
	}
}

// deploymentFailure is why a service's newest deployment has failed; "" if it has not.
func deploymentFailure(d *types.ServiceDeploymentBrief) string {
	if d == nil {
		return ""
	}
	switch d.Status {
	case types.ServiceDeploymentStatusStopped, types.ServiceDeploymentStatusStopRequested,
		types.ServiceDeploymentStatusRollbackRequested, types.ServiceDeploymentStatusRollbackInProgress,
		types.ServiceDeploymentStatusRollbackSuccessful, types.ServiceDeploymentStatusRollbackFailed:
		why := fmt.Sprintf("service deployment %s, created %s, is %s", lastPart(aws.ToString(d.ServiceDeploymentArn)), timestamp(d.CreatedAt), d.Status)
		if reason := aws.ToString(d.StatusReason); reason != "" {
			why += ": " + reason
		}
		return why
	}
	return ""
}

// underWay reports whether a deployment, or its rollback, is in progress.
func underWay(d types.ServiceDeploymentBrief) bool {
	switch d.Status {
	case types.ServiceDeploymentStatusPending, types.ServiceDeploymentStatusInProgress, types.ServiceDeploymentStatusStopRequested,
		types.ServiceDeploymentStatusRollbackRequested, types.ServiceDeploymentStatusRollbackInProgress:
		return true
	}
	return false
}

// ECS's defaults for the steps of a traffic shift.
const (
	defaultLinearPercent = 10.0
	defaultLinearMinutes = 6
	defaultCanaryMinutes = 10
)

// bake is how long a service's settings keep old and new tasks running side by side in each
// deployment.
func bake(service types.Service) time.Duration {
	if rolling(service) {
		return 0
	}
	c := service.DeploymentConfiguration
	minutes := int(aws.ToInt32(c.BakeTimeInMinutes))
	switch c.Strategy {
	case types.DeploymentStrategyLinear:
		percent, step := defaultLinearPercent, int32(defaultLinearMinutes)
		if l := c.LinearConfiguration; l != nil {
			percent, step = or(l.StepPercent, percent), or(l.StepBakeTimeInMinutes, step)
		}
		steps := int(math.Ceil(100/percent)) - 1 // none after the last
		minutes += steps * int(step)
	case types.DeploymentStrategyCanary:
		canary := int32(defaultCanaryMinutes)
		if l := c.CanaryConfiguration; l != nil {
			canary = or(l.CanaryBakeTimeInMinutes, canary)
		}
		minutes += int(canary)
	}
	return time.Duration(minutes) * time.Minute
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
