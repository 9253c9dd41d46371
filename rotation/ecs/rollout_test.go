package ecs

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/rotation/rollout"
)

var forced = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

// at is a time of that many milliseconds after the deployment was forced.
func at(ms int) *time.Time { return aws.Time(forced.Add(time.Duration(ms) * time.Millisecond)) }

func deployment(id, status string, created int, state types.DeploymentRolloutState, reason string) types.Deployment {
	return types.Deployment{Id: aws.String("ecs-svc/" + id), Status: &status, CreatedAt: at(created), RolloutState: state, RolloutStateReason: &reason}
}

// history is what ECS remembers of the deployment "new".
func history(status types.ServiceDeploymentStatus, reason string) *types.ServiceDeploymentBrief {
	return &types.ServiceDeploymentBrief{ServiceDeploymentArn: aws.String("service-deployment/c/web/new"), CreatedAt: at(0), Status: status, StatusReason: &reason}
}

func task(id, desired, last string, created int) types.Task {
	return types.Task{
		TaskArn:       aws.String("arn:aws:ecs:us-east-1:123456789012:task/c/" + id),
		DesiredStatus: &desired, LastStatus: &last, CreatedAt: at(created),
	}
}

// web is a service that is to run, and counts, that many tasks.
func web(desired, running int32, deployments ...types.Deployment) types.Service {
	return types.Service{ServiceName: aws.String("web"), Status: aws.String("ACTIVE"), DesiredCount: desired, RunningCount: running, Deployments: deployments}
}

