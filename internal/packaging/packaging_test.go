package packaging

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"mautic-rotation/internal/cloudformation"
	"mautic-rotation/internal/samconfig"
)

func shipped(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func rendered(t *testing.T, text []byte, o cloudformation.Options) *cloudformation.Stack {
	t.Helper()
	template, err := cloudformation.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	stack, err := template.Render(o)
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

// Whether it is what SAM's own transform makes is seen by tools/template/check; here,
// that a stack comes out the same by the package that all other tests render with.
func TestAStackOfThePackagedTemplateIsThatOfTheTemplate(t *testing.T) {
	t.Parallel()
	plain, err := Transform(shipped(t), Code{"artifacts-{account}-{region}", "function.zip"})
	if err != nil {
		t.Fatal(err)
	}
	environments, err := samconfig.Read("../../samconfig.toml")
	if err != nil || len(environments) < 3 {
		t.Fatalf("%d environments, %v", len(environments), err)
	}
	for name, environment := range environments {
		o := cloudformation.Options{StackName: environment.StackName, Region: "eu-central-1", Parameters: environment.Parameters}
		want, got := rendered(t, shipped(t), o), rendered(t, plain, o)
		if !reflect.DeepEqual(want.Outputs, got.Outputs) {
			t.Errorf("%s: the outputs differ", name)
		}
		function := got.Resources["RotationFunction"]
		sams := want.Resources["RotationFunction"]
		if !reflect.DeepEqual(function.Properties["Environment"], sams.Properties["Environment"]) || function.Type != "AWS::Lambda::Function" {
			t.Errorf("%s: the function is %s, with another environment", name, function.Type)
		}
		if want := map[string]any{"S3Bucket": "artifacts-123456789012-eu-central-1", "S3Key": "function.zip"}; !reflect.DeepEqual(function.Properties["Code"], want) {
			t.Errorf("%s: the code is %v", name, function.Properties["Code"])
		}
		answers := map[string]any{
			"FunctionName": environment.Parameters["FunctionName"], "Qualifier": "$LATEST", "MaximumRetryAttempts": "0", "MaximumEventAgeInSeconds": "300",
			"DestinationConfig": map[string]any{"OnSuccess": map[string]any{"Destination": "arn:aws:events:eu-central-1:123456789012:event-bus/default"}},
		}
		if its := got.Resources["RotationFunctionEventInvokeConfig"]; !reflect.DeepEqual(its.Properties, answers) {
			t.Errorf("%s: answers go by %v", name, its.Properties)
		}
		for _, id := range []string{"RotationFunction", "RotationFunctionEventInvokeConfig"} {
			delete(want.Resources, id)
			delete(got.Resources, id)
		}
		if !reflect.DeepEqual(want.Resources, got.Resources) || len(got.Resources) < 20 {
			t.Errorf("%s: the %d other resources differ", name, len(got.Resources))
		}
	}
}

func TestThePackagedTemplateHasNoMacroAndKeepsTheComments(t *testing.T) {
	t.Parallel()
	plain, err := Transform(shipped(t), Code{"artifacts", "function.zip"})
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []string{"\nTransform:", "AWS::Serverless::", "CodeUri", "BuildMethod"} {
		if bytes.Contains(plain, []byte(of)) {
			t.Errorf("%s is left", of)
		}
	}
	for _, kept := range []string{" S3Bucket: artifacts\n", "# A failed EventBridge invocation is not retried", "# A read-only name for the function"} {
		if !bytes.Contains(plain, []byte(kept)) {
			t.Errorf("%q is missing", kept)
		}
	}
	if len(plain) > 460_800 { // the most that StackSets take
		t.Errorf("it has %d bytes", len(plain))
	}
	again, err := Transform(shipped(t), Code{"artifacts", "function.zip"})
	if err != nil || !bytes.Equal(plain, again) {
		t.Errorf("it comes out differently, %v", err)
	}
}

func TestWhatIsNotKnownOfSAMIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ old, new, want string }{
		"a property":         {"      Tracing: Active", "      Tracing: Active\n      AutoPublishAlias: live", "AutoPublishAlias"},
		"another type":       {"Type: AWS::Serverless::Function", "Type: AWS::Serverless::Api", "AWS::Serverless::Api"},
		"an attribute":       {"    Type: AWS::Serverless::Function", "    Type: AWS::Serverless::Function\n    DeletionPolicy: Retain", "DeletionPolicy"},
		"another macro":      {"Transform: AWS::Serverless-2016-10-31", "Transform: [AWS::Serverless-2016-10-31, AWS::LanguageExtensions]", "alone"},
		"globals":            {"\nConditions:\n", "\nGlobals: {Function: {Timeout: 3}}\nConditions:\n", "Globals"},
		"a destination":      {"            Type: EventBridge", "            Type: SQS", "EventBridge"},
		"a function of tags": {"        mautic-rotation: !Ref AWS::StackName\n      CodeUri", "        Fn::If: [X, {a: b}, {}]\n      CodeUri", "Fn::If"},
	} {
		before := shipped(t)
		text := bytes.Replace(before, []byte(tc.old), []byte(tc.new), 1)
		if bytes.Equal(before, text) {
			t.Errorf("%s: the template has no %q", name, tc.old)
			continue
		}
		if _, err := Transform(text, Code{"artifacts", "function.zip"}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Transform(shipped(t), Code{"artifacts", ""}); err == nil {
		t.Error("code without a key is taken")
	}
}

func TestTheZipIsTheSameForTheSameBinaryAndRuns(t *testing.T) {
	t.Parallel()
	binary := bytes.Repeat([]byte("\x7fELF code "), 1000)
	first, err := Zip(binary)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Zip(binary); err != nil || !bytes.Equal(first, again) || Key(first) != Key(again) {
		t.Errorf("it comes out differently, %v", err)
	}
	other, err := Zip(append(binary, '!'))
	if err != nil || Key(other) == Key(first) {
		t.Errorf("other code has the key %s, %v", Key(other), err)
	}
	archive, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil || len(archive.File) != 1 {
		t.Fatalf("%v, %v", archive, err)
	}
	file := archive.File[0]
	content, err := file.Open()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(content); err != nil || !bytes.Equal(got, binary) || file.Name != "bootstrap" || file.Mode().Perm() != 0o755 {
		t.Errorf("it holds %s with %v, %v", file.Name, file.Mode(), err)
	}
}
