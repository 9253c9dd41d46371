package cloudformation

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// parameterTypes are the types whose values are taken as they are, with whether
// they are lists. SSM's, which CloudFormation looks up, are not among them.
var parameterTypes = map[string]bool{
	"String": false, "Number": false, "CommaDelimitedList": true, "List<Number>": true,
	"AWS::EC2::VPC::Id": false, "AWS::EC2::Subnet::Id": false, "AWS::EC2::SecurityGroup::Id": false,
	"List<AWS::EC2::Subnet::Id>": true, "List<AWS::EC2::SecurityGroup::Id>": true, "List<String>": true,
}

// readParameters gives each parameter its value, and checks it as
// CloudFormation does. A list is a []any of texts.
func (t *Template) readParameters(given map[string]string) (map[string]any, error) {
	values := map[string]any{}
	var faults []error
	for name := range given {
		if t.parameters[name] == nil {
			faults = append(faults, fmt.Errorf("the template has no parameter %s", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.parameters)) {
		value, err := readParameter(t.parameters[name], name, given)
		if err != nil {
			if d, ok := t.parameters[name].(map[string]any); ok && d["ConstraintDescription"] != nil {
				err = fmt.Errorf("%w: it %v", err, d["ConstraintDescription"])
			}
			faults = append(faults, fmt.Errorf("parameter %s: %w", name, err))
		}
		values[name] = value
	}
	return values, errors.Join(faults...)
}

func readParameter(declaration any, name string, given map[string]string) (any, error) {
	d, ok := declaration.(map[string]any)
	if !ok {
		return nil, errors.New("its declaration is no mapping")
	}
	kind, _ := d["Type"].(string)
	isList, known := parameterTypes[kind]
	if !known {
		return nil, fmt.Errorf("the type %q is not supported", kind)
	}
	value, set := given[name]
	if !set {
		if value, set = d["Default"].(string); !set {
			return nil, errors.New("it has no default: a value is required")
		}
	}
	if !isList {
		return value, checkValue(d, kind, value)
	}
	items := []any{}
	if value == "" {
		return items, nil
	}
	for item := range strings.SplitSeq(value, ",") {
		item = strings.TrimSpace(item)
		if err := checkValue(d, kind, item); err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// checkValue holds one value, or one of a list, to its declaration.
func checkValue(d map[string]any, kind, value string) error {
	for _, name := range slices.Sorted(maps.Keys(d)) {
		constraint, ok := checks[name]
		if !ok {
			return fmt.Errorf("%s is not supported", name)
		}
		if constraint == nil {
			continue
		}
		met, err := constraint(d[name], value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !met {
			return fmt.Errorf("the value %q does not satisfy %s %v", value, name, d[name])
		}
	}
	if strings.Contains(kind, "Number") {
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return fmt.Errorf("%q is no number", value)
		}
	}
	return nil
}

// checks are the attributes of a parameter. Those without a function say nothing
// of its value.
var checks = map[string]func(constraint any, value string) (bool, error){
	"Type": nil, "Default": nil, "Description": nil, "NoEcho": nil, "ConstraintDescription": nil,
	"AllowedPattern": func(constraint any, value string) (bool, error) {
		pattern, err := compile(fmt.Sprint(constraint))
		return err == nil && pattern.MatchString(value), err
	},
	"AllowedValues": func(constraint any, value string) (bool, error) {
		allowed, ok := constraint.([]any)
		if !ok {
			return false, errors.New("this is no list")
		}
		return slices.Contains(allowed, any(value)), nil
	},
	"MinLength": atLeast(func(value string) (float64, error) { return float64(len(value)), nil }),
	"MaxLength": atMost(func(value string) (float64, error) { return float64(len(value)), nil }),
	"MinValue":  atLeast(number),
	"MaxValue":  atMost(number),
}

// patterns are those that were compiled: each rendering of a template has the
// same.
var patterns sync.Map // of *regexp.Regexp, by their text

func compile(text string) (*regexp.Regexp, error) {
	if pattern, ok := patterns.Load(text); ok {
		return pattern.(*regexp.Regexp), nil
	}
	pattern, err := regexp.Compile(`^(?:` + text + `)$`)
	if err == nil {
		patterns.Store(text, pattern)
	}
	return pattern, err
}

func number(value string) (float64, error) { return strconv.ParseFloat(value, 64) }

func atLeast(measure func(string) (float64, error)) func(any, string) (bool, error) {
	return func(constraint any, value string) (bool, error) {
		bound, err := number(fmt.Sprint(constraint))
		if err != nil {
			return false, err
		}
		n, err := measure(value)
		return n >= bound, err
	}
}

func atMost(measure func(string) (float64, error)) func(any, string) (bool, error) {
	return func(constraint any, value string) (bool, error) {
		bound, err := number(fmt.Sprint(constraint))
		if err != nil {
			return false, err
		}
		n, err := measure(value)
		return n <= bound, err
	}
}
