package localaws_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/localtest"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
)

func TestASecretIsFoundByNameARNAndPartialARN(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, version := f.CreateSecret("mautic/prod", "{}")
	if !strings.HasPrefix(arn, "arn:aws:secretsmanager:us-east-1:123456789012:secret:mautic/prod-") || len(arn) != len("arn:aws:secretsmanager:us-east-1:123456789012:secret:mautic/prod-AbCdEf") {
		t.Errorf("ARN %s", arn)
	}
	for _, id := range []string{"mautic/prod", arn, arn[:len(arn)-7]} {
		out, err := f.Secrets.GetSecretValue(f.Ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
		if err != nil || *out.VersionId != version || *out.SecretString != "{}" || *out.ARN != arn {
			t.Errorf("by %s: %+v, %v", id, out, err)
		}
	}
	_, err := f.Secrets.GetSecretValue(f.Ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("mautic/pro")})
	localtest.WantError(t, err, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

func TestGetSecretValueNeedsIDAndLabelToAgree(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	_, one := f.CreateSecret("s", "1")
	two := localtest.Token("two")
	if err := f.Put(two, "2"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, id, label, want, code, message string }{
		{"neither", "", "", "2", "", ""},
		{"the id", one, "", "1", "", ""},
		{"the label", "", "AWSPREVIOUS", "1", "", ""},
		{"both", two, "AWSCURRENT", "2", "", ""},
		{"both, and they differ", two, "AWSPREVIOUS", "", "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId."},
		{"no such label", "", "X", "", "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: X"},
		{"no such version", localtest.Token("x"), "", "", "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: " + localtest.Token("x")},
		{"a short id", "x", "", "", "ValidationException", "Member must have length greater than or equal to 32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")}
			if c.id != "" {
				in.VersionId = &c.id
			}
			if c.label != "" {
				in.VersionStage = &c.label
			}
			out, err := f.Secrets.GetSecretValue(f.Ctx, in)
			localtest.WantError(t, err, c.code, c.message)
			if err == nil && *out.SecretString != c.want {
				t.Errorf("got %q", *out.SecretString)
			}
		})
	}
}

func TestPutSecretValueIsIdempotentForItsToken(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, one := f.CreateSecret("s", "1")
	two := localtest.Token("two")
	for range 2 {
		if err := f.Put(two, "2", "AWSPENDING"); err != nil {
			t.Fatal(err)
		}
	}
	f.WantLabels(map[string]string{"AWSCURRENT": one, "AWSPENDING": two})
	err := f.Put(two, "3", "AWSPENDING")
	localtest.WantError(t, err, "ResourceExistsException", "You can't use ClientRequestToken "+two+" because that value is already in use for a version of secret "+arn+".")
	f.WantLabels(map[string]string{"AWSCURRENT": one, "AWSPENDING": two})
}

func TestWritingACurrentVersionMovesPreviousToTheOneBefore(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	_, one := f.CreateSecret("s", "1")
	two, three := localtest.Token("two"), localtest.Token("three")
	f.Put(two, "2")
	f.WantLabels(map[string]string{"AWSCURRENT": two, "AWSPREVIOUS": one})
	f.Put(three, "3")
	f.WantLabels(map[string]string{"AWSCURRENT": three, "AWSPREVIOUS": two})

	// A rollback is the same move the other way.
	if err := f.MoveLabel("s", "AWSCURRENT", two, three); err != nil {
		t.Fatal(err)
	}
	f.WantLabels(map[string]string{"AWSCURRENT": two, "AWSPREVIOUS": three})
}

