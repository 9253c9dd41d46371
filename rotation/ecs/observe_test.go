package ecs_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation/ecs"
	"mautic-rotation/rotation/rollout"
)

func TestAServiceIsFreshOnceItsOldTasksAreGone(t *testing.T) {
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
	services := ecs.New(client, cluster, []string{"web", "cron"})
	since, err := services.Redeploy(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
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
	got := rolloutOf(t, services, since)
	if got.Fresh || len(got.Stale) != 1 || !strings.Contains(got.Stale[0], "service web: task ") || !strings.HasSuffix(got.Stale[0], "still drains") {
		t.Errorf("while a task drains: %+v", got)
	}

	close(stop)
	wait(t, aws, "web")
	if got := rolloutOf(t, services, since); !got.Fresh || len(got.Stale) != 0 || len(got.Failed) != 0 || !got.Steady {
		t.Errorf("when it has stopped: %+v", got)
	}
	if got := rolloutOf(t, services, aws.Clock().Now()); got.Fresh || len(got.Stale) != 4 || len(got.Failed) != 0 {
		t.Errorf("as of a later time, nothing has been deployed: %+v", got)
	}
}

func TestEveryTaskIsLookedAtHoweverManyThereAre(t *testing.T) {
	const tasks = 130 // ListTasks and DescribeTasks both end at 100
	aws, client := start(t, localecs.Service{Name: "web", DesiredCount: tasks})
	wait(t, aws, "web")
	services := ecs.New(client, cluster, []string{"web"})
	got := rolloutOf(t, services, aws.Clock().Now())
	running := slices.DeleteFunc(got.Stale, func(line string) bool { return !strings.HasSuffix(line, "still runs") })
	if len(running) != tasks {
		t.Errorf("%d tasks are stale, want %d", len(running), tasks)
	}
	if got := rolloutOf(t, services, created(t, client, "web")); !got.Fresh || !got.Steady {
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
	if got := rolloutOf(t, ecs.New(client, cluster, names), created(t, client, "web")); !got.Fresh || !got.Steady {
		t.Errorf("got %+v", got)
	}
	got := rolloutOf(t, ecs.New(client, cluster, append(names, "gone")), created(t, client, "web"))
	if got.Fresh || got.Steady || len(got.Stale) != 1 || !strings.Contains(got.Stale[0], "service gone: the cluster does not have it (MISSING)") {
		t.Errorf("with one that is not there: %+v", got)
	}
}

func TestARolloutIsNotKnownWhenACallFails(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web"})
	wait(t, aws, "web")
	for _, operation := range []string{"DescribeServices", "ListTasks", "DescribeTasks"} {
		aws.Intercept(func(call wire.Call) wire.Fault {
			if call.Operation != operation {
				return wire.Fault{}
			}
			return wire.Fault{Error: &wire.Error{Code: "AccessDeniedException", Message: "not authorized"}}
		})
		_, err := ecs.New(client, cluster, []string{"web"}).Rollout(t.Context(), time.Time{})
		if err == nil || !strings.Contains(err.Error(), "AccessDenied") || !strings.Contains(err.Error(), "web") {
			t.Errorf("%s: got error %v", operation, err)
		}
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
	_, err := ecs.New(forgetful{client, "ACCESS_DENIED"}, cluster, []string{"web"}).Rollout(t.Context(), time.Time{})
	if err == nil || !strings.Contains(err.Error(), "ACCESS_DENIED") {
		t.Errorf("got error %v", err)
	}
	got := rolloutOf(t, ecs.New(forgetful{client, "MISSING"}, cluster, []string{"web"}), time.Time{})
	if got.Fresh || !strings.Contains(got.Stale[0], "ECS counts 1 running tasks, and lists 0") {
		t.Errorf("counted, and forgotten: %+v", got)
	}
}

func rolloutOf(t *testing.T, services *ecs.Services, since time.Time) rollout.State {
	t.Helper()
	got, err := services.Rollout(t.Context(), since)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAServiceThatECSRollsBackHasFailed(t *testing.T) {
	for _, strategy := range []string{localecs.Rolling, localecs.BlueGreen} {
		t.Run(strategy, func(t *testing.T) { rollsBack(t, strategy) })
	}
}

func rollsBack(t *testing.T, strategy string) {
	var broken atomic.Bool
	aws, client := start(t, localecs.Service{
		Name: "web", Strategy: strategy, CircuitBreaker: true, CircuitBreakerRollback: true, FailureThreshold: 2, RestartDelay: time.Millisecond,
		Run: func(ctx context.Context, task localecs.Task) error {
			if broken.Load() {
				return errors.New("access denied for user")
			}
			task.Ready()
			<-ctx.Done()
			return nil
		},
	})
	wait(t, aws, "web")
	services := ecs.New(client, cluster, []string{"web"})
	broken.Store(true)
	since, err := services.Redeploy(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	wait(t, aws, "web") // ECS settles on the old deployment, whose task was never replaced
	got := rolloutOf(t, services, since)
	if got.Fresh || !got.Steady || len(got.Failed) != 1 || !strings.Contains(got.Failed[0], map[string]string{
		localecs.Rolling:   "service web: rolled back to deployment ecs-svc/",
		localecs.BlueGreen: "is ROLLBACK_SUCCESSFUL: ECS deployment circuit breaker: tasks failed to start.",
	}[strategy]) {
		t.Errorf("got %+v", got)
	}

	broken.Store(false)
	since, err = services.Redeploy(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	wait(t, aws, "web")
	if got := rolloutOf(t, services, since); !got.Fresh || !got.Steady || len(got.Failed) != 0 {
		t.Errorf("once it is mended: %+v", got)
	}
}

func TestWhileAServiceBakesItsOldTasksAreLeftAndNothingHasFailed(t *testing.T) {
	for _, strategy := range []string{localecs.BlueGreen, localecs.Linear, localecs.Canary} {
		t.Run(strategy, func(t *testing.T) {
			aws, client := start(t, localecs.Service{Name: "web", Strategy: strategy, BakeTime: time.Hour})
			wait(t, aws, "web")
			services := ecs.New(client, cluster, []string{"web"})
			since, err := services.Redeploy(t.Context(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			awaitHealthy(t, aws, since)
			aws.Clock().Advance(59 * time.Minute)
			got := rolloutOf(t, services, since)
			if got.Fresh || got.Steady || len(got.Failed) > 0 || got.Bake < time.Hour {
				t.Errorf("while it bakes: %+v", got)
			}
			aws.Clock().Advance(time.Minute)
			wait(t, aws, "web")
			if got := rolloutOf(t, services, since); !got.Fresh || !got.Steady || len(got.Failed) > 0 {
				t.Errorf("after the bake: %+v", got)
			}
		})
	}
}
