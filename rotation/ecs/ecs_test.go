package ecs_test

import (
	"testing"
	"time"

	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"

	"mautic-rotation/internal/localaws"
	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
)

const cluster = "mautic-prod-cluster"

// start runs the services, with idle tasks unless they have a Run, and returns
// a client.
func start(t *testing.T, services ...localecs.Service) (*localaws.Server, *awsecs.Client) {
	t.Helper()
	t.Parallel()
	aws, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := aws.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, s := range services {
		s.Cluster = cluster
		if s.Run == nil {
			s.Run = idle
		}
		if _, err := aws.ECS.RunService(s); err != nil {
			t.Fatal(err)
		}
	}
	return aws, awsecs.NewFromConfig(aws.Config())
}

// wait returns when the services are stable, and moves the clock on: what comes
// then is later by more than the clock's precision.
func wait(t *testing.T, aws *localaws.Server, services ...string) {
	t.Helper()
	for _, name := range services {
		if err := aws.ECS.WaitService(t.Context(), cluster, name); err != nil {
			t.Fatal(err)
		}
	}
	aws.Clock().Advance(time.Second)
}

// awaitHealthy waits for a healthy task that was created at a time or later.
func awaitHealthy(t *testing.T, aws *localaws.Server, since time.Time) {
	t.Helper()
	_, err := aws.WaitEvent(t.Context(), func(e host.Event) bool {
		changed, ok := e.(localecs.TaskChanged)
		return ok && changed.Healthy && !changed.CreatedAt.Before(since)
	})
	if err != nil {
		t.Fatal(err)
	}
}