func TestTheFirstVersionIsCurrentWhateverItsLabels(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	if _, err := f.Secrets.CreateSecret(f.Ctx, &secretsmanager.CreateSecretInput{Name: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	one := localtest.Token("one")
	f.Put(one, "1", "mine")
	f.WantLabels(map[string]string{"AWSCURRENT": one, "mine": one})
}

func TestALabelIsMovedOnlyByACallerWhoKnowsWhereItIs(t *testing.T) {
	t.Parallel()
	one, two, three := localtest.Token("one"), localtest.Token("two"), localtest.Token("three")
	for _, c := range []struct {
		name, label, to, from, code, message string
	}{
		{"the holder is named", "AWSCURRENT", two, one, "", ""},
		{"the holder is not named", "AWSCURRENT", two, "", "InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version " + one + ", so you must explicitly reference that version in RemoveFromVersionId."},
		{"another is named", "AWSCURRENT", two, three, "InvalidParameterException", "RemoveFromVersionId"},
		{"it is there already", "AWSCURRENT", one, "", "", ""},
		{"a repeated move", "mine", three, one, "InvalidParameterException", "mine is not attached to version " + one},
		{"a new label", "new", two, "", "", ""},
		{"a label is removed", "mine", "", three, "", ""},
		{"AWSCURRENT is removed", "AWSCURRENT", "", one, "InvalidParameterException", "You can only move staging label AWSCURRENT"},
		{"no such version", "new", localtest.Token("none"), "", "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: " + localtest.Token("none")},
		{"nothing to do", "new", "", "", "InvalidParameterException", ""},
		{"a label of 257 characters", strings.Repeat("x", 257), two, "", "ValidationException", ""},
		{"a label of 256 characters, free text", strings.Repeat("é", 256), two, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, localaws.Options{})
			f.Secrets.CreateSecret(f.Ctx, &secretsmanager.CreateSecretInput{Name: aws.String("s")})
			f.Put(one, "1")
			f.Put(two, "2", "second")
			f.Put(three, "3", "mine")
			localtest.WantError(t, f.MoveLabel("s", c.label, c.to, c.from), c.code, c.message)
		})
	}
}

func TestASecretHasAtMostTwentyLabelsOverAllItsVersions(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	_, one := f.CreateSecret("s", "1")
	two := localtest.Token("two")
	f.Put(two, "2") // AWSCURRENT and AWSPREVIOUS
	for i := range 18 {
		if err := f.MoveLabel("s", fmt.Sprint("label ", i), []string{one, two}[i%2], ""); err != nil {
			t.Fatalf("label %d: %v", i+3, err)
		}
	}
	localtest.WantError(t, f.MoveLabel("s", "one more", one, ""), "LimitExceededException", "20 staging labels")
	localtest.WantError(t, f.Put(localtest.Token("three"), "3", "one more"), "LimitExceededException", "20 staging labels")
	if err := f.Put(localtest.Token("three"), "3"); err != nil {
		t.Errorf("a value whose labels were there before: %v", err)
	}
}

func TestVersionsWithoutLabelsShowOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	_, one := f.CreateSecret("s", "1")
	two, three := localtest.Token("two"), localtest.Token("three")
	f.Put(two, "2")
	f.Put(three, "3")
	for _, c := range []struct {
		deprecated bool
		want       []string
	}{{false, []string{three, two}}, {true, []string{three, two, one}}} {
		var got []string
		pages := secretsmanager.NewListSecretVersionIdsPaginator(f.Secrets, &secretsmanager.ListSecretVersionIdsInput{
			SecretId: aws.String("s"), IncludeDeprecated: &c.deprecated, MaxResults: aws.Int32(1),
		})
		for pages.HasMorePages() {
			out, err := pages.NextPage(f.Ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range out.Versions {
				got = append(got, *v.VersionId)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("with IncludeDeprecated=%v: %v", c.deprecated, got)
		}
	}
}

func TestAVersionWithoutLabelsMayBeDeletedAtOnce(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{Variants: localsecretsmanager.Variants{DeleteUnlabelled: true}})
	_, one := f.CreateSecret("s", "1")
	f.Put(localtest.Token("two"), "2", "mine")
	if err := f.MoveLabel("s", "mine", "", localtest.Token("two")); err != nil {
		t.Fatal(err)
	}
	state, _ := f.SecretsManager.State("s")
	if len(state.Versions) != 1 || state.Versions[0].ID != one {
		t.Errorf("got %+v", state.Versions)
	}
}

func TestTheHundredAndFirstVersionNeedsOneThatIsADayOld(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.CreateSecret("s", "0")
	for i := 1; i < 100; i++ {
		if err := f.Put(localtest.Token(fmt.Sprint("v", i)), "x"); err != nil {
			t.Fatal(err)
		}
	}
	localtest.WantError(t, f.Put(localtest.Token("v100"), "x"), "LimitExceededException", "100 versions")
	f.Clock().Advance(25 * time.Hour)
	if err := f.Put(localtest.Token("v100"), "x"); err != nil {
		t.Error(err)
	}
}

