package ecs

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// TaskAt names the task in the cluster that has a private IPv4 address: "task 1a2b3c4d of service
// web". It includes tasks outside these services, since what uses an old value is often a job
// that runs on its own. If several tasks have had the address, it names the running one, or else
// the last one: ECS describes a task for an hour after it has stopped.
//
// false: no such task is known, or ECS does not answer. Only tasks with the network mode awsvpc,
// such as Fargate's, have an address of their own.
func (s *Services) TaskAt(ctx context.Context, address string) (string, bool) {
	for _, desired := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		arns, err := s.listTasks(ctx, &ecs.ListTasksInput{DesiredStatus: desired})
		if err != nil {
			return "", false
		}
		tasks, err := s.describeTasks(ctx, arns)
		if err != nil {
			return "", false
		}
		tasks = slices.DeleteFunc(tasks, func(t types.Task) bool { return !hasAddress(t, address) })
		if len(tasks) > 0 {
			return identity(slices.MaxFunc(tasks, func(a, b types.Task) int { return aws.ToTime(a.CreatedAt).Compare(aws.ToTime(b.CreatedAt)) })), true
		}
	}
	return "", false
}

func hasAddress(t types.Task, address string) bool {
	return address != "" && slices.ContainsFunc(t.Attachments, func(a types.Attachment) bool {
		return slices.ContainsFunc(a.Details, func(d types.KeyValuePair) bool {
			return aws.ToString(d.Name) == "privateIPv4Address" && aws.ToString(d.Value) == address
		})
	})
}

// identity names a task and the service it belongs to.
func identity(t types.Task) string {
	text := "task " + shortID(aws.ToString(t.TaskArn))
	if service, of := serviceOf(t); of {
		text += " of service " + service
	} else {
		text += " of task definition " + lastPart(aws.ToString(t.TaskDefinitionArn)) + ", outside any service"
	}
	if aws.ToString(t.DesiredStatus) == string(types.DesiredStatusStopped) {
		text += ", which has stopped or is stopping"
	}
	return text
}
