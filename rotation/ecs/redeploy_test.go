package ecs_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation/ecs"
)

func TestRedeployReplacesTheTasksOfEveryService(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web"}, localecs.Service{Name: "cron"})
	deployments := func() map[string]bool {
		ids := map[string]bool{}
		for _, event := range aws.Events() {
			if e, ok := event.(localecs.TaskChanged); ok && e.Status == "RUNNING" {
				ids[e.StartedBy] = true
			}
		}
		return ids
	}
	wait(t, aws, "web", "cron")
	before := len(deployments())
	if _, err := ecs.New(client, cluster, []string{"web", "cron"}).Redeploy(t.Context(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	wait(t, aws, "web", "cron")
	if got := len(deployments()); got != before+2 {
		t.Errorf("tasks of %d deployments have run, want %d", got, before+2)
	}
}

func TestAServiceThatCannotBeRedeployedDoesNotKeepTheOthersFromIt(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web"})
	_, err := ecs.New(client, cluster, []string{"gone", "web"}).Redeploy(t.Context(), slog.New(slog.DiscardHandler))
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

func TestRedeployReturnsWhenTheFirstOfTheDeploymentsWasCreated(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web"}, localecs.Service{Name: "cron"})
	wait(t, aws, "web", "cron")
	aws.Intercept(func(call wire.Call) wire.Fault {
		if call.Operation != "UpdateService" {
			return wire.Fault{}
		}
		return wire.Fault{After: func() { aws.Clock().Advance(time.Minute) }}
	})
	since, err := ecs.New(client, cluster, []string{"web", "gone", "cron"}).Redeploy(t.Context(), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "service gone") {
		t.Errorf("got error %v", err)
	}
	web, cron := created(t, client, "web"), created(t, client, "cron")
	if !since.Equal(web) || !cron.After(web) {
		t.Errorf("got %s; the deployments were created %s and %s", since, web, cron)
	}
}

func TestRedeployReturnsNoTimeWhenNothingWasForced(t *testing.T) {
	_, client := start(t, localecs.Service{Name: "bluegreen", DeploymentController: "CODE_DEPLOY"})
	since, err := ecs.New(client, cluster, []string{"gone", "bluegreen"}).Redeploy(t.Context(), slog.New(slog.DiscardHandler))
	if !since.IsZero() {
		t.Errorf("got %s", since)
	}
	if err == nil || !strings.Contains(err.Error(), "service gone") || !strings.Contains(err.Error(), "service bluegreen") {
		t.Errorf("got error %v", err)
	}
}

// created is when a service's primary deployment was.
func created(t *testing.T, client *awsecs.Client, service string) time.Time {
	t.Helper()
	name := cluster
	out, err := client.DescribeServices(t.Context(), &awsecs.DescribeServicesInput{Cluster: &name, Services: []string{service}})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Services[0].Deployments[0].CreatedAt
}
