package localaws_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/internal/localaws"
)

func TestATaskDefinitionTellsWhatAContainerIsStartedWith(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.create("s", `{"password":"x"}`)
	f.service(localaws.Service{
		Name: "web", Family: "mautic", ContainerName: "php", Image: "mautic/mautic:7", Run: new(app).run,
		Environment: map[string]string{"B": "2", "A": "1"},
		Secrets:     []localaws.ContainerSecret{{Name: "P", ValueFrom: arn + ":password::"}},
	})
	out, err := f.ecs().DescribeTaskDefinition(f.ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: f.describeService().TaskDefinition})
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
	f.service(localaws.Service{
		Name: "web", MinimumHealthyPercent: 50, MaximumPercent: 150, CircuitBreaker: true, CircuitBreakerRollback: true, Run: new(app).run,
	})
	f.stable()
	s := f.describeService()
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
	f.service(localaws.Service{Name: "web", Run: new(app).run})
	f.stable()
	f.force()
	f.stable()
	stopped := f.list(types.DesiredStatusStopped)
	if len(stopped) != 1 || *stopped[0].LastStatus != "STOPPED" || *stopped[0].DesiredStatus != "STOPPED" {
		t.Fatalf("%+v", stopped)
	}
	f.Clock().Advance(time.Hour + time.Second)
	if tasks := f.list(types.DesiredStatusStopped); len(tasks) != 0 {
		t.Errorf("%+v", tasks)
	}
	out, err := f.ecs().DescribeTasks(f.ctx, &ecs.DescribeTasksInput{Tasks: []string{*stopped[0].TaskArn}})
	if err != nil || len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestATaskThatIsStoppedBeforeItRunsIsListedAsStopped(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.create("s", `{"password":"x"}`)
	release := make(chan struct{})
	defer close(release)
	f.Intercept(func(c localaws.Call) localaws.Fault {
		if c.Caller.Task == "" {
			return localaws.Fault{}
		}
		return localaws.Fault{Before: func() { <-release }}
	})
	f.service(localaws.Service{Name: "web", Run: new(app).run, Secrets: []localaws.ContainerSecret{{Name: "P", ValueFrom: arn}}})
	if _, err := f.WaitEvent(f.ctx, isStatus("PENDING")); err != nil {
		t.Fatal(err)
	}
	_, err := f.ecs().UpdateService(f.ctx, &ecs.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(0)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WaitEvent(f.ctx, func(localaws.Event) bool { return len(f.list(types.DesiredStatusStopped)) == 1 })
	if err != nil {
		t.Fatal(err)
	}
	if task := f.list(types.DesiredStatusStopped)[0]; *task.LastStatus != "PENDING" {
		t.Errorf("%+v", task)
	}
}

func TestATaskThatCannotReadItsSecretCountsAsFailed(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.create("s", `{"password":"x"}`)
	f.service(localaws.Service{
		Name: "web", Run: new(app).run, RestartDelay: time.Millisecond, CircuitBreaker: true,
		Secrets: []localaws.ContainerSecret{{Name: "P", ValueFrom: arn + ":password::"}},
	})
	f.stable()
	old := f.list(types.DesiredStatusRunning)
	if err := f.put(token("two"), `{}`); err != nil {
		t.Fatal(err)
	}
	forced := f.force()
	if d := f.primary(*forced.Id, failed); d.FailedTasks != 3 || d.RunningCount != 0 {
		t.Errorf("%+v", d)
	}
	if running := f.list(types.DesiredStatusRunning); len(running) != 1 || *running[0].TaskArn != *old[0].TaskArn {
		t.Errorf("%+v", running)
	}
}
