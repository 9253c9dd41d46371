package ecs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation/ecs"
)

func TestTasksThatNoServiceRunsAreWaitedForIfTheyReadTheSecret(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web"})
	secret, err := secretsmanager.NewFromConfig(aws.Config()).CreateSecret(t.Context(),
		&secretsmanager.CreateSecretInput{Name: awssdk.String("mautic/prod"), SecretString: awssdk.String(`{"password":"old"}`)})
	if err != nil {
		t.Fatal(err)
	}
	arn := *secret.ARN
	reads := []localecs.ContainerSecret{{Name: "MAUTIC_DB_PASSWORD", ValueFrom: arn + ":password::"}}
	end := make(chan struct{})
	job := func(family string, secrets []localecs.ContainerSecret) string {
		t.Helper()
		task, err := aws.ECS.RunTask(localecs.Service{Cluster: cluster, Family: family, Secrets: secrets, Run: func(ctx context.Context, task localecs.Task) error {
			task.Ready()
			select {
			case <-end:
			case <-ctx.Done():
			}
			return nil
		}}, "a schedule")
		if err != nil {
			t.Fatal(err)
		}
		return task
	}
	if _, err := aws.ECS.RunService(localecs.Service{Cluster: cluster, Name: "worker", Secrets: reads, Run: idle}); err != nil {
		t.Fatal(err)
	}
	task := job("segments", reads)
	job("backup", nil)
	wait(t, aws, "web", "worker")

	services, since := ecs.New(client, cluster, []string{"web"}), aws.Clock().Now()
	older := func() []string {
		t.Helper()
		observed, err := services.Observe(t.Context(), arn, since)
		if err != nil {
			t.Fatal(err)
		}
		if len(observed) == 1 {
			return nil
		}
		alone := observed[1]
		if len(observed) != 2 || alone.Name != "" || alone.Desired != 0 || alone.Missing != "" || !alone.Deployed {
			t.Fatalf("got %+v", observed)
		}
		return alone.Older
	}
	got := older()
	if len(got) != 1 || !strings.Contains(got[0], "of task definition segments:1, outside any service, created ") || !strings.HasSuffix(got[0], ", still runs") {
		t.Errorf("got %q", got)
	}
	expect(t, services.Others(t.Context(), arn),
		"warning: what else in cluster "+cluster+" reads the secret is handled: the function does not redeploy these services, whose tasks read the secret when they start: worker; add them to ECS_SERVICES",
	)
	expect(t, ecs.New(client, cluster, []string{"web", "worker"}).Others(t.Context(), arn),
		"warning: what else in cluster "+cluster+" reads the secret is handled: tasks of these definitions run outside any service: segments:1; a rollout waits",
	)

	close(end)
	stopped := func(e host.Event) bool {
		changed, ok := e.(localecs.TaskChanged)
		return ok && changed.Task == task && changed.Status == "STOPPED"
	}
	if _, err := aws.WaitEvent(t.Context(), stopped); err != nil {
		t.Fatal(err)
	}
	end = make(chan struct{})
	defer close(end)
	job("segments", reads) // with the new value
	if got := older(); got != nil {
		t.Errorf("when it has ended, and the next one runs: %q", got)
	}
	described := func() (n int) {
		for _, call := range aws.Calls() {
			if call.Operation == "DescribeTaskDefinition" {
				n++
			}
		}
		return n
	}
	before := described()
	older()
	if n := described() - before; n != 0 {
		t.Errorf("another look reads %d task definitions", n)
	}
	job("pinned", []localecs.ContainerSecret{{Name: "MAUTIC_DB_PASSWORD", ValueFrom: arn + ":password::" + *secret.VersionId}})
	if got := older(); len(got) != 1 || !strings.Contains(got[0], "of task definition pinned:1") || !strings.HasSuffix(got[0], "pins a version of the secret") {
		t.Errorf("a job that reads a pinned version: %q", got)
	}
	expect(t, ecs.New(client, cluster, []string{"web", "worker"}).Others(t.Context(), arn),
		"warning: what else in cluster "+cluster+" reads the secret is handled: tasks of these definitions run outside any service: pinned:1, segments:2; a rollout waits until those that are running have ended\ncontainer app, variable MAUTIC_DB_PASSWORD: valueFrom pins version id",
	)
}

func TestATaskWhoseDefinitionIsNotReadKeepsTheRolloutOpenAndNothingElse(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web"})
	if _, err := aws.ECS.RunTask(localecs.Service{Cluster: cluster, Family: "job", Run: idle}, ""); err != nil {
		t.Fatal(err)
	}
	wait(t, aws, "web")
	aws.Intercept(func(call wire.Call) wire.Fault {
		if call.Operation != "DescribeTaskDefinition" || !strings.Contains(call.Detail, "job:1") {
			return wire.Fault{}
		}
		return wire.Fault{Error: &wire.Error{Code: "ServerException", Message: "not today"}}
	})
	services := ecs.New(client, cluster, []string{"web"})
	got := observed(t, services, created(t, client))
	if got[0].Fresh != 1 {
		t.Errorf("web: %+v", got[0])
	}
	if later := observed(t, services, aws.Clock().Now()); len(later) != 2 || !strings.Contains(later[1].Older[0], "it is not known whether it reads the secret: read task definition job:1") {
		t.Errorf("got %+v", later)
	}
}

// A narrow API lists no tasks.
type narrow struct{ *awsecs.Client }

func (narrow) ListTasks(context.Context, *awsecs.ListTasksInput, ...func(*awsecs.Options)) (*awsecs.ListTasksOutput, error) {
	return nil, errors.New("not authorized")
}

func TestNothingIsTakenForGoneWhereTheClustersTasksAreNotListed(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web"})
	wait(t, aws, "web")
	services := ecs.New(narrow{client}, cluster, []string{"web"})
	if _, err := services.Observe(t.Context(), secretARN, time.Time{}); err == nil || !strings.Contains(err.Error(), "list the tasks of cluster "+cluster) {
		t.Errorf("got error %v", err)
	}
	expect(t, services.Others(t.Context(), secretARN),
		"warning: what else in cluster "+cluster+" reads the secret is handled: list the tasks of cluster",
	)
}
