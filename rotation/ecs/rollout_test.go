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

func TestDecide(t *testing.T) {
	const back = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/old."
	event := func(ms int, message string) types.ServiceEvent {
		return types.ServiceEvent{CreatedAt: at(ms), Message: &message}
	}
	withEvents := func(s types.Service, events ...types.ServiceEvent) types.Service {
		s.Events = events
		return s
	}
	tests := []struct {
		name  string
		found found
		want  rollout.State // of Stale and Failed, what each line contains
	}{
		{
			name: "every task was created with or after the deployment",
			found: found{
				service: web(2, 2, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 0), task("2", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.State{Fresh: true, Steady: true},
		},
		{
			name: "a task from a millisecond before runs on",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{task("1a2b3c4d5e6f", "RUNNING", "RUNNING", -1)},
			},
			want: rollout.State{Stale: []string{"service web: task 1a2b3c4d, created 2026-03-01T12:00:00.122Z, still runs"}, Steady: true},
		},
		{
			name: "an old task was placed, and may have read its secrets, but has not started",
			found: found{
				service: web(1, 0, deployment("new", "PRIMARY", 0, inProgress, "")),
				tasks:   []types.Task{task("1", "RUNNING", "PENDING", -1)},
			},
			want: rollout.State{Stale: []string{"still starts"}},
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
			want: rollout.State{Stale: []string{"task 2, created", "task 3, created", "task 4, created"}, Steady: true},
		},
		{
			name: "old tasks have stopped",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 5), task("2", "STOPPED", "STOPPED", -1), task("3", "STOPPED", "DELETED", -1)},
			},
			want: rollout.State{Fresh: true, Steady: true},
		},
		{
			name: "a task whose age is not known counts as old",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{{TaskArn: aws.String("1"), LastStatus: aws.String("RUNNING")}},
			},
			want: rollout.State{Stale: []string{"created at a time that ECS does not tell"}, Steady: true},
		},
		{
			name: "a page of the list was missed",
			found: found{
				service: web(3, 3, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1), task("2", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.State{Stale: []string{"ECS counts 3 running tasks, and lists 2"}, Steady: true},
		},
		{
			name:  "a service that is to run nothing",
			found: found{service: web(0, 0, deployment("new", "PRIMARY", 0, completed, ""))},
			want:  rollout.State{Fresh: true, Steady: true},
		},
		{
			name: "a service that is to run nothing, and still does",
			found: found{
				service: web(0, 1, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{task("1", "STOPPED", "RUNNING", -1)},
			},
			want: rollout.State{Stale: []string{"still drains"}},
		},
		{
			name:  "a service that is not there",
			found: found{missing: "the cluster does not have it"},
			want:  rollout.State{Stale: []string{"service web: the cluster does not have it"}},
		},
		{
			name: "a newer deployment supersedes ours",
			found: found{
				service: web(1, 1, deployment("newer", "PRIMARY", 9, inProgress, ""), deployment("new", "ACTIVE", 0, inProgress, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.State{Fresh: true},
		},
		{
			name: "a newer deployment supersedes ours, which had failed",
			found: found{
				service: web(1, 1, deployment("newer", "PRIMARY", 9, inProgress, ""), deployment("new", "ACTIVE", 0, failed, breaker)),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 10)},
			},
			want: rollout.State{Fresh: true},
		},
		{
			name: "ours failed, and there is no rollback",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, failed, breaker), deployment("old", "ACTIVE", -9, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", -8)},
			},
			want: rollout.State{Stale: []string{"still runs"}, Failed: []string{"service web: deployment ecs-svc/new, created 2026-03-01T12:00:00.123Z, is FAILED: " + breaker}},
		},
		{
			name: "a deployment from before had failed",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, inProgress, ""), deployment("old", "ACTIVE", -9, failed, breaker)),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.State{Fresh: true},
		},
		{
			name: "the circuit breaker rolls back",
			found: found{
				service: web(1, 1, deployment("old", "PRIMARY", -9, inProgress, back), deployment("new", "ACTIVE", 0, failed, breaker)),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", -8), task("2", "STOPPED", "STOPPING", 1)},
			},
			want: rollout.State{
				Stale:  []string{"still runs", "its primary deployment was created 2026-03-01T12:00:00.114Z, before"},
				Failed: []string{"rolled back to deployment ecs-svc/old, created 2026-03-01T12:00:00.114Z: deployment ecs-svc/new, created 2026-03-01T12:00:00.123Z, is FAILED: " + breaker},
			},
		},
		{
			name: "the circuit breaker has rolled back, and only its event is left: the old deployment's tasks are fresh",
			found: found{
				service: withEvents(web(1, 1, deployment("old", "PRIMARY", -9, completed, "")),
					event(900, "(service web) has reached a steady state."), event(500, "(service web) rolling back to deployment ecs-svc/old.")),
				tasks:  []types.Task{task("1", "RUNNING", "RUNNING", 600)},
				latest: history(types.ServiceDeploymentStatusRollbackSuccessful, breaker),
			},
			want: rollout.State{Fresh: true, Steady: true, Failed: []string{"ecs-svc/old, created 2026-03-01T12:00:00.114Z: service deployment new, created 2026-03-01T12:00:00.123Z, is ROLLBACK_SUCCESSFUL: " + breaker}},
		},
		{
			name: "a deployment from before was rolled back after: that is no failure of ours",
			found: found{
				service: withEvents(web(1, 1, deployment("old", "PRIMARY", -9, completed, "")),
					event(500, "(service web) rolling back to deployment ecs-svc/old.")),
				tasks: []types.Task{task("1", "RUNNING", "RUNNING", 600)},
			},
			want: rollout.State{Fresh: true, Steady: true},
		},
		{
			name: "a rollback that makes a deployment of its own",
			found: found{
				service: web(1, 1, deployment("again", "PRIMARY", 9, inProgress, back), deployment("new", "ACTIVE", 0, failed, breaker)),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 10)},
			},
			want: rollout.State{Fresh: true, Failed: []string{"deployment ecs-svc/new, created"}},
		},
		{
			name: "a later change fails, and is rolled back to ours",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, completed, ""), deployment("newer", "ACTIVE", 9, failed, breaker)),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.State{Fresh: true, Steady: true},
		},
		{
			name: "nothing was forced: that is no failure",
			found: found{
				service: withEvents(web(1, 1, deployment("old", "PRIMARY", -9, completed, "")),
					event(-500, "(service web) rolling back to deployment ecs-svc/old.")),
				tasks: []types.Task{task("1", "RUNNING", "RUNNING", -8)},
			},
			want: rollout.State{Steady: true, Stale: []string{"still runs", "unless it was rolled back, force a new one"}},
		},
		{
			name: "fewer tasks run than are to",
			found: found{
				service: web(2, 1, deployment("new", "PRIMARY", 0, completed, "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.State{Fresh: true},
		},
		{
			name: "no rollout state, behind a classic load balancer, and one deployment",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, "", "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.State{Fresh: true, Steady: true},
		},
		{
			name: "no rollout state, and an old deployment is left",
			found: found{
				service: web(1, 1, deployment("new", "PRIMARY", 0, "", ""), deployment("old", "ACTIVE", -9, "", "")),
				tasks:   []types.Task{task("1", "RUNNING", "RUNNING", 1)},
			},
			want: rollout.State{Fresh: true},
		},
		{
			name:  "no primary deployment",
			found: found{service: web(0, 0)},
			want:  rollout.State{Fresh: true},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.found.name = "web"
			compare(t, decide([]found{test.found}, forced), test.want)
		})
	}
}

func TestDecideAsksTheSameOfEveryService(t *testing.T) {
	t.Parallel()
	good := found{name: "web", service: web(1, 1, deployment("new", "PRIMARY", 0, types.DeploymentRolloutStateCompleted, "")),
		tasks: []types.Task{task("1", "RUNNING", "RUNNING", 1)}}
	bad := found{name: "cron", service: web(1, 1, deployment("new", "PRIMARY", 0, types.DeploymentRolloutStateFailed, "no luck")),
		tasks: []types.Task{task("2", "RUNNING", "RUNNING", -1)}}
	want := rollout.State{Stale: []string{"service cron: task 2"}, Failed: []string{"service cron: deployment"}}
	compare(t, decide([]found{good, bad}, forced), want)
	compare(t, decide([]found{bad, good}, forced), want)
}

func compare(t *testing.T, got, want rollout.State) {
	t.Helper()
	if got.Fresh != want.Fresh || got.Steady != want.Steady ||
		!slices.EqualFunc(got.Stale, want.Stale, strings.Contains) || !slices.EqualFunc(got.Failed, want.Failed, strings.Contains) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
