package localaws_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"mautic-rotation/internal/localaws"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/wire"
)

// asked keeps what a stand-in asks about the calls of a function, and refuses an
// action if there is one to refuse.
type asked struct {
	mu       sync.Mutex
	requests []wire.AccessRequest
	refuse   string
}

func (a *asked) authorize(r wire.AccessRequest) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, r)
	if r.Action == a.refuse {
		return fmt.Errorf("no identity-based policy allows the %s action", r.Action)
	}
	return nil
}

// within runs f as a function, with clients that are known as its own.
func (f *fixture) within(run func(context.Context, aws.Config)) {
	f.T.Helper()
	_, err := f.Lambda.CreateFunction(locallambda.Function{Name: "f", Timeout: 30 * time.Second, Handler: func(ctx context.Context, _ []byte) ([]byte, error) {
		cfg := f.HandlerConfig(ctx)
		cfg.RetryMaxAttempts = 1
		run(ctx, cfg)
		return nil, nil
	}})
	if err != nil {
		f.T.Fatal(err)
	}
	if result, err := f.Lambda.Invoke("f", []byte("{}")); err != nil || result.FunctionError != "" {
		f.T.Fatalf("%s, %v", result.Payload, err)
	}
}

func TestAFunctionsCallsAreAskedAboutAsIAMIs(t *testing.T) {
	t.Parallel()
	a := &asked{}
	f := start(t, localaws.Options{Authorize: a.authorize, SecretSuffix: "AbCdEf"})
	const prefix = ":us-east-1:123456789012:"
	secret, _ := f.CreateSecret("s", "{}")
	if want := "arn:aws:secretsmanager" + prefix + "secret:s-AbCdEf"; secret != want {
		t.Fatalf("the secret is %s, want %s", secret, want)
	}
	f.within(func(ctx context.Context, cfg aws.Config) {
		secrets, services, databases := secretsmanager.NewFromConfig(cfg), ecs.NewFromConfig(cfg), rds.NewFromConfig(cfg)
		secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionStage: aws.String("AWSCURRENT")})
		secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String("other")})
		services.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String("c"), Services: []string{"web", "arn:aws:ecs" + prefix + "service/c/cron"}})
		services.ListTasks(ctx, &ecs.ListTasksInput{ServiceName: aws.String("web")})
		services.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: aws.String("arn:aws:ecs" + prefix + "cluster/c"), Tasks: []string{"1"}})
		databases.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{})
		databases.ModifyDBCluster(ctx, &rds.ModifyDBClusterInput{DBClusterIdentifier: aws.String("Aurora")})
	})
	for _, want := range []struct{ action, resource, context string }{
		{"secretsmanager:GetSecretValue", secret, "secretsmanager:SecretId=s secretsmanager:SecretPrimaryRegion=us-east-1 secretsmanager:VersionStage=AWSCURRENT"},
		{"secretsmanager:DescribeSecret", "other", "secretsmanager:SecretId=other"},
		{"ecs:DescribeServices", "arn:aws:ecs" + prefix + "service/c/web", "ecs:cluster=arn:aws:ecs" + prefix + "cluster/c"},
		{"ecs:DescribeServices", "arn:aws:ecs" + prefix + "service/c/cron", "ecs:cluster=arn:aws:ecs" + prefix + "cluster/c"},
		{"ecs:ListTasks", "*", "ecs:cluster=arn:aws:ecs" + prefix + "cluster/default"},
		{"ecs:DescribeTasks", "arn:aws:ecs" + prefix + "task/c/1", "ecs:cluster=arn:aws:ecs" + prefix + "cluster/c"},
		{"rds:DescribeDBInstances", "arn:aws:rds" + prefix + "db:*", ""},
		{"rds:ModifyDBCluster", "arn:aws:rds" + prefix + "cluster:aurora", ""},
	} {
		i := slices.IndexFunc(a.requests, func(r wire.AccessRequest) bool { return r.Action == want.action && r.Resource == want.resource })
		if i < 0 {
			t.Errorf("not asked: %s on %s", want.action, want.resource)
			continue
		}
		var own []string // the keys that are the action's
		for _, key := range slices.Sorted(maps.Keys(a.requests[i].Context)) {
			if !strings.HasPrefix(key, "aws:") && key != "lambda:SourceFunctionArn" {
				own = append(own, key+"="+strings.Join(a.requests[i].Context[key], "|"))
			}
		}
		if got := strings.Join(own, " "); got != want.context || a.requests[i].Caller.Function != "f" {
			t.Errorf("%s: got %s from %q, want %s from f", want.action, got, a.requests[i].Caller.Function, want.context)
		}
	}
	if got := a.requests[0].Context["aws:ResourceAccount"]; !slices.Equal(got, []string{"123456789012"}) {
		t.Errorf("aws:ResourceAccount is %q", got)
	}
}