func TestWhichTasksAndDeploymentsCountSinceATime(t *testing.T) {
	t.Parallel()
	const back = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/old."
	rolledBackAt := func(ms int, s types.Service) types.Service {
		s.Events = []types.ServiceEvent{
			{CreatedAt: at(ms + 400), Message: aws.String("(service web) has reached a steady state.")},
			{CreatedAt: at(ms), Message: aws.String("(service web) rolling back to deployment ecs-svc/old.")},
		}
		return s
	}
	for _, test := range []struct {
		name  string
		found found
		want  rollout.Service // of the texts, what each contains
	}{
		{
			name: "an old task was placed, and may have read its secrets, but has not started",
			found: found{
				service: web(1, 0, deployment("new", "PRIMARY", 0, inProgress, "")),
				tasks:   []types.Task{task("1", "RUNNING", "PENDING", -1)},
			},
			want: rollout.Service{Desired: 1, Deployed: true, Deploying: true, Older: []string{"still starts"}},
		},
		{
			name: "an old task drains, in each of the statuses that takes",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, completed, "")),
				tasks: []types.Task{
					task("1", "RUNNING", "RUNNING", 5), task("2", "STOPPED", "RUNNING", -1),
					task("3", "STOPPED", "DEACTIVATING", -1), task("4", "STOPPED", "STOPPING", -1),
				},
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true, Older: []string{"task 2, created", "task 3, created", "task 4, created"}},
		},
		{
			name: "old tasks have stopped",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 5), task("2", "STOPPED", "STOPPED", -1), task("3", "STOPPED", "DELETED", -1)},
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true},
		},
		{
			name: "a task whose age is not known counts as old",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{{TaskArn: aws.String("1"), LastStatus: aws.String("RUNNING")}},
			},
			want: rollout.Service{Desired: 1, Deployed: true, Older: []string{"created at an unknown time"}},
		},
		{
			name:  "a service that is to run nothing",
			found: found{service: web(0, 0, deployment("new", "PRIMARY", 0, completed, ""))},
			want:  rollout.Service{Deployed: true},
		},
		{
			name: "a service that is to run nothing, and still does",
			found: found{
				service: web(0, 1, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{task("1", "STOPPED", "RUNNING", -1)},
			},
			want: rollout.Service{Deployed: true, Older: []string{"still drains"}},
		},
		{
			name: "a newer deployment supersedes one",
			found: found{
				service: web(1, 1, deployment("newer", "PRIMARY", 9, inProgress, ""), deployment("new", "ACTIVE", 0, inProgress, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true, Deploying: true},
		},
		{
			name: "a deployment from before had failed",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, inProgress, ""), deployment("old", "ACTIVE", -9, failed, breaker)),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true, Deploying: true},
		},
		{
			name: "the circuit breaker rolls back",
			found: found{
				service: web(1, 1, deployment("old", "PRIMARY", -9, inProgress, back), deployment("new", "ACTIVE", 0, failed, breaker)),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", -8), task("2", "STOPPED", "STOPPING", 1)},
			},
			want: rollout.Service{
				Desired: 1, Deployed: true, Deploying: true, Older: []string{"still runs"},
				Failed: "rolled back to deployment ecs-svc/old, created 2026-03-01T12:00:00.114Z: deployment ecs-svc/new, created 2026-03-01T12:00:00.123Z, is FAILED: " + breaker,
			},
		},
		{
			name: "the circuit breaker has rolled back, and only its event is left: the old deployment's tasks are fresh",
			found: found{
				service: rolledBackAt(500, web(1, 1, deployment("old", "PRIMARY", -9, completed, ""))),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 600)},
				latest:  history(types.ServiceDeploymentStatusRollbackSuccessful, breaker),
			},
			want: rollout.Service{
				Desired: 1, Fresh: 1, Deployed: true,
				Failed: "ecs-svc/old, created 2026-03-01T12:00:00.114Z: service deployment new, created 2026-03-01T12:00:00.123Z, is ROLLBACK_SUCCESSFUL: " + breaker,
			},
		},
		{
			name: "a deployment from before was rolled back after: nothing since then has failed",
			found: found{
				service: rolledBackAt(500, web(1, 1, deployment("old", "PRIMARY", -9, completed, ""))),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 600)},
			},
			want: rollout.Service{Desired: 1, Fresh: 1},
		},
		{
			name: "it was rolled back before: nothing since then has failed",
			found: found{
				service: rolledBackAt(-500, web(1, 1, deployment("old", "PRIMARY", -9, completed, ""))),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", -8)},
			},
			want: rollout.Service{Desired: 1, Older: []string{"still runs"}},
		},
		{
			name: "a rollback that makes a deployment of its own",
			found: found{
				service: web(1, 1, deployment("again", "PRIMARY", 9, inProgress, back), deployment("new", "ACTIVE", 0, failed, breaker)),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 10)},
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true, Deploying: true, Failed: "deployment ecs-svc/new, created"},
		},
		{
			name: "a later change fails, and is rolled back to one that had completed",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, completed, ""), deployment("newer", "ACTIVE", 9, failed, breaker)),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true},
		},
		{
			name: "no rollout state, behind a classic load balancer, and one deployment",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, "", "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true},
		},
		{
			name: "no rollout state, and an old deployment is left",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, "", ""), deployment("old", "ACTIVE", -9, "", "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.Service{Desired: 1, Fresh: 1, Deployed: true, Deploying: true},
		},
		{
			name:  "no primary deployment",
			found: found{service: web(0, 0)},
			want:  rollout.Service{},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			isObserved(t, test.found, nil, test.want)
		})
	}
}

// isObserved compares what is observed of the service web. Of the texts it looks for
// a part.
func isObserved(t *testing.T, f found, definitions map[string]definition, want rollout.Service) {
	t.Helper()
	f.name = "web"
	got := observe(f, definitions, forced)
	texts := func(a, b string) bool { return (a == "") == (b == "") && strings.Contains(a, b) }
	if got.Name != "web" || got.Desired != want.Desired || got.Fresh != want.Fresh || got.Deployed != want.Deployed || got.Deploying != want.Deploying || got.Bake != want.Bake ||
		!texts(got.Missing, want.Missing) || !texts(got.Failed, want.Failed) || !slices.EqualFunc(got.Older, want.Older, strings.Contains) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
