package ecs_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation/ecs"
)

// addresses are the tasks' private ones, by the tasks' ARNs.
func addresses(t *testing.T, client *awsecs.Client, arns ...string) map[string]string {
	t.Helper()
	out, err := client.DescribeTasks(t.Context(), &awsecs.DescribeTasksInput{Cluster: aws.String(cluster), Tasks: arns})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, task := range out.Tasks {
		for _, detail := range task.Attachments[0].Details {
			if aws.ToString(detail.Name) == "privateIPv4Address" {
				found[aws.ToString(task.TaskArn)] = aws.ToString(detail.Value)
			}
		}
	}
	if len(found) != len(arns) {
		t.Fatalf("%d tasks of %d have an address", len(found), len(arns))
	}
	return found
}

func TestATaskIsFoundByItsAddress(t *testing.T) {
	server, client := start(t, localecs.Service{Name: "web", DesiredCount: 2}, localecs.Service{Name: "worker"})
	wait(t, server, "web", "worker")
	job, err := server.ECS.RunTask(localecs.Service{Cluster: cluster, Family: "cron", Run: func(ctx context.Context, task localecs.Task) error {
		<-ctx.Done()
		return nil
	}}, "")
	if err != nil {
		t.Fatal(err)
	}
	listed, err := client.ListTasks(t.Context(), &awsecs.ListTasksInput{Cluster: aws.String(cluster)})
	if err != nil || len(listed.TaskArns) != 4 {
		t.Fatalf("%d tasks, %v", len(listed.TaskArns), err)
	}
	services := ecs.New(client, cluster, []string{"web"})
	of := map[string]int{}
	known := addresses(t, client, listed.TaskArns...)
	for arn, address := range known {
		got, ok := services.TaskAt(t.Context(), address)
		id, owner, _ := strings.Cut(strings.TrimPrefix(got, "task "), " of ")
		if !ok || len(id) < 8 || !strings.Contains(arn, "/"+id) {
			t.Errorf("%s at %s: got %q, %v", arn, address, got, ok)
		}
		if of[owner]++; arn == job && owner != "task definition cron:1, outside any service" {
			t.Errorf("a task by itself: got %q", got)
		}
	}
	if of["service web"] != 2 || of["service worker"] != 1 {
		t.Errorf("got %v", of)
	}
	for _, nobodys := range []string{"", "localhost", "192.0.2.1", "10.0.0"} {
		if got, ok := services.TaskAt(t.Context(), nobodys); ok {
			t.Errorf("%q: got %q", nobodys, got)
		}
	}
	server.Intercept(func(call wire.Call) wire.Fault {
		if call.Operation != "DescribeTasks" {
			return wire.Fault{}
		}
		return wire.Fault{Error: &wire.Error{Code: "AccessDeniedException", Message: "not authorized"}}
	})
	for _, address := range known {
		if got, ok := services.TaskAt(t.Context(), address); ok {
			t.Errorf("without an answer of ECS: got %q", got)
		}
	}
}

func TestATaskThatHasStoppedIsFoundByItsAddressStill(t *testing.T) {
	server, client := start(t, localecs.Service{Name: "web"})
	wait(t, server, "web")
	listed, err := client.ListTasks(t.Context(), &awsecs.ListTasksInput{Cluster: aws.String(cluster)})
	if err != nil || len(listed.TaskArns) != 1 {
		t.Fatalf("%d tasks, %v", len(listed.TaskArns), err)
	}
	address := addresses(t, client, listed.TaskArns...)[listed.TaskArns[0]]
	if _, err := client.UpdateService(t.Context(), &awsecs.UpdateServiceInput{Cluster: aws.String(cluster), Service: aws.String("web"), DesiredCount: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	wait(t, server, "web")
	got, ok := ecs.New(client, cluster, []string{"web"}).TaskAt(t.Context(), address)
	if !ok || !strings.HasSuffix(got, " of service web, which has stopped or is stopping") {
		t.Errorf("got %q, %v", got, ok)
	}
}
