package logs

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Pattern tells whether a message matches.
type Pattern func(message string) bool

// ParsePattern understands a filter pattern: nothing, which everything matches; terms, quoted unless they are made of letters,
// digits and _ alone, all of which a message has to contain; and comparisons of fields of a JSON message,
//
//	{ ($.audit = "promoted" || $.notice = *) && $.secret != "arn:*" && $.attempt >= 2 }
//
// in which * stands for any characters, a number can be compared by <, <=, > and >= too, and a field that is an array or an object
// matches nothing. CloudWatch Logs has more (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html),
// which is an error here: regular expressions, terms that are optional or excluded, space-delimited patterns, IS and EXISTS, and
// elements of arrays.
func ParsePattern(text string) (Pattern, error) {
	s := &scanner{text: text}
	if s.accept("{") == "" {
		return terms(s)
	}
	c, err := either(s)
	if err != nil {
		return nil, err
	}
	if s.accept("}") == "" || !s.end() {
		return nil, fmt.Errorf("} is missing, or something that localaws does not have, at %q", s.rest())
	}
	return func(message string) bool {
		var fields any
		return json.Unmarshal([]byte(message), &fields) == nil && c(fields)
	}, nil
}

func terms(s *scanner) (Pattern, error) {
	var all []string
	for !s.end() {
		term := s.word("")
		if term == "" {
			quoted, err := s.quoted('"')
			if err != nil {
				return nil, fmt.Errorf("localaws knows no terms but words and quoted ones: %w", err)
			}
			term = quoted
		}
		all = append(all, strings.TrimSpace(term)) // " " is the pattern for everything
	}
	return func(message string) bool {
		for _, term := range all {
			if !strings.Contains(message, term) {
				return false
			}
		}
		return true
	}, nil
}

// condition tells whether what JSON decodes to matches.
type condition func(any) bool

// chain reads operands with a mark between them.
func chain(s *scanner, mark string, operand func(*scanner) (condition, error), wants bool) (condition, error) {
	var all []condition
	for {
		c, err := operand(s)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		if s.accept(mark) == "" {
			break
		}
	}
	return func(v any) bool {
		for _, c := range all {
			if c(v) == wants {
				return wants
			}
		}
		return !wants
	}, nil
}

func either(s *scanner) (condition, error) { return chain(s, "||", both, true) }

func both(s *scanner) (condition, error) { return chain(s, "&&", comparison, false) }

func comparison(s *scanner) (condition, error) {
	if s.accept("(") != "" {
		c, err := either(s)
		if err == nil && s.accept(")") == "" {
			err = fmt.Errorf(") is missing at %q", s.rest())
		}
		return c, err
	}
	if s.accept("$.") == "" {
		return nil, fmt.Errorf("$. is missing at %q", s.rest())
	}
	path := s.word("-.")
	operator := s.accept("!=", "<=", ">=", "=", "<", ">")
	if path == "" || operator == "" {
		return nil, fmt.Errorf("localaws knows no such comparison: %q", s.rest())
	}
	matches, err := operandOf(s, operator)
	if err != nil {
		return nil, err
	}
	return func(fields any) bool {
		for name := range strings.SplitSeq(path, ".") {
			object, _ := fields.(map[string]any) // of what is no object no field is there
			field, there := object[name]
			if !there {
				return false
			}
			fields = field
		}
		return matches(fields)
	}, nil
}

// operandOf reads what a field is compared with.
func operandOf(s *scanner, operator string) (condition, error) {
	s.space()
	word := s.word("*.-")
	if number, err := strconv.ParseFloat(word, 64); err == nil {
		return func(v any) bool { f, ok := v.(float64); return ok && compare(f, operator, number) }, nil
	}
	if operator != "=" && operator != "!=" {
		return nil, fmt.Errorf("%s takes a number, and not %q", operator, word+s.rest())
	}
	if strings.ContainsAny(word, ".-") {
		return nil, fmt.Errorf("%q is to be quoted", word)
	}
	if word == "" {
		quoted, err := s.quoted('"')
		if err != nil {
			return nil, err
		}
		word = quoted
	}
	parts := strings.Split(word, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	wanted := regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$") // of quoted parts
	return func(v any) bool {
		var text string
		switch v := v.(type) {
		case string:
			text = v
		case float64:
			text = strconv.FormatFloat(v, 'f', -1, 64)
		case bool:
			text = strconv.FormatBool(v)
		default:
			return false
		}
		return wanted.MatchString(text) == (operator == "=")
	}, nil
}

// compare compares two numbers.
func compare(a float64, operator string, b float64) bool {
	switch operator {
	case "=":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}
