package localaws_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/internal/localaws"
)

// app is a container that is ready at once and remembers the environments that it was started with.
type app struct {
	mu      sync.Mutex
	started []localaws.Task
	holds   chan struct{} // if set, it is ready only when this is closed
}

func (a *app) run(ctx context.Context, task localaws.Task) error {
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

func (a *app) hold() (release func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := make(chan struct{})
	a.holds = c
	return func() { close(c) }
}

func (a *app) tasks() []localaws.Task {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.started)
}

func (f *fixture) ecs() *ecs.Client { return ecs.NewFromConfig(config(f.Server)) }

func (f *fixture) service(s localaws.Service) {
	f.t.Helper()
	if _, err := f.RunService(s); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) stable() {
	f.t.Helper()
	if err := f.WaitService(f.ctx, "", "web"); err != nil {
		f.t.Fatal(err)
	}
}

// force starts a new deployment and returns it.
func (f *fixture) force() types.Deployment {
	f.t.Helper()
	out, err := f.ecs().UpdateService(f.ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), ForceNewDeployment: true})
	if err != nil {
		f.t.Fatal(err)
	}
	if out.Service.Deployments[0].RolloutState != types.DeploymentRolloutStateInProgress {
		f.t.Errorf("a new deployment is %s", out.Service.Deployments[0].RolloutState)
	}
	return out.Service.Deployments[0]
}

func (f *fixture) describeService() types.Service {
	f.t.Helper()
	out, err := f.ecs().DescribeServices(f.ctx, &ecs.DescribeServicesInput{Services: []string{"web"}})
	if err != nil || len(out.Services) != 1 {
		f.t.Fatal(out, err)
	}
	return out.Services[0]
}

// list returns the tasks of the service with a desired status.
func (f *fixture) list(status types.DesiredStatus) []types.Task {
	f.t.Helper()
	var arns []string
	pages := ecs.NewListTasksPaginator(f.ecs(), &ecs.ListTasksInput{
		ServiceName: aws.String("web"), DesiredStatus: status, MaxResults: aws.Int32(1),
	})
	for pages.HasMorePages() {
		out, err := pages.NextPage(f.ctx)
		if err != nil {
			f.t.Fatal(err)
		}
		arns = append(arns, out.TaskArns...)
	}
	if len(arns) == 0 {
		return nil
	}
	out, err := f.ecs().DescribeTasks(f.ctx, &ecs.DescribeTasksInput{Tasks: arns})
	if err != nil {
		f.t.Fatal(err)
	}
	return out.Tasks
}

func TestATaskReadsItsSecretsOnlyWhenItStarts(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, one := f.create("s", `{"password":"first","port":3306}`)
	a := new(app)
	f.service(localaws.Service{
		Name: "web", Run: a.run, Environment: map[string]string{"PLAIN": "x"},
		Secrets: []localaws.ContainerSecret{
			{Name: "PASSWORD", ValueFrom: arn + ":password::"},
			{Name: "PORT", ValueFrom: arn + ":port"},
			{Name: "PINNED", ValueFrom: arn + ":password::" + one},
			{Name: "WHOLE", ValueFrom: arn},
		},
	})
	f.stable()
	f.put(token("two"), `{"password":"second"}`)
	env := a.tasks()[0].Env
	if env["PASSWORD"] != "first" || env["PORT"] != "3306" || env["WHOLE"] != `{"password":"first","port":3306}` || env["PLAIN"] != "x" {
		t.Errorf("got %v", env)
	}

	f.put(token("three"), `{"password":"third","port":1}`)
	f.force()
	f.stable()
	env = a.tasks()[1].Env
	if env["PASSWORD"] != "third" || env["PINNED"] != "first" {
		t.Errorf("after a new deployment: %v", env)
	}
}

