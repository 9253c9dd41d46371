package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/operator/fault"
)

// Secrets does what an operator does in Secrets Manager. It reads no secret value.
type Secrets struct {
	rotate func(context.Context, *secretsmanager.RotateSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.RotateSecretOutput, error)
	tag    func(context.Context, *secretsmanager.TagResourceInput, ...func(*secretsmanager.Options)) (*secretsmanager.TagResourceOutput, error)
	untag  func(context.Context, *secretsmanager.UntagResourceInput, ...func(*secretsmanager.Options)) (*secretsmanager.UntagResourceOutput, error)
}

// NewSecrets uses the configuration's account and region.
func NewSecrets(c aws.Config) *Secrets {
	client := secretsmanager.NewFromConfig(c)
	return &Secrets{client.RotateSecret, client.TagResource, client.UntagResource}
}

// Rotate starts a rotation whose version id is the token. A second call with the same token is the same
// rotation.
func (s *Secrets) Rotate(ctx context.Context, arn, token string) error {
	_, err := s.rotate(ctx, &secretsmanager.RotateSecretInput{SecretId: &arn, ClientRequestToken: &token})
	if isAPI(err, "InvalidRequestException", "InvalidParameterException") {
		f := fault.Of(Explain(err))
		f.Code, f.Remedy = fault.Attention, "see mautic-rotation status; if a rotation is stuck, mautic-rotation abandon"
		return f
	}
	return Explain(err)
}

// Tag sets a tag on a secret. It may be set already.
func (s *Secrets) Tag(ctx context.Context, arn, key, value string) error {
	_, err := s.tag(ctx, &secretsmanager.TagResourceInput{SecretId: &arn, Tags: []types.Tag{{Key: &key, Value: &value}}})
	return Explain(err)
}

// Untag removes a tag. It may be missing.
func (s *Secrets) Untag(ctx context.Context, arn, key string) error {
	_, err := s.untag(ctx, &secretsmanager.UntagResourceInput{SecretId: &arn, TagKeys: []string{key}})
	return Explain(err)
}
