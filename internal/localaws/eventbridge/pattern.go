package eventbridge

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// pattern tells whether an event, as it is decoded from JSON, matches an event pattern.
type pattern func(event any) bool

// parsePattern understands an event pattern: an object of objects, whose leaves are lists of what a field may be. That is a text,
// a number, true, false or null; {"prefix": …}; {"anything-but": …} with a text, a number, a list of one kind of them, or a
// {"prefix": …}; and {"exists": …}. EventBridge has more, which is an error here.
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html)
func parsePattern(text string) (pattern, error) {
	var fields map[string]any
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return nil, err
	}
	return objectPattern(fields)
}

func objectPattern(fields map[string]any) (pattern, error) {
	if len(fields) == 0 {
		return nil, fmt.Errorf("an empty object is not allowed")
	}
	parts := map[string]pattern{}
	for name, v := range fields {
		var part pattern
		var err error
		switch v := v.(type) {
		case map[string]any:
			part, err = objectPattern(v)
		case []any:
			part, err = listPattern(v)
			if strings.HasPrefix(name, "$") {
				err = fmt.Errorf("localaws does not have it")
			}
		default:
			err = fmt.Errorf("it must be an object or an array")
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		parts[name] = part
	}
	return func(v any) bool {
		if list, ok := v.([]any); ok { // of objects, of which one has to match
			return slices.ContainsFunc(list, func(item any) bool { return matchesAll(parts, item) })
		}
		return matchesAll(parts, v)
	}, nil
}

func matchesAll(parts map[string]pattern, v any) bool {
	object, _ := v.(map[string]any) // of what is no object no field is there
	for name, part := range parts {
		field, there := object[name]
		if !there {
			field = missing{}
		}
		if !part(field) {
			return false
		}
	}
	return true
}

// missing stands for a field that is not there.
type missing struct{}

func listPattern(list []any) (pattern, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("an empty array is not allowed")
	}
	var leaves []pattern
	for _, item := range list {
		p, err := leafPattern(item)
		if err != nil {
			return nil, err
		}
		leaves = append(leaves, p)
	}
	return func(v any) bool {
		return slices.ContainsFunc(leaves, func(p pattern) bool { return p(v) })
	}, nil
}

func leafPattern(item any) (pattern, error) {
	operator, ok := item.(map[string]any)
	if !ok {
		if _, list := item.([]any); list {
			return nil, fmt.Errorf("an array in an array is not allowed")
		}
		return eachOf(func(v any) bool { return v == item }), nil
	}
	if len(operator) != 1 {
		return nil, fmt.Errorf("a comparison has one operator")
	}
	for name, operand := range operator {
		switch name {
		case "exists":
			wanted, ok := operand.(bool)
			if !ok {
				return nil, fmt.Errorf("exists takes true or false")
			}
			return func(v any) bool { return isLeaf(v) == wanted }, nil
		case "prefix":
			prefix, ok := operand.(string)
			if !ok {
				return nil, fmt.Errorf("localaws knows no prefix but a text")
			}
			return eachOf(func(v any) bool { text, ok := v.(string); return ok && strings.HasPrefix(text, prefix) }), nil
		case "anything-but":
			return otherThan(operand)
		}
		return nil, fmt.Errorf("localaws does not have the operator %q", name)
	}
	panic("unreachable: a map of one")
}

// isLeaf tells whether a field is there and no object, nor a list of them.
func isLeaf(v any) bool {
	switch v := v.(type) {
	case missing, map[string]any:
		return false
	case []any:
		return slices.ContainsFunc(v, isLeaf)
	}
	return true
}

// eachOf is a pattern for a value, or one of the values in a list.
func eachOf(matches func(any) bool) pattern {
	return func(v any) bool {
		if list, ok := v.([]any); ok {
			return slices.ContainsFunc(list, func(item any) bool { return isLeaf(item) && matches(item) })
		}
		return isLeaf(v) && matches(v)
	}
}

func otherThan(operand any) (pattern, error) {
	if object, ok := operand.(map[string]any); ok {
		if _, prefix := object["prefix"].(string); !prefix || len(object) != 1 {
			return nil, fmt.Errorf("localaws knows anything-but with prefix alone")
		}
		inner, err := leafPattern(operand)
		if err != nil {
			return nil, err
		}
		return eachOf(func(v any) bool { return !inner(v) }), nil
	}
	list, ok := operand.([]any)
	if !ok {
		list = []any{operand}
	}
	texts, numbers := 0, 0
	for _, item := range list {
		switch item.(type) {
		case string:
			texts++
		case float64:
			numbers++
		}
	}
	if len(list) == 0 || texts != len(list) && numbers != len(list) {
		return nil, fmt.Errorf("anything-but takes texts or numbers, and not both")
	}
	return eachOf(func(v any) bool { return !slices.Contains(list, v) }), nil
}
