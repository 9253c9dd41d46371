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

// adminSecret reads the secret with the login of an administrator of the
// database: its current value and then, when that secret is itself in rotation,
// its pending one, which the server may take by now instead.
func adminSecret(api rotation.SecretsManager, arn string) func(context.Context) ([]document.Document, error) {
	return func(ctx context.Context) ([]document.Document, error) {
		var found []document.Document
		for _, label := range []string{"AWSCURRENT", "AWSPENDING"} {
			out, err := api.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: &arn, VersionStage: &label})
			var missing *types.ResourceNotFoundException
			if label == "AWSPENDING" && errors.As(err, &missing) {
				break // not in rotation
			}
			if err != nil {
				return nil, fmt.Errorf("read the admin secret %s: %w", rotation.SecretName(arn), err)
			}
			doc, err := document.Parse(aws.ToString(out.SecretString))
			if err != nil {
				return nil, fmt.Errorf("the admin secret %s, %s: %w: store a JSON object with username and password", rotation.SecretName(arn), label, err)
			}
			found = append(found, doc)
		}
		return found, nil
	}
}