func TestValuesHaveASize(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.CreateSecret("s", "1")
	for _, c := range []struct {
		name    string
		text    *string
		binary  []byte
		code    string
		message string
	}{
		{"65,536 bytes", aws.String(strings.Repeat("x", 65536)), nil, "", ""},
		{"65,537 bytes", aws.String(strings.Repeat("x", 65537)), nil, "ValidationException", "Value at 'secretString'"},
		{"65,538 bytes in fewer characters", aws.String(strings.Repeat("é", 32769)), nil, "ValidationException", ""},
		{"binary", nil, []byte{0, 255}, "", ""},
		{"none", nil, nil, "InvalidParameterException", "You must provide either SecretString or SecretBinary."},
		{"both", aws.String("x"), []byte("x"), "InvalidParameterException", "You can't specify both"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := f.Secrets.PutSecretValue(f.Ctx, &secretsmanager.PutSecretValueInput{
				SecretId: aws.String("s"), SecretString: c.text, SecretBinary: c.binary,
			})
			localtest.WantError(t, err, c.code, c.message)
			if err != nil {
				return
			}
			out, err := f.Secrets.GetSecretValue(f.Ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")})
			if err != nil || aws.ToString(out.SecretString) != aws.ToString(c.text) || !slices.Equal(out.SecretBinary, c.binary) {
				t.Errorf("read back: %v", err)
			}
		})
	}
}

