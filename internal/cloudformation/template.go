// Package cloudformation renders a CloudFormation or SAM template as a
// deployment would, without one: it takes parameters, and tells which resources
// there are and what their properties come to.
//
//	t, err := cloudformation.Parse(text)
//	stack, err := t.Render(cloudformation.Options{Parameters: map[string]string{"SecretArn": "arn:aws:…"}})
//	role := stack.Resources["FunctionRole"].Properties
//
// Every scalar is rendered as a text, as CloudFormation takes it: 120 is "120",
// true is "true". What the package does not know (a function, a parameter's
// type, an attribute of a resource) is an error that names the place; nothing is
// guessed.
package cloudformation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Template is a parsed template.
type Template struct {
	parameters map[string]any
	rules      map[string]any
	conditions map[string]any
	resources  map[string]any
	globals    map[string]any
	outputs    map[string]any
}

// sections are those that a template may have. The last four say nothing about
// what a stack is.
var sections = []string{
	"Parameters", "Rules", "Conditions", "Resources", "Globals", "Outputs",
	"AWSTemplateFormatVersion", "Description", "Metadata", "Transform",
}

// Parse reads a template in YAML, with functions in their short or long form.
func Parse(text []byte) (*Template, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	if len(root.Content) != 1 {
		return nil, errors.New("the template is empty")
	}
	value, err := decode(root.Content[0])
	if err != nil {
		return nil, err
	}
	all, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("the template is no mapping")
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(sections, name) {
			return nil, fmt.Errorf("the section %s is not supported", name)
		}
	}
	t := &Template{}
	for name, into := range map[string]*map[string]any{
		"Parameters": &t.parameters, "Rules": &t.rules, "Conditions": &t.conditions,
		"Resources": &t.resources, "Globals": &t.globals, "Outputs": &t.outputs,
	} {
		if *into, err = section(all, name); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func section(from map[string]any, name string) (map[string]any, error) {
	if from[name] == nil {
		return map[string]any{}, nil
	}
	m, ok := from[name].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is no mapping", name)
	}
	return m, nil
}

// A call is a function that is yet to be resolved.
type call struct {
	name string // "Fn::Sub", "Ref", "Condition"
	line int
	arg  any
}

// decode turns a node into maps, lists, texts and calls.
func decode(n *yaml.Node) (any, error) {
	if n.Kind == yaml.AliasNode {
		return decode(n.Alias)
	}
	if name, short := shortForms[n.Tag]; short {
		arg, err := decodePlain(n)
		return call{name, n.Line, arg}, err
	}
	if n.Tag != "" && !strings.HasPrefix(n.Tag, "!!") {
		return nil, fmt.Errorf("line %d: the function %s is not supported", n.Line, n.Tag)
	}
	value, err := decodePlain(n)
	if m, ok := value.(map[string]any); ok && err == nil && len(m) == 1 {
		for name, arg := range m {
			if longForms[name] {
				return call{name, n.Line, arg}, nil
			}
			if strings.HasPrefix(name, "Fn::") {
				return nil, fmt.Errorf("line %d: the function %s is not supported", n.Line, name)
			}
		}
	}
	return value, err
}

// decodePlain decodes a node without regard to its tag.
func decodePlain(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil, fmt.Errorf("line %d: a value is missing", n.Line)
		}
		return n.Value, nil
	case yaml.SequenceNode:
		items := make([]any, len(n.Content))
		for i, item := range n.Content {
			var err error
			if items[i], err = decode(item); err != nil {
				return nil, err
			}
		}
		return items, nil
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if _, twice := m[name]; twice {
				return nil, fmt.Errorf("line %d: %s is there twice", n.Content[i].Line, name)
			}
			value, err := decode(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[name] = value
		}
		return m, nil
	}
	return nil, fmt.Errorf("line %d: this kind of YAML is not supported", n.Line)
}
