package cloudformation

import (
	"slices"
	"strings"
	"testing"
)

func TestAnUpdateReplacesWhatHasAnotherNameAndChangesTheRest(t *testing.T) {
	t.Parallel()
	topic := Resource{Type: "AWS::SNS::Topic", Properties: map[string]any{"TopicName": "a", "KmsMasterKeyId": "k"}}
	for want, next := range map[string]Resource{
		"the same":     topic,
		"changed":      {Type: "AWS::SNS::Topic", Properties: map[string]any{"TopicName": "a", "KmsMasterKeyId": "l"}},
		"renamed":      {Type: "AWS::SNS::Topic", Properties: map[string]any{"TopicName": "b", "KmsMasterKeyId": "k"}},
		"without name": {Type: "AWS::SNS::Topic"},
		"another type": {Type: "AWS::SQS::Queue", Properties: map[string]any{"TopicName": "a"}},
	} {
		replaced, err := topic.ReplacedBy(next)
		if err != nil || replaced != slices.Contains([]string{"renamed", "without name", "another type"}, want) {
			t.Errorf("%s: replaced is %v, %v", want, replaced, err)
		}
	}
	function := func(property string, value any) Resource {
		return Resource{Type: "AWS::Serverless::Function", Properties: map[string]any{"FunctionName": "f", property: value}}
	}
	for property, want := range map[string]bool{"DurableConfig": true, "PackageType": true, "MemorySize": false} {
		if replaced, err := function(property, "a").ReplacedBy(function(property, "b")); err != nil || replaced != want {
			t.Errorf("a function with another %s: replaced is %v, %v", property, replaced, err)
		}
	}
	within := Resource{Properties: map[string]any{"A": map[string]any{"B": "b"}}}
	if got := within.at("A/B"); got != "b" || within.at("A/C") != nil || within.at("B/A/C") != nil {
		t.Errorf("a property within another is %v", got)
	}
	if name, err := topic.FixedName(); err != nil || name != "a" {
		t.Errorf("its name is %q, %v", name, err)
	}
	if name, err := (Resource{Type: "AWS::KMS::Key"}).FixedName(); err != nil || name != "" {
		t.Errorf("a key's name is %q, %v", name, err)
	}
	unknown := Resource{Type: "AWS::S3::Bucket"}
	if _, err := unknown.ReplacedBy(unknown); err == nil {
		t.Error("a type that is not known is taken for one that is never replaced")
	}
	if _, err := unknown.FixedName(); err == nil {
		t.Error("a type that is not known is taken for one without a name")
	}
}

func TestAResourceHasItsPolicies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"DeletionPolicy: RetainExceptOnCreate, UpdateReplacePolicy: Retain": "RetainExceptOnCreate Retain",
		"DeletionPolicy: Delete":                    "Delete ",
		"UpdateReplacePolicy: RetainExceptOnCreate": "UpdateReplacePolicy is RetainExceptOnCreate, and not one of Delete, Retain, Snapshot",
		"DeletionPolicy: [Retain]":                  "DeletionPolicy is [Retain], and not one of",
	} {
		template, err := Parse([]byte("Resources: {R: {Type: AWS::SQS::Queue, " + text + "}}"))
		if err != nil {
			t.Fatal(err)
		}
		stack, err := template.Render(Options{})
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = stack.Resources["R"].DeletionPolicy + " " + stack.Resources["R"].UpdateReplacePolicy
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %q", text, got)
		}
	}
}

func TestARefusedParameterSaysWhatItHasToBe(t *testing.T) {
	t.Parallel()
	template, err := Parse([]byte("Parameters: {P: {Type: String, Default: '', AllowedPattern: '^[a-z]*$', ConstraintDescription: must be small letters}}\nResources: {}"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = template.Render(Options{Parameters: map[string]string{"P": "A"}})
	if err == nil || !strings.Contains(err.Error(), `parameter P: the value "A" does not satisfy AllowedPattern`) || !strings.Contains(err.Error(), "it must be small letters") {
		t.Errorf("got %v", err)
	}
}
