package localaws_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/internal/localaws"
	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/wire"
)

func TestATaskReadsItsSecretsOnlyWhenItStarts(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, one := f.CreateSecret("s", `{"password":"first","port":3306}`)
	a := new(localtest.App)
	f.RunService(localecs.Service{
		Name: "web", Run: a.Run, Environment: map[string]string{"PLAIN": "x"},
		Secrets: []localecs.ContainerSecret{
			{Name: "PASSWORD", ValueFrom: arn + ":password::"},
			{Name: "PORT", ValueFrom: arn + ":port"},
			{Name: "PINNED", ValueFrom: arn + ":password::" + one},
			{Name: "WHOLE", ValueFrom: arn},
		},
	})
	f.AwaitStable()
	f.Put(localtest.Token("two"), `{"password":"second"}`)
	env := a.Tasks()[0].Env
	if env["PASSWORD"] != "first" || env["PORT"] != "3306" || env["WHOLE"] != `{"password":"first","port":3306}` || env["PLAIN"] != "x" {
		t.Errorf("got %v", env)
	}

	f.Put(localtest.Token("three"), `{"password":"third","port":1}`)
	f.ForceDeployment()
	f.AwaitStable()
	env = a.Tasks()[1].Env
	if env["PASSWORD"] != "third" || env["PINNED"] != "first" {
		t.Errorf("after a new deployment: %v", env)
	}
}

func TestASecretMayChangeBetweenATasksCreationAndItsStart(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.CreateSecret("s", `{"password":"first"}`)
	f.Intercept(func(c wire.Call) wire.Fault {
		if c.Caller.Task == "" {
			return wire.Fault{}
		}
		return wire.Fault{Before: func() { f.Put(localtest.Token("two"), `{"password":"second"}`) }}
	})
	a := new(localtest.App)
	f.RunService(localecs.Service{Name: "web", Run: a.Run, Secrets: []localecs.ContainerSecret{{Name: "P", ValueFrom: arn + ":password::"}}})
	f.AwaitStable()
	state, _ := f.SecretsManager.State("s")
	task := f.ListTasks(types.DesiredStatusRunning)[0]
	if got := a.Tasks()[0].Env["P"]; got != "second" || state.Labelled("AWSCURRENT").ID != localtest.Token("two") {
		t.Errorf("got %q", got)
	}
	if task.CreatedAt.After(*task.StartedAt) {
		t.Errorf("created %v, started %v", task.CreatedAt, task.StartedAt)
	}
}

func TestAForcedDeploymentReplacesTasksWithoutAGap(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	a := new(localtest.App)
	f.RunService(localecs.Service{Name: "web", DesiredCount: 2, Run: a.Run})
	f.AwaitStable()
	old := f.DescribeService().Deployments[0]

	release := a.Hold()
	forced := f.ForceDeployment()
	f.AwaitECS(func() bool { return f.DescribeService().Deployments[0].RunningCount == 2 })
	svc := f.DescribeService()
	if len(svc.Deployments) != 2 || *svc.Deployments[0].Status != "PRIMARY" || *svc.Deployments[1].Status != "ACTIVE" ||
		*svc.Deployments[1].Id != *old.Id || svc.Deployments[1].RunningCount != 2 || svc.Deployments[0].DesiredCount != 2 {
		t.Errorf("while the new tasks are not ready: %+v", svc.Deployments)
	}
	release()
	f.AwaitStable()
	svc = f.DescribeService()
	if d := svc.Deployments[0]; len(svc.Deployments) != 1 || *d.Id != *forced.Id || d.RolloutState != types.DeploymentRolloutStateCompleted {
		t.Errorf("afterwards: %+v", svc.Deployments)
	}
	running := f.ListTasks(types.DesiredStatusRunning)
	for _, task := range running {
		if *task.StartedBy != *forced.Id || task.CreatedAt.Before(*forced.CreatedAt) || task.HealthStatus != types.HealthStatusHealthy {
			t.Errorf("%+v", task)
		}
	}
	stopped := f.ListTasks(types.DesiredStatusStopped)
	for _, task := range stopped {
		if *task.StartedBy != *old.Id || *task.LastStatus != "STOPPED" || *task.Containers[0].ExitCode != 0 {
			t.Errorf("%+v", task)
		}
	}
	if len(running) != 2 || len(stopped) != 2 {
		t.Errorf("%d running, %d stopped", len(running), len(stopped))
	}
}

