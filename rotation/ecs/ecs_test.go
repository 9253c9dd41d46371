package ecs_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/rotation/ecs"
)

const cluster = "mautic-prod-cluster"

// start runs a service of one idle task for each name, and returns a client.
func start(t *testing.T, services ...localaws.Service) (*localaws.Server, *awsecs.Client) {
	t.Helper()
	t.Parallel()
	aws, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := aws.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, s := range services {
		s.Cluster = cluster
		s.Run = func(ctx context.Context, task localaws.Task) error {
			task.Ready()
			<-ctx.Done()
			return nil
		}
		if _, err := aws.RunService(s); err != nil {
			t.Fatal(err)
		}
	}
	return aws, awsecs.NewFromConfig(aws.Config())
}

func TestRedeployReplacesTheTasksOfEveryService(t *testing.T) {
	aws, client := start(t, localaws.Service{Name: "web"}, localaws.Service{Name: "cron"})
	deployments := func() map[string]bool {
		ids := map[string]bool{}
		for _, event := range aws.Events() {
			if e, ok := event.(localaws.TaskChanged); ok && e.Status == "RUNNING" {
				ids[e.StartedBy] = true
			}
		}
		return ids
	}
	for _, name := range []string{"web", "cron"} {
		if err := aws.WaitService(t.Context(), cluster, name); err != nil {
			t.Fatal(err)
		}
	}
	before := len(deployments())
	if err := ecs.New(client, cluster, []string{"web", "cron"}).Redeploy(t.Context(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"web", "cron"} {
		if err := aws.WaitService(t.Context(), cluster, name); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(deployments()); got != before+2 {
		t.Errorf("tasks of %d deployments have run, want %d", got, before+2)
	}
}

func TestAServiceThatCannotBeRedeployedDoesNotKeepTheOthersFromIt(t *testing.T) {
	aws, client := start(t, localaws.Service{Name: "web"})
	err := ecs.New(client, cluster, []string{"gone", "web"}).Redeploy(t.Context(), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "service gone") || strings.Contains(err.Error(), "service web") {
		t.Errorf("got %v", err)
	}
	redeployed := false
	for _, call := range aws.Calls() {
		redeployed = redeployed || call.Operation == "UpdateService" && call.ErrorCode == ""
	}
	if !redeployed {
		t.Error("web was not redeployed")
	}
}

func TestPreflightNamesTheServicesThatTakeNoForcedDeployment(t *testing.T) {
	_, client := start(t, localaws.Service{Name: "web"}, localaws.Service{Name: "bluegreen", DeploymentController: "CODE_DEPLOY"})
	names := []string{"web", "bluegreen", "gone"}
	for range 9 { // more than one call describes
		names = append(names, "web")
	}
	problems := map[string]string{}
	for _, check := range ecs.New(client, cluster, names).Preflight(t.Context()) {
		if check.Problem != nil {
			problems[check.What] = check.Problem.Error()
		}
	}
	if len(problems) != 2 {
		t.Errorf("got %d problems: %v", len(problems), problems)
	}
	for what, problem := range problems {
		switch {
		case strings.Contains(what, "bluegreen") && strings.Contains(problem, "CODE_DEPLOY"):
		case strings.Contains(what, "gone") && strings.Contains(problem, "MISSING"):
		default:
			t.Errorf("%s: %s", what, problem)
		}
	}
}
