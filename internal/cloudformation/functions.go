package cloudformation

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// longForms are the functions that are known.
var longForms = map[string]bool{
	"Ref": true, "Fn::GetAtt": true, "Fn::Sub": true, "Fn::If": true, "Fn::Join": true, "Fn::Split": true, "Fn::Select": true,
	"Fn::Equals": true, "Fn::And": true, "Fn::Or": true, "Fn::Not": true,
}

var shortForms = map[string]string{
	"!Ref": "Ref", "!GetAtt": "Fn::GetAtt", "!Sub": "Fn::Sub", "!If": "Fn::If", "!Join": "Fn::Join", "!Split": "Fn::Split",
	"!Select": "Fn::Select", "!Equals": "Fn::Equals", "!And": "Fn::And", "!Or": "Fn::Or", "!Not": "Fn::Not", "!Condition": "Condition",
}

// noValue is AWS::NoValue: what has it for a value is left out.
type noValue struct{}

// resolve replaces every function in a value by what it comes to.
func (r *renderer) resolve(value any) (any, error) {
	switch value := value.(type) {
	case map[string]any:
		m := make(map[string]any, len(value))
		for name, member := range value {
			resolved, err := r.resolve(member)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if resolved != (noValue{}) {
				m[name] = resolved
			}
		}
		return m, nil
	case []any:
		items := make([]any, 0, len(value))
		for _, item := range value {
			resolved, err := r.resolve(item)
			if err != nil {
				return nil, err
			}
			if resolved != (noValue{}) {
				items = append(items, resolved)
			}
		}
		return items, nil
	case call:
		result, err := r.apply(value)
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", value.line, value.name, err)
		}
		return result, nil
	}
	return value, nil
}

func (r *renderer) apply(c call) (any, error) {
	switch c.name {
	case "Ref":
		name, ok := c.arg.(string)
		if !ok {
			return nil, errors.New("it takes a name")
		}
		return r.ref(name)
	case "Fn::GetAtt":
		return r.getAtt(c.arg)
	case "Fn::Sub":
		return r.sub(c.arg)
	case "Fn::If":
		return r.choose(c)
	case "Fn::Join":
		return r.join(c.arg)
	case "Fn::Split":
		return r.split(c.arg)
	case "Fn::Select":
		return r.pick(c.arg)
	}
	return nil, errors.New("it is not supported here")
}

// text resolves what has to come to a text.
func (r *renderer) text(value any) (string, error) {
	resolved, err := r.resolve(value)
	if err != nil {
		return "", err
	}
	text, ok := resolved.(string)
	if !ok {
		return "", fmt.Errorf("%T where a text is needed", resolved)
	}
	return text, nil
}

// items resolves what has to come to a list of texts.
func (r *renderer) items(value any) (texts []string, err error) {
	resolved, err := r.resolve(value)
	if err != nil {
		return nil, err
	}
	list, ok := resolved.([]any)
	if !ok {
		return nil, fmt.Errorf("%T where a list is needed", resolved)
	}
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("%T where a text is needed", item)
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// arguments are a function's, which takes so many.
func arguments(arg any, n int) ([]any, error) {
	list, ok := arg.([]any)
	if !ok || len(list) != n {
		return nil, fmt.Errorf("it takes a list of %d", n)
	}
	return list, nil
}

func (r *renderer) ref(name string) (any, error) {
	if name == "AWS::NoValue" {
		return noValue{}, nil
	}
	if value, ok := r.pseudo(name); ok {
		return value, nil
	}
	if value, ok := r.parameters[name]; ok {
		return value, nil
	}
	return r.attribute(name, "Ref")
}

// pseudo are AWS's pseudo parameters.
func (r *renderer) pseudo(name string) (string, bool) {
	o := &r.options
	switch name {
	case "AWS::Region":
		return o.Region, true
	case "AWS::AccountId":
		return o.AccountID, true
	case "AWS::Partition":
		return o.Partition, true
	case "AWS::StackName":
		return o.StackName, true
	case "AWS::URLSuffix":
		return "amazonaws.com", true
	case "AWS::StackId":
		return "arn:" + o.Partition + ":cloudformation:" + o.Region + ":" + o.AccountID + ":stack/" + o.StackName + "/00000000-0000-4000-8000-000000000000", true
	}
	return "", false
}

func (r *renderer) getAtt(arg any) (any, error) {
	if dotted, ok := arg.(string); ok {
		id, attribute, found := strings.Cut(dotted, ".")
		if !found {
			return nil, errors.New("it takes a resource and an attribute")
		}
		return r.attribute(id, attribute)
	}
	parts, err := r.items(arg)
	if err != nil || len(parts) != 2 {
		return nil, errors.Join(errors.New("it takes a resource and an attribute"), err)
	}
	return r.attribute(parts[0], parts[1])
}

func (r *renderer) sub(arg any) (any, error) {
	format, own := arg, map[string]any{}
	if both, ok := arg.([]any); ok {
		if len(both) != 2 {
			return nil, errors.New("it takes a text, and a mapping at most")
		}
		format = both[0]
		if own, ok = both[1].(map[string]any); !ok {
			return nil, errors.New("its second argument is no mapping")
		}
	}
	text, ok := format.(string)
	if !ok {
		return nil, errors.New("it takes a text")
	}
	var result strings.Builder
	for {
		before, after, opened := strings.Cut(text, "${")
		hole, rest, closed := strings.Cut(after, "}")
		if !opened || !closed {
			result.WriteString(text)
			return result.String(), nil
		}
		result.WriteString(before)
		text = rest
		name := strings.TrimSpace(hole)
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			result.WriteString("${" + literal + "}")
			continue
		}
		value, err := r.named(name, own)
		if err != nil {
			return nil, fmt.Errorf("${%s}: %w", name, err)
		}
		result.WriteString(value)
	}
}

