package localaws_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/internal/localaws"
)

// brittle is a container that fails while it is broken, except in tasks of the spared deployment.
type brittle struct {
	app
	broken atomic.Bool
	spared string // set before broken
}

func (b *brittle) run(ctx context.Context, task localaws.Task) error {
	if b.broken.Load() && task.Deployment != b.spared {
		b.mu.Lock()
		b.started = append(b.started, task)
		b.mu.Unlock()
		return errors.New("access denied")
	}
	return b.app.run(ctx, task)
}

// startedBy counts the tasks of a deployment that were started so far.
func (b *brittle) startedBy(deployment string) int {
	n := 0
	for _, task := range b.tasks() {
		if task.Deployment == deployment {
			n++
		}
	}
	return n
}

// primary waits until the primary deployment is the one with the id and in the state.
func (f *fixture) primary(id string, state types.DeploymentRolloutState) types.Deployment {
	f.t.Helper()
	var d types.Deployment
	f.await(func() bool {
		d = f.describeService().Deployments[0]
		return *d.Id == id && d.RolloutState == state
	})
	return d
}

const (
	inProgress = types.DeploymentRolloutStateInProgress
	completed  = types.DeploymentRolloutStateCompleted
	failed     = types.DeploymentRolloutStateFailed
)

func TestTheCircuitBreakerFailsADeploymentAndLeavesTheOldTasksRunning(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	b := new(brittle)
	f.service(localaws.Service{Name: "web", CircuitBreaker: true, RestartDelay: time.Millisecond, Run: b.run})
	f.stable()
	old := f.list(types.DesiredStatusRunning)[0]

	b.broken.Store(true)
	forced := f.force()
	d := f.primary(*forced.Id, failed)
	if d.FailedTasks != 3 || *d.RolloutStateReason != "ECS deployment circuit breaker: tasks failed to start." {
		t.Errorf("%+v", d)
	}
	b.broken.Store(false) // nothing is tried any more
	svc, err := f.ecs().UpdateService(f.ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	if d := svc.Service.Deployments; len(d) != 2 || *d[1].Id != *old.StartedBy || d[1].RolloutState != completed || d[1].RunningCount != 1 {
		t.Errorf("%+v", d)
	}
	running := f.list(types.DesiredStatusRunning)
	if len(running) != 1 || *running[0].TaskArn != *old.TaskArn {
		t.Errorf("%+v", running)
	}

	// Another deployment supersedes it.
	again := f.force()
	f.stable()
	if d := f.describeService().Deployments; len(d) != 1 || *d[0].Id != *again.Id || d[0].RolloutState != completed {
		t.Errorf("%+v", d)
	}
	if n := b.startedBy(*forced.Id); n != 3 {
		t.Errorf("the failed deployment started %d tasks", n)
	}
}

func TestARollbackRevivesTheOldDeploymentAndKeepsItsTasks(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	b := new(brittle)
	f.service(localaws.Service{
		Name: "web", DesiredCount: 2, CircuitBreaker: true, CircuitBreakerRollback: true, RestartDelay: time.Millisecond, Run: b.run,
	})
	f.stable()
	old := f.describeService().Deployments[0]

	b.broken.Store(true)
	forced := f.force()
	f.primary(*old.Id, completed)
	f.stable()
	svc := f.describeService()
	if d := svc.Deployments[0]; len(svc.Deployments) != 1 || !d.CreatedAt.Equal(*old.CreatedAt) || d.UpdatedAt.Before(*forced.CreatedAt) {
		t.Errorf("%+v", svc.Deployments)
	}
	if n := b.startedBy(*old.Id); n != 2 {
		t.Errorf("the old deployment started %d tasks", n)
	}
	var story []string
	for _, e := range f.Events() {
		c, ok := e.(localaws.DeploymentChanged)
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
	arn, _ := f.create("s", `{"password":"first"}`)
	b := new(brittle)
	f.service(localaws.Service{
		Name: "web", MinimumHealthyPercent: -1, MaximumPercent: 100, Run: b.run, RestartDelay: time.Millisecond,
		CircuitBreaker: true, CircuitBreakerRollback: true, FailureThreshold: 1,
		Secrets: []localaws.ContainerSecret{{Name: "P", ValueFrom: arn + ":password::"}},
	})
	f.stable()
	old := f.describeService().Deployments[0]
	b.spared = *old.Id
	b.broken.Store(true)
	if err := f.put(token("two"), `{"password":"second"}`); err != nil {
		t.Fatal(err)
	}
	forced := f.force()
	revived := f.primary(*old.Id, completed)
	if !revived.CreatedAt.Equal(*old.CreatedAt) {
		t.Errorf("created at %v, before at %v", revived.CreatedAt, old.CreatedAt)
	}
	running := f.list(types.DesiredStatusRunning)
	if len(running) != 1 || *running[0].StartedBy != *old.Id || running[0].CreatedAt.Before(*forced.CreatedAt) {
		t.Errorf("%+v", running)
	}
	tasks := b.tasks()
	if last := tasks[len(tasks)-1]; last.Deployment != *old.Id || last.Env["P"] != "second" {
		t.Errorf("%+v", last)
	}
}

func TestARollbackThatFailsTooStallsTheService(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	b := new(brittle)
	f.service(localaws.Service{
		Name: "web", MinimumHealthyPercent: -1, MaximumPercent: 100, Run: b.run, RestartDelay: time.Millisecond,
		CircuitBreaker: true, CircuitBreakerRollback: true,
	})
	f.stable()
	old := f.describeService().Deployments[0]
	b.broken.Store(true)
	forced := f.force()
	d := f.primary(*old.Id, failed)
	if d.FailedTasks != 3 || d.RunningCount != 0 {
		t.Errorf("%+v", d)
	}
	if b.startedBy(*forced.Id) != 3 || b.startedBy(*old.Id) != 4 {
		t.Errorf("started %d and %d", b.startedBy(*forced.Id), b.startedBy(*old.Id))
	}
	b.broken.Store(false)
	f.force()
	f.stable()
}

func TestADeploymentThatSupersedesARollbackHasNoneToRollBackTo(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	b := new(brittle)
	f.service(localaws.Service{
		Name: "web", MinimumHealthyPercent: -1, MaximumPercent: 100, Run: b.run, RestartDelay: time.Millisecond,
		CircuitBreaker: true, CircuitBreakerRollback: true, FailureThreshold: 1,
	})
	f.stable()
	b.spared = *f.describeService().Deployments[0].Id
	b.broken.Store(true)
	b.hold() // the rollback does not complete
	f.force()
	if _, err := f.WaitEvent(f.ctx, func(e localaws.Event) bool {
		c, ok := e.(localaws.DeploymentChanged)
		return ok && c.RolloutState == "FAILED"
	}); err != nil {
		t.Fatal(err)
	}
	rollback := f.primary(b.spared, inProgress)
	if want := "ECS deployment circuit breaker: rolling back to deploymentId " + b.spared + "."; *rollback.RolloutStateReason != want {
		t.Errorf("got %q, want %q", *rollback.RolloutStateReason, want)
	}
	second := f.force()
	d := f.primary(*second.Id, failed)
	if d.RunningCount != 0 {
		t.Errorf("%+v", d)
	}
}

func TestARollbackGoesBackToTheOldTaskDefinition(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	b := new(brittle)
	f.service(localaws.Service{
		Name: "web", Run: b.run, RestartDelay: time.Millisecond, CircuitBreaker: true, CircuitBreakerRollback: true,
	})
	f.stable()
	old := f.describeService()
	// A standalone task registers a revision of its own, which the service is then given.
	job, err := f.RunTask(localaws.Service{Family: "web", Run: func(context.Context, localaws.Task) error { return errors.New("no") }}, "")
	if err != nil {
		t.Fatal(err)
	}
	described, err := f.ecs().DescribeTasks(f.ctx, &ecs.DescribeTasksInput{Tasks: []string{job}})
	if err != nil {
		t.Fatal(err)
	}
	revision := described.Tasks[0].TaskDefinitionArn
	updated, err := f.ecs().UpdateService(f.ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: revision})
	if err != nil {
		t.Fatal(err)
	}
	if got := updated.Service; *got.TaskDefinition != *revision || *got.Deployments[1].TaskDefinition != *old.TaskDefinition {
		t.Errorf("%+v", got)
	}
	f.primary(*old.Deployments[0].Id, completed)
	if got := f.describeService(); *got.TaskDefinition != *old.TaskDefinition {
		t.Errorf("%s after the rollback", *got.TaskDefinition)
	}
}

func TestTheCircuitBreakerIsDescribedAndSwitched(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.service(localaws.Service{Name: "web", CircuitBreaker: true, Run: new(app).run})
	if c := f.describeService().DeploymentConfiguration; !c.DeploymentCircuitBreaker.Enable || c.DeploymentCircuitBreaker.Rollback ||
		*c.MinimumHealthyPercent != 100 || *c.MaximumPercent != 200 {
		t.Errorf("%+v", c)
	}
	out, err := f.ecs().UpdateService(f.ctx, &ecs.UpdateServiceInput{
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
