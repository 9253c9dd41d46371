package localaws_test

import (
	"errors"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/wire"
)

// core is an ECS without a server, whose service "web" is stepped by hand.
type core struct {
	*ecs.Core
	*localtest.World
	t *testing.T
}

func newCore(t *testing.T, o ecs.Service) *core {
	t.Helper()
	w := localtest.NewWorld()
	c := &core{ecs.NewCore(w.Env(1), ecs.Options{}), w, t}
	o.Name = "web"
	if _, err := c.CreateService(o); err != nil {
		t.Fatal(err)
	}
	return c
}

// settle steps the service until there is nothing to do.
func (c *core) settle() (wait time.Duration) {
	c.t.Helper()
	for again := true; again; {
		var err error
		if again, wait, err = c.Step("", "web"); err != nil {
			c.t.Fatal(err)
		}
	}
	return wait
}

func (c *core) tasks(status string) []ecs.TaskDescription {
	c.t.Helper()
	list, err := c.ListTasks(c.t.Context(), ecs.ListTasksInput{ServiceName: "web", DesiredStatus: status})
	if err != nil || len(list.TaskARNs) == 0 {
		return nil
	}
	out, err := c.DescribeTasks(c.t.Context(), ecs.DescribeTasksInput{Tasks: list.TaskARNs})
	if err != nil {
		c.t.Fatal(err)
	}
	return out.Tasks
}

func (c *core) deployment() ecs.DeploymentDescription {
	c.t.Helper()
	out, err := c.DescribeServices(c.t.Context(), ecs.DescribeServicesInput{Services: []string{"web"}})
	if err != nil || len(out.Services) != 1 {
		c.t.Fatal(out, err)
	}
	return out.Services[0].Deployments[0]
}

func (c *core) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func TestADeploymentIsSteppedByHandWithoutAServer(t *testing.T) {
	t.Parallel()
	c := newCore(t, ecs.Service{DesiredCount: 2})
	c.settle()
	old := c.tasks("RUNNING")
	if len(old) != 2 || old[0].LastStatus != "PROVISIONING" {
		t.Fatalf("%+v", old)
	}
	for _, task := range old {
		c.must(c.SetTaskStatus(task.ARN, "RUNNING"))
		c.must(c.MarkTaskReady(task.ARN))
	}
	c.settle()
	if d := c.deployment(); d.RolloutState != "COMPLETED" {
		t.Fatalf("%+v", d)
	}

	c.Now = c.Now.Add(time.Hour)
	_, err := c.UpdateService(t.Context(), ecs.UpdateServiceInput{Service: "web", ForceNewDeployment: true})
	c.must(err)
	c.settle()
	if running := c.tasks("RUNNING"); len(running) != 4 {
		t.Fatalf("beside the old tasks run %d", len(running)-2)
	}
	for _, task := range c.tasks("RUNNING")[2:] {
		c.must(c.MarkTaskReady(task.ARN))
	}
	c.settle()
	for _, task := range c.tasks("STOPPED") {
		exit := 0
		c.must(c.EndTask(task.ARN, &exit, ""))
	}
	c.settle()
	if d := c.deployment(); d.RolloutState != "COMPLETED" || len(c.tasks("RUNNING")) != 2 || c.tasks("RUNNING")[0].ARN == old[0].ARN {
		t.Errorf("%+v", d)
	}
	err = c.EndTask(old[0].ARN, nil, "")
	if refused, ok := errors.AsType[*wire.Error](err); !ok || refused.Code != "InvalidParameterException" {
		t.Errorf("a task that has stopped ends again: %v", err)
	}
}

func TestTheCircuitBreakerIsSteppedByHandWithoutAServer(t *testing.T) {
	t.Parallel()
	c := newCore(t, ecs.Service{CircuitBreaker: true, RestartDelay: time.Second})
	for range 3 {
		if wait := c.settle(); wait > 0 {
			c.Now = c.Now.Add(wait)
			c.settle()
		}
		tasks := c.tasks("RUNNING")
		if len(tasks) != 1 {
			t.Fatalf("%d tasks are to run", len(tasks))
		}
		c.must(c.EndTask(tasks[0].ARN, nil, "no secret"))
	}
	c.settle()
	if d := c.deployment(); d.RolloutState != "FAILED" || d.Failed != 3 || len(c.tasks("RUNNING")) != 0 {
		t.Errorf("%+v", d)
	}
}
