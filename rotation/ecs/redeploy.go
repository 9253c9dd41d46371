package ecs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Redeploy forces a new deployment of each service, and returns when the first of
// them was created by ECS's own clock: a task that was created then or later
// was started after the call. Keep it to the millisecond for
// [Services.Rollout]; rounded up, it would make tasks of these deployments
// look older than they are.
//
// A service that fails does not keep the others from their deployment. The
// error then tells of all that failed, and the time is that of the others, or
// zero when there are none. Doing it twice replaces the tasks once more, and a
// deployment that a newer one supersedes is no failure.
func (s *Services) Redeploy(ctx context.Context, log *slog.Logger) (time.Time, error) {
	var since time.Time
	var faults []error
	for _, name := range s.names {
		created, err := s.redeploy(ctx, name, log)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if since.IsZero() || created.Before(since) {
			since = created
		}
	}
	return since, errors.Join(faults...)
}

// RedeployService forces a new deployment of one service, by its name as in
// [rollout.Service]. Doing it twice replaces the tasks once more, and a deployment
// that a newer one supersedes is no failure.
func (s *Services) RedeployService(ctx context.Context, name string, log *slog.Logger) error {
	_, err := s.redeploy(ctx, name, log)
	return err
}

func (s *Services) redeploy(ctx context.Context, name string, log *slog.Logger) (created time.Time, err error) {
	primary, err := s.force(ctx, name)
	if err != nil {
		return time.Time{}, fmt.Errorf("force a new deployment of service %s in cluster %s: %w", name, s.cluster, err)
	}
	log.Info("started a new deployment", "cluster", s.cluster, "service", name,
		"deployment", aws.ToString(primary.Id), "created", *primary.CreatedAt)
	return *primary.CreatedAt, nil
}

// force returns the new deployment, which has a creation time.
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
	return nil, errors.New("the answer tells of no new deployment: look at the service's deployments and its deployment controller, which has to be ECS")
}

// primaryOf returns the deployment that the service is to have, nil if ECS
// does not deploy the service itself.
func primaryOf(service types.Service) *types.Deployment {
	for i, d := range service.Deployments {
		if aws.ToString(d.Status) == "PRIMARY" {
			return &service.Deployments[i]
		}
	}
	return nil
}
