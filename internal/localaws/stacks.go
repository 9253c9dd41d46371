package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"mautic-rotation/internal/localaws/secretsmanager"
)

// stackSecrets makes the AWS::SecretsManager::Secret of a stack.
type stackSecrets struct {
	secrets *secretsmanager.StandIn
	token   func() string
}

// Create makes a secret, with a value if the properties say how it is made.
func (p stackSecrets) Create(ctx context.Context, properties map[string]any) (string, error) {
	in := secretsmanager.CreateSecretInput{ClientRequestToken: p.token()}
	in.Name, _ = properties["Name"].(string)
	value, err := p.value(ctx, properties)
	if err != nil {
		return "", err
	}
	in.SecretString = value
	out, err := p.secrets.CreateSecret(ctx, in)
	return out.ARN, err
}

// Update stores a new value when the properties by which one is made differ from what they were. All else of a secret that
// can be changed leaves its versions alone.
func (p stackSecrets) Update(ctx context.Context, arn string, before, after map[string]any) error {
	if reflect.DeepEqual(before["GenerateSecretString"], after["GenerateSecretString"]) && reflect.DeepEqual(before["SecretString"], after["SecretString"]) {
		return nil
	}
	value, err := p.value(ctx, after)
	if err != nil || value == nil {
		return err
	}
	_, err = p.secrets.PutSecretValue(ctx, secretsmanager.PutSecretValueInput{SecretID: arn, ClientRequestToken: p.token(), SecretString: value})
	return err
}

// Delete deletes a secret at once, without a time to restore it.
func (p stackSecrets) Delete(ctx context.Context, arn string) error {
	_, err := p.secrets.DeleteSecret(ctx, secretsmanager.DeleteSecretInput{SecretID: arn, ForceDeleteWithoutRecovery: true})
	return err
}

// value is what the properties have stored: nil for nothing.
func (p stackSecrets) value(ctx context.Context, properties map[string]any) (*string, error) {
	if text, ok := properties["SecretString"].(string); ok {
		return &text, nil
	}
	generate, ok := properties["GenerateSecretString"].(map[string]any)
	if !ok {
		return nil, nil
	}
	length, err := strconv.Atoi(fmt.Sprint(generate["PasswordLength"]))
	if err != nil {
		return nil, err
	}
	drawn, err := p.secrets.GetRandomPassword(ctx, secretsmanager.GetRandomPasswordInput{
		PasswordLength: &length, ExcludePunctuation: generate["ExcludePunctuation"] == "true",
	})
	if err != nil {
		return nil, err
	}
	document := map[string]any{}
	if err := json.Unmarshal([]byte(fmt.Sprint(generate["SecretStringTemplate"])), &document); err != nil {
		return nil, err
	}
	document[fmt.Sprint(generate["GenerateStringKey"])] = drawn.RandomPassword
	value, err := json.Marshal(document)
	text := string(value)
	return &text, err
}

// stackSchedules makes the AWS::SecretsManager::RotationSchedule of a stack: by RotateSecret, whenever it is made or changed,
// and by CancelRotateSecret when it goes.
type stackSchedules struct {
	secrets *secretsmanager.StandIn
	token   func() string
}

func (p stackSchedules) Create(ctx context.Context, properties map[string]any) (string, error) {
	arn, _ := properties["SecretId"].(string)
	return arn, p.rotate(ctx, arn, properties)
}

func (p stackSchedules) Update(ctx context.Context, arn string, _, after map[string]any) error {
	return p.rotate(ctx, arn, after)
}

func (p stackSchedules) Delete(ctx context.Context, arn string) error {
	_, err := p.secrets.CancelRotateSecret(ctx, secretsmanager.SecretIDInput{SecretID: arn})
	return err
}

// rotate sets the schedule. With RotateImmediatelyOnUpdate false Secrets Manager tries the function then, and CloudFormation
// does not hear what has become of that.
func (p stackSchedules) rotate(ctx context.Context, arn string, properties map[string]any) error {
	rules, _ := properties["RotationRules"].(map[string]any)
	immediately := properties["RotateImmediatelyOnUpdate"] != "false"
	in := secretsmanager.RotateSecretInput{SecretID: arn, ClientRequestToken: p.token(), RotateImmediately: &immediately}
	in.RotationLambdaARN, _ = properties["RotationLambdaARN"].(string)
	in.RotationRules = &secretsmanager.RotationRules{ScheduleExpression: fmt.Sprint(rules["ScheduleExpression"]), Duration: fmt.Sprint(rules["Duration"])}
	if _, err := p.secrets.RotateSecret(ctx, in); err != nil {
		return err
	}
	if err := p.secrets.WaitRotation(ctx, arn, in.ClientRequestToken); ctx.Err() != nil {
		return err
	}
	return nil
}
