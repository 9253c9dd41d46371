package ecs_test

import (
	"testing"
	"time"

	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"

	"mautic-rotation/internal/localaws"
	localecs "mautic-rotation/internal/localaws/ecs"
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