// named is what a name in a Sub stands for.
func (r *renderer) named(name string, own map[string]any) (string, error) {
	if value, ok := own[name]; ok {
		return r.text(value)
	}
	resolve := r.ref
	if strings.Contains(name, ".") {
		resolve = func(name string) (any, error) { return r.getAtt(name) }
	}
	value, err := resolve(name)
	if err != nil {
		return "", err
	}
	return r.text(value)
}

func (r *renderer) choose(c call) (any, error) {
	args, err := arguments(c.arg, 3)
	if err != nil {
		return nil, err
	}
	name, ok := args[0].(string)
	if !ok {
		return nil, errors.New("it takes the name of a condition")
	}
	met, err := r.condition(name)
	if err != nil {
		return nil, err
	}
	r.taken[Branch{c.line, name, met}] = true
	if met {
		return r.resolve(args[1])
	}
	return r.resolve(args[2])
}

func (r *renderer) join(arg any) (any, error) {
	args, err := arguments(arg, 2)
	if err != nil {
		return nil, err
	}
	separator, ok := args[0].(string)
	if !ok {
		return nil, errors.New("its delimiter is no plain text, and CloudFormation takes no function there")
	}
	texts, err := r.items(args[1])
	return strings.Join(texts, separator), err
}

func (r *renderer) split(arg any) (any, error) {
	args, err := arguments(arg, 2)
	if err != nil {
		return nil, err
	}
	separator, ok := args[0].(string)
	if !ok {
		return nil, errors.New("its delimiter is no plain text, and CloudFormation takes no function there")
	}
	text, err := r.text(args[1])
	if err != nil {
		return nil, err
	}
	var parts []any
	for part := range strings.SplitSeq(text, separator) {
		parts = append(parts, part)
	}
	return parts, nil
}

func (r *renderer) pick(arg any) (any, error) {
	args, err := arguments(arg, 2)
	if err != nil {
		return nil, err
	}
	index, err := r.text(args[0])
	if err != nil {
		return nil, err
	}
	texts, err := r.items(args[1])
	if err != nil {
		return nil, err
	}
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(texts) {
		return nil, fmt.Errorf("there is no item %s in a list of %d", index, len(texts))
	}
	return texts[i], nil
}

// truth evaluates what stands for a condition.
func (r *renderer) truth(value any) (bool, error) {
	if m, ok := value.(map[string]any); ok && len(m) == 1 { // the long form of !Condition
		if name, ok := m["Condition"].(string); ok {
			return r.condition(name)
		}
	}
	c, ok := value.(call)
	if !ok {
		return false, errors.New("this is no condition")
	}
	args, _ := c.arg.([]any)
	switch c.name {
	case "Condition":
		name, _ := c.arg.(string)
		return r.condition(name)
	case "Fn::Equals":
		if len(args) != 2 {
			return false, errors.New("Fn::Equals takes a list of 2")
		}
		a, err := r.text(args[0])
		if err != nil {
			return false, err
		}
		b, err := r.text(args[1])
		return a == b, err
	case "Fn::Not":
		if len(args) != 1 {
			return false, errors.New("Fn::Not takes a list of 1")
		}
		met, err := r.truth(args[0])
		return !met, err
	case "Fn::And", "Fn::Or":
		if len(args) < 2 || len(args) > 10 {
			return false, fmt.Errorf("%s takes a list of 2 to 10", c.name)
		}
		met := c.name == "Fn::And"
		for _, arg := range args {
			one, err := r.truth(arg)
			if err != nil {
				return false, err
			}
			if c.name == "Fn::And" {
				met = met && one
			} else {
				met = met || one
			}
		}
		return met, nil
	}
	return false, fmt.Errorf("line %d: %s is no condition", c.line, c.name)
}
