package localaws_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
)

// What real AWS answers was recorded in LocalStack's tests/aws/services/secretsmanager/test_secretsmanager.snapshot.json,
// unless a test says otherwise. SDKs make up a ClientRequestToken, so a request without one is made in process.
func TestARequestWithoutAClientRequestTokenIsRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for operation, c := range map[string]struct {
		call func(w *world) error
		code string
	}{
		"CreateSecret": {func(w *world) error {
			_, err := w.CreateSecret(ctx, secretsmanager.CreateSecretInput{Name: "s", SecretString: ptr("1")})
			return err
		}, "InvalidRequestException"},
		"PutSecretValue": {func(w *world) error {
			_, err := w.PutSecretValue(ctx, secretsmanager.PutSecretValueInput{SecretID: "s", SecretString: ptr("1")})
			return err
		}, "InvalidRequestException"},
		"UpdateSecret": {func(w *world) error {
			_, err := w.UpdateSecret(ctx, secretsmanager.UpdateSecretInput{SecretID: "s", SecretString: ptr("1")})
			return err
		}, "InvalidRequestException"},
		"RotateSecret": {func(w *world) error {
			_, err := w.RotateSecret(ctx, secretsmanager.RotateSecretInput{SecretID: "s"})
			return err
		}, "InvalidParameterException"},
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			err := c.call(newWorld(1, secretsmanager.Options{}))
			refused, ok := errors.AsType[*wire.Error](err)
			if !ok || refused.Code != c.code || refused.Message != "You must provide a ClientRequestToken value. We recommend a UUID-type value." {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
}

func TestCharactersThatNoNameHasAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	for _, id := range []string{"Inv Name", " Inv Name", "Inv*Name? ]", "name:with:colons", "näme"} {
		for operation, call := range map[string]func() error{
			"CreateSecret": func() error {
				_, err := f.Secrets.CreateSecret(f.Ctx, &sdk.CreateSecretInput{Name: &id, SecretString: aws.String("1")})
				return err
			},
			"DescribeSecret": func() error {
				_, err := f.Secrets.DescribeSecret(f.Ctx, &sdk.DescribeSecretInput{SecretId: &id})
				return err
			},
			"GetSecretValue": func() error {
				_, err := f.Secrets.GetSecretValue(f.Ctx, &sdk.GetSecretValueInput{SecretId: &id})
				return err
			},
			"PutSecretValue": func() error {
				_, err := f.Secrets.PutSecretValue(f.Ctx, &sdk.PutSecretValueInput{SecretId: &id, SecretString: aws.String("1")})
				return err
			},
			"RotateSecret": func() error {
				_, err := f.Secrets.RotateSecret(f.Ctx, &sdk.RotateSecretInput{SecretId: &id})
				return err
			},
			"DeleteSecret": func() error {
				_, err := f.Secrets.DeleteSecret(f.Ctx, &sdk.DeleteSecretInput{SecretId: &id, ForceDeleteWithoutRecovery: aws.Bool(true)})
				return err
			},
		} {
			t.Run(operation+" "+id, func(t *testing.T) {
				localtest.WantError(t, call(), "ValidationException",
					"Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
			})
		}
	}
}

func TestVersionsAreListedWithTheirKeysAndTheDayOfTheirLastUse(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	_, one := f.CreateSecret("s", "1")
	if _, err := f.Secrets.UpdateSecret(f.Ctx, &sdk.UpdateSecretInput{SecretId: aws.String("s"), KmsKeyId: aws.String("alias/own")}); err != nil {
		t.Fatal(err)
	}
	two := localtest.Token("two")
	if err := f.Put(two, "2", "AWSPENDING"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Secrets.GetSecretValue(f.Ctx, &sdk.GetSecretValueInput{SecretId: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	out, err := f.Secrets.ListSecretVersionIds(f.Ctx, &sdk.ListSecretVersionIdsInput{SecretId: aws.String("s")})
	if err != nil || len(out.Versions) != 2 {
		t.Fatal(out, err)
	}
	today := f.Clock().Now().Truncate(24 * time.Hour)
	for _, v := range out.Versions {
		switch key := strings.Join(v.KmsKeyIds, " "); *v.VersionId {
		case one:
			if key != "DefaultEncryptionKey" || v.LastAccessedDate == nil || !v.LastAccessedDate.Equal(today) {
				t.Errorf("the version that was read: keys %q, last accessed %v", key, v.LastAccessedDate)
			}
		case two:
			if key != "alias/own" || v.LastAccessedDate != nil {
				t.Errorf("the version that was not read: keys %q, last accessed %v", key, v.LastAccessedDate)
			}
		default:
			t.Errorf("%+v", v)
		}
	}
}

func TestAfterTheLastTagIsRemovedThereIsAnEmptyListOfTags(t *testing.T) {
	t.Parallel()
	w := newWorld(1, secretsmanager.Options{})
	ctx := t.Context()
	if _, err := w.CreateSecret(ctx, secretsmanager.CreateSecretInput{Name: "s", ClientRequestToken: localtest.Token("one")}); err != nil {
		t.Fatal(err)
	}
	tags := func() string {
		t.Helper()
		out, err := w.DescribeSecret(ctx, secretsmanager.SecretIDInput{SecretID: "s"})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		return string(members["Tags"])
	}
	if got := tags(); got != "" {
		t.Errorf("before the first tag: %s", got)
	}
	if _, err := w.TagResource(ctx, secretsmanager.TagResourceInput{SecretID: "s", Tags: []secretsmanager.Tag{{Key: "tag1", Value: "value1"}}}); err != nil {
		t.Fatal(err)
	}
	if got := tags(); got != `[{"Key":"tag1","Value":"value1"}]` {
		t.Errorf("with a tag: %s", got)
	}
	if _, err := w.UntagResource(ctx, secretsmanager.UntagResourceInput{SecretID: "s", TagKeys: []string{"tag1"}}); err != nil {
		t.Fatal(err)
	}
	if got := tags(); got != "[]" {
		t.Errorf("after the last tag: %q", got)
	}
}

// The API reference: "If you forcibly delete an already deleted or nonexistent secret, the operation does not return
// ResourceNotFoundException."
func TestDeletingASecretThatDoesNotExistAtOnceIsNoError(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	force := func(id string) *sdk.DeleteSecretOutput {
		t.Helper()
		out, err := f.Secrets.DeleteSecret(f.Ctx, &sdk.DeleteSecretInput{SecretId: &id, ForceDeleteWithoutRecovery: aws.Bool(true)})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := force("none"); *out.Name != "none" || !strings.Contains(*out.ARN, ":secret:none-") || out.DeletionDate == nil {
		t.Errorf("%+v", out)
	}
	arn, _ := f.CreateSecret("s", "1")
	force("s")
	if out := force(arn); *out.ARN != arn {
		t.Errorf("%+v", out)
	}
	_, err := f.Secrets.DeleteSecret(f.Ctx, &sdk.DeleteSecretInput{SecretId: aws.String("none")})
	localtest.WantError(t, err, "ResourceNotFoundException", "can't find the specified secret")
}

// AutomaticallyAfterDays "is calculated from the rotation schedule after every successful rotation" (API reference of
// RotationRulesType): a rotation that had no schedule leaves nothing to tell of.
func TestTheDaysBetweenRotationsComeFromASchedule(t *testing.T) {
	t.Parallel()
	f, _, fn, _, two := rotating(t, localaws.Options{})
	if err := f.Rotate(fn, two); err != nil {
		t.Fatal(err)
	}
	if err := f.SecretsManager.WaitRotation(f.Ctx, "s", two); err != nil {
		t.Fatal(err)
	}
	if d := f.describe(); d.RotationRules != nil || d.NextRotationDate != nil || d.LastRotatedDate == nil {
		t.Errorf("after a rotation without rules: %+v, next %v, last %v", d.RotationRules, d.NextRotationDate, d.LastRotatedDate)
	}
	rotate := func(word string, immediately bool) {
		t.Helper()
		token := localtest.Token(word)
		_, err := f.Secrets.RotateSecret(f.Ctx, &sdk.RotateSecretInput{
			SecretId: aws.String("s"), ClientRequestToken: &token, RotateImmediately: &immediately,
			RotationRules: &types.RotationRulesType{ScheduleExpression: aws.String("rate(10 days)")},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.SecretsManager.WaitRotation(f.Ctx, "s", token); err != nil {
			t.Fatal(err)
		}
	}
	rotate("expression", false)
	if r := f.describe().RotationRules; r == nil || aws.ToString(r.ScheduleExpression) != "rate(10 days)" || r.AutomaticallyAfterDays != nil {
		t.Errorf("before a rotation by the expression: %+v", r)
	}
	rotate("rotated", true)
	if r := f.describe().RotationRules; r == nil || aws.ToInt64(r.AutomaticallyAfterDays) != 10 {
		t.Errorf("after a rotation by the expression: %+v", r)
	}
}
