package rig

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	localcloudformation "mautic-rotation/internal/localaws/cloudformation"
)

// What an operator finds the function by: the stack of samconfig.toml's prod, and its parts.
const (
	StackName = "mautic-secret-rotation-prod"
	LogGroup  = "/mautic-rotation/" + StackName

	stackTag  = "mautic-rotation" // the tag by which a region's stacks are found
	readAlias = "read"
	schedule  = "rate(30 days)"
)

// functionTags are the tags that a deployment gives the function.
func functionTags() map[string]string {
	return map[string]string{stackTag: StackName, "aws:cloudformation:stack-name": StackName}
}

// describeStack adds the stack to CloudFormation, and the function's alias read.
func (r *Rig) describeStack() error {
	alias, err := r.AWS.Lambda.CreateAlias(FunctionName, readAlias)
	if err != nil {
		return err
	}
	_, err = r.AWS.CloudFormation.Put(localcloudformation.Stack{
		Name: StackName,
		Outputs: map[string]string{
			"SecretArn": r.SecretARN, "SecretArns": r.SecretARN, "ScheduleExpression": schedule,
			"FunctionArn": r.FunctionARN, "FunctionName": FunctionName, "ReadAlias": alias.ARN, "LogGroup": LogGroup,
		},
		Resources: []localcloudformation.Resource{
			{LogicalID: "RotationFunction", PhysicalID: FunctionName, Type: "AWS::Lambda::Function"},
			{LogicalID: "LogGroup", PhysicalID: LogGroup, Type: "AWS::Logs::LogGroup"},
		},
	})
	return err
}

// TurnScheduleOn turns on rotation by a schedule, as a deployment does. Secrets Manager then
// runs a test-only rotation, whose error it returns.
func (r *Rig) TurnScheduleOn(ctx context.Context) error {
	out, err := r.Secrets.RotateSecret(ctx, &sm.RotateSecretInput{
		SecretId: &r.SecretARN, RotationLambdaARN: &r.FunctionARN, RotateImmediately: aws.Bool(false),
		RotationRules: &types.RotationRulesType{ScheduleExpression: aws.String(schedule)},
	})
	if err != nil {
		return err
	}
	return r.AWS.SecretsManager.WaitRotation(ctx, r.SecretARN, aws.ToString(out.VersionId))
}
