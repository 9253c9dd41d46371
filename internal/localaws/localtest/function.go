package localtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

type event struct {
	Do   string
	Text string

	// Of a rotation step.
	Step, SecretID, ClientRequestToken string
}

// serve is the Lambda function of the tests of localaws: it does what its events say. It does not return.
func serve() {
	if os.Getenv("EXIT_AT_START") != "" {
		fmt.Println("leaving before the first invocation")
		os.Exit(3)
	}
	lambda.Start(handle)
	os.Exit(1) // not reached: the function ends with its environment
}

func handle(ctx context.Context, e event) (any, error) {
	if e.Step != "" {
		return nil, rotate(ctx, e)
	}
	switch e.Do {
	case "echo":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{
			"text": e.Text, "pid": os.Getpid(), "requestId": lc.AwsRequestID, "arn": lc.InvokedFunctionArn,
			"remainingMs": time.Until(deadline).Milliseconds(), "function": lambdacontext.FunctionName,
			"environment": os.Environ(),
		}, nil
	case "fail":
		return nil, errors.New(e.Text)
	case "panic":
		panic(e.Text)
	case "database":
		cfg, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, err
		}
		out, err := rds.NewFromConfig(cfg).DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &e.Text})
		if err != nil {
			return nil, err
		}
		return *out.DBInstances[0].DBInstanceStatus, nil
	case "key":
		cfg, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, err
		}
		_, err = iam.NewFromConfig(cfg).CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &e.Text})
		return nil, err
	case "say":
		fmt.Println(e.Text)
		return nil, nil
	case "log":
		fmt.Println(e.Text)
		fmt.Fprint(os.Stderr, "no newline at the end")
		os.Exit(0)
	case "exit":
		os.Exit(7)
	case "kill":
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill() // ends this process
	case "hang":
		select {}
	}
	return nil, fmt.Errorf("cannot do %q", e.Do)
}

// rotate is the least that a rotation function has to do.
func rotate(ctx context.Context, e event) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := secretsmanager.NewFromConfig(cfg)
	switch e.Step {
	case "createSecret":
		_, err = client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
			SecretId: &e.SecretID, ClientRequestToken: &e.ClientRequestToken,
			SecretString: aws.String("value of " + e.ClientRequestToken), VersionStages: []string{"AWSPENDING"},
		})
	case "testSecret":
		_, err = client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
			SecretId: &e.SecretID, VersionId: &e.ClientRequestToken, VersionStage: aws.String("AWSPENDING"),
		})
	case "finishSecret":
		return promote(ctx, client, e)
	}
	return err
}

func promote(ctx context.Context, client *secretsmanager.Client, e event) error {
	secret, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &e.SecretID})
	if err != nil {
		return err
	}
	in := &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &e.SecretID, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &e.ClientRequestToken,
	}
	for id, labels := range secret.VersionIdsToStages {
		for _, label := range labels {
			if label == "AWSCURRENT" && id == e.ClientRequestToken {
				return nil
			}
			if label == "AWSCURRENT" {
				in.RemoveFromVersionId = &id
			}
		}
	}
	_, err = client.UpdateSecretVersionStage(ctx, in)
	return err
}