func TestATaskThatDrainsIsStoppedByDesireAndStillRuns(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	a := new(localtest.App)
	f.RunService(localecs.Service{Name: "web", Run: a.Run, DrainTime: time.Hour})
	_, err := f.WaitEvent(f.Ctx, isReady)
	if err != nil {
		t.Fatal(err)
	}
	forced := f.ForceDeployment()
	if _, err := f.WaitEvent(f.Ctx, isStatus("DEACTIVATING")); err != nil {
		t.Fatal(err)
	}
	stopping := f.ListTasks(types.DesiredStatusStopped)
	if len(stopping) != 1 || *stopping[0].LastStatus != "DEACTIVATING" || stopping[0].StoppedAt != nil || stopping[0].StoppingAt == nil {
		t.Errorf("%+v", stopping)
	}
	// Its deployment is there for as long, and the new one may be complete before.
	f.AwaitECS(func() bool {
		d := f.DescribeService().Deployments
		return len(d) == 2 && *d[0].Id == *forced.Id && d[0].RolloutState == types.DeploymentRolloutStateCompleted
	})
}

func isReady(e host.Event) bool {
	c, ok := e.(localecs.TaskChanged)
	return ok && c.Healthy
}

func isStatus(status string) func(host.Event) bool {
	return func(e host.Event) bool {
		c, ok := e.(localecs.TaskChanged)
		return ok && c.Status == status
	}
}

func TestBelowAHundredPercentOldTasksAreStoppedFirst(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	a := new(localtest.App)
	f.RunService(localecs.Service{Name: "web", MinimumHealthyPercent: -1, MaximumPercent: 100, Run: a.Run})
	f.AwaitStable()
	a.Hold() // a new task is not what the old one waits for
	f.ForceDeployment()
	f.AwaitECS(func() bool {
		return len(f.ListTasks(types.DesiredStatusRunning)) == 1 && len(f.ListTasks(types.DesiredStatusStopped)) == 1
	})
	old, fresh := f.ListTasks(types.DesiredStatusStopped)[0], f.ListTasks(types.DesiredStatusRunning)[0]
	if fresh.CreatedAt.Before(*old.StoppingAt) {
		t.Errorf("started at %v, stopped at %v", fresh.CreatedAt, old.StoppingAt)
	}
}

func TestAContainerThatFailsIsCountedAndStartedAgain(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	var broken atomic.Bool
	f.RunService(localecs.Service{
		Name: "web", RestartDelay: time.Millisecond,
		Run: func(ctx context.Context, task localecs.Task) error {
			if broken.Load() {
				return errors.New("access denied")
			}
			task.Ready()
			<-ctx.Done()
			return nil
		},
	})
	f.AwaitStable()
	broken.Store(true)
	forced := f.ForceDeployment()
	f.AwaitECS(func() bool { return f.DescribeService().Deployments[0].FailedTasks >= 2 })
	svc := f.DescribeService()
	if svc.Deployments[0].RolloutState != types.DeploymentRolloutStateInProgress || svc.Deployments[1].RunningCount != 1 {
		t.Errorf("without a circuit breaker a rollout goes on trying: %+v", svc.Deployments)
	}
	for _, task := range f.ListTasks(types.DesiredStatusStopped) {
		if *task.StartedBy == *forced.Id && (task.StopCode != types.TaskStopCodeEssentialContainerExited || *task.Containers[0].ExitCode != 1) {
			t.Errorf("%+v", task)
		}
	}
	broken.Store(false)
	f.AwaitStable()
	if d := f.DescribeService().Deployments[0]; *d.Id != *forced.Id || d.FailedTasks != 0 {
		t.Errorf("once a task runs, failures are no longer counted: %+v", d)
	}
}

func TestATaskWhoseSecretIsNotThereDoesNotStart(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, version := f.CreateSecret("s", `{"password":"x"}`)
	for name, c := range map[string]struct{ from, want string }{
		"no such key":   {arn + ":user::", "did not contain json key user"},
		"no such label": {arn + ":password:X:", "can't find the specified secret value for staging label: X"},
		"a label and an id, which exclude each other": {arn + ":password:AWSCURRENT:" + version, "version stage and a version id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := *f
			task, err := f.ECS.RunTask(localecs.Service{Family: "job", Run: new(localtest.App).Run, Secrets: []localecs.ContainerSecret{{Name: "P", ValueFrom: c.from}}}, "me")
			if err != nil {
				t.Fatal(err)
			}
			ev, err := f.WaitEvent(f.Ctx, func(e host.Event) bool {
				c, ok := e.(localecs.TaskChanged)
				return ok && c.Task == task && c.Status == "STOPPED"
			})
			if err != nil {
				t.Fatal(err)
			}
			reason := ev.(localecs.TaskChanged).Reason
			if !strings.HasPrefix(reason, "ResourceInitializationError: ") || !strings.Contains(reason, c.want) {
				t.Errorf("got %q", reason)
			}
		})
	}
}

