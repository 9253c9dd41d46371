package rig

import (
	"mautic-rotation/internal/localaws/cloudformation"
)

// What an operator finds the function by, as the template has it.
const (
	StackName = "mautic-secret-rotation-prod"
	LogGroup  = "/mautic-rotation/" + StackName

	functionTag = "mautic-rotation"
	readAlias   = "read"
)

// describeStack makes the stack as CloudFormation tells of it, and the alias for reading.
func (r *Rig) describeStack() error {
	if _, err := r.AWS.Lambda.CreateAlias(FunctionName, readAlias); err != nil {
		return err
	}
	_, err := r.AWS.CloudFormation.Put(cloudformation.Stack{
		Name:      StackName,
		Outputs:   map[string]string{"FunctionArn": r.FunctionARN, "SecretArn": r.SecretARN, "LogGroup": LogGroup},
		Resources: []cloudformation.Resource{{LogicalID: "RotationFunction", PhysicalID: FunctionName, Type: "AWS::Lambda::Function"}},
	})
	return err
}