func TestASecretMayChangeBetweenATasksCreationAndItsStart(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.create("s", `{"password":"first"}`)
	f.Intercept(func(c localaws.Call) localaws.Fault {
		if c.Caller.Task == "" {
			return localaws.Fault{}
		}
		return localaws.Fault{Before: func() { f.put(token("two"), `{"password":"second"}`) }}
	})
	a := new(app)
	f.service(localaws.Service{Name: "web", Run: a.run, Secrets: []localaws.ContainerSecret{{Name: "P", ValueFrom: arn + ":password::"}}})
	f.stable()
	state, _ := f.Secret("s")
	task := f.list(types.DesiredStatusRunning)[0]
	if got := a.tasks()[0].Env["P"]; got != "second" || state.Labelled("AWSCURRENT").ID != token("two") {
		t.Errorf("got %q", got)
	}
	if task.CreatedAt.After(*task.StartedAt) {
		t.Errorf("created %v, started %v", task.CreatedAt, task.StartedAt)
	}
}

func TestAForcedDeploymentReplacesTasksWithoutAGap(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	a := new(app)
	f.service(localaws.Service{Name: "web", DesiredCount: 2, Run: a.run})
	f.stable()
	old := f.describeService().Deployments[0]

	release := a.hold()
	forced := f.force()
	f.await(func() bool { return f.describeService().Deployments[0].RunningCount == 2 })
	svc := f.describeService()
	if len(svc.Deployments) != 2 || *svc.Deployments[0].Status != "PRIMARY" || *svc.Deployments[1].Status != "ACTIVE" ||
		*svc.Deployments[1].Id != *old.Id || svc.Deployments[1].RunningCount != 2 || svc.Deployments[0].DesiredCount != 2 {
		t.Errorf("while the new tasks are not ready: %+v", svc.Deployments)
	}
	release()
	f.stable()
	svc = f.describeService()
	if d := svc.Deployments[0]; len(svc.Deployments) != 1 || *d.Id != *forced.Id || d.RolloutState != types.DeploymentRolloutStateCompleted {
		t.Errorf("afterwards: %+v", svc.Deployments)
	}
	running := f.list(types.DesiredStatusRunning)
	for _, task := range running {
		if *task.StartedBy != *forced.Id || task.CreatedAt.Before(*forced.CreatedAt) || task.HealthStatus != types.HealthStatusHealthy {
			t.Errorf("%+v", task)
		}
	}
	stopped := f.list(types.DesiredStatusStopped)
	for _, task := range stopped {
		if *task.StartedBy != *old.Id || *task.LastStatus != "STOPPED" || *task.Containers[0].ExitCode != 0 {
			t.Errorf("%+v", task)
		}
	}
	if len(running) != 2 || len(stopped) != 2 {
		t.Errorf("%d running, %d stopped", len(running), len(stopped))
	}
}

