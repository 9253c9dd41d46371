package localaws_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/internal/localaws"
	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/localtest"
)

const (
	inProgress = types.DeploymentRolloutStateInProgress
	completed  = types.DeploymentRolloutStateCompleted
	failed     = types.DeploymentRolloutStateFailed
)

func TestTheCircuitBreakerFailsADeploymentAndLeavesTheOldTasksRunning(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	b := new(localtest.Brittle)
	f.RunService(localecs.Service{Name: "web", CircuitBreaker: true, RestartDelay: time.Millisecond, Run: b.Run})
	f.AwaitStable()
	old := f.ListTasks(types.DesiredStatusRunning)[0]

	b.Broken.Store(true)
	forced := f.ForceDeployment()
	d := f.AwaitPrimary(*forced.Id, failed)
	if d.FailedTasks != 3 || *d.RolloutStateReason != "ECS deployment circuit breaker: tasks failed to start." {
		t.Errorf("%+v", d)
	}
	b.Broken.Store(false) // nothing is tried any more
	svc, err := f.ECSClient().UpdateService(f.Ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	if d := svc.Service.Deployments; len(d) != 2 || *d[1].Id != *old.StartedBy || d[1].RolloutState != completed || d[1].RunningCount != 1 {
		t.Errorf("%+v", d)
	}
	running := f.ListTasks(types.DesiredStatusRunning)
	if len(running) != 1 || *running[0].TaskArn != *old.TaskArn {
		t.Errorf("%+v", running)
	}

	// Another deployment supersedes it.
	again := f.ForceDeployment()
	f.AwaitStable()
	if d := f.DescribeService().Deployments; len(d) != 1 || *d[0].Id != *again.Id || d[0].RolloutState != completed {
		t.Errorf("%+v", d)
	}
	if n := b.StartedBy(*forced.Id); n != 3 {
		t.Errorf("the failed deployment started %d tasks", n)
	}
}

func TestARollbackRevivesTheOldDeploymentAndKeepsItsTasks(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	b := new(localtest.Brittle)
	f.RunService(localecs.Service{
		Name: "web", DesiredCount: 2, CircuitBreaker: true, CircuitBreakerRollback: true, RestartDelay: time.Millisecond, Run: b.Run,
	})
	f.AwaitStable()
	old := f.DescribeService().Deployments[0]

	b.Broken.Store(true)
	forced := f.ForceDeployment()
	f.AwaitPrimary(*old.Id, completed)
	f.AwaitStable()
	svc := f.DescribeService()
	if d := svc.Deployments[0]; len(svc.Deployments) != 1 || !d.CreatedAt.Equal(*old.CreatedAt) || d.UpdatedAt.Before(*forced.CreatedAt) {
		t.Errorf("%+v", svc.Deployments)
	}
	if n := b.StartedBy(*old.Id); n != 2 {
		t.Errorf("the old deployment started %d tasks", n)
	}
	var story []string
	for _, e := range f.Events() {
		c, ok := e.(localecs.DeploymentChanged)
		if ok && c.Status != "INACTIVE" && (len(story) == 0 || story[len(story)-1] != c.Deployment+c.RolloutState) {
			story = append(story, c.Deployment+c.RolloutState)
		}
	}
	want := []string{
		*old.Id + "IN_PROGRESS", *old.Id + "COMPLETED", *forced.Id + "IN_PROGRESS", *forced.Id + "FAILED",
		*old.Id + "IN_PROGRESS", *old.Id + "COMPLETED",
	}
	if len(story) != len(want) {
		t.Fatalf("got %q, want %q", story, want)
	}
	for i := range want {
		if story[i] != want[i] {
			t.Errorf("got %q, want %q", story, want)
		}
	}
}

func TestTasksOfARollbackReadWhatIsCurrentAndCarryTheOldDeploymentsID(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.CreateSecret("s", `{"password":"first"}`)
	b := new(localtest.Brittle)
	f.RunService(localecs.Service{
		Name: "web", MinimumHealthyPercent: -1, MaximumPercent: 100, Run: b.Run, RestartDelay: time.Millisecond,
		CircuitBreaker: true, CircuitBreakerRollback: true, FailureThreshold: 1,
		Secrets: []localecs.ContainerSecret{{Name: "P", ValueFrom: arn + ":password::"}},
	})
	f.AwaitStable()
	old := f.DescribeService().Deployments[0]
	b.Spared = *old.Id
	b.Broken.Store(true)
	if err := f.Put(localtest.Token("two"), `{"password":"second"}`); err != nil {
		t.Fatal(err)
	}
	forced := f.ForceDeployment()
	revived := f.AwaitPrimary(*old.Id, completed)
	if !revived.CreatedAt.Equal(*old.CreatedAt) {
		t.Errorf("created at %v, before at %v", revived.CreatedAt, old.CreatedAt)
	}
	running := f.ListTasks(types.DesiredStatusRunning)
	if len(running) != 1 || *running[0].StartedBy != *old.Id || running[0].CreatedAt.Before(*forced.CreatedAt) {
		t.Errorf("%+v", running)
	}
	tasks := b.Tasks()
	if last := tasks[len(tasks)-1]; last.Deployment != *old.Id || last.Env["P"] != "second" {
		t.Errorf("%+v", last)
	}
}

func TestARollbackThatFailsTooStallsTheService(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	b := new(localtest.Brittle)
	f.RunService(localecs.Service{
		Name: "web", MinimumHealthyPercent: -1, MaximumPercent: 100, Run: b.Run, RestartDelay: time.Millisecond,
		CircuitBreaker: true, CircuitBreakerRollback: true,
	})
	f.AwaitStable()
	old := f.DescribeService().Deployments[0]
	b.Broken.Store(true)
	forced := f.ForceDeployment()
	d := f.AwaitPrimary(*old.Id, failed)
	if d.FailedTasks != 3 || d.RunningCount != 0 {
		t.Errorf("%+v", d)
	}
	if b.StartedBy(*forced.Id) != 3 || b.StartedBy(*old.Id) != 4 {
		t.Errorf("started %d and %d", b.StartedBy(*forced.Id), b.StartedBy(*old.Id))
	}
	b.Broken.Store(false)
	f.ForceDeployment()
	f.AwaitStable()
}

func TestADeploymentThatSupersedesARollbackHasNoneToRollBackTo(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	b := new(localtest.Brittle)
	f.RunService(localecs.Service{
		Name: "web", MinimumHealthyPercent: -1, MaximumPercent: 100, Run: b.Run, RestartDelay: time.Millisecond,
		CircuitBreaker: true, CircuitBreakerRollback: true, FailureThreshold: 1,
	})
	f.AwaitStable()
	b.Spared = *f.DescribeService().Deployments[0].Id
	b.Broken.Store(true)
	b.Hold() // the rollback does not complete
	f.ForceDeployment()
	if _, err := f.WaitEvent(f.Ctx, func(e host.Event) bool {
		c, ok := e.(localecs.DeploymentChanged)
		return ok && c.RolloutState == "FAILED"
	}); err != nil {
		t.Fatal(err)
	}
	rollback := f.AwaitPrimary(b.Spared, inProgress)
	if want := "ECS deployment circuit breaker: rolling back to deploymentId " + b.Spared + "."; *rollback.RolloutStateReason != want {
		t.Errorf("got %q, want %q", *rollback.RolloutStateReason, want)
	}
	second := f.ForceDeployment()
	d := f.AwaitPrimary(*second.Id, failed)
	if d.RunningCount != 0 {
		t.Errorf("%+v", d)
	}
}

func TestARollbackGoesBackToTheOldTaskDefinition(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	b := new(localtest.Brittle)
	f.RunService(localecs.Service{
		Name: "web", Run: b.Run, RestartDelay: time.Millisecond, CircuitBreaker: true, CircuitBreakerRollback: true,
	})
	f.AwaitStable()
	old := f.DescribeService()
	// A standalone task registers a revision of its own, which the service is then given.
	job, err := f.ECS.RunTask(localecs.Service{Family: "web", Run: func(context.Context, localecs.Task) error { return errors.New("no") }}, "")
	if err != nil {
		t.Fatal(err)
	}
	described, err := f.ECSClient().DescribeTasks(f.Ctx, &ecs.DescribeTasksInput{Tasks: []string{job}})
	if err != nil {
		t.Fatal(err)
	}
	revision := described.Tasks[0].TaskDefinitionArn
	updated, err := f.ECSClient().UpdateService(f.Ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: revision})
	if err != nil {
		t.Fatal(err)
	}
	if got := updated.Service; *got.TaskDefinition != *revision || *got.Deployments[1].TaskDefinition != *old.TaskDefinition {
		t.Errorf("%+v", got)
	}
	f.AwaitPrimary(*old.Deployments[0].Id, completed)
	if got := f.DescribeService(); *got.TaskDefinition != *old.TaskDefinition {
		t.Errorf("%s after the rollback", *got.TaskDefinition)
	}
}

func TestTheCircuitBreakerIsDescribedAndSwitched(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.RunService(localecs.Service{Name: "web", CircuitBreaker: true, Run: new(localtest.App).Run})
	if c := f.DescribeService().DeploymentConfiguration; !c.DeploymentCircuitBreaker.Enable || c.DeploymentCircuitBreaker.Rollback ||
		*c.MinimumHealthyPercent != 100 || *c.MaximumPercent != 200 {
		t.Errorf("%+v", c)
	}
	out, err := f.ECSClient().UpdateService(f.Ctx, &ecs.UpdateServiceInput{
		Service: aws.String("web"),
		DeploymentConfiguration: &types.DeploymentConfiguration{
			DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c := out.Service.DeploymentConfiguration.DeploymentCircuitBreaker; !c.Enable || !c.Rollback || len(out.Service.Deployments) != 1 {
		t.Errorf("%+v", out.Service)
	}
}
