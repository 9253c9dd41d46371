package localaws_test

import (
	"testing"
	"time"

	"mautic-rotation/internal/localaws/ecs"
)

// besides is a service of a strategy that bakes for an hour, with one healthy task, an hour after it was created.
func besides(t *testing.T, o ecs.Service) *core {
	t.Helper()
	o.BakeTime = time.Hour
	c := newCore(t, o)
	c.settle()
	c.allReady()
	c.Now = c.Now.Add(time.Hour)
	return c
}

// allReady has every task that is to run pass its health check.
func (c *core) allReady() {
	c.t.Helper()
	for _, task := range c.tasks("RUNNING") {
		c.must(c.SetTaskStatus(task.ARN, "RUNNING"))
		c.must(c.MarkTaskReady(task.ARN))
	}
	c.settle()
}

func (c *core) force() {
	c.t.Helper()
	_, err := c.UpdateService(c.t.Context(), ecs.UpdateServiceInput{Service: "web", ForceNewDeployment: true})
	c.must(err)
	c.settle()
}

// history are the statuses of the service's deployments, the newest first.
func (c *core) history() (list []string) {
	c.t.Helper()
	out, err := c.ListServiceDeployments(c.t.Context(), ecs.ListServiceDeploymentsInput{Service: "web"})
	c.must(err)
	for _, d := range out.ServiceDeployments {
		list = append(list, d.Status)
	}
	return list
}

func (c *core) wantHistory(want ...string) {
	c.t.Helper()
	got := c.history()
	if len(got) != len(want) {
		c.t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			c.t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestOldAndNewTasksRunSideBySideUntilTheBakeIsOver(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{ecs.BlueGreen, ecs.Linear, ecs.Canary} {
		c := besides(t, ecs.Service{DesiredCount: 2, MaximumPercent: 100, Strategy: strategy})
		c.wantHistory("SUCCESSFUL")
		if d := c.deployment(); d.RolloutState != "" {
			t.Errorf("%s: ECS tells a rollout state of rolling updates alone, and here %s", strategy, d.RolloutState)
		}
		c.force()
		if n := len(c.tasks("RUNNING")); n != 4 {
			t.Fatalf("%s: %d tasks run beside each other", strategy, n)
		}
		c.allReady()
		c.Now = c.Now.Add(59 * time.Minute)
		c.settle()
		if n := len(c.tasks("RUNNING")); n != 4 {
			t.Fatalf("%s: %d tasks run while it bakes", strategy, n)
		}
		c.wantHistory("IN_PROGRESS", "SUCCESSFUL")
		c.Now = c.Now.Add(time.Minute)
		c.settle()
		if n := len(c.tasks("RUNNING")); n != 2 {
			t.Errorf("%s: %d tasks are to run after the bake", strategy, n)
		}
		c.wantHistory("SUCCESSFUL", "SUCCESSFUL")
	}
}

func TestADeploymentThatFailsOrIsSupersededIsRemembered(t *testing.T) {
	t.Parallel()
	c := besides(t, ecs.Service{Strategy: ecs.BlueGreen, CircuitBreaker: true, CircuitBreakerRollback: true, FailureThreshold: 1})
	old := c.tasks("RUNNING")[0].ARN
	c.force()
	c.force()
	c.wantHistory("IN_PROGRESS", "STOPPED", "SUCCESSFUL")
	for _, task := range c.tasks("RUNNING") {
		if task.StartedBy == c.deployment().ID {
			c.must(c.EndTask(task.ARN, nil, "no secret"))
		}
	}
	c.settle()
	c.wantHistory("ROLLBACK_SUCCESSFUL", "STOPPED", "SUCCESSFUL")
	if running := c.tasks("RUNNING"); len(running) != 1 || running[0].ARN != old {
		t.Errorf("after the rollback run %+v", running)
	}
	out, err := c.ListServiceDeployments(t.Context(), ecs.ListServiceDeploymentsInput{Service: "web", Status: []string{"STOPPED"}})
	if err != nil || len(out.ServiceDeployments) != 1 || out.ServiceDeployments[0].Reason == "" {
		t.Errorf("got %+v, %v", out, err)
	}
}
