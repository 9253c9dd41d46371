package ecs_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/rotation/ecs"
)

func TestAServiceHasNoOlderTasksOnceThoseFromBeforeHaveStopped(t *testing.T) {
	stop := make(chan struct{})
	aws, client := start(t, localecs.Service{Name: "cron"}, localecs.Service{
		Name: "web",
		Run: func(ctx context.Context, task localecs.Task) error {
			task.Ready()
			<-ctx.Done()
			<-stop
			return nil
		},
	})
	wait(t, aws, "cron", "web")
	services, since := ecs.New(client, cluster, []string{"web", "cron"}), aws.Clock().Now()
	for _, name := range services.Names() {
		if err := services.RedeployService(t.Context(), name, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	}

	draining := func(e host.Event) bool {
		task, ok := e.(localecs.TaskChanged)
		return ok && task.Service == "web" && task.Status == "STOPPING" && task.CreatedAt.Before(since)
	}
	if _, err := aws.WaitEvent(t.Context(), draining); err != nil {
		t.Fatal(err)
	}
	if err := aws.ECS.WaitService(t.Context(), cluster, "cron"); err != nil {
		t.Fatal(err)
	}
	got := observed(t, services, since)
	if web := got[0]; len(web.Older) != 1 || !strings.Contains(web.Older[0], "service web: task ") || !strings.HasSuffix(web.Older[0], "still drains") {
		t.Errorf("while a task drains: %+v", web)
	}
	if cron := got[1]; len(cron.Older) != 0 || cron.Fresh != 1 {
		t.Errorf("beside it: %+v", cron)
	}

	close(stop)
	wait(t, aws, "web")
	if web := observed(t, services, since)[0]; len(web.Older) != 0 || web.Fresh != 1 || web.Failed != "" || web.Deploying {
		t.Errorf("when it has stopped: %+v", web)
	}
	for _, later := range observed(t, services, aws.Clock().Now()) {
		if len(later.Older) != 1 || later.Fresh != 0 || later.Deployed || later.Failed != "" {
			t.Errorf("as of a later time, nothing has been deployed: %+v", later)
		}
	}
}

func TestEveryTaskIsLookedAtHoweverManyThereAre(t *testing.T) {
	const tasks = 130 // ListTasks and DescribeTasks both end at 100
	aws, client := start(t, localecs.Service{Name: "web", DesiredCount: tasks})
	wait(t, aws, "web")
	services := ecs.New(client, cluster, []string{"web"})
	if got := observed(t, services, aws.Clock().Now())[0]; len(got.Older) != tasks {
		t.Errorf("%d tasks are older, want %d", len(got.Older), tasks)
	}
	if got := observed(t, services, created(t, client))[0]; got.Fresh != tasks || len(got.Older) != 0 {
		t.Errorf("as of its deployment: %+v", got)
	}
}

func TestTheServicesMayBeGivenByARNAndBeMoreThanOneCallDescribes(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web"}, localecs.Service{Name: "idle", DesiredCount: -1})
	wait(t, aws, "web", "idle")
	names := []string{"idle", "arn:aws:ecs:us-east-1:123456789012:service/" + cluster + "/web"}
	for range 9 {
		names = append(names, "web")
	}
	names = append(names, "gone")
	got := observed(t, ecs.New(client, cluster, names), created(t, client))
	if len(got) != len(names) {
		t.Fatalf("%d services of %d", len(got), len(names))
	}
	for i, s := range got {
		switch {
		case s.Name != names[i], s.Name == "gone" != (s.Missing != ""), len(s.Older) > 0, s.Name != "idle" && s.Name != "gone" && s.Fresh != 1:
			t.Errorf("%s: %+v", names[i], s)
		}
	}
	if missing := got[len(got)-1].Missing; !strings.Contains(missing, "the cluster does not have it (MISSING)") {
		t.Errorf("of one that is not there: %s", missing)
	}
}

// A forgetful API answers for a task that it listed with a failure.
type forgetful struct {
	*awsecs.Client
	reason string
}

func (f forgetful) DescribeTasks(context.Context, *awsecs.DescribeTasksInput, ...func(*awsecs.Options)) (*awsecs.DescribeTasksOutput, error) {
	return &awsecs.DescribeTasksOutput{Failures: []types.Failure{{Reason: &f.reason}}}, nil
}

func TestATaskThatCannotBeDescribedIsNotTakenForGone(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web"})
	wait(t, aws, "web")
	_, err := ecs.New(forgetful{client, "ACCESS_DENIED"}, cluster, []string{"web"}).Observe(t.Context(), secretARN, time.Time{})
	if err == nil || !strings.Contains(err.Error(), "ACCESS_DENIED") {
		t.Errorf("got error %v", err)
	}
	got := observed(t, ecs.New(forgetful{client, "MISSING"}, cluster, []string{"web"}), time.Time{})[0]
	if len(got.Older) != 1 || !strings.Contains(got.Older[0], "ECS counts 1 running tasks, and lists 0") {
		t.Errorf("counted, and forgotten: %+v", got)
	}
}
