package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Request is what IAM is asked.
type Request struct {
	Action   string
	Resource string              // an ARN, or "*"
	Context  map[string][]string // what is known of condition keys
}

// A Decision is what became of a Request. It was allowed if there is a Grant
// and no Denial.
type Decision struct {
	Grants []Grant // every one: one of them would do
	Denial string  // Sid of a statement that denies it
}

// A Grant is what in a policy allows a request: a statement, and of its patterns
// all that match.
type Grant struct {
	Sid                string
	Actions, Resources []string
	Values             map[string][]string // of its conditions, by operator and key: "ArnEquals ecs:cluster"
}

// Allowed tells the decision.
func (d Decision) Allowed() bool { return len(d.Grants) > 0 && d.Denial == "" }

// Evaluate decides as IAM does for a role that has nothing but this policy: what
// is not allowed is refused, and what is denied is refused in any case.
func (p Policy) Evaluate(r Request) (d Decision) {
	for _, s := range p.Statements {
		grant, applies := s.applies(r)
		switch {
		case !applies:
		case s.Deny:
			d.Denial = s.Sid
		default:
			d.Grants = append(d.Grants, grant)
		}
	}
	return d
}

func (s Statement) applies(r Request) (Grant, bool) {
	g := Grant{Sid: s.Sid}
	g.Actions = matching(s.Actions, func(pattern string) bool { // IAM takes actions in any case
		if !wild(pattern) {
			return strings.EqualFold(pattern, r.Action)
		}
		return matches(strings.ToLower(pattern), strings.ToLower(r.Action))
	})
	if len(g.Actions) == 0 {
		return g, false // as for most statements: an audit makes some million evaluations
	}
	g.Resources = matching(s.Resources, func(pattern string) bool {
		return pattern == "*" || arnMatches(pattern, r.Resource)
	})
	met := len(g.Resources) > 0
	g.Values = map[string][]string{}
	for _, c := range s.Conditions {
		values := c.met(r.Context)
		g.Values[c.name()] = values
		met = met && len(values) > 0
	}
	return g, met
}

// matching are the patterns that match.
func matching(patterns []string, match func(string) bool) (found []string) {
	for _, pattern := range patterns {
		if match(pattern) {
			found = append(found, pattern)
		}
	}
	return found
}

func (c Condition) name() string { return c.Operator + " " + c.Key }

// operators say how a value of a condition is compared with one of the request.
// ArnEquals and ArnLike are the same.
var operators = map[string]func(pattern, value string) bool{
	"ArnEquals":    arnMatches,
	"ArnLike":      arnMatches,
	"Bool":         strings.EqualFold,
	"StringEquals": func(pattern, value string) bool { return pattern == value },
	"StringLike":   matches,
}

// An operator is one of operators, or Null, with what is written around it.
type operator struct {
	compare  func(pattern, value string) bool // nil: of Null
	all      bool                             // ForAllValues: each of the request's values has to match, and none is enough
	ifExists bool                             // a request without the key meets it
}

func operatorOf(name string) (operator, error) {
	if name == "Null" {
		return operator{}, nil
	}
	var o operator
	base, all := strings.CutPrefix(name, "ForAllValues:")
	base, o.ifExists = strings.CutSuffix(base, "IfExists")
	o.all, o.compare = all, operators[base]
	if o.compare == nil {
		return o, fmt.Errorf("the operator %s is not supported", name)
	}
	return o, nil
}

// met are the values by which a condition holds. A key that the request lacks
// meets none, unless the operator says otherwise.
func (c Condition) met(context map[string][]string) []string {
	o, err := operatorOf(c.Operator)
	if err != nil {
		return nil // parsing has refused it
	}
	given := context[c.Key]
	matches := func(value string) bool {
		return slices.ContainsFunc(c.Values, func(pattern string) bool { return o.compare(pattern, value) })
	}
	switch {
	case o.compare == nil:
		return matching(c.Values, func(missing string) bool { return missing == strconv.FormatBool(len(given) == 0) })
	case len(given) == 0 && (o.ifExists || o.all):
		return c.Values
	case o.all && !slices.Equal(given, matching(given, matches)):
		return nil
	}
	return matching(c.Values, func(pattern string) bool {
		return slices.ContainsFunc(given, func(value string) bool { return o.compare(pattern, value) })
	})
}

// arnMatches compares the parts of ARNs one by one, so that a wildcard does not
// stand for a colon, except in the last part.
func arnMatches(pattern, value string) bool {
	if !wild(pattern) {
		return pattern == value // the same, without taking them apart
	}
	return slices.EqualFunc(strings.SplitN(pattern, ":", 6), strings.SplitN(value, ":", 6), matches)
}

// matches compares with a pattern in which * stands for any text, ? for any
// character.
func matches(pattern, text string) bool {
	before, after, many := strings.Cut(pattern, "*")
	if len(text) < len(before) || !many && len(text) > len(before) {
		return false
	}
	for i := range len(before) {
		if before[i] != '?' && before[i] != text[i] {
			return false
		}
	}
	if !many {
		return true
	}
	for text = text[len(before):]; ; text = text[1:] {
		if matches(after, text) {
			return true
		}
		if text == "" {
			return false
		}
	}
}

// wild tells whether a pattern stands for more than one text.
func wild(pattern string) bool { return strings.ContainsAny(pattern, "*?") }
