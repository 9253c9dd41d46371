package ecs

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func TestHowLongADeploymentBakesFollowsFromTheStrategy(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		configuration *types.DeploymentConfiguration
		minutes       time.Duration
	}{
		"nothing is said":         {nil, 0},
		"a rolling update":        {&types.DeploymentConfiguration{Strategy: types.DeploymentStrategyRolling, BakeTimeInMinutes: aws.Int32(60)}, 0},
		"blue/green":              {&types.DeploymentConfiguration{Strategy: types.DeploymentStrategyBlueGreen, BakeTimeInMinutes: aws.Int32(60)}, 60},
		"blue/green without bake": {&types.DeploymentConfiguration{Strategy: types.DeploymentStrategyBlueGreen}, 0},
		"linear, by default":      {&types.DeploymentConfiguration{Strategy: types.DeploymentStrategyLinear, BakeTimeInMinutes: aws.Int32(5)}, 9*6 + 5},
		"linear": {&types.DeploymentConfiguration{Strategy: types.DeploymentStrategyLinear, BakeTimeInMinutes: aws.Int32(5),
			LinearConfiguration: &types.LinearConfiguration{StepPercent: aws.Float64(30), StepBakeTimeInMinutes: aws.Int32(10)}}, 3*10 + 5},
		"canary, by default": {&types.DeploymentConfiguration{Strategy: types.DeploymentStrategyCanary}, 10},
		"canary": {&types.DeploymentConfiguration{Strategy: types.DeploymentStrategyCanary, BakeTimeInMinutes: aws.Int32(1),
			CanaryConfiguration: &types.CanaryConfiguration{CanaryBakeTimeInMinutes: aws.Int32(1440)}}, 1441},
	} {
		if got := bake(types.Service{DeploymentConfiguration: tc.configuration}); got != tc.minutes*time.Minute {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestWhatBecameOfADeploymentThatDoesNotRollIsToldByItsStatus(t *testing.T) {
	t.Parallel()
	failed := []types.ServiceDeploymentStatus{
		types.ServiceDeploymentStatusStopped, types.ServiceDeploymentStatusStopRequested, types.ServiceDeploymentStatusRollbackRequested,
		types.ServiceDeploymentStatusRollbackInProgress, types.ServiceDeploymentStatusRollbackSuccessful, types.ServiceDeploymentStatusRollbackFailed,
	}
	want := map[types.ServiceDeploymentStatus]bool{}
	for _, status := range failed {
		want[status] = true
	}
	for _, status := range types.ServiceDeploymentStatus("").Values() {
		if got := deploymentFailure(&types.ServiceDeploymentBrief{Status: status}) != ""; got != want[status] {
			t.Errorf("%s counts as failed: %v", status, got)
		}
	}
	if reason := deploymentFailure(nil); reason != "" {
		t.Errorf("no deployment counts as failed: %s", reason)
	}
}
