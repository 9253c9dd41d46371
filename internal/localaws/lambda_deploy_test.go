package localaws_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/localtest"
)

// archive packs files by their names, which can be executed.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	for name, text := range files {
		h := &zip.FileHeader{Name: name}
		h.SetMode(0o755)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, text)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// deployment is the function "rotate", whose executable is this test program.
func deployment(t *testing.T) *lambda.CreateFunctionInput {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &lambda.CreateFunctionInput{
		FunctionName: aws.String("rotate"), Role: aws.String("arn:aws:iam::123456789012:role/rotate"), Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Code:        &types.FunctionCode{ZipFile: archive(t, map[string]string{"bootstrap": "#!/bin/sh\ncat \"$(dirname \"$0\")/data/words\"\nexec '" + self + "'\n", "data/words": "from the archive\n"})},
		Environment: &types.Environment{Variables: map[string]string{"LOCALAWS_TEST_FUNCTION": "yes"}},
		Timeout:     aws.Int32(20), Tags: map[string]string{"team": "mail"},
	}
}

// unpacked are the directories of deployed functions.
func unpacked(t *testing.T) int {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), "localaws-function-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(dirs)
}

func TestADeployedFunctionRunsFromItsArchiveUntilItIsDeleted(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	f := start(t, localaws.Options{})
	in := deployment(t)
	made, err := f.functions().CreateFunction(f.Ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if *made.FunctionArn != "arn:aws:lambda:us-east-1:123456789012:function:rotate" || *made.Role != *in.Role || made.State != types.StateActive {
		t.Errorf("%+v", made)
	}
	out, err := f.functions().Invoke(f.Ctx, &lambda.InvokeInput{FunctionName: made.FunctionName, Payload: []byte(`{"Do":"echo","Text":"hi"}`)})
	if err != nil || !strings.Contains(string(out.Payload), `"text":"hi"`) {
		t.Fatalf("%s, %v", out.Payload, err)
	}
	if m := f.Logs.Messages("/aws/lambda/rotate"); len(m) == 0 || m[0].Text != "from the archive" {
		t.Errorf("the archive's other file was not there: %v", m)
	}
	if tags := f.Lambda.Tags()[*made.FunctionArn]; tags["team"] != "mail" {
		t.Errorf("tags: %v", tags)
	}
	_, err = f.functions().CreateFunction(f.Ctx, in)
	localtest.WantError(t, err, "ResourceConflictException", "rotate")
	if n := unpacked(t); n != 1 {
		t.Errorf("%d archives are unpacked", n)
	}
	_, err = f.functions().DeleteFunction(f.Ctx, &lambda.DeleteFunctionInput{FunctionName: made.FunctionName})
	if err != nil || unpacked(t) != 0 || len(f.Lambda.Processes("rotate")) != 0 {
		t.Errorf("deleted: %v, and %d archives are left", err, unpacked(t))
	}
	_, err = f.functions().DeleteFunction(f.Ctx, &lambda.DeleteFunctionInput{FunctionName: made.FunctionName})
	localtest.WantError(t, err, "ResourceNotFoundException", "rotate")

	if _, err = f.functions().CreateFunction(f.Ctx, in); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil || unpacked(t) != 0 {
		t.Errorf("closed: %v, and %d archives are left", err, unpacked(t))
	}
}

func TestAnArchiveThatIsNoneOrThatLeavesItsDirectoryIsRefused(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	f := start(t, localaws.Options{})
	in := deployment(t)
	for name, content := range map[string][]byte{
		"no archive":       []byte("#!/bin/sh"),
		"out of directory": archive(t, map[string]string{"../bootstrap": "#!/bin/sh"}),
	} {
		in.Code.ZipFile = content
		_, err := f.functions().CreateFunction(f.Ctx, in)
		t.Log(name)
		localtest.WantError(t, err, "InvalidParameterValueException", "Could not unzip")
	}
	if n := unpacked(t); n != 0 {
		t.Errorf("%d archives are left", n)
	}
}

func TestSecretsManagerMayInvokeADeployedFunctionForTheSecretThatItsPolicyNames(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	made, err := f.functions().CreateFunction(f.Ctx, deployment(t))
	if err != nil {
		t.Fatal(err)
	}
	secret := func(name string) string {
		out, err := f.Secrets.CreateSecret(f.Ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("{}")})
		if err != nil {
			t.Fatal(err)
		}
		return *out.ARN
	}
	rotate := func(arn, function string) error {
		_, err := f.Secrets.RotateSecret(f.Ctx, &secretsmanager.RotateSecretInput{SecretId: &arn, RotationLambdaARN: &function})
		return err
	}
	one, other := secret("one"), secret("other")
	const refused = "cannot invoke the specified Lambda function"
	localtest.WantError(t, rotate(one, *made.FunctionArn), "AccessDeniedException", refused)
	permit := &lambda.AddPermissionInput{
		FunctionName: made.FunctionName, StatementId: aws.String("one"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("secretsmanager.amazonaws.com"), SourceAccount: aws.String("123456789012"), SourceArn: &one,
	}
	if _, err := f.functions().AddPermission(f.Ctx, permit); err != nil {
		t.Fatal(err)
	}
	_, err = f.functions().AddPermission(f.Ctx, permit)
	localtest.WantError(t, err, "ResourceConflictException", "already exists")
	localtest.WantError(t, rotate(other, *made.FunctionArn), "AccessDeniedException", refused)
	localtest.WantError(t, rotate(one, *made.FunctionArn), "", "")
	if err := f.SecretsManager.WaitRotation(f.Ctx, one, ""); err != nil {
		t.Error(err)
	}

	// An alias has a policy of its own.
	if _, err := f.Lambda.CreateAlias("rotate", "live"); err != nil {
		t.Fatal(err)
	}
	localtest.WantError(t, rotate(other, *made.FunctionArn+":live"), "AccessDeniedException", refused)
	permit.StatementId, permit.Qualifier, permit.SourceArn = aws.String("live"), aws.String("live"), nil
	if _, err := f.functions().AddPermission(f.Ctx, permit); err != nil {
		t.Fatal(err)
	}
	localtest.WantError(t, rotate(other, *made.FunctionArn), "AccessDeniedException", refused)
	localtest.WantError(t, rotate(other, *made.FunctionArn+":live"), "", "")
}

func TestADeployedFunctionTakesARoleOfTheAccount(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	in := deployment(t)
	in.Role = aws.String("arn:aws:iam::210987654321:role/rotate")
	_, err := f.functions().CreateFunction(f.Ctx, in)
	localtest.WantError(t, err, "InvalidParameterValueException", "cannot be assumed")
}
