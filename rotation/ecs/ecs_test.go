package ecs_test

import (
	"context"
	"testing"
	"time"

	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"

	"mautic-rotation/internal/localaws"
)

const cluster = "mautic-prod-cluster"

// start runs the services, with idle tasks unless they have a Run, and returns
// a client.
func start(t *testing.T, services ...localaws.Service) (*localaws.Server, *awsecs.Client) {
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
			s.Run = func(ctx context.Context, task localaws.Task) error {
				task.Ready()
				<-ctx.Done()
				return nil
			}
		}
		if _, err := aws.RunService(s); err != nil {
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
		if err := aws.WaitService(t.Context(), cluster, name); err != nil {
			t.Fatal(err)
		}
	}
	aws.Clock().Advance(time.Second)
}
