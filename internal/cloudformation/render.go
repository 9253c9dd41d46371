package cloudformation

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Options say where and how a template is deployed.
type Options struct {
	StackName string // default "stack"
	Region    string // default us-east-1
	AccountID string // default 123456789012
	Partition string // default aws

	// Parameters are the values of parameters; the others have their defaults.
	Parameters map[string]string

	// Attribute, if set, is asked first what a resource's attribute is, and "Ref"
	// what a reference to it gives. Where it reports false, and where it is not
	// set, the package says what it knows of the resource's type.
	Attribute func(logicalID, attribute string) (value string, ok bool)
}

// A Stack is what a template comes to.
type Stack struct {
	Resources map[string]Resource // those that there are, by logical id
	Outputs   map[string]string
	Taken     map[Branch]bool // the branches of all its resources
}

// A Resource is one of a Stack. A property is a text, a []any or a
// map[string]any of them.
type Resource struct {
	Type       string
	Properties map[string]any

	// What becomes of it when it leaves the stack, and when an update puts
	// another in its place: "" is CloudFormation's own Delete.
	DeletionPolicy, UpdateReplacePolicy string
}

// Environment is the environment of a function of the stack.
func (s *Stack) Environment(logicalID string) (map[string]string, error) {
	function, ok := s.Resources[logicalID]
	if !ok {
		return nil, fmt.Errorf("the stack has no resource %s", logicalID)
	}
	environment, ok := function.Properties["Environment"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s has no Environment", logicalID)
	}
	variables, ok := environment["Variables"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the Environment of %s has no Variables", logicalID)
	}
	values := map[string]string{}
	for name, value := range variables {
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("the variable %s of %s is no text, but %T", name, logicalID, value)
		}
		values[name] = text
	}
	return values, nil
}

