// Package policy evaluates IAM policies, of a role or for people, and finds out
// whether they are as narrow as they can be.
//
//	p, err := policy.FromRole(role.Properties) // as package cloudformation renders it
//	decision := p.Evaluate(policy.Request{
//		Action: "ecs:UpdateService", Resource: "arn:aws:ecs:…", Context: map[string][]string{"ecs:cluster": {"arn:aws:ecs:…"}},
//	})
//
// It knows what identity-based policies need: Allow and Deny, wildcards in
// actions, resources and the values of conditions. What it does not know
// (NotAction, NotResource, a condition operator that is not in its table) is an
// error, and never passed over.
//
// Usage records what was asked for while a program ran, and Audit holds it
// against the policies: what was refused, and what nobody needed.
package policy

import (
	"fmt"
	"maps"
	"slices"
)

// A Policy is what a role may do, by its inline policies together.
type Policy struct {
	Statements []Statement

	// Managed are the ARNs of the managed policies that the role has besides.
	// They are not looked into.
	Managed []string
}

// A Statement allows or denies actions on resources, under all of its
// conditions.
type Statement struct {
	Sid        string // unique in its Policy
	Deny       bool
	Actions    []string
	Resources  []string
	Conditions []Condition
}

// A Condition is met when the key has one of the values, or as its operator says.
type Condition struct {
	Operator string // "ArnEquals", "BoolIfExists", "ForAllValues:StringEquals", "Null"
	Key      string // "ecs:cluster"
	Values   []string
}

// FromRole reads the policies of an AWS::IAM::Role from its properties, in
// which every function has been resolved.
func FromRole(properties map[string]any) (Policy, error) {
	var p Policy
	var err error
	if p.Managed, err = texts(properties["ManagedPolicyArns"]); err != nil {
		return Policy{}, fmt.Errorf("the property ManagedPolicyArns: %w", err)
	}
	inline, err := list(properties["Policies"])
	if err != nil {
		return Policy{}, fmt.Errorf("the property Policies: %w", err)
	}
	var documents []map[string]any
	for i, one := range inline {
		its, err := mapping(one)
		if err != nil {
			return Policy{}, fmt.Errorf("policy %d: %w", i+1, err)
		}
		documents = append(documents, its)
	}
	return p.with(documents)
}

// FromManaged reads one or several AWS::IAM::ManagedPolicy from their properties, in
// which every function has been resolved: what somebody may do who has them all.
func FromManaged(properties ...map[string]any) (Policy, error) { return Policy{}.with(properties) }

// with adds the statements of what has a PolicyDocument.
func (p Policy) with(documents []map[string]any) (Policy, error) {
	for i, one := range documents {
		document, err := mapping(one["PolicyDocument"])
		if err != nil {
			return Policy{}, fmt.Errorf("policy %d: %w", i+1, err)
		}
		statements, err := parse(document)
		if err != nil {
			return Policy{}, fmt.Errorf("policy %d: %w", i+1, err)
		}
		p.Statements = append(p.Statements, statements...)
	}
	return p, p.check()
}

// check holds the whole to what evaluation and audit rely on.
func (p Policy) check() error {
	seen := map[string]bool{}
	for _, s := range p.Statements {
		if s.Sid == "" || seen[s.Sid] {
			return fmt.Errorf("a statement's Sid %q is empty or there twice: give each one of its own", s.Sid)
		}
		seen[s.Sid] = true
	}
	return nil
}

func parse(document map[string]any) (statements []Statement, err error) {
	if version := document["Version"]; version != "2012-10-17" {
		return nil, fmt.Errorf("the document's Version is %v: make it 2012-10-17", version)
	}
	all, err := list(document["Statement"])
	if err != nil {
		return nil, fmt.Errorf("Statement: %w", err)
	}
	for i, one := range all {
		s, err := parseStatement(one)
		if err != nil {
			return nil, fmt.Errorf("statement %d (%s): %w", i+1, s.Sid, err)
		}
		statements = append(statements, s)
	}
	return statements, nil
}

func parseStatement(from any) (s Statement, err error) {
	elements, err := mapping(from)
	if err != nil {
		return s, err
	}
	s.Sid, _ = elements["Sid"].(string)
	for _, name := range slices.Sorted(maps.Keys(elements)) {
		switch value := elements[name]; name {
		case "Sid":
		case "Effect":
			if value != "Allow" && value != "Deny" {
				err = fmt.Errorf("%v is neither Allow nor Deny", value)
			}
			s.Deny = value == "Deny"
		case "Action":
			s.Actions, err = texts(value)
		case "Resource":
			s.Resources, err = texts(value)
		case "Condition":
			s.Conditions, err = parseConditions(value)
		default:
			err = fmt.Errorf("this element is not supported")
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", name, err)
		}
	}
	if elements["Effect"] == nil || len(s.Actions) == 0 || len(s.Resources) == 0 {
		return s, fmt.Errorf("it lacks Effect, Action or Resource")
	}
	return s, nil
}

func parseConditions(from any) (conditions []Condition, err error) {
	blocks, err := mapping(from)
	if err != nil {
		return nil, err
	}
	for _, operator := range slices.Sorted(maps.Keys(blocks)) {
		if _, err := operatorOf(operator); err != nil {
			return nil, err
		}
		keys, err := mapping(blocks[operator])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", operator, err)
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			values, err := texts(keys[key])
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", operator, key, err)
			}
			conditions = append(conditions, Condition{operator, key, values})
		}
	}
	return conditions, nil
}

// mapping is a value that has to be a map.
func mapping(from any) (map[string]any, error) {
	m, ok := from.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("this is no mapping, but %T", from)
	}
	return m, nil
}

// list is a value that may stand alone in place of a list of one.
func list(from any) ([]any, error) {
	switch from := from.(type) {
	case nil:
		return nil, nil
	case []any:
		return from, nil
	case map[string]any:
		return []any{from}, nil
	}
	return nil, fmt.Errorf("this is no list, but %T", from)
}

// texts is a text or a list of texts.
func texts(from any) (all []string, err error) {
	if text, ok := from.(string); ok {
		return []string{text}, nil
	}
	items, err := list(from)
	for _, item := range items {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("this is no text, but %T", item)
		}
		all = append(all, text)
	}
	return all, err
}
