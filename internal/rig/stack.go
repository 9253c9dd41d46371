package rig

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	localcloudformation "mautic-rotation/internal/localaws/cloudformation"
)

// What an operator finds the function by: the stack of samconfig.toml's prod, and what
// belongs to it.
const (
	StackName = "mautic-secret-rotation-prod"
	LogGroup  = "/mautic-rotation/" + StackName

	stackTag  = "mautic-rotation" // by which the stacks of a region are found
	readAlias = "read"
	schedule  = "rate(30 days)"
)

// functionTags are those that a deployment gives to the function.
func functionTags() map[string]string {
	return map[string]string{stackTag: StackName, "aws:cloudformation:stack-name": StackName}
}

// describeStack makes the stack as CloudFormation tells of it, and the alias for reading.
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

// TurnScheduleOn has the secret rotated by a schedule, as a deployment does. Secrets
// Manager runs a test-only rotation then: the error is that one's.
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
