package rig

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	localcloudformation "mautic-rotation/internal/localaws/cloudformation"
)

// What the stack of samconfig.toml's prod is called, and what belongs to it.
const (
	StackName = "mautic-secret-rotation-prod"
	LogGroup  = "/mautic-rotation/" + StackName

	// StackTag is the tag by which the operator's program finds every stack of a region.
	StackTag = "mautic-rotation"

	readAlias = "read"
	schedule  = "rate(30 days)"
)

// functionTags are those that a deployment gives to the function.
func functionTags() map[string]string {
	return map[string]string{StackTag: StackName, "aws:cloudformation:stack-name": StackName}
}

// PutStack adds what the operator's program finds of a deployment: the stack with its
// outputs, and the function's alias read. It turns the secret's schedule on, as the stack
// does, so that Secrets Manager runs a test-only rotation.
func (r *Rig) PutStack(ctx context.Context) error {
	alias, err := r.AWS.Lambda.CreateAlias(FunctionName, readAlias)
	if err != nil {
		return err
	}
	_, err = r.AWS.CloudFormation.Put(localcloudformation.Stack{
		Name: StackName,
		Tags: map[string]string{StackTag: StackName},
		Outputs: map[string]string{
			"SecretArn": r.SecretARN, "SecretArns": r.SecretARN, "ScheduleExpression": schedule,
			"FunctionArn": r.FunctionARN, "FunctionName": FunctionName, "ReadAlias": alias.ARN, "LogGroup": LogGroup,
		},
		Resources: []localcloudformation.Resource{
			{LogicalID: "RotationFunction", PhysicalID: FunctionName, Type: "AWS::Lambda::Function"},
			{LogicalID: "LogGroup", PhysicalID: LogGroup, Type: "AWS::Logs::LogGroup"},
		},
	})
	if err != nil {
		return err
	}
	out, err := r.Secrets.RotateSecret(ctx, &sm.RotateSecretInput{
		SecretId: &r.SecretARN, RotationLambdaARN: &r.FunctionARN, RotateImmediately: aws.Bool(false),
		RotationRules: &types.RotationRulesType{ScheduleExpression: aws.String(schedule)},
	})
	if err != nil {
		return err
	}
	return r.AWS.SecretsManager.WaitRotation(ctx, r.SecretARN, aws.ToString(out.VersionId))
}
