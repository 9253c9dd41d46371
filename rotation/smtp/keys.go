package smtp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/credential"
)

// API is the part of IAM's API that this package uses.
type API interface {
	GetUser(context.Context, *iam.GetUserInput, ...func(*iam.Options)) (*iam.GetUserOutput, error)
	ListAccessKeys(context.Context, *iam.ListAccessKeysInput, ...func(*iam.Options)) (*iam.ListAccessKeysOutput, error)
	CreateAccessKey(context.Context, *iam.CreateAccessKeyInput, ...func(*iam.Options)) (*iam.CreateAccessKeyOutput, error)
	UpdateAccessKey(context.Context, *iam.UpdateAccessKeyInput, ...func(*iam.Options)) (*iam.UpdateAccessKeyOutput, error)
	DeleteAccessKey(context.Context, *iam.DeleteAccessKeyInput, ...func(*iam.Options)) (*iam.DeleteAccessKeyOutput, error)
	GetAccessKeyLastUsed(context.Context, *iam.GetAccessKeyLastUsedInput, ...func(*iam.Options)) (*iam.GetAccessKeyLastUsedOutput, error)
	ListAttachedUserPolicies(context.Context, *iam.ListAttachedUserPoliciesInput, ...func(*iam.Options)) (*iam.ListAttachedUserPoliciesOutput, error)
}

// OwnerTag is the key of the tag that says that an IAM user belongs to one secret alone. Its
// value is the secret's ARN.
const OwnerTag = "mautic-rotation:secret"

// quota is how many access keys a user can have; AWS does not raise it.
const quota = 2

// accessKey is one of the user's keys.
type accessKey struct {
	id      string
	active  bool
	created time.Time // by IAM's clock
}

// accessKeys are all of the user's keys.
type accessKeys []accessKey

func (keys accessKeys) find(id string) (accessKey, bool) {
	at := slices.IndexFunc(keys, func(key accessKey) bool { return key.id == id })
	if at < 0 {
		return accessKey{}, false
	}
	return keys[at], true
}

// list reads the user's access keys, and the time by IAM's clock; zero if the reply does not say.
func (k *Kind) list(ctx context.Context) (keys accessKeys, now time.Time, err error) {
	pages := iam.NewListAccessKeysPaginator(k.config.IAM, &iam.ListAccessKeysInput{UserName: &k.config.User})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, time.Time{}, k.explain(err, "list the access keys", "iam:ListAccessKeys")
		}
		for _, key := range page.AccessKeyMetadata {
			keys = append(keys, accessKey{id: aws.ToString(key.AccessKeyId), active: key.Status == types.StatusTypeActive, created: aws.ToTime(key.CreateDate)})
		}
		now, _ = awsmiddleware.GetServerTime(page.ResultMetadata)
	}
	return keys, now, nil
}

// owner returns the owner in the user's tag; "" if it has none.
func (k *Kind) owner(ctx context.Context) (string, error) {
	out, err := k.config.IAM.GetUser(ctx, &iam.GetUserInput{UserName: &k.config.User})
	if err != nil {
		return "", k.explain(err, "read the tags", "iam:GetUser")
	}
	if out.User != nil {
		for _, tag := range out.User.Tags {
			if aws.ToString(tag.Key) == OwnerTag {
				return aws.ToString(tag.Value), nil
			}
		}
	}
	return "", nil
}

// create makes an access key, and returns its id and its password for a region.
func (k *Kind) create(ctx context.Context, region string) (id, password string, err error) {
	out, err := k.config.IAM.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &k.config.User})
	if _, full := errors.AsType[*types.LimitExceededException](err); full {
		// Perhaps the SDK's own retry, because the reply to the first attempt was lost. The next
		// Generate deletes the key that the first one made.
		return "", "", &credential.Failure{
			Outcome: credential.Unknown, Temporary: true, Cause: err,
			Problem: fmt.Sprintf("the IAM user %s already has %d access keys; another attempt has created one in the meantime: try again", k.config.User, quota),
		}
	}
	if err != nil {
		return "", "", k.explain(err, "create an access key", "iam:CreateAccessKey")
	}
	if out.AccessKey == nil {
		return "", "", errors.New("IAM answered without an access key")
	}
	secret := aws.ToString(out.AccessKey.SecretAccessKey)
	secrets := scrub.FromContext(ctx)
	secrets.Add(secret)
	password = passwordFor(secret, region)
	secrets.Add(password)
	return aws.ToString(out.AccessKey.AccessKeyId), password, nil
}

func (k *Kind) activate(ctx context.Context, id string) error {
	err := k.update(ctx, id, types.StatusTypeActive)
	if isGone(err) {
		return fmt.Errorf("the access key %s of the IAM user %s was deleted in the meantime", short(id), k.config.User)
	}
	return err
}

// deactivate makes IAM refuse a key until it is activated again. A key that does not exist is
// refused too.
func (k *Kind) deactivate(ctx context.Context, id string) error {
	err := k.update(ctx, id, types.StatusTypeInactive)
	if isGone(err) {
		return nil
	}
	return err
}

func (k *Kind) update(ctx context.Context, id string, status types.StatusType) error {
	_, err := k.config.IAM.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: &k.config.User, AccessKeyId: &id, Status: status})
	if err == nil || isGone(err) {
		return err
	}
	return k.explain(err, fmt.Sprintf("make the access key %s %s", short(id), status), "iam:UpdateAccessKey")
}

func (k *Kind) remove(ctx context.Context, id string) error {
	_, err := k.config.IAM.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: &k.config.User, AccessKeyId: &id})
	if err == nil || isGone(err) {
		return nil
	}
	return k.explain(err, "delete the access key "+short(id), "iam:DeleteAccessKey")
}

// isGone reports that there is no such key, or no such user.
func isGone(err error) bool {
	_, gone := errors.AsType[*types.NoSuchEntityException](err)
	return gone
}

// explain says what was being done when IAM answered with an error, and what to do about the
// usual ones.
func (k *Kind) explain(err error, doing, action string) error {
	what := fmt.Sprintf("%s of the IAM user %s", doing, k.config.User)
	if isGone(err) {
		return fmt.Errorf("%s: there is no such user: correct SMTP_IAM_USER", what)
	}
	if refusal, ok := errors.AsType[smithy.APIError](err); ok && refusal.ErrorCode() == "AccessDenied" {
		return fmt.Errorf("%s: grant %s on that user (arn:aws:iam::<account>:user/%s) to the function's role: %w", what, action, k.config.User, err)
	}
	if _, answered := errors.AsType[smithy.APIError](err); !answered {
		return fmt.Errorf("%s: IAM's endpoint is global, so a function in a VPC needs a NAT gateway to reach it: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
