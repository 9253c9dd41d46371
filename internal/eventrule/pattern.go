// Package eventrule is what a rule of Amazon EventBridge does with an event: whether
// its pattern matches it, and what its target's input transformer makes of it.
//
//	p, err := eventrule.Parse([]byte(`{"source": ["lambda"], "detail": {"notice": [{"exists": true}]}}`))
//	matches, err := p.Matches(event)
//	message, err := eventrule.Transformer{Paths: paths, Template: template}.Apply(event)
//
// It goes by EventBridge's user guide ("Comparison operators for use in event patterns",
// "Matching on multiple values for an event field", "Input transformation"). What the
// guide does not say, and operators that are not in operators, are errors; nothing is
// guessed.
package eventrule

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A Pattern is an event pattern. Make one with [Parse].
type Pattern struct{ fields map[string]any } // of map[string]any and []matcher

// A matcher decides about the values of one field of an event; there are none where
// the event lacks the field.
type matcher func(values []any) bool

// Parse reads a pattern in JSON.
func Parse(pattern []byte) (Pattern, error) {
	var fields map[string]any
	if err := json.Unmarshal(pattern, &fields); err != nil {
		return Pattern{}, fmt.Errorf("event pattern: %w", err)
	}
	parsed, err := parse(fields)
	if err != nil {
		return Pattern{}, fmt.Errorf("event pattern: %w", err)
	}
	return Pattern{parsed}, nil
}

func parse(fields map[string]any) (map[string]any, error) {
	if len(fields) == 0 {
		return nil, errors.New("an empty object matches nothing")
	}
	parsed := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		var err error
		switch value := fields[name].(type) {
		case map[string]any:
			parsed[name], err = parse(value)
		case []any:
			parsed[name], err = parseValues(value)
		default:
			err = errors.New("it is neither an object nor a list")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return parsed, nil
}

func parseValues(values []any) (matchers []matcher, err error) {
	if len(values) == 0 {
		return nil, errors.New("an empty list matches nothing")
	}
	for _, value := range values {
		m := anyOf(func(given any) bool { return reflect.DeepEqual(given, value) })
		if comparison, ok := value.(map[string]any); ok {
			if m, err = parseComparison(comparison); err != nil {
				return nil, err
			}
		}
		matchers = append(matchers, m)
	}
	return matchers, nil
}

// operators compare a text with that of a pattern.
var operators = map[string]func(given, text string) bool{
	"prefix":             strings.HasPrefix,
	"suffix":             strings.HasSuffix,
	"equals-ignore-case": strings.EqualFold,
}

func parseComparison(comparison map[string]any) (matcher, error) {
	for name, with := range comparison {
		if len(comparison) != 1 {
			break
		}
		if exists, ok := with.(bool); ok && name == "exists" {
			return func(values []any) bool { return len(values) > 0 == exists }, nil
		}
		compare, text := operators[name], ""
		if t, ok := with.(string); ok && compare != nil {
			text = t
			return anyOf(func(given any) bool {
				g, ok := given.(string)
				return ok && compare(g, text)
			}), nil
		}
	}
	return nil, fmt.Errorf("the comparison %v is not supported", comparison)
}

// anyOf matches if one of the event's values does.
func anyOf(match func(given any) bool) matcher {
	return func(values []any) bool { return slices.ContainsFunc(values, match) }
}

// Matches tells whether the pattern matches an event in JSON.
func (p Pattern) Matches(event []byte) (bool, error) {
	var fields map[string]any
	if err := json.Unmarshal(event, &fields); err != nil {
		return false, fmt.Errorf("event: %w", err)
	}
	return match(p.fields, fields)
}

func match(pattern map[string]any, event map[string]any) (bool, error) {
	all := true
	for _, name := range slices.Sorted(maps.Keys(pattern)) {
		value, given := event[name]
		matches, err := false, error(nil)
		switch want := pattern[name].(type) {
		case map[string]any:
			matches, err = matchUnder(want, value)
		case []matcher:
			matches, err = matchValue(want, value, given)
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", name, err)
		}
		all = all && matches
	}
	return all, nil
}

func matchUnder(want map[string]any, value any) (bool, error) {
	switch value := value.(type) {
	case map[string]any:
		return match(want, value)
	case []any:
		return false, errors.New("EventBridge's guide does not say how a pattern looks into a list of objects")
	}
	return match(want, nil) // exists: false matches
}

// matchValue takes the value of an event, or those of a list, which match if one does.
func matchValue(want []matcher, value any, given bool) (bool, error) {
	var values []any
	switch value := value.(type) {
	case map[string]any: // no leaf, at which alone comparisons are
		return false, nil
	case []any:
		if len(value) == 0 {
			return false, errors.New("EventBridge's guide does not say how an empty list matches")
		}
		values = value
	default:
		if given {
			values = []any{value}
		}
	}
	return slices.ContainsFunc(want, func(m matcher) bool { return m(values) }), nil
}