// await waits until a condition holds that a task or a deployment may bring about.
func (f *fixture) await(condition func() bool) {
	f.t.Helper()
	_, err := f.WaitEvent(f.ctx, func(e localaws.Event) bool {
		switch e.(type) {
		case localaws.TaskChanged, localaws.DeploymentChanged:
			return condition()
		}
		return false
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestATaskThatDrainsIsStoppedByDesireAndStillRuns(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	a := new(app)
	f.service(localaws.Service{Name: "web", Run: a.run, DrainTime: time.Hour})
	_, err := f.WaitEvent(f.ctx, isReady)
	if err != nil {
		t.Fatal(err)
	}
	forced := f.force()
	if _, err := f.WaitEvent(f.ctx, isStatus("DEACTIVATING")); err != nil {
		t.Fatal(err)
	}
	stopping := f.list(types.DesiredStatusStopped)
	if len(stopping) != 1 || *stopping[0].LastStatus != "DEACTIVATING" || stopping[0].StoppedAt != nil || stopping[0].StoppingAt == nil {
		t.Errorf("%+v", stopping)
	}
	// Its deployment is there for as long, and the new one may be complete before.
	f.await(func() bool {
		d := f.describeService().Deployments
		return len(d) == 2 && *d[0].Id == *forced.Id && d[0].RolloutState == types.DeploymentRolloutStateCompleted
	})
}

func isReady(e localaws.Event) bool {
	c, ok := e.(localaws.TaskChanged)
	return ok && c.Healthy
}

func isStatus(status string) func(localaws.Event) bool {
	return func(e localaws.Event) bool {
		c, ok := e.(localaws.TaskChanged)
		return ok && c.Status == status
	}
}

func TestBelowAHundredPercentOldTasksAreStoppedFirst(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	a := new(app)
	f.service(localaws.Service{Name: "web", MinimumHealthyPercent: -1, MaximumPercent: 100, Run: a.run})
	f.stable()
	a.hold() // a new task is not what the old one waits for
	f.force()
	f.await(func() bool {
		return len(f.list(types.DesiredStatusRunning)) == 1 && len(f.list(types.DesiredStatusStopped)) == 1
	})
	old, fresh := f.list(types.DesiredStatusStopped)[0], f.list(types.DesiredStatusRunning)[0]
	if fresh.CreatedAt.Before(*old.StoppingAt) {
		t.Errorf("started at %v, stopped at %v", fresh.CreatedAt, old.StoppingAt)
	}
}

func TestAContainerThatFailsIsCountedAndStartedAgain(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	var broken atomic.Bool
	f.service(localaws.Service{
		Name: "web", RestartDelay: time.Millisecond,
		Run: func(ctx context.Context, task localaws.Task) error {
			if broken.Load() {
				return errors.New("access denied")
			}
			task.Ready()
			<-ctx.Done()
			return nil
		},
	})
	f.stable()
	broken.Store(true)
	forced := f.force()
	f.await(func() bool { return f.describeService().Deployments[0].FailedTasks >= 2 })
	svc := f.describeService()
	if svc.Deployments[0].RolloutState != types.DeploymentRolloutStateInProgress || svc.Deployments[1].RunningCount != 1 {
		t.Errorf("without a circuit breaker a rollout goes on trying: %+v", svc.Deployments)
	}
	for _, task := range f.list(types.DesiredStatusStopped) {
		if *task.StartedBy == *forced.Id && (task.StopCode != types.TaskStopCodeEssentialContainerExited || *task.Containers[0].ExitCode != 1) {
			t.Errorf("%+v", task)
		}
	}
	broken.Store(false)
	f.stable()
	if d := f.describeService().Deployments[0]; *d.Id != *forced.Id || d.FailedTasks != 0 {
		t.Errorf("once a task runs, failures are no longer counted: %+v", d)
	}
}

func TestATaskWhoseSecretIsNotThereDoesNotStart(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, version := f.create("s", `{"password":"x"}`)
	for name, c := range map[string]struct{ from, want string }{
		"no such key":   {arn + ":user::", "did not contain json key user"},
		"no such label": {arn + ":password:X:", "can't find the specified secret value for staging label: X"},
		"a label and an id, which exclude each other": {arn + ":password:AWSCURRENT:" + version, "version stage and a version id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := *f
			task, err := f.RunTask(localaws.Service{Family: "job", Run: new(app).run, Secrets: []localaws.ContainerSecret{{Name: "P", ValueFrom: c.from}}}, "me")
			if err != nil {
				t.Fatal(err)
			}
			ev, err := f.WaitEvent(f.ctx, func(e localaws.Event) bool {
				c, ok := e.(localaws.TaskChanged)
				return ok && c.Task == task && c.Status == "STOPPED"
			})
			if err != nil {
				t.Fatal(err)
			}
			reason := ev.(localaws.TaskChanged).Reason
			if !strings.HasPrefix(reason, "ResourceInitializationError: ") || !strings.Contains(reason, c.want) {
				t.Errorf("got %q", reason)
			}
		})
	}
}

func TestADesiredCountChangesWithoutADeployment(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.service(localaws.Service{Name: "web", Run: new(app).run})
	f.stable()
	before := *f.describeService().Deployments[0].Id
	for _, n := range []int32{3, 1} {
		_, err := f.ecs().UpdateService(f.ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), DesiredCount: &n})
		if err != nil {
			t.Fatal(err)
		}
		f.stable()
		if svc := f.describeService(); svc.RunningCount != n || *svc.Deployments[0].Id != before {
			t.Errorf("%d running in deployment %s", svc.RunningCount, *svc.Deployments[0].Id)
		}
	}
}

func TestANewerDeploymentSupersedesAnOlder(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	a := new(app)
	f.service(localaws.Service{Name: "web", Run: a.run})
	f.stable()
	release := a.hold()
	f.force()
	last := f.force()
	release()
	f.stable()
	for _, task := range f.list(types.DesiredStatusRunning) {
		if *task.StartedBy != *last.Id {
			t.Errorf("a task of deployment %s is left", *task.StartedBy)
		}
	}
}

