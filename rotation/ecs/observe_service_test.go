package ecs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation/ecs"
	"mautic-rotation/rotation/rollout"
)

func TestOneServiceIsRedeployedAndTheOthersAreLeftAlone(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web", DesiredCount: 2}, localecs.Service{Name: "cron"})
	wait(t, aws, "web", "cron")
	services, since := ecs.New(client, cluster, []string{"web", "cron"}), aws.Clock().Now()
	for _, got := range observed(t, services, since) {
		if got.Deployed || got.Deploying || got.Fresh != 0 || len(got.Older) != got.Desired || got.Missing != "" || got.Failed != "" {
			t.Errorf("before: %+v", got)
		}
	}
	if err := services.RedeployService(t.Context(), "web", slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if web := observed(t, services, since)[0]; !web.Deployed {
		t.Errorf("a deployment has begun: %+v", web)
	}
	wait(t, aws, "web")
	got := observed(t, services, since)
	web, cron := got[0], got[1]
	if web.Name != "web" || !web.Deployed || web.Deploying || web.Fresh != 2 || web.Desired != 2 || len(web.Older) != 0 {
		t.Errorf("web: %+v", web)
	}
	if cron.Name != "cron" || cron.Deployed || cron.Fresh != 0 || len(cron.Older) != 1 {
		t.Errorf("cron: %+v", cron)
	}
}

func TestAServiceThatIsMissingDoesNotKeepTheOthersFromBeingObserved(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web"}, localecs.Service{Name: "bluegreen", DeploymentController: "CODE_DEPLOY"})
	wait(t, aws, "web")
	services := ecs.New(client, cluster, []string{"gone", "bluegreen", "web"})
	got := observed(t, services, created(t, client))
	for i, want := range []string{"the cluster does not have it (MISSING): correct ECS_CLUSTER and ECS_SERVICES", "its deployment controller is CODE_DEPLOY", ""} {
		if (want == "") != (got[i].Missing == "") || !strings.Contains(got[i].Missing, want) {
			t.Errorf("got %+v, want %q", got[i], want)
		}
	}
	if web := got[2]; web.Fresh != 1 || !web.Deployed || len(web.Older) != 0 {
		t.Errorf("web: %+v", web)
	}
	if err := services.RedeployService(t.Context(), "gone", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "service gone in cluster "+cluster) {
		t.Errorf("got error %v", err)
	}
}

func TestATaskThatReadsAPinnedVersionIsNeverFreshAndTheRemedyMakesItSo(t *testing.T) {
	aws, client := start(t)
	secrets := secretsmanager.NewFromConfig(aws.Config())
	secret, err := secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: awssdk.String("mautic/prod"), SecretString: awssdk.String(`{"password":"old"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: secret.ARN, SecretString: awssdk.String(`{"password":"new"}`)}); err != nil {
		t.Fatal(err)
	}
	run := func(name, family, reference string) {
		t.Helper()
		_, err := aws.ECS.RunService(localecs.Service{
			Cluster: cluster, Name: name, Family: family, Run: idle,
			Secrets: []localecs.ContainerSecret{{Name: "MAUTIC_DB_PASSWORD", ValueFrom: *secret.ARN + reference}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	since := aws.Clock().Now()
	run("follows", "follows", ":password:AWSCURRENT:")
	run("pins-id", "pins", ":password::"+*secret.VersionId)
	run("pins-stage", "pins-stage", ":password:AWSPREVIOUS:")
	wait(t, aws, "follows", "pins-id", "pins-stage")
	observe := func(names ...string) []rollout.Service {
		t.Helper()
		got, err := ecs.New(client, cluster, names).Observe(t.Context(), *secret.ARN, since)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	remedy := fmt.Sprintf("register a revision of task definition pins with valueFrom %q (the colons stay) and deploy it", *secret.ARN+":password::")
	got := observe("follows", "pins-id", "pins-stage")
	if follows := got[0]; follows.Fresh != 1 || follows.Missing != "" || len(follows.Older) != 0 {
		t.Errorf("follows: %+v", follows)
	}
	if pins := got[1]; pins.Fresh != 0 || !strings.Contains(pins.Missing, "pins version id "+*secret.VersionId) || !strings.Contains(pins.Missing, remedy) || len(pins.Older) != 1 {
		t.Errorf("pins a version id: %+v", pins)
	}
	if pins := got[2]; pins.Fresh != 0 || !strings.Contains(pins.Missing, "pins stage AWSPREVIOUS") || len(pins.Older) != 1 {
		t.Errorf("pins a stage: %+v", pins)
	}
	if other := observed(t, ecs.New(client, cluster, []string{"pins-id"}), since)[0]; other.Fresh != 1 || other.Missing != "" {
		t.Errorf("to another secret the pin does not matter: %+v", other)
	}

	run("unused", "pins", ":password::") // registers the revision
	_, err = client.UpdateService(t.Context(), &awsecs.UpdateServiceInput{Cluster: awssdk.String(cluster), Service: awssdk.String("pins-id"), TaskDefinition: awssdk.String("pins:2")})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, aws, "pins-id")
	if mended := observe("pins-id")[0]; mended.Fresh != 1 || mended.Missing != "" || len(mended.Older) != 0 {
		t.Errorf("mended: %+v", mended)
	}
}

func TestATaskThatIsNotHealthyYetIsNotFresh(t *testing.T) {
	ready := make(chan struct{})
	aws, client := start(t, localecs.Service{Name: "web", Run: func(ctx context.Context, task localecs.Task) error {
		select {
		case <-ready:
			task.Ready()
		case <-ctx.Done():
		}
		<-ctx.Done()
		return nil
	}})
	running := func(e host.Event) bool {
		changed, ok := e.(localecs.TaskChanged)
		return ok && changed.Status == "RUNNING"
	}
	if _, err := aws.WaitEvent(t.Context(), running); err != nil {
		t.Fatal(err)
	}
	services, since := ecs.New(client, cluster, []string{"web"}), created(t, client)
	if got := observed(t, services, since)[0]; got.Fresh != 0 || len(got.Older) != 0 || !got.Deploying {
		t.Errorf("while its health check fails: %+v", got)
	}
	beingDeployed(t, services, since, true)
	close(ready)
	wait(t, aws, "web")
	if got := observed(t, services, since)[0]; got.Fresh != 1 || got.Deploying {
		t.Errorf("when it passes: %+v", got)
	}
	beingDeployed(t, services, since, false)
}

func TestOnlyAFailureOfADeploymentSinceThenCounts(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{localecs.Rolling, localecs.BlueGreen} {
		t.Run(strategy, func(t *testing.T) {
			var broken atomic.Bool
			fail := make(chan struct{}) // until then, broken tasks start
			aws, client := start(t, localecs.Service{
				Name: "web", Strategy: strategy, CircuitBreaker: true, CircuitBreakerRollback: true, FailureThreshold: 2, RestartDelay: time.Millisecond,
				Run: func(ctx context.Context, task localecs.Task) error {
					if !broken.Load() {
						return idle(ctx, task)
					}
					select {
					case <-fail:
						return errors.New("access denied for user")
					case <-ctx.Done():
						return nil
					}
				},
			})
			wait(t, aws, "web")
			services, before := ecs.New(client, cluster, []string{"web"}), aws.Clock().Now()
			broken.Store(true)
			if err := services.RedeployService(t.Context(), "web", slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			aws.Clock().Advance(time.Second)
			after := aws.Clock().Now() // the deployment is from before this, and its failure is not
			close(fail)
			wait(t, aws, "web") // ECS settles on the old deployment
			if got := observed(t, services, before)[0]; !got.Deployed || got.Deploying || got.Fresh != 0 || len(got.Older) != 1 || !strings.Contains(got.Failed, "tasks failed to start") {
				t.Errorf("since before the deployment: %+v", got)
			}
			if got := observed(t, services, after)[0]; got.Deployed || got.Failed != "" {
				t.Errorf("since after the deployment was created: %+v", got)
			}

			broken.Store(false)
			if err := services.RedeployService(t.Context(), "web", slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			wait(t, aws, "web")
			if got := observed(t, services, before)[0]; !got.Deployed || got.Deploying || got.Failed != "" || got.Fresh != 1 || len(got.Older) != 0 {
				t.Errorf("once a newer deployment has come up: %+v", got)
			}
		})
	}
}

func TestWhileAServiceBakesItIsDeployedWithOldTasksBesideTheNew(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{localecs.BlueGreen, localecs.Linear, localecs.Canary} {
		t.Run(strategy, func(t *testing.T) {
			aws, client := start(t, localecs.Service{Name: "web", Strategy: strategy, BakeTime: time.Hour})
			wait(t, aws, "web")
			services, since := ecs.New(client, cluster, []string{"web"}), aws.Clock().Now()
			if err := services.RedeployService(t.Context(), "web", slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			awaitHealthy(t, aws, since)
			aws.Clock().Advance(59 * time.Minute)
			if got := observed(t, services, since)[0]; !got.Deployed || !got.Deploying || got.Fresh != 1 || len(got.Older) != 1 || got.Failed != "" || got.Bake < time.Hour {
				t.Errorf("while it bakes: %+v", got)
			}
			beingDeployed(t, services, since, true)
			aws.Clock().Advance(time.Minute)
			wait(t, aws, "web")
			if got := observed(t, services, since)[0]; got.Deploying || got.Fresh != 1 || len(got.Older) != 0 {
				t.Errorf("after the bake: %+v", got)
			}
			beingDeployed(t, services, since, false)
		})
	}
}

func TestALookAtSeveralServicesTakesFewCalls(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web", DesiredCount: 3}, localecs.Service{Name: "cron"}, localecs.Service{Name: "worker"})
	wait(t, aws, "web", "cron", "worker")
	before := len(aws.Calls())
	got := observed(t, ecs.New(client, cluster, []string{"web", "cron", "worker"}), created(t, client))
	if got[0].Fresh != 3 {
		t.Errorf("web: %+v", got[0])
	}
	calls := map[string]int{}
	for _, call := range aws.Calls()[before:] {
		calls[call.Operation]++
	}
	want := map[string]int{"DescribeServices": 2, "ListTasks": 4, "DescribeTasks": 1, "DescribeTaskDefinition": 3} // one DescribeServices is the test's own
	if !maps.Equal(calls, want) {
		t.Errorf("got %v, want %v", calls, want)
	}

	before = len(aws.Calls())
	services := ecs.New(client, cluster, []string{"web", "gone", "cron"})
	deploying, err := services.Deploying(t.Context(), aws.Clock().Now())
	if err != nil || len(deploying) != 3 || deploying[0].Missing != "" || !strings.Contains(deploying[1].Missing, "the cluster does not have it") {
		t.Errorf("got %+v, error %v", deploying, err)
	}
	if calls := aws.Calls()[before:]; len(calls) != 1 {
		t.Errorf("whether services are being deployed took %d calls: %v", len(calls), calls)
	}
}

func TestWhatTheFunctionMayNotReadIsNamedWithTheRemedy(t *testing.T) {
	aws, client := start(t, localecs.Service{Name: "web"})
	wait(t, aws, "web")
	services, since := ecs.New(client, cluster, []string{"web"}), created(t, client)
	fail := func(operation, code string) {
		aws.Intercept(func(call wire.Call) wire.Fault {
			if call.Operation != operation {
				return wire.Fault{}
			}
			return wire.Fault{Error: &wire.Error{Code: code, Message: "not today"}}
		})
	}
	for _, operation := range []string{"DescribeServices", "ListTasks", "DescribeTasks"} {
		fail(operation, "AccessDeniedException")
		if got, err := services.Observe(t.Context(), secretARN, since); err == nil || !strings.Contains(err.Error(), "AccessDenied") || !strings.Contains(err.Error(), cluster) {
			t.Errorf("%s: got %v, %v", operation, got, err)
		}
	}
	fail("DescribeTaskDefinition", "AccessDeniedException")
	if got := observed(t, services, since)[0]; got.Fresh != 0 || len(got.Older) != 0 || !strings.Contains(got.Missing, "grant ecs:DescribeTaskDefinition on * to the function's role") {
		t.Errorf("denied: %+v", got)
	}
	fail("DescribeTaskDefinition", "ClientException")
	if got := observed(t, services, since)[0]; got.Fresh != 0 || !strings.Contains(got.Missing, "deploy the service with a task definition that still exists") {
		t.Errorf("deleted: %+v", got)
	}
	fail("DescribeTaskDefinition", "ServerException")
	if got, err := services.Observe(t.Context(), secretARN, since); err == nil || !strings.Contains(err.Error(), "service web in cluster "+cluster+": read task definition web:1") {
		t.Errorf("ECS fails: got %v, %v", got, err)
	}
}

// idle is a container that is ready at once.
func idle(ctx context.Context, task localecs.Task) error {
	task.Ready()
	<-ctx.Done()
	return nil
}

// beingDeployed checks what is told of one service without a look at its tasks.
func beingDeployed(t *testing.T, services *ecs.Services, since time.Time, want bool) {
	t.Helper()
	if got, err := services.Deploying(t.Context(), since); err != nil || len(got) != 1 || got[0].Deploying != want {
		t.Errorf("got %+v, error %v, want Deploying %v", got, err, want)
	}
}

func observed(t *testing.T, services *ecs.Services, since time.Time) []rollout.Service {
	t.Helper()
	got, err := services.Observe(t.Context(), secretARN, since)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
