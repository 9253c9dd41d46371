package ecs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// RedeployService forces a new deployment of one service, named as in [rollout.Service]. Doing it
// twice replaces the tasks once more; a deployment that a newer one supersedes has not failed.
func (s *Services) RedeployService(ctx context.Context, name string, log *slog.Logger) error {
	primary, err := s.force(ctx, name)
	if err != nil {
		return fmt.Errorf("force a new deployment of service %s in cluster %s: %w", name, s.cluster, err)
	}
	log.Info("started a new deployment", "cluster", s.cluster, "service", name,
		"deployment", aws.ToString(primary.Id), "created", *primary.CreatedAt)
	return nil
}

// force returns the new deployment. It always has a creation time.
func (s *Services) force(ctx context.Context, name string) (*types.Deployment, error) {
	out, err := s.api.UpdateService(ctx, &ecs.UpdateServiceInput{
		Cluster:            &s.cluster,
		Service:            &name,
		ForceNewDeployment: true,
	})
	if err != nil {
		return nil, err
	}
	if out.Service != nil {
		if primary := primaryOf(*out.Service); primary != nil && primary.CreatedAt != nil {
			return primary, nil
		}
	}
	return nil, errors.New("the answer has no new deployment: check the service's deployments and its deployment controller, which must be ECS")
}

// primaryOf returns the service's primary deployment; nil if ECS does not deploy the service.
func primaryOf(service types.Service) *types.Deployment {
	for i, d := range service.Deployments {
		if aws.ToString(d.Status) == "PRIMARY" {
			return &service.Deployments[i]
		}
	}
	return nil
}