func TestStandaloneTasksAreListedByFamilyAndOutsideTheService(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.service(localaws.Service{Name: "web", Family: "mautic", Run: new(app).run})
	f.stable()
	arn, err := f.RunTask(localaws.Service{Family: "mautic", Run: new(app).run}, "cron")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in   ecs.ListTasksInput
		want int
		code string
	}{
		"by family":              {ecs.ListTasksInput{Family: aws.String("mautic")}, 2, ""},
		"by service":             {ecs.ListTasksInput{ServiceName: aws.String("web")}, 1, ""},
		"by who started it":      {ecs.ListTasksInput{StartedBy: aws.String("cron")}, 1, ""},
		"in the cluster":         {ecs.ListTasksInput{}, 2, ""},
		"stopped ones":           {ecs.ListTasksInput{DesiredStatus: types.DesiredStatusStopped}, 0, ""},
		"by two that exclude":    {ecs.ListTasksInput{StartedBy: aws.String("cron"), Family: aws.String("mautic")}, 0, "InvalidParameterException"},
		"in a cluster not there": {ecs.ListTasksInput{Cluster: aws.String("x")}, 0, "ClusterNotFoundException"},
		"of a service not there": {ecs.ListTasksInput{ServiceName: aws.String("x")}, 0, "ServiceNotFoundException"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := f.ecs().ListTasks(f.ctx, &c.in)
			wantError(t, err, c.code, "")
			if err == nil && len(out.TaskArns) != c.want {
				t.Errorf("got %v", out.TaskArns)
			}
		})
	}
	out, err := f.ecs().DescribeTasks(f.ctx, &ecs.DescribeTasksInput{Tasks: []string{arn, "none"}})
	if err != nil || len(out.Tasks) != 1 || *out.Tasks[0].Group != "family:mautic" || len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestOnlyECSsOwnDeploymentControllerIsForced(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.service(localaws.Service{Name: "web", DeploymentController: "CODE_DEPLOY", Run: new(app).run})
	_, err := f.ecs().UpdateService(f.ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), ForceNewDeployment: true})
	wantError(t, err, "InvalidParameterException", "CODE_DEPLOY deployment controller")
}

func TestAContainerThatIgnoresItsStopIsLeftBehind(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	forever := make(chan struct{})
	defer close(forever)
	f.service(localaws.Service{Name: "web", StopTimeout: time.Millisecond, Run: func(_ context.Context, task localaws.Task) error {
		task.Ready()
		<-forever
		return nil
	}})
	f.stable()
	f.force()
	f.stable()
	if task := f.list(types.DesiredStatusStopped)[0]; *task.Containers[0].ExitCode != 137 {
		t.Errorf("%+v", task)
	}
}

func TestATaskDefinitionTellsWhereSecretsComeFrom(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.create("s", `{"password":"x"}`)
	f.service(localaws.Service{Cluster: "prod", Name: "web", Run: new(app).run, Secrets: []localaws.ContainerSecret{{Name: "P", ValueFrom: arn + ":password::"}}})
	services, err := f.ecs().ListServices(f.ctx, &ecs.ListServicesInput{Cluster: aws.String("prod")})
	if err != nil || len(services.ServiceArns) != 1 || services.ServiceArns[0] != "arn:aws:ecs:us-east-1:123456789012:service/prod/web" {
		t.Fatal(services, err)
	}
	described, err := f.ecs().DescribeServices(f.ctx, &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: append(services.ServiceArns, "none")})
	if err != nil || len(described.Failures) != 1 {
		t.Fatal(described, err)
	}
	d, err := f.ecs().DescribeTaskDefinition(f.ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: described.Services[0].TaskDefinition})
	if err != nil || *d.TaskDefinition.ContainerDefinitions[0].Secrets[0].ValueFrom != arn+":password::" {
		t.Fatal(d, err)
	}
	clusters, err := f.ecs().DescribeClusters(f.ctx, &ecs.DescribeClustersInput{Clusters: []string{"prod", "none"}})
	if err != nil || len(clusters.Clusters) != 1 || clusters.Clusters[0].ActiveServicesCount != 1 || len(clusters.Failures) != 1 {
		t.Fatal(clusters, err)
	}
}
