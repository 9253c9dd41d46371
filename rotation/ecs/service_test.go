package ecs

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/rotation/rollout"
)

const (
	inProgress = types.DeploymentRolloutStateInProgress
	completed  = types.DeploymentRolloutStateCompleted
	failed     = types.DeploymentRolloutStateFailed
	breaker    = "ECS deployment circuit breaker: tasks failed to start."
)

func TestWhatIsObservedOfAService(t *testing.T) {
	t.Parallel()
	// of is a task of a task definition.
	of := func(definition string, t types.Task) types.Task {
		t.TaskDefinitionArn = aws.String("arn:aws:ecs:us-east-1:123456789012:task-definition/" + definition)
		return t
	}
	// deploys is a service that is to run a task definition.
	deploys := func(definition string, s types.Service) types.Service {
		s.TaskDefinition = aws.String("arn:aws:ecs:us-east-1:123456789012:task-definition/" + definition)
		return s
	}
	// healthy is a task whose container app has a health status.
	healthy := func(status types.HealthStatus, t types.Task) types.Task {
		t.Containers = []types.Container{{Name: aws.String("sidecar"), HealthStatus: types.HealthStatusUnhealthy}, {Name: aws.String("app"), HealthStatus: status}}
		return t
	}
	strategy := func(s types.Service, strategy types.DeploymentStrategy) types.Service {
		s.DeploymentConfiguration = &types.DeploymentConfiguration{Strategy: strategy, BakeTimeInMinutes: aws.Int32(60)}
		return s
	}
	controller := func(s types.Service, controller types.DeploymentControllerType) types.Service {
		s.DeploymentController = &types.DeploymentController{Type: controller}
		return s
	}
	status := func(s types.Service, status string) types.Service {
		s.Status = &status
		return s
	}
	const arn = "arn:aws:ecs:us-east-1:123456789012:task-definition/"
	definitions := map[string]definition{
		arn + "pins:1":    {pins: errors.New("valueFrom pins version id 1: register a revision")},
		arn + "denied:1":  {unread: errors.New("cannot tell which version: grant it")},
		arn + "checked:1": {checked: map[string]bool{"app": true}},
	}
	tests := []struct {
		name  string
		found found
		want  rollout.Service // of the texts, what each contains
	}{
		{
			name: "new tasks run",
			found: found{
				service: web(2, 2, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 0), task("2", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.Service{Desired: 2, Fresh: 2, Deployed: true},
		},
		{
			name: "a new task is fresh when it runs, and neither fresh nor old before and after",
			found: found{
				service: web(4, 2, deployment("new", "PRIMARY", 0, inProgress, "")),
				tasks: []types.Task{
					task("1", "RUNNING", "RUNNING", 1), task("2", "RUNNING", "PENDING", 1), task("3", "RUNNING", "ACTIVATING", 1),
					task("4", "STOPPED", "RUNNING", 1), task("5", "STOPPED", "STOPPED", 1),
				},
			},
			want: rollout.Service{Desired: 4, Fresh: 1, Deployed: true, Deploying: true},
		},
		{
			name: "a task with a health check is fresh when it passes, whatever becomes of a container that is not essential",
			found: found{
				service: web(3, 3, deployment("new", "PRIMARY", 0, inProgress, "")),
				tasks: []types.Task{
					of("checked:1", healthy(types.HealthStatusHealthy, task("1", "RUNNING", "RUNNING", 1))),
					of("checked:1", healthy(types.HealthStatusUnknown, task("2", "RUNNING", "RUNNING", 1))),
					of("checked:1", healthy(types.HealthStatusUnhealthy, task("3", "RUNNING", "RUNNING", 1))),
				},
			},
			want: rollout.Service{Desired: 3, Fresh: 1, Deployed: true, Deploying: true},
		},
		{
			name: "without a health check ECS never tells that a task is healthy",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{of("plain:1", healthy(types.HealthStatusUnknown, task("1", "RUNNING", "RUNNING", 1)))},
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true},
		},
		{
			name: "old tasks run and drain, and one has stopped",
			found: found{
				service: web(1, 2, deployment("new", "PRIMARY", 0, inProgress, "")),
				tasks: []types.Task{
					task("1", "RUNNING", "RUNNING", 1), task("2", "STOPPED", "DEACTIVATING", -1), task("3", "RUNNING", "RUNNING", -1), task("4", "STOPPED", "STOPPED", -1),
				},
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true, Deploying: true, Older: []string{"service web: task 2, created 2026-03-01T12:00:00.122Z, still drains", "service web: task 3, created"}},
		},
		{
			name: "a page of the list was missed",
			found: found{
				service: web(2, 2, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.Service{Desired: 2, Fresh: 1, Deployed: true, Older: []string{"service web: ECS counts 2 running tasks, and lists 1"}},
		},
		{
			name: "nothing was deployed",
			found: found{
				service: web(1, 1, deployment("old", "PRIMARY", -9, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", -8)},
			},
			want: rollout.Service{Desired: 1, Older: []string{"still runs"}},
		},
		{
			name: "a new task of an old deployment, as after a scale-out, is fresh",
			found: found{
				service: web(1, 1, deployment("old", "PRIMARY", -9, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.Service{Desired: 1, Fresh: 1},
		},
		{
			name: "a deployment from before is in progress",
			found: found{
				service: web(1, 1, deployment("ci", "PRIMARY", -1, inProgress, ""), deployment("old", "ACTIVE", -9, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", -8)},
			},
			want: rollout.Service{Desired: 1, Deploying: true, Older: []string{"still runs"}},
		},
		{
			name:  "a service that is to run nothing",
			found: found{service: web(0, 0, deployment("new", "PRIMARY", 0, completed, ""))},
			want:  rollout.Service{Deployed: true},
		},
		{
			name:  "no rollout state, behind a classic load balancer, and an old deployment is left",
			found: found{service: web(0, 0, deployment("new", "PRIMARY", 0, "", ""), deployment("old", "ACTIVE", -9, "", ""))},
			want:  rollout.Service{Deployed: true, Deploying: true},
		},
		{
			name:  "a service that is not there",
			found: found{missing: "the cluster does not have it: correct ECS_SERVICES"},
			want:  rollout.Service{Missing: "the cluster does not have it: correct ECS_SERVICES"},
		},
		{
			name: "a service that is being deleted",
			found: found{
				service: status(web(0, 1, deployment("new", "PRIMARY", 0, inProgress, "")), "DRAINING"),
				tasks:   []types.Task{task("1", "STOPPED", "RUNNING", -1)},
			},
			want: rollout.Service{Missing: "its status is DRAINING: remove it from ECS_SERVICES", Deployed: true, Deploying: true, Older: []string{"still drains"}},
		},
		{
			name:  "a service that ECS does not deploy itself",
			found: found{service: controller(web(1, 0), types.DeploymentControllerTypeCodeDeploy)},
			want:  rollout.Service{Missing: "its deployment controller is CODE_DEPLOY", Desired: 1},
		},
		{
			name: "the service's task definition pins a version: no deployment of it would make a task fresh",
			found: found{
				service: deploys("pins:1", web(1, 1, deployment("new", "PRIMARY", 0, completed, ""))),
				tasks:   []types.Task{of("pins:1", task("1", "RUNNING", "RUNNING", 1))},
			},
			want: rollout.Service{
				Missing: "valueFrom pins version id 1: register a revision", Desired: 1, Deployed: true,
				Older: []string{"service web: task 1, created 2026-03-01T12:00:00.124Z, still runs, and its task definition pins:1 pins a version of the secret"},
			},
		},
		{
			name: "tasks of a task definition that pins a version are replaced",
			found: found{
				service: deploys("plain:1", web(1, 2, deployment("newer", "PRIMARY", 2, inProgress, ""), deployment("new", "ACTIVE", 0, inProgress, ""))),
				tasks: []types.Task{
					of("pins:1", task("1", "STOPPED", "RUNNING", 1)), of("plain:1", task("2", "RUNNING", "RUNNING", 3)), of("pins:1", task("3", "STOPPED", "STOPPED", 1)),
				},
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true, Deploying: true, Older: []string{"task 1, created 2026-03-01T12:00:00.124Z, still drains, and its task definition pins:1"}},
		},
		{
			name: "a task definition that may not be read",
			found: found{
				service: deploys("denied:1", web(1, 1, deployment("new", "PRIMARY", 0, completed, ""))),
				tasks:   []types.Task{of("denied:1", task("1", "RUNNING", "RUNNING", 1))},
			},
			want: rollout.Service{Missing: "cannot tell which version: grant it", Desired: 1, Deployed: true},
		},
		{
			name: "a deployment failed",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, failed, breaker), deployment("old", "ACTIVE", -9, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", -8)},
			},
			want: rollout.Service{Desired: 1, Deployed: true, Older: []string{"still runs"}, Failed: "deployment ecs-svc/new, created 2026-03-01T12:00:00.123Z, is FAILED: " + breaker},
		},
		{
			name: "a newer deployment supersedes one that failed",
			found: found{
				service: web(1, 1, deployment("newer", "PRIMARY", 9, inProgress, ""), deployment("new", "ACTIVE", 0, failed, breaker)),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 10)},
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true, Deploying: true},
		},
		{
			name: "rolled back, and the deployment that failed is no longer listed",
			found: found{
				service: web(1, 1, deployment("old", "PRIMARY", -9, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 600)},
				latest:  history(types.ServiceDeploymentStatusRollbackSuccessful, breaker),
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true, Failed: "service deployment new, created 2026-03-01T12:00:00.123Z, is ROLLBACK_SUCCESSFUL: " + breaker},
		},
		{
			name: "blue/green, while it bakes",
			found: found{
				service: strategy(web(1, 2, deployment("new", "PRIMARY", 0, "", ""), deployment("old", "ACTIVE", -9, "", "")), types.DeploymentStrategyBlueGreen),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1), task("2", "RUNNING", "RUNNING", -8)},
				latest:  history(types.ServiceDeploymentStatusInProgress, ""),
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true, Deploying: true, Older: []string{"task 2, created"}, Bake: time.Hour},
		},
		{
			name: "blue/green, deployed and done",
			found: found{
				service: strategy(web(1, 1, deployment("new", "PRIMARY", 0, "", "")), types.DeploymentStrategyBlueGreen),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
				latest:  history(types.ServiceDeploymentStatusSuccessful, ""),
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true, Bake: time.Hour},
		},
		{
			name: "blue/green, which bakes from before",
			found: found{
				service: strategy(web(1, 2, deployment("ci", "PRIMARY", -1, "", ""), deployment("old", "ACTIVE", -9, "", "")), types.DeploymentStrategyBlueGreen),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", -1), task("2", "RUNNING", "RUNNING", -8)},
			},
			want: rollout.Service{Desired: 1, Deploying: true, Older: []string{"task 1, created", "task 2, created"}, Bake: time.Hour},
		},
		{
			name: "canary, rolled back by an alarm",
			found: found{
				service: strategy(web(1, 1, deployment("old", "PRIMARY", -9, "", "")), types.DeploymentStrategyCanary),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", -8)},
				latest:  history(types.ServiceDeploymentStatusRollbackInProgress, "alarm"),
			},
			want: rollout.Service{Desired: 1, Deployed: true, Deploying: true, Older: []string{"still runs"}, Failed: "is ROLLBACK_IN_PROGRESS: alarm", Bake: 70 * time.Minute},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			isObserved(t, test.found, definitions, test.want)
		})
	}
}

func TestTheHistoryOfDeploymentsIsReadOnlyWhereTheServiceDoesNotTellIt(t *testing.T) {
	t.Parallel()
	rolledBack := func(ms int) []types.ServiceEvent {
		return []types.ServiceEvent{{CreatedAt: at(ms), Message: aws.String("(service web) rolling back to deployment ecs-svc/old.")}}
	}
	for _, tc := range []struct {
		name    string
		service types.Service
		want    bool
	}{
		{"it rolls", web(1, 1, deployment("old", "PRIMARY", -9, completed, "")), false},
		{"it was rolled back before", types.Service{Deployments: []types.Deployment{deployment("old", "PRIMARY", -9, completed, "")}, Events: rolledBack(-1)}, false},
		{"it was rolled back since", types.Service{Deployments: []types.Deployment{deployment("old", "PRIMARY", -9, completed, "")}, Events: rolledBack(1)}, true},
		{"it was rolled back, and lists what failed", types.Service{Deployments: []types.Deployment{deployment("old", "PRIMARY", -9, completed, ""), deployment("new", "ACTIVE", 0, failed, "")}, Events: rolledBack(1)}, false},
		{"it was deployed again since", types.Service{Deployments: []types.Deployment{deployment("newer", "PRIMARY", 9, completed, "")}, Events: rolledBack(1)}, false},
		{"blue/green", types.Service{DeploymentConfiguration: &types.DeploymentConfiguration{Strategy: types.DeploymentStrategyBlueGreen}}, true},
	} {
		if got := needsHistory(tc.service, forced); got != tc.want {
			t.Errorf("%s: got %v", tc.name, got)
		}
	}
}

func TestOnlyAHealthCheckOfAnEssentialContainerCounts(t *testing.T) {
	t.Parallel()
	check := &types.HealthCheck{Command: []string{"CMD", "true"}}
	got := checkedContainers(types.TaskDefinition{ContainerDefinitions: []types.ContainerDefinition{
		{Name: aws.String("app"), HealthCheck: check},
		{Name: aws.String("web"), HealthCheck: check, Essential: aws.Bool(true)},
		{Name: aws.String("log"), HealthCheck: check, Essential: aws.Bool(false)},
		{Name: aws.String("cron"), Essential: aws.Bool(true)},
	}})
	if len(got) != 2 || !got["app"] || !got["web"] {
		t.Errorf("got %v", got)
	}
}
