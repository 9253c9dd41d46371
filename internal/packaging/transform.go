// Package packaging makes of the SAM template one that any CloudFormation takes,
// without a macro, and of the function's binary the zip that it names.
//
//	plain, err := packaging.Transform(text, packaging.Code{Bucket: "artifacts-{region}", Key: "mautic-rotation.zip"})
//
// StackSets with service-managed permissions take no macro, and so neither does
// whatever deploys by them. What comes out is what SAM's own transform makes of
// the template, but for one thing: pseudo parameters stay, where SAM puts in the
// region that it runs for. So one template is for every region and partition.
// Whatever the package does not know of SAM is an error; nothing is guessed.
package packaging

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Code says where the zip will be, in S3.
type Code struct {
	// Bucket is the bucket's name. Lambda takes code from a bucket of its own
	// region alone: with "{region}" in the name, or "{account}", each stack takes
	// it from the bucket that is so named in its own.
	Bucket string
	Key    string
}

// macro is the one transform that Transform carries out.
const macro = "AWS::Serverless-2016-10-31"

// Transform carries out SAM's transform on a template in YAML. Comments stay.
func Transform(text []byte, code Code) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("the template is no mapping")
	}
	template := document.Content[0]
	if got := member(template, "Transform"); got == nil || got.Value != macro {
		return nil, fmt.Errorf("the template's Transform is not %s alone", macro)
	}
	if member(template, "Globals") != nil {
		return nil, errors.New("the section Globals is not supported")
	}
	remove(template, "Transform")
	resources := member(template, "Resources")
	if resources == nil || resources.Kind != yaml.MappingNode {
		return nil, errors.New("the template has no Resources")
	}
	for i := 0; i < len(resources.Content); i += 2 {
		id, declaration := resources.Content[i].Value, resources.Content[i+1]
		kind := member(declaration, "Type")
		if kind == nil {
			return nil, fmt.Errorf("resource %s has no Type", id)
		}
		if !strings.HasPrefix(kind.Value, "AWS::Serverless::") {
			continue
		}
		invoke, err := function(declaration, kind, code)
		if err != nil {
			return nil, fmt.Errorf("resource %s: %w", id, err)
		}
		if invoke != nil {
			set(invoke.properties, "FunctionName", tagged("!Ref", id))
			set(invoke.properties, "Qualifier", scalar("$LATEST"))
			resources.Content = slices.Insert(resources.Content, i+2, scalar(id+"EventInvokeConfig"), invoke.declaration)
		}
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(&document), encoder.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// properties says what becomes of each property of a SAM function: its name in
// Lambda's own type, with its value changed by with.
var properties = map[string]struct {
	name string
	with func(value *yaml.Node, code Code) (*yaml.Node, error)
}{
	"Architectures": {"Architectures", asItIs},
	"CodeUri":       {"Code", location},
	"Description":   {"Description", asItIs},
	"Environment":   {"Environment", asItIs},
	"FunctionName":  {"FunctionName", asItIs},
	"Handler":       {"Handler", asItIs},
	"LoggingConfig": {"LoggingConfig", asItIs},
	"MemorySize":    {"MemorySize", asItIs},
	"Role":          {"Role", asItIs},
	"Runtime":       {"Runtime", asItIs},
	"Tags":          {"Tags", tagList},
	"Timeout":       {"Timeout", asItIs},
	"Tracing":       {"TracingConfig", tracing},
	"VpcConfig":     {"VpcConfig", asItIs},
}

// An invokeConfig is the resource that SAM makes of the property EventInvokeConfig.
type invokeConfig struct{ declaration, properties *yaml.Node }

// function turns a SAM function into one of Lambda's, in its place, and returns
// what has to stand beside it.
func function(declaration, kind *yaml.Node, code Code) (*invokeConfig, error) {
	if kind.Value != "AWS::Serverless::Function" {
		return nil, fmt.Errorf("the type %s is not supported", kind.Value)
	}
	for i := 0; i < len(declaration.Content); i += 2 {
		if name := declaration.Content[i].Value; !slices.Contains([]string{"Type", "Metadata", "Properties"}, name) {
			return nil, fmt.Errorf("the attribute %s is not supported", name)
		}
	}
	kind.Value = "AWS::Lambda::Function"
	if metadata := member(declaration, "Metadata"); metadata != nil {
		remove(metadata, "BuildMethod") // for `sam build` alone
	}
	its := member(declaration, "Properties")
	if its == nil || member(its, "CodeUri") == nil || member(its, "Role") == nil {
		return nil, errors.New("a function without CodeUri or Role is not supported")
	}
	if member(its, "Tags") == nil {
		return nil, errors.New("a function without Tags is not supported")
	}
	var invoke *invokeConfig
	for i := 0; i < len(its.Content); i += 2 {
		name, value := its.Content[i], its.Content[i+1]
		if name.Value == "EventInvokeConfig" {
			its.Content = slices.Delete(its.Content, i, i+2)
			i -= 2
			if err := destinations(value); err != nil {
				return nil, err
			}
			invoke = &invokeConfig{mapping("Type", scalar("AWS::Lambda::EventInvokeConfig"), "Properties", value), value}
			invoke.declaration.Content[0].HeadComment = name.HeadComment
			continue
		}
		known, ok := properties[name.Value]
		if !ok {
			return nil, fmt.Errorf("the property %s is not supported", name.Value)
		}
		changed, err := known.with(value, code)
		if err != nil {
			return nil, fmt.Errorf("the property %s: %w", name.Value, err)
		}
		name.Value, its.Content[i+1] = known.name, changed
	}
	return invoke, nil
}

func asItIs(value *yaml.Node, _ Code) (*yaml.Node, error) { return value, nil }

func location(_ *yaml.Node, code Code) (*yaml.Node, error) {
	if code.Bucket == "" || code.Key == "" {
		return nil, errors.New("where the code will be is not given")
	}
	pseudo := strings.NewReplacer("{region}", "${AWS::Region}", "{account}", "${AWS::AccountId}").Replace(code.Bucket)
	bucket := scalar(pseudo)
	if pseudo != code.Bucket {
		bucket = tagged("!Sub", pseudo)
	}
	return mapping("S3Bucket", bucket, "S3Key", scalar(code.Key)), nil
}

func tracing(value *yaml.Node, _ Code) (*yaml.Node, error) {
	if value.Value != "Active" && value.Value != "PassThrough" {
		return nil, fmt.Errorf("%q is not supported", value.Value)
	}
	return mapping("Mode", scalar(value.Value)), nil
}

// tagList turns SAM's mapping of tags into Lambda's list. SAM adds one of its own,
// without which an update from the one template to the other would take it away.
func tagList(value *yaml.Node, _ Code) (*yaml.Node, error) {
	if value.Kind != yaml.MappingNode || value.Tag != "!!map" {
		return nil, errors.New("it is no mapping")
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	list.Content = append(list.Content, mapping("Key", scalar("lambda:createdBy"), "Value", scalar("SAM")))
	for i := 0; i < len(value.Content); i += 2 {
		if strings.HasPrefix(value.Content[i].Value, "Fn::") {
			return nil, fmt.Errorf("the function %s is not supported", value.Content[i].Value)
		}
		list.Content = append(list.Content, mapping("Key", value.Content[i], "Value", value.Content[i+1]))
	}
	return list, nil
}

// destinations takes the type away that SAM has for a destination: for another one
// than EventBridge it would add a statement to the role, which this does not.
func destinations(config *yaml.Node) error {
	all := member(config, "DestinationConfig")
	if all == nil {
		return nil
	}
	for i := 1; i < len(all.Content); i += 2 {
		kind := member(all.Content[i], "Type")
		if kind == nil || kind.Value != "EventBridge" || member(all.Content[i], "Destination") == nil {
			return errors.New("the property EventInvokeConfig: a destination that is not of Type EventBridge, with its ARN, is not supported")
		}
		remove(all.Content[i], "Type")
	}
	return nil
}

func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

func tagged(tag, text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Style: yaml.TaggedStyle, Value: text}
}

// mapping makes a mapping of names, as texts or nodes, and their values.
func mapping(pairs ...any) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, item := range pairs {
		if name, ok := item.(string); ok {
			item = scalar(name)
		}
		m.Content = append(m.Content, item.(*yaml.Node))
	}
	return m
}

// member is what a mapping has under a name; nil when it has nothing, or is none.
func member(m *yaml.Node, name string) *yaml.Node {
	if i := index(m, name); i >= 0 {
		return m.Content[i+1]
	}
	return nil
}

func remove(m *yaml.Node, name string) {
	if i := index(m, name); i >= 0 {
		m.Content = slices.Delete(m.Content, i, i+2)
	}
}

func set(m *yaml.Node, name string, value *yaml.Node) {
	remove(m, name)
	m.Content = append(m.Content, scalar(name), value)
}

// index is where a mapping's member begins; -1 when there is none.
func index(m *yaml.Node, name string) int {
	if m == nil || m.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			return i
		}
	}
	return -1
}
