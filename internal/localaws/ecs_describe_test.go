package localaws_test

import (
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

func TestATaskDefinitionTellsWhatAContainerIsStartedWith(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.CreateSecret("s", `{"password":"x"}`)
	f.RunService(localecs.Service{
		Name: "web", Family: "mautic", ContainerName: "php", Image: "mautic/mautic:7", Run: new(localtest.App).Run,
		Environment: map[string]string{"B": "2", "A": "1"},
		Secrets:     []localecs.ContainerSecret{{Name: "P", ValueFrom: arn + ":password::"}},
	})
	out, err := f.ECSClient().DescribeTaskDefinition(f.Ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: f.DescribeService().TaskDefinition})
	if err != nil {
		t.Fatal(err)
	}
	d := out.TaskDefinition
	if *d.TaskDefinitionArn != "arn:aws:ecs:us-east-1:123456789012:task-definition/mautic:1" || *d.Family != "mautic" ||
		d.Revision != 1 || d.Status != types.TaskDefinitionStatusActive || len(d.ContainerDefinitions) != 1 {
		t.Errorf("%+v", d)
	}
	c := d.ContainerDefinitions[0]
	if *c.Name != "php" || *c.Image != "mautic/mautic:7" || !*c.Essential || len(c.Environment) != 2 ||
		*c.Environment[0].Name != "A" || *c.Environment[0].Value != "1" ||
		len(c.Secrets) != 1 || *c.Secrets[0].Name != "P" || *c.Secrets[0].ValueFrom != arn+":password::" {
		t.Errorf("%+v", c)
	}
}

func TestAServiceTellsHowItIsDeployed(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.RunService(localecs.Service{
		Name: "web", MinimumHealthyPercent: 50, MaximumPercent: 150, CircuitBreaker: true, CircuitBreakerRollback: true, Run: new(localtest.App).Run,
	})
	f.AwaitStable()
	s := f.DescribeService()
	c := s.DeploymentConfiguration
	if *c.MinimumHealthyPercent != 50 || *c.MaximumPercent != 150 || !c.DeploymentCircuitBreaker.Enable || !c.DeploymentCircuitBreaker.Rollback ||
		s.DeploymentController.Type != types.DeploymentControllerTypeEcs || *s.Status != "ACTIVE" {
		t.Errorf("%+v", s)
	}
	d := s.Deployments[0]
	if *d.TaskDefinition != *s.TaskDefinition || *d.Status != "PRIMARY" || d.DesiredCount != 1 || d.RunningCount != 1 ||
		*d.RolloutStateReason != "ECS deployment "+*d.Id+" completed." {
		t.Errorf("%+v", d)
	}
}

func TestAStoppedTaskIsShownForAnHour(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.RunService(localecs.Service{Name: "web", Run: new(localtest.App).Run})
	f.AwaitStable()
	f.ForceDeployment()
	f.AwaitStable()
	stopped := f.ListTasks(types.DesiredStatusStopped)
	if len(stopped) != 1 || *stopped[0].LastStatus != "STOPPED" || *stopped[0].DesiredStatus != "STOPPED" {
		t.Fatalf("%+v", stopped)
	}
	f.Clock().Advance(time.Hour + time.Second)
	if tasks := f.ListTasks(types.DesiredStatusStopped); len(tasks) != 0 {
		t.Errorf("%+v", tasks)
	}
	out, err := f.ECSClient().DescribeTasks(f.Ctx, &ecs.DescribeTasksInput{Tasks: []string{*stopped[0].TaskArn}})
	if err != nil || len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestATaskThatIsStoppedBeforeItRunsIsListedAsStopped(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.CreateSecret("s", `{"password":"x"}`)
	release := make(chan struct{})
	defer close(release)
	f.Intercept(func(c wire.Call) wire.Fault {
		if c.Caller.Task == "" {
			return wire.Fault{}
		}
		return wire.Fault{Before: func() { <-release }}
	})
	f.RunService(localecs.Service{Name: "web", Run: new(localtest.App).Run, Secrets: []localecs.ContainerSecret{{Name: "P", ValueFrom: arn}}})
	if _, err := f.WaitEvent(f.Ctx, isStatus("PENDING")); err != nil {
		t.Fatal(err)
	}
	_, err := f.ECSClient().UpdateService(f.Ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(0)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WaitEvent(f.Ctx, func(host.Event) bool { return len(f.ListTasks(types.DesiredStatusStopped)) == 1 })
	if err != nil {
		t.Fatal(err)
	}
	if task := f.ListTasks(types.DesiredStatusStopped)[0]; *task.LastStatus != "PENDING" {
		t.Errorf("%+v", task)
	}
}

func TestATaskThatCannotReadItsSecretCountsAsFailed(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.CreateSecret("s", `{"password":"x"}`)
	f.RunService(localecs.Service{
		Name: "web", Run: new(localtest.App).Run, RestartDelay: time.Millisecond, CircuitBreaker: true,
		Secrets: []localecs.ContainerSecret{{Name: "P", ValueFrom: arn + ":password::"}},
	})
	f.AwaitStable()
	old := f.ListTasks(types.DesiredStatusRunning)
	if err := f.Put(localtest.Token("two"), `{}`); err != nil {
		t.Fatal(err)
	}
	forced := f.ForceDeployment()
	if d := f.AwaitPrimary(*forced.Id, failed); d.FailedTasks != 3 || d.RunningCount != 0 {
		t.Errorf("%+v", d)
	}
	if running := f.ListTasks(types.DesiredStatusRunning); len(running) != 1 || *running[0].TaskArn != *old[0].TaskArn {
		t.Errorf("%+v", running)
	}
}
