package ecs_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/rotation/ecs"
)

func TestARedeployThatBeginsNoDeploymentIsAnError(t *testing.T) {
	_, client := start(t, localecs.Service{Name: "bluegreen", DeploymentController: "CODE_DEPLOY"})
	services := ecs.New(client, cluster, []string{"bluegreen"})
	err := services.RedeployService(t.Context(), "bluegreen", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "force a new deployment of service bluegreen in cluster "+cluster) {
		t.Errorf("got %v", err)
	}
}

// created is when the primary deployment of service web was.
func created(t *testing.T, client *awsecs.Client) time.Time {
	t.Helper()
	name := cluster
	out, err := client.DescribeServices(t.Context(), &awsecs.DescribeServicesInput{Cluster: &name, Services: []string{"web"}})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Services[0].Deployments[0].CreatedAt
}
