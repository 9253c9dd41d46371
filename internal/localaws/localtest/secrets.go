package localtest

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// CreateSecret makes a secret with a current version.
func (f *Fixture) CreateSecret(name, text string) (arn, version string) {
	f.T.Helper()
	out, err := f.Secrets.CreateSecret(f.Ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text})
	if err != nil {
		f.T.Fatal(err)
	}
	return *out.ARN, *out.VersionId
}

// The tests' secret is "s".

// Put writes a version with the labels.
func (f *Fixture) Put(token, text string, labels ...string) error {
	_, err := f.Secrets.PutSecretValue(f.Ctx, &secretsmanager.PutSecretValueInput{
		SecretId: aws.String("s"), ClientRequestToken: &token, SecretString: &text, VersionStages: labels,
	})
	return err
}

// MoveLabel calls UpdateSecretVersionStage; empty ids are left out.
func (f *Fixture) MoveLabel(name, label, to, from string) error {
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &name, VersionStage: &label}
	if to != "" {
		in.MoveToVersionId = &to
	}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	_, err := f.Secrets.UpdateSecretVersionStage(f.Ctx, in)
	return err
}

// WantLabels checks which versions the labels are on.
func (f *Fixture) WantLabels(want map[string]string) {
	f.T.Helper()
	state, err := f.SecretsManager.State("s")
	if err != nil {
		f.T.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range state.Versions {
		for _, l := range v.Labels {
			got[l] = v.ID
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		f.T.Errorf("labels are %v, want %v", got, want)
	}
}

// Rotate starts a rotation with the token.
func (f *Fixture) Rotate(function, token string) error {
	in := &secretsmanager.RotateSecretInput{SecretId: aws.String("s"), ClientRequestToken: &token}
	if function != "" {
		in.RotationLambdaARN = &function
	}
	_, err := f.Secrets.RotateSecret(f.Ctx, in)
	return err
}