// Render resolves the template, as far as its resources go.
func (t *Template) Render(o Options) (*Stack, error) {
	o.StackName, o.Region = cmp.Or(o.StackName, "stack"), cmp.Or(o.Region, "us-east-1")
	o.AccountID, o.Partition = cmp.Or(o.AccountID, "123456789012"), cmp.Or(o.Partition, "aws")
	parameters, err := t.readParameters(o.Parameters)
	if err != nil {
		return nil, err
	}
	stack := &Stack{Resources: map[string]Resource{}, Outputs: map[string]string{}, Taken: map[Branch]bool{}}
	r := &renderer{template: t, options: o, parameters: parameters, taken: stack.Taken, met: map[string]bool{}}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(t.rules)) {
		if err := r.rule(t.rules[name]); err != nil {
			faults = append(faults, fmt.Errorf("rule %s: %w", name, err))
		}
	}
	// Those that nothing uses have to be right as well.
	for _, name := range slices.Sorted(maps.Keys(t.conditions)) {
		if _, err := r.condition(name); err != nil {
			faults = append(faults, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.resources)) {
		resource, exists, err := r.resource(id)
		if err != nil {
			faults = append(faults, fmt.Errorf("resource %s: %w", id, err))
		}
		if exists {
			stack.Resources[id] = resource
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.outputs)) {
		value, exists, err := r.output(t.outputs[name])
		if err != nil {
			faults = append(faults, fmt.Errorf("output %s: %w", name, err))
		}
		if exists {
			stack.Outputs[name] = value
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return stack, nil
}

// A renderer is one rendering under way.
type renderer struct {
	template   *Template
	options    Options
	parameters map[string]any
	taken      map[Branch]bool
	met        map[string]bool // the conditions that were evaluated: they are the same all along
	under      []string        // what is being resolved, to find what depends on itself
}

// enter notes that something is being resolved, until leave is called.
func (r *renderer) enter(what string) (leave func(), err error) {
	if slices.Contains(r.under, what) {
		return nil, fmt.Errorf("%s depends on itself: %s", what, strings.Join(r.under, " → "))
	}
	r.under = append(r.under, what)
	return func() { r.under = r.under[:len(r.under)-1] }, nil
}

const conditionPrefix = "condition "

// isCondition tells of what is being resolved that it is a condition.
func isCondition(what string) bool { return strings.HasPrefix(what, conditionPrefix) }

// condition evaluates a condition by its name.
func (r *renderer) condition(name string) (bool, error) {
	if met, evaluated := r.met[name]; evaluated {
		return met, nil
	}
	declaration, known := r.template.conditions[name]
	if !known {
		return false, fmt.Errorf("there is no condition %s", name)
	}
	leave, err := r.enter(conditionPrefix + name)
	if err != nil {
		return false, err
	}
	defer leave()
	met, err := r.truth(declaration)
	if err != nil {
		return false, fmt.Errorf("condition %s: %w", name, err)
	}
	r.met[name] = met
	return met, nil
}

// rule checks what several parameters say together.
func (r *renderer) rule(declaration any) error {
	d, ok := declaration.(map[string]any)
	if !ok {
		return errors.New("its declaration is no mapping")
	}
	if condition, conditional := d["RuleCondition"]; conditional {
		if applies, err := r.truth(condition); err != nil || !applies {
			return err
		}
	}
	assertions, ok := d["Assertions"].([]any)
	if !ok {
		return errors.New("its Assertions are no list")
	}
	for _, one := range assertions {
		assertion, ok := one.(map[string]any)
		if !ok {
			return errors.New("an assertion is no mapping")
		}
		met, err := r.truth(assertion["Assert"])
		if err != nil {
			return err
		}
		if !met {
			return fmt.Errorf("%v", assertion["AssertDescription"])
		}
	}
	return nil
}

// declared is what the template says of a resource, and whether its condition
// is met.
func (r *renderer) declared(id string) (declaration map[string]any, exists bool, err error) {
	declaration, ok := r.template.resources[id].(map[string]any)
	if !ok {
		return nil, false, fmt.Errorf("there is no parameter and no resource %s", id)
	}
	condition, conditional := declaration["Condition"].(string)
	if !conditional {
		return declaration, true, nil
	}
	exists, err = r.condition(condition)
	return declaration, exists, err
}

// attributes are what a resource may have besides its properties.
var attributes = []string{"Type", "Properties", "Condition", "DependsOn", "Metadata", "DeletionPolicy", "UpdateReplacePolicy", "CreationPolicy", "UpdatePolicy"}

func (r *renderer) resource(id string) (Resource, bool, error) {
	declaration, exists, err := r.declared(id)
	if err != nil || !exists {
		return Resource{}, false, err
	}
	for name := range declaration {
		if !slices.Contains(attributes, name) {
			return Resource{}, false, fmt.Errorf("%s is not supported", name)
		}
	}
	kind, _ := declaration["Type"].(string)
	properties, err := section(declaration, "Properties")
	if err != nil {
		return Resource{}, false, err
	}
	if properties, err = r.template.withGlobals(kind, properties); err != nil {
		return Resource{}, false, err
	}
	resolved, err := r.resolve(properties)
	if err != nil {
		return Resource{}, false, err
	}
	deletion, err := policyOf(declaration, "DeletionPolicy", "Delete", "Retain", "Snapshot", "RetainExceptOnCreate")
	if err != nil {
		return Resource{}, false, err
	}
	replacement, err := policyOf(declaration, "UpdateReplacePolicy", "Delete", "Retain", "Snapshot")
	if err != nil {
		return Resource{}, false, err
	}
	return Resource{kind, resolved.(map[string]any), deletion, replacement}, true, nil
}

// policyOf is one of a resource's policies: "" where it has none.
func policyOf(declaration map[string]any, name string, allowed ...string) (string, error) {
	switch policy := declaration[name].(type) {
	case nil:
		return "", nil
	case string:
		if slices.Contains(allowed, policy) {
			return policy, nil
		}
	}
	return "", fmt.Errorf("%s is %v, and not one of %s", name, declaration[name], strings.Join(allowed, ", "))
}

// withGlobals adds what SAM's Globals say of all functions: what a function says
// itself goes before, in a mapping member by member.
func (t *Template) withGlobals(kind string, properties map[string]any) (map[string]any, error) {
	for name := range t.globals {
		if name != "Function" {
			return nil, fmt.Errorf("the section Globals: %s is not supported", name)
		}
	}
	if kind != "AWS::Serverless::Function" || t.globals["Function"] == nil {
		return properties, nil
	}
	globals, err := section(t.globals, "Function")
	if err != nil {
		return nil, err
	}
	return merged(globals, properties)
}

func merged(general, special map[string]any) (map[string]any, error) {
	all := maps.Clone(general)
	for name, value := range special {
		under, isMap := general[name].(map[string]any)
		over, both := value.(map[string]any)
		switch general[name].(type) {
		case []any, call: // SAM appends lists, and cannot merge functions
			return nil, fmt.Errorf("the section Globals: %s of a function is no mapping and no plain value, which is not supported", name)
		}
		if isMap && both {
			var err error
			if value, err = merged(under, over); err != nil {
				return nil, err
			}
		}
		all[name] = value
	}
	return all, nil
}

func (r *renderer) output(declaration any) (value string, exists bool, err error) {
	d, ok := declaration.(map[string]any)
	if !ok {
		return "", false, errors.New("its declaration is no mapping")
	}
	if condition, conditional := d["Condition"].(string); conditional {
		if exists, err := r.condition(condition); err != nil || !exists {
			return "", false, err
		}
	}
	value, err = r.text(d["Value"])
	return value, err == nil, err
}