func TestAllowRotationLambdaArnIsTheSecretsRotationFunction(t *testing.T) {
	t.Parallel()
	const key = "secretsmanager:resource/AllowRotationLambdaArn"
	a := &asked{}
	f := start(t, localaws.Options{Authorize: a.authorize})
	f.CreateSecret("s", "{}")
	function := f.rotationFunction(func(ctx context.Context, cfg aws.Config) {
		secretsmanager.NewFromConfig(cfg).DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
	})
	if _, err := f.Lambda.Invoke(function, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if got, there := a.requests[0].Context[key]; there {
		t.Errorf("before there is a rotation function: %q", got)
	}
	rotate := &secretsmanager.RotateSecretInput{SecretId: aws.String("s"), RotationLambdaARN: &function, RotateImmediately: aws.Bool(false)}
	if _, err := f.Secrets.RotateSecret(f.Ctx, rotate); err != nil {
		t.Fatal(err)
	}
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Secrets.CancelRotateSecret(f.Ctx, &secretsmanager.CancelRotateSecretInput{SecretId: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lambda.Invoke(function, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	for _, r := range a.requests[1:] {
		if got := r.Context[key]; !slices.Equal(got, []string{function}) {
			t.Errorf("got %q, want %s", got, function)
		}
	}
}

// rotationFunction creates a function that does the same in each invocation.
func (f *fixture) rotationFunction(run func(context.Context, aws.Config)) (arn string) {
	f.T.Helper()
	arn, err := f.Lambda.CreateFunction(locallambda.Function{Name: "rotate", Handler: func(ctx context.Context, _ []byte) ([]byte, error) {
		run(ctx, f.HandlerConfig(ctx))
		return nil, nil
	}})
	if err != nil {
		f.T.Fatal(err)
	}
	return arn
}

func TestARefusalIsWordedAsTheServiceWordsItAndNothingHappens(t *testing.T) {
	t.Parallel()
	for action, tc := range map[string]struct {
		code string
		call func(context.Context, aws.Config) error
	}{
		"secretsmanager:PutSecretValue": {"AccessDeniedException", func(ctx context.Context, cfg aws.Config) error {
			_, err := secretsmanager.NewFromConfig(cfg).PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String("s"), SecretString: aws.String("new")})
			return err
		}},
		"ecs:ListTasks": {"AccessDeniedException", func(ctx context.Context, cfg aws.Config) error {
			_, err := ecs.NewFromConfig(cfg).ListTasks(ctx, &ecs.ListTasksInput{})
			return err
		}},
		"rds:DescribeDBClusters": {"AccessDenied", func(ctx context.Context, cfg aws.Config) error {
			_, err := rds.NewFromConfig(cfg).DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{})
			return err
		}},
	} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			f := start(t, localaws.Options{Authorize: (&asked{refuse: action}).authorize})
			_, version := f.CreateSecret("s", "old")
			var err error
			f.within(func(ctx context.Context, cfg aws.Config) { err = tc.call(ctx, cfg) })
			refusal, ok := errors.AsType[smithy.APIError](err)
			if !ok || refusal.ErrorCode() != tc.code || !strings.Contains(refusal.ErrorMessage(), "is not authorized to perform: "+action+" on resource: ") ||
				!strings.HasSuffix(refusal.ErrorMessage(), "because no identity-based policy allows the "+action+" action") {
				t.Errorf("got %v", err)
			}
			state, err := f.SecretsManager.State("s")
			if err != nil || state.Labelled("AWSCURRENT").ID != version {
				t.Errorf("the secret has changed: %+v, %v", state, err)
			}
			if calls := f.Calls(); calls[len(calls)-1].ErrorCode != tc.code {
				t.Errorf("the call is recorded as %+v", calls[len(calls)-1])
			}
		})
	}
}

func TestAnActionThatTheTableLacksIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{Authorize: func(wire.AccessRequest) error { return nil }})
	var err error
	f.within(func(ctx context.Context, cfg aws.Config) {
		_, err = ecs.NewFromConfig(cfg).DescribeClusters(ctx, &ecs.DescribeClustersInput{})
	})
	if err == nil || !strings.Contains(err.Error(), "localaws does not know what ecs:DescribeClusters asks for") {
		t.Errorf("got %v", err)
	}
}

func TestNobodyElsesCallsAreAskedAbout(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{Authorize: func(r wire.AccessRequest) error { return fmt.Errorf("asked about %+v", r) }})
	f.CreateSecret("s", "{}")
	if _, err := f.Secrets.GetSecretValue(f.Ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")}); err != nil {
		t.Error(err)
	}
	if _, err := rds.NewFromConfig(f.Config()).DescribeDBInstances(f.Ctx, &rds.DescribeDBInstancesInput{}); err != nil {
		t.Error(err)
	}
}