func TestADesiredCountChangesWithoutADeployment(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.RunService(localecs.Service{Name: "web", Run: new(localtest.App).Run})
	f.AwaitStable()
	before := *f.DescribeService().Deployments[0].Id
	for _, n := range []int32{3, 1} {
		_, err := f.ECSClient().UpdateService(f.Ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), DesiredCount: &n})
		if err != nil {
			t.Fatal(err)
		}
		f.AwaitStable()
		if svc := f.DescribeService(); svc.RunningCount != n || *svc.Deployments[0].Id != before {
			t.Errorf("%d running in deployment %s", svc.RunningCount, *svc.Deployments[0].Id)
		}
	}
}

func TestANewerDeploymentSupersedesAnOlder(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	a := new(localtest.App)
	f.RunService(localecs.Service{Name: "web", Run: a.Run})
	f.AwaitStable()
	release := a.Hold()
	f.ForceDeployment()
	last := f.ForceDeployment()
	release()
	f.AwaitStable()
	for _, task := range f.ListTasks(types.DesiredStatusRunning) {
		if *task.StartedBy != *last.Id {
			t.Errorf("a task of deployment %s is left", *task.StartedBy)
		}
	}
}

func TestStandaloneTasksAreListedByFamilyAndOutsideTheService(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.RunService(localecs.Service{Name: "web", Family: "mautic", Run: new(localtest.App).Run})
	f.AwaitStable()
	arn, err := f.ECS.RunTask(localecs.Service{Family: "mautic", Run: new(localtest.App).Run}, "cron")
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
			out, err := f.ECSClient().ListTasks(f.Ctx, &c.in)
			localtest.WantError(t, err, c.code, "")
			if err == nil && len(out.TaskArns) != c.want {
				t.Errorf("got %v", out.TaskArns)
			}
		})
	}
	out, err := f.ECSClient().DescribeTasks(f.Ctx, &ecs.DescribeTasksInput{Tasks: []string{arn, "none"}})
	if err != nil || len(out.Tasks) != 1 || *out.Tasks[0].Group != "family:mautic" || len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestOnlyECSsOwnDeploymentControllerIsForced(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.RunService(localecs.Service{Name: "web", DeploymentController: "CODE_DEPLOY", Run: new(localtest.App).Run})
	_, err := f.ECSClient().UpdateService(f.Ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), ForceNewDeployment: true})
	localtest.WantError(t, err, "InvalidParameterException", "CODE_DEPLOY deployment controller")
}

func TestAContainerThatIgnoresItsStopIsLeftBehind(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	forever := make(chan struct{})
	defer close(forever)
	f.RunService(localecs.Service{Name: "web", StopTimeout: time.Millisecond, Run: func(_ context.Context, task localecs.Task) error {
		task.Ready()
		<-forever
		return nil
	}})
	f.AwaitStable()
	f.ForceDeployment()
	f.AwaitStable()
	if task := f.ListTasks(types.DesiredStatusStopped)[0]; *task.Containers[0].ExitCode != 137 {
		t.Errorf("%+v", task)
	}
}

func TestATaskDefinitionTellsWhereSecretsComeFrom(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.CreateSecret("s", `{"password":"x"}`)
	f.RunService(localecs.Service{Cluster: "prod", Name: "web", Run: new(localtest.App).Run, Secrets: []localecs.ContainerSecret{{Name: "P", ValueFrom: arn + ":password::"}}})
	services, err := f.ECSClient().ListServices(f.Ctx, &ecs.ListServicesInput{Cluster: aws.String("prod")})
	if err != nil || len(services.ServiceArns) != 1 || services.ServiceArns[0] != "arn:aws:ecs:us-east-1:123456789012:service/prod/web" {
		t.Fatal(services, err)
	}
	described, err := f.ECSClient().DescribeServices(f.Ctx, &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: append(services.ServiceArns, "none")})
	if err != nil || len(described.Failures) != 1 {
		t.Fatal(described, err)
	}
	d, err := f.ECSClient().DescribeTaskDefinition(f.Ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: described.Services[0].TaskDefinition})
	if err != nil || *d.TaskDefinition.ContainerDefinitions[0].Secrets[0].ValueFrom != arn+":password::" {
		t.Fatal(d, err)
	}
	clusters, err := f.ECSClient().DescribeClusters(f.Ctx, &ecs.DescribeClustersInput{Clusters: []string{"prod", "none"}})
	if err != nil || len(clusters.Clusters) != 1 || clusters.Clusters[0].ActiveServicesCount != 1 || len(clusters.Failures) != 1 {
		t.Fatal(clusters, err)
	}
}
