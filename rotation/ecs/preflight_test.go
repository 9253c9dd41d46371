package ecs_test

import (
	"log/slog"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/ecs"
)

func TestPreflightNamesTheServicesThatTakeNoForcedDeployment(t *testing.T) {
	_, client := start(t, localecs.Service{Name: "web"}, localecs.Service{Name: "bluegreen", DeploymentController: "CODE_DEPLOY"})
	names := []string{"web", "bluegreen", "gone"}
	for range 9 { // more than one call describes
		names = append(names, "web")
	}
	problems := map[string]string{}
	for _, check := range ecs.New(client, cluster, names).Preflight(t.Context(), secretARN) {
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

const (
	secretARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mautic/prod-AbCdEf"
	versionID = "00000000-0000-4000-8000-000000000001"
	pinned    = "mautic/mautic@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

func TestPreflightTellsWhatARestartWouldChange(t *testing.T) {
	reads := func(valueFrom string) []localecs.ContainerSecret {
		return []localecs.ContainerSecret{{Name: "MAUTIC_DB_PASSWORD", ValueFrom: valueFrom}}
	}
	aws, client := start(t,
		localecs.Service{Name: "good", Image: pinned, Secrets: reads(secretARN + ":password::")},
		localecs.Service{Name: "pins", Image: pinned, Secrets: reads(secretARN + ":password::" + versionID), DesiredCount: -1},
		localecs.Service{Name: "apart", Image: "mautic/mautic:5-apache", MinimumHealthyPercent: -1},
	)
	checks := ecs.New(client, cluster, []string{"good", "pins", "apart", "good", "gone"}).Preflight(t.Context(), secretARN)
	expect(t, checks,
		"problem: service arn:aws:ecs:us-east-1:123456789012:service/mautic-prod-cluster/gone: cluster mautic-prod-cluster does not have it",
		"problem: service pins reads the secret's current version when its tasks start: container app, variable MAUTIC_DB_PASSWORD: valueFrom pins version id "+versionID,
		"warning: service pins runs tasks, which show whether the application starts: its desired count is 0",
		"warning: service apart keeps its number of tasks while they are replaced: its minimumHealthyPercent is 0",
		"warning: service apart reads the secret's current version when its tasks start: no container of task definition apart reads it",
		"warning: service apart runs the same images after a restart: container app runs mautic/mautic:5-apache",
	)
	described := 0
	for _, call := range aws.Calls() {
		if call.Operation == "DescribeTaskDefinition" {
			described++
		}
	}
	if described != 3 {
		t.Errorf("%d task definitions were described, want each of the 3 once", described)
	}
}

func TestPreflightWarnsOfCronJobsThatGetNoneOfTheirContainersVariables(t *testing.T) {
	role := func(role string) map[string]string { return map[string]string{"DOCKER_MAUTIC_ROLE": role} }
	secrets := []localecs.ContainerSecret{{Name: "MAUTIC_DB_PASSWORD", ValueFrom: secretARN + ":password::"}}
	shell := []string{"/bin/bash", "-e", "-c"}
	_, client := start(t,
		localecs.Service{Name: "web", Image: pinned, Secrets: secrets, Environment: role("mautic_web")},
		localecs.Service{Name: "cron", Image: pinned, Secrets: secrets, Environment: role("mautic_cron")},
		localecs.Service{Name: "other", Image: pinned, Secrets: secrets, Environment: role("mautic_cron"), EntryPoint: shell, Command: []string{"export MAUTIC_DB_PASSWORD; exec /entrypoint.sh"}},
		localecs.Service{Name: "handed", Image: pinned, Secrets: secrets, Environment: role("mautic_cron"), EntryPoint: shell,
			Command: []string{"sed -i 's#^BASH_ENV=.*#BASH_ENV=/run/cron.env#' /opt/mautic/cron/mautic; exec /entrypoint.sh"}},
	)
	expect(t, ecs.New(client, cluster, []string{"web", "cron", "other", "handed"}).Preflight(t.Context(), secretARN),
		"warning: the cron jobs of service cron get the variables that its tasks read at start: container app has the role mautic_cron",
		"warning: the cron jobs of service other get the variables that its tasks read at start: container app has the role mautic_cron",
	)
}

func TestPreflightNamesATaskDefinitionThatWasDeregistered(t *testing.T) {
	_, client := start(t, localecs.Service{Name: "web", Image: pinned, Secrets: []localecs.ContainerSecret{{Name: "MAUTIC_DB_PASSWORD", ValueFrom: secretARN + ":password::"}}})
	if _, err := client.DeregisterTaskDefinition(t.Context(), &awsecs.DeregisterTaskDefinitionInput{TaskDefinition: sdk.String("web:1")}); err != nil {
		t.Fatal(err)
	}
	services := ecs.New(client, cluster, []string{"web"})
	expect(t, services.Preflight(t.Context(), secretARN),
		"problem: service web has a task definition to start tasks with: its task definition web:1 is INACTIVE")
	if err := services.RedeployService(t.Context(), "web", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a redeploy begins all the same")
	}
}

func TestPreflightFailsForATaskDefinitionThatItMayNotRead(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web", Image: pinned})
	aws.Intercept(func(call wire.Call) wire.Fault {
		if call.Operation != "DescribeTaskDefinition" {
			return wire.Fault{}
		}
		return wire.Fault{Error: &wire.Error{Code: "AccessDeniedException", Message: "not authorized"}}
	})
	expect(t, ecs.New(client, cluster, []string{"web"}).Preflight(t.Context(), secretARN),
		"problem: service web reads the secret's current version when its tasks start: cannot tell which version of the secret task definition web:1 reads: grant ecs:DescribeTaskDefinition on * to the function's role",
	)
}

// expect compares the checks that found something with what they start with.
func expect(t *testing.T, checks []credential.Check, want ...string) {
	t.Helper()
	var got []string
	for _, check := range checks {
		if check.Problem != nil {
			got = append(got, "problem: "+check.What+": "+check.Problem.Error())
		}
		if check.Warning != nil {
			got = append(got, "warning: "+check.What+": "+check.Warning.Error())
		}
	}
	for _, line := range got {
		if !matches(line, want) {
			t.Errorf("unexpected: %s", line)
		}
	}
	for _, prefix := range want {
		found := false
		for _, line := range got {
			found = found || strings.HasPrefix(line, prefix)
		}
		if !found {
			t.Errorf("missing: %s", prefix)
		}
	}
}

func matches(line string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}
