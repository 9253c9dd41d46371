package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/rotation"
	"mautic-rotation/rotation/document"
)

// namedSecret is a secret that a setting names and that is used to rotate others.
type namedSecret struct {
	setting string
	arn     string
	holds   string // what it should contain, for errors
}

// valueReader is the Secrets Manager call that reads a value.
type valueReader interface {
	GetSecretValue(context.Context, *sm.GetSecretValueInput, ...func(*sm.Options)) (*sm.GetSecretValueOutput, error)
}

// documents reads its current value and, if that secret is itself being rotated, its pending one,
// which the server may accept instead by now.
func (n namedSecret) documents(api valueReader) func(context.Context) ([]document.Document, error) {
	return func(ctx context.Context) ([]document.Document, error) {
		var found []document.Document
		for _, label := range []string{"AWSCURRENT", "AWSPENDING"} {
			out, err := api.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: &n.arn, VersionStage: &label})
			var missing *types.ResourceNotFoundException
			if label == "AWSPENDING" && errors.As(err, &missing) {
				break // not in rotation
			}
			if err != nil {
				return nil, fmt.Errorf("read the secret %s: %w: correct %s, or grant secretsmanager:GetSecretValue on it to the function's role", rotation.SecretName(n.arn), err, n.setting)
			}
			doc, err := document.Parse(aws.ToString(out.SecretString))
			if err != nil {
				return nil, fmt.Errorf("the secret %s, %s: %w: store a JSON object with %s, or correct %s", rotation.SecretName(n.arn), label, err, n.holds, n.setting)
			}
			found = append(found, doc)
		}
		return found, nil
	}
}
