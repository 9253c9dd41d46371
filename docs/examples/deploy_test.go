package examples

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/samconfig"
)

var (
	parameterBlock = regexp.MustCompile(`(?s)\n  parameters = \{\n(.*?)\n  \}\n`)
	parameterLine  = regexp.MustCompile(`(?m)^    (\w+) += (?:"([^"]*)"|(\S+))$`)
)

// TestTerraformDeploysWhatSamconfigDoes: whether Terraform reads the file, and what the
// CDK makes by its example, is seen by tools/template/check.
func TestTerraformDeploysWhatSamconfigDoes(t *testing.T) {
	t.Parallel()
	environments, err := samconfig.Read("../../samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(read(t, "terraform/main.tf"))
	block := parameterBlock.FindStringSubmatch(text)
	if block == nil {
		t.Fatal("terraform/main.tf has no parameters")
	}
	got := map[string]string{}
	for _, m := range parameterLine.FindAllStringSubmatch(block[1], -1) {
		got[m[1]] = m[2]
		if m[3] == "data.aws_secretsmanager_secret.mautic.arn" {
			got[m[1]] = secretARN
		}
	}
	if len(got) != strings.Count(block[1], "\n")+1 || !maps.Equal(got, environments["prod"].Parameters) {
		t.Errorf("terraform/main.tf gives %v, and samconfig.toml gives %v", got, environments["prod"].Parameters)
	}
	template, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := cloudformation.Parse(template)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parsed.Render(cloudformation.Options{StackName: "mautic-secret-rotation-prod", Parameters: got}); err != nil {
		t.Error(err)
	}
	// Terraform deletes an object whose key changes before it updates the stack, which
	// needs it to go back.
	if strings.Contains(text, `resource "aws_s3_object"`) {
		t.Error("terraform/main.tf deletes the release before at each upgrade")
	}
	if !strings.Contains(text, `name         = "mautic-secret-rotation-prod"`) || !strings.Contains(text, `"CAPABILITY_IAM"`) {
		t.Error("terraform/main.tf has another stack, or no capability")
	}
}

// A program that is not in package.json is fetched by npx as whatever is the newest.
func TestTheCDKIsPinned(t *testing.T) {
	t.Parallel()
	var manifest struct{ Dependencies, DevDependencies map[string]string }
	if err := json.Unmarshal(read(t, "cdk/package.json"), &manifest); err != nil {
		t.Fatal(err)
	}
	for name, version := range map[string]string{
		"aws-cdk-lib": manifest.Dependencies["aws-cdk-lib"], "constructs": manifest.Dependencies["constructs"], "aws-cdk": manifest.DevDependencies["aws-cdk"],
	} {
		if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version) {
			t.Errorf("%s is %q", name, version)
		}
	}
}
