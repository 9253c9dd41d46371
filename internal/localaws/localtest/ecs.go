package localtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
)

// App is a container that is ready at once and remembers the environments that it was started with.
type App struct {
	mu      sync.Mutex
	started []localecs.Task
	holds   chan struct{} // if set, it is ready only when this is closed
}

// Run is the container.
func (a *App) Run(ctx context.Context, task localecs.Task) error {
	a.mu.Lock()
	a.started = append(a.started, task)
	holds := a.holds
	a.mu.Unlock()
	if holds != nil {
		select {
		case <-holds:
		case <-ctx.Done():
			return nil
		}
	}
	task.Ready()
	<-ctx.Done()
	return nil
}

// Hold keeps the tasks that start from now on from getting ready, until they are released.
func (a *App) Hold() (release func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := make(chan struct{})
	a.holds = c
	return func() { close(c) }
}

// Tasks lists the tasks that were started so far.
func (a *App) Tasks() []localecs.Task {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.started)
}

// ECSClient is a client of ECS.
func (f *Fixture) ECSClient() *ecs.Client { return ecs.NewFromConfig(ClientConfig(f.Server)) }

// RunService creates a service.
func (f *Fixture) RunService(s localecs.Service) {
	f.T.Helper()
	if _, err := f.ECS.RunService(s); err != nil {
		f.T.Fatal(err)
	}
}

// AwaitStable waits until the service "web" is stable.
func (f *Fixture) AwaitStable() {
	f.T.Helper()
	if err := f.ECS.WaitService(f.Ctx, "", "web"); err != nil {
		f.T.Fatal(err)
	}
}

// ForceDeployment starts a new deployment and returns it.
func (f *Fixture) ForceDeployment() types.Deployment {
	f.T.Helper()
	out, err := f.ECSClient().UpdateService(f.Ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), ForceNewDeployment: true})
	if err != nil {
		f.T.Fatal(err)
	}
	if out.Service.Deployments[0].RolloutState != types.DeploymentRolloutStateInProgress {
		f.T.Errorf("a new deployment is %s", out.Service.Deployments[0].RolloutState)
	}
	return out.Service.Deployments[0]
}

// DescribeService describes the service "web".
func (f *Fixture) DescribeService() types.Service {
	f.T.Helper()
	out, err := f.ECSClient().DescribeServices(f.Ctx, &ecs.DescribeServicesInput{Services: []string{"web"}})
	if err != nil || len(out.Services) != 1 {
		f.T.Fatal(out, err)
	}
	return out.Services[0]
}

// ListTasks returns the tasks of the service with a desired status.
func (f *Fixture) ListTasks(status types.DesiredStatus) []types.Task {
	f.T.Helper()
	var arns []string
	pages := ecs.NewListTasksPaginator(f.ECSClient(), &ecs.ListTasksInput{
		ServiceName: aws.String("web"), DesiredStatus: status, MaxResults: aws.Int32(1),
	})
	for pages.HasMorePages() {
		out, err := pages.NextPage(f.Ctx)
		if err != nil {
			f.T.Fatal(err)
		}
		arns = append(arns, out.TaskArns...)
	}
	if len(arns) == 0 {
		return nil
	}
	out, err := f.ECSClient().DescribeTasks(f.Ctx, &ecs.DescribeTasksInput{Tasks: arns})
	if err != nil {
		f.T.Fatal(err)
	}
	return out.Tasks
}

// AwaitECS waits until a condition holds that a task or a deployment may bring about.
func (f *Fixture) AwaitECS(condition func() bool) {
	f.T.Helper()
	_, err := f.WaitEvent(f.Ctx, func(e host.Event) bool {
		switch e.(type) {
		case localecs.TaskChanged, localecs.DeploymentChanged:
			return condition()
		}
		return false
	})
	if err != nil {
		f.T.Fatal(err)
	}
}

// Brittle is a container that fails while it is broken, except in tasks of the spared deployment.
type Brittle struct {
	App
	Broken atomic.Bool
	Spared string // set before broken
}

// Run is the container.
func (b *Brittle) Run(ctx context.Context, task localecs.Task) error {
	if b.Broken.Load() && task.Deployment != b.Spared {
		b.mu.Lock()
		b.started = append(b.started, task)
		b.mu.Unlock()
		return errors.New("access denied")
	}
	return b.App.Run(ctx, task)
}

// StartedBy counts the tasks of a deployment that were started so far.
func (b *Brittle) StartedBy(deployment string) int {
	n := 0
	for _, task := range b.Tasks() {
		if task.Deployment == deployment {
			n++
		}
	}
	return n
}

// AwaitPrimary waits until the primary deployment is the one with the id and in the state.
func (f *Fixture) AwaitPrimary(id string, state types.DeploymentRolloutState) types.Deployment {
	f.T.Helper()
	var d types.Deployment
	f.AwaitECS(func() bool {
		d = f.DescribeService().Deployments[0]
		return *d.Id == id && d.RolloutState == state
	})
	return d
}
