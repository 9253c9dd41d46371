package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mautic-rotation/internal/packaging"
)

func packaged(t *testing.T, args ...string) (dir, said string) {
	t.Helper()
	dir = t.TempDir()
	binary := filepath.Join(dir, "bootstrap")
	if err := os.WriteFile(binary, []byte("code"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(append([]string{"-template", "../../template.yaml", "-function", binary, "-out", dir}, args...), &out); err != nil {
		t.Fatal(err)
	}
	return dir, out.String()
}

func TestTheTemplateNamesTheCodeWhereTheCommandsPutIt(t *testing.T) {
	t.Parallel()
	zipped, err := packaging.Zip([]byte("code"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args             []string
		bucket, key, put string
	}{
		"a bucket":          {[]string{"-bucket", "artifacts"}, "S3Bucket: artifacts\n", packaging.Key(zipped), "function.zip s3://artifacts/" + packaging.Key(zipped) + "\n"},
		"a bucket each":     {[]string{"-bucket", "artifacts-{region}"}, "S3Bucket: !Sub artifacts-${AWS::Region}\n", packaging.Key(zipped), "s3://artifacts-<region>/"},
		"a key of your own": {[]string{"-bucket", "artifacts", "-key", "v2/code.zip"}, "S3Bucket: artifacts\n", "v2/code.zip", "template.yaml s3://artifacts/v2/code.yaml\n"},
	} {
		dir, said := packaged(t, tc.args...)
		text, err := os.ReadFile(filepath.Join(dir, "template.yaml"))
		if err != nil || !strings.Contains(string(text), tc.bucket) || !strings.Contains(string(text), "S3Key: "+tc.key+"\n") {
			t.Errorf("%s: the template names the code elsewhere, %v", name, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "function.zip")); err != nil || string(got) != string(zipped) {
			t.Errorf("%s: the zip has %d bytes, %v", name, len(got), err)
		}
		if !strings.Contains(said, tc.put) {
			t.Errorf("%s: it says %s", name, said)
		}
		// The template's key tells of the template too, and not of the code alone.
		templateKey := strings.TrimSuffix(packaging.Key(text), ".zip") + ".yaml"
		if len(tc.args) == 2 && (templateKey == strings.TrimSuffix(tc.key, ".zip")+".yaml" || strings.Count(said, templateKey) != 2) {
			t.Errorf("%s: the template is to be %s, and it says %s", name, templateKey, said)
		}
	}
}

// The printed commands are those that the policy to deploy is for: it knows functions and
// stacks by the beginning of their names.
func TestThePrintedCommandsNameTheStackAsThePolicyKnowsIt(t *testing.T) {
	t.Parallel()
	_, said := packaged(t, "-bucket", "artifacts")
	for _, want := range []string{
		"--stack-name mautic-secret-rotation-", "FunctionName=mautic-rotation-prod ", "ParameterKey=FunctionName,ParameterValue=mautic-rotation-prod\n",
		"--tags application=mautic ", "--tags Key=application,Value=mautic ",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q: %s", want, said)
		}
	}
}

func TestWithoutABucketItSaysHowToGiveOne(t *testing.T) {
	t.Parallel()
	for _, bucket := range []string{"", "s3://artifacts", "Artifacts"} {
		err := run([]string{"-bucket", bucket}, os.Stdout)
		if err == nil || !strings.Contains(err.Error(), "make package BUCKET=") {
			t.Errorf("%q: %v", bucket, err)
		}
	}
}
