// Package template reads the SAM template, for the tests that hold it against
// the function: what it sets, grants, measures and prints.
//
//	t, err := template.Read("../template.yaml")
//	set := t.Function().At("Environment", "Variables")
//
// It decides nothing: conditions and functions stay as they are written, in
// their long form, so that !Ref X is {"Ref": "X"}.
package template

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Value is a string, number, bool, []Value or map[string]Value.
type Value any

// A Map is a YAML mapping.
type Map map[string]Value

// A Template is a parsed template; its fields are the sections of that name.
type Template struct {
	Metadata, Parameters, Rules, Conditions, Resources, Outputs Map
}

// Read reads a template from a file.
func Read(file string) (Template, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Template{}, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return Template{}, fmt.Errorf("%s: %w", file, err)
	}
	root, err := value(document.Content[0])
	if err != nil {
		return Template{}, fmt.Errorf("%s: %w", file, err)
	}
	sections, ok := root.(Map)
	if !ok {
		return Template{}, fmt.Errorf("%s is no mapping", file)
	}
	section := func(name string) Map { return sections.At(name) }
	return Template{section("Metadata"), section("Parameters"), section("Rules"), section("Conditions"), section("Resources"), section("Outputs")}, nil
}

// Function are the properties of the one function.
func (t Template) Function() Map { return t.Resources.At("RotationFunction", "Properties") }

// At goes down by keys; what is not there, or is no mapping, is empty.
func (m Map) At(keys ...string) Map {
	for _, key := range keys {
		m, _ = m[key].(Map)
	}
	return m
}

// Text is the value under a key as text; "" when there is none, or no scalar.
func (m Map) Text(key string) string {
	switch v := m[key].(type) {
	case string, int, float64, bool:
		return fmt.Sprint(v)
	}
	return ""
}

// Keys are the keys, sorted.
func (m Map) Keys() []string { return slices.Sorted(maps.Keys(m)) }

// Walk calls visit for every mapping in v, from the outside in.
func Walk(v Value, visit func(Map)) {
	switch v := v.(type) {
	case Map:
		visit(v)
		for _, key := range v.Keys() {
			Walk(v[key], visit)
		}
	case []Value:
		for _, item := range v {
			Walk(item, visit)
		}
	}
}

var placeholder = regexp.MustCompile(`\$\{([^}!]+)\}`)

// Names are the parameters, resources and pseudo parameters that v refers to,
// by Ref, Fn::GetAtt and Fn::Sub, and under "condition" those that it decides by.
func Names(v Value) (names, conditions map[string]bool) {
	names, conditions = map[string]bool{}, map[string]bool{}
	Walk(v, func(m Map) {
		if name, ok := m["Ref"].(string); ok {
			names[name] = true
		}
		if path, ok := m["Fn::GetAtt"].([]Value); ok {
			names[path[0].(string)] = true
		}
		if branches, ok := m["Fn::If"].([]Value); ok {
			conditions[branches[0].(string)] = true
		}
		if name, ok := m["Condition"].(string); ok {
			conditions[name] = true
		}
		text, own := Sub(m)
		for _, match := range placeholder.FindAllStringSubmatch(text, -1) {
			name, _, _ := strings.Cut(match[1], ".")
			if _, ok := own[name]; !ok {
				names[name] = true
			}
		}
	})
	return names, conditions
}

// Sub is the text of a Fn::Sub, with the names that it brings along itself.
func Sub(v Value) (text string, own Map) {
	m, _ := v.(Map)
	switch sub := m["Fn::Sub"].(type) {
	case string:
		return sub, nil
	case []Value:
		text, _ = sub[0].(string)
		own, _ = sub[1].(Map)
	}
	return text, own
}

// value turns a node into a Value, with functions in their long form.
func value(node *yaml.Node) (Value, error) {
	if tag := node.Tag; strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!") {
		return function(strings.TrimPrefix(tag, "!"), node)
	}
	switch node.Kind {
	case yaml.MappingNode:
		m := Map{}
		for i := 0; i < len(node.Content); i += 2 {
			key := node.Content[i].Value
			if _, twice := m[key]; twice {
				return nil, fmt.Errorf("line %d: %s is there twice", node.Content[i].Line, key)
			}
			v, err := value(node.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[key] = v
		}
		return m, nil
	case yaml.SequenceNode:
		items := []Value{}
		for _, item := range node.Content {
			v, err := value(item)
			if err != nil {
				return nil, err
			}
			items = append(items, v)
		}
		return items, nil
	case yaml.ScalarNode:
		var v any
		err := node.Decode(&v)
		return v, err
	}
	return nil, fmt.Errorf("line %d: anchors are not understood", node.Line)
}

// function writes a function's short form out.
func function(name string, node *yaml.Node) (Value, error) {
	plain := *node
	plain.Tag = ""
	if node.Kind == yaml.ScalarNode {
		plain.Tag = "!!str"
	}
	v, err := value(&plain)
	if err != nil {
		return nil, err
	}
	switch name {
	case "Ref", "Condition":
		return Map{name: v}, nil
	case "GetAtt":
		if path, ok := v.(string); ok {
			resource, attribute, _ := strings.Cut(path, ".")
			v = []Value{resource, attribute}
		}
	}
	return Map{"Fn::" + name: v}, nil
}
