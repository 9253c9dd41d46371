// Package ecs stands in for AWS's ECS: services that keep tasks running, deployments with the percentages and the circuit
// breaker of rolling updates, and tasks that read their secrets only when they start.
//
//	arn, err := srv.ECS.RunService(ecs.Service{
//		Name: "mautic", DesiredCount: 2,
//		Secrets: []ecs.ContainerSecret{{Name: "MAUTIC_DB_PASSWORD", ValueFrom: secretARN + ":password::"}},
//		Run: func(ctx context.Context, task ecs.Task) error { task.Ready(); <-ctx.Done(); return nil },
//	})
//	err = srv.ECS.WaitService(ctx, "", "mautic")
//
// A [Core] is the state and the rules, without goroutines; the scheduler's next moves are [Core.Step]. [StandIn] is a Core
// whose scheduler and tasks run in the background, each container as a Go func.
//
// What it does not do: container instances, capacity, load balancers, the strategies other than rolling updates, deployment
// alarms, more than one container in a task, and the registration of task definitions through the API.
package ecs