func TestCreateSecretIsIdempotentForItsToken(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	in := &secretsmanager.CreateSecretInput{
		Name: aws.String("s"), SecretString: aws.String("1"), ClientRequestToken: aws.String(localtest.Token("one")), Description: aws.String("d"),
		Tags: []types.Tag{{Key: aws.String("stage"), Value: aws.String("prod")}},
	}
	for range 2 {
		if _, err := f.Secrets.CreateSecret(f.Ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	in.SecretString = aws.String("2")
	_, err := f.Secrets.CreateSecret(f.Ctx, in)
	localtest.WantError(t, err, "ResourceExistsException", "The operation failed because the secret s already exists.")
	d, err := f.Secrets.DescribeSecret(f.Ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
	if err != nil || *d.Description != "d" || len(d.Tags) != 1 || d.RotationEnabled != nil || d.NextRotationDate != nil {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestTagsAreSetAndRemovedAndFiltersSeeIt(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.CreateSecret("s", "1")
	f.CreateSecret("other", "1")
	want := func(described, key, value string) {
		t.Helper()
		d, err := f.Secrets.DescribeSecret(f.Ctx, &secretsmanager.DescribeSecretInput{SecretId: &arn})
		if err != nil {
			t.Fatal(err)
		}
		var tags []string
		for _, tag := range d.Tags {
			tags = append(tags, *tag.Key+"="+*tag.Value)
		}
		if got := strings.Join(tags, " "); got != described {
			t.Errorf("described: %s, want %s", got, described)
		}
		for filter, text := range map[types.FilterNameStringType]string{"tag-key": key, "tag-value": value} {
			out, err := f.Secrets.ListSecrets(f.Ctx, &secretsmanager.ListSecretsInput{Filters: []types.Filter{{Key: filter, Values: []string{text}}}})
			if err != nil {
				t.Fatal(err)
			}
			if found := len(out.SecretList) == 1 && *out.SecretList[0].ARN == arn; found != strings.Contains(described, key+"="+value) {
				t.Errorf("%s %s: %d secrets", filter, text, len(out.SecretList))
			}
		}
	}
	tag := func(key, value string) {
		t.Helper()
		_, err := f.Secrets.TagResource(f.Ctx, &secretsmanager.TagResourceInput{SecretId: aws.String("s"), Tags: []types.Tag{{Key: &key, Value: &value}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	want("", "owner", "crm")
	tag("owner", "sales")
	tag("stage", "prod")
	tag("owner", "crm")
	want("owner=crm stage=prod", "owner", "crm")
	if _, err := f.Secrets.UntagResource(f.Ctx, &secretsmanager.UntagResourceInput{SecretId: &arn, TagKeys: []string{"owner", "none"}}); err != nil {
		t.Fatal(err)
	}
	want("stage=prod", "owner", "crm")
	_, err := f.Secrets.TagResource(f.Ctx, &secretsmanager.TagResourceInput{SecretId: aws.String("none"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
	localtest.WantError(t, err, "ResourceNotFoundException", "")
}

func TestASecretMarkedForDeletionIsReadOnlyByItsDescription(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.CreateSecret("s", "1")
	id := &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")}
	if _, err := f.Secrets.DeleteSecret(f.Ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	_, err := f.Secrets.GetSecretValue(f.Ctx, id)
	localtest.WantError(t, err, "InvalidRequestException", "marked for deletion")
	localtest.WantError(t, f.Put(localtest.Token("two"), "2"), "InvalidRequestException", "marked for deletion")
	d, err := f.Secrets.DescribeSecret(f.Ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
	if err != nil || d.DeletedDate == nil {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := f.Secrets.RestoreSecret(f.Ctx, &secretsmanager.RestoreSecretInput{SecretId: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Secrets.GetSecretValue(f.Ctx, id); err != nil {
		t.Error(err)
	}
}

func TestAReplicaIsNotWritten(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.CreateSecret("s", "1")
	if err := f.SecretsManager.SetReplication("s", "eu-west-1", "us-east-1"); err != nil {
		t.Fatal(err)
	}
	localtest.WantError(t, f.Put(localtest.Token("two"), "2"), "InvalidParameterException", "Operation not permitted on a replica secret.")
	d, err := f.Secrets.DescribeSecret(f.Ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
	if err != nil || aws.ToString(d.PrimaryRegion) != "eu-west-1" || len(d.ReplicationStatus) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestAServiceOwnsASecret(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.CreateSecret("rds!db-1", "1")
	if err := f.SecretsManager.SetOwningService("rds!db-1", "rds"); err != nil {
		t.Fatal(err)
	}
	d, err := f.Secrets.DescribeSecret(f.Ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String("rds!db-1")})
	if err != nil || aws.ToString(d.OwningService) != "rds" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestRandomPasswords(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	out, err := f.Secrets.GetRandomPassword(f.Ctx, &secretsmanager.GetRandomPasswordInput{
		PasswordLength: aws.Int64(64), ExcludeCharacters: aws.String(`/@"`), ExcludeLowercase: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	p := *out.RandomPassword
	if len(p) != 64 || strings.ContainsAny(p, `/@" abcdefghijklmnopqrstuvwxyz`) || !strings.ContainsAny(p, "0123456789") {
		t.Errorf("got %q", p)
	}
	_, err = f.Secrets.GetRandomPassword(f.Ctx, &secretsmanager.GetRandomPasswordInput{PasswordLength: aws.Int64(3)})
	localtest.WantError(t, err, "InvalidParameterException", "length")
}

func TestReadsMayLagBehindWrites(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.CreateSecret("s", "1")
	f.SecretsManager.SetVariants(localsecretsmanager.Variants{StaleReads: localsecretsmanager.StaleReads{Reads: 2}})
	f.Put(localtest.Token("two"), "2")
	for i, want := range []string{"1", "1", "2", "2"} {
		out, err := f.Secrets.GetSecretValue(f.Ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")})
		if err != nil || *out.SecretString != want {
			t.Errorf("read %d: %v, %v, want %s", i+1, aws.ToString(out.SecretString), err, want)
		}
	}
	f.SecretsManager.SetVariants(localsecretsmanager.Variants{StaleReads: localsecretsmanager.StaleReads{For: time.Hour}})
	f.Put(localtest.Token("three"), "3")
	d, err := f.Secrets.DescribeSecret(f.Ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
	if err != nil || d.VersionIdsToStages[localtest.Token("three")] != nil {
		t.Errorf("%v, %v", d.VersionIdsToStages, err)
	}
}

func TestLabelUpdatesAreToldOfExceptPendingAndPrevious(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.CreateSecret("s", "1")
	f.Put(localtest.Token("two"), "2", "AWSPENDING")
	f.Put(localtest.Token("three"), "3", "AWSCURRENT", "mine")
	var got []string
	for _, e := range f.Events() {
		if l, ok := e.(localsecretsmanager.LabelUpdated); ok {
			got = append(got, strings.Join(l.Labels, "+"))
		}
	}
	if !slices.Equal(got, []string{"AWSCURRENT", "AWSCURRENT+mine"}) {
		t.Errorf("got %q", got)
	}
}
