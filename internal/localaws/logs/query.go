package logs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Query is a query of Logs Insights that was understood.
type Query struct {
	fields  []string
	filters []rowCondition
	sorts   []order
	limit   int // 0: none given
}

type order struct {
	field string
	desc  bool
}

// row is a message as a query sees it: its fields, those of the JSON in it among them.
type row map[string]string

// rowCondition tells whether a message matches.
type rowCondition func(row) bool

// fieldCharacters are those of a field's name besides letters, digits and _.
const fieldCharacters = "@."

// systemFields are what each message has.
var systemFields = []string{"@timestamp", "@message", "@logStream", "@log", "@ingestionTime", "@ptr"}

// ParseQuery understands a part of the query language of Logs Insights:
//
//	fields @timestamp, @message, secret.name
//	| filter (ispresent(notice) or audit in ["promoted", "retired"]) and level != "DEBUG" and @message like /(?i)mautic/
//	| sort @timestamp asc
//	| limit 20
//
// Each of the commands may come more than once, in any order, except that the last of fields, sort and limit counts. A
// comparison has one of =, !=, <, <=, > and >=, like, not like, in and not in. Other commands, functions and aliases, and
// fields with an @ that only other kinds of logs have, are errors.
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html)
func ParseQuery(text string) (*Query, error) {
	q := &Query{}
	s := &scanner{text: text}
	for {
		var err error
		switch {
		case s.keyword("fields"):
			q.fields, err = fieldList(s)
		case s.keyword("filter"):
			var c rowCondition
			c, err = anyOf(s)
			q.filters = append(q.filters, c)
		case s.keyword("sort"):
			q.sorts, err = orders(s)
		case s.keyword("limit"):
			q.limit, err = strconv.Atoi(s.word(""))
			if err != nil || q.limit < 1 || q.limit > 10_000 {
				err = fmt.Errorf("the limit is not a number from 1 to 10000")
			}
		default:
			err = fmt.Errorf("unexpected symbol at %q", s.rest())
		}
		if err != nil {
			return nil, err
		}
		if s.end() {
			break
		}
		if s.accept("|") == "" {
			return nil, fmt.Errorf("unexpected symbol at %q", s.rest())
		}
	}
	if q.fields == nil {
		q.fields = []string{"@timestamp", "@message"}
	}
	return q, nil
}

func field(s *scanner) (string, error) {
	name := s.word(fieldCharacters)
	if name == "" {
		return "", fmt.Errorf("unexpected symbol at %q", s.rest())
	}
	if strings.HasPrefix(name, "@") && !slices.Contains(systemFields, name) {
		return "", fmt.Errorf("localaws does not have the field %s", name)
	}
	return name, nil
}

func fieldList(s *scanner) (names []string, err error) {
	for {
		name, err := field(s)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		if s.accept(",") == "" {
			return names, nil
		}
	}
}

func orders(s *scanner) (list []order, err error) {
	for {
		name, err := field(s)
		if err != nil {
			return nil, err
		}
		desc := !s.keyword("asc") // the other is Insights' default
		if desc {
			s.keyword("desc")
		}
		list = append(list, order{name, desc})
		if s.accept(",") == "" {
			return list, nil
		}
	}
}

func anyOf(s *scanner) (rowCondition, error) {
	c, err := allOf(s)
	for err == nil && s.keyword("or") {
		left := c
		var right rowCondition
		right, err = allOf(s)
		c = func(r row) bool { return left(r) || right(r) }
	}
	return c, err
}

func allOf(s *scanner) (rowCondition, error) {
	c, err := test(s)
	for err == nil && s.keyword("and") {
		left := c
		var right rowCondition
		right, err = test(s)
		c = func(r row) bool { return left(r) && right(r) }
	}
	return c, err
}

func test(s *scanner) (rowCondition, error) {
	switch {
	case s.keyword("not"):
		c, err := test(s)
		return func(r row) bool { return !c(r) }, err
	case s.accept("(") != "":
		c, err := anyOf(s)
		return c, closed(s, err)
	case s.keyword("ispresent"):
		if s.accept("(") == "" {
			return nil, fmt.Errorf("( is missing at %q", s.rest())
		}
		name, err := field(s)
		return func(r row) bool { _, ok := r[name]; return ok }, closed(s, err)
	}
	name, err := field(s)
	if err != nil {
		return nil, err
	}
	negated := s.keyword("not")
	var matches func(string) bool
	switch {
	case s.keyword("like"):
		matches, err = likeness(s)
	case s.keyword("in"):
		matches, err = membership(s)
	case negated:
		err = fmt.Errorf("like or in is missing at %q", s.rest())
	default:
		matches, err = relation(s)
	}
	return func(r row) bool {
		value, ok := r[name]
		return ok && matches(value) != negated
	}, err
}

func closed(s *scanner, err error) error {
	if err == nil && s.accept(")") == "" {
		return fmt.Errorf(") is missing at %q", s.rest())
	}
	return err
}

// literal reads a number or a quoted text.
func literal(s *scanner) (string, error) {
	switch rest := s.rest(); {
	case strings.HasPrefix(rest, `"`):
		return s.quoted('"')
	case strings.HasPrefix(rest, "'"):
		return s.quoted('\'')
	}
	word := s.word("-.")
	if _, err := strconv.ParseFloat(word, 64); err != nil {
		return "", fmt.Errorf("localaws compares with numbers and quoted texts alone, and not with %q", word+s.rest())
	}
	return word, nil
}

func likeness(s *scanner) (func(string) bool, error) {
	if strings.HasPrefix(s.rest(), "/") {
		text, err := s.quoted('/')
		if err != nil {
			return nil, err
		}
		expression, err := regexp.Compile(text)
		if err != nil {
			return nil, err
		}
		return expression.MatchString, nil
	}
	text, err := literal(s)
	return func(v string) bool { return strings.Contains(v, text) }, err
}

func membership(s *scanner) (func(string) bool, error) {
	if s.accept("[") == "" {
		return nil, fmt.Errorf("[ is missing at %q", s.rest())
	}
	var all []string
	for {
		text, err := literal(s)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
		if s.accept(",") != "" {
			continue
		}
		if s.accept("]") == "" {
			return nil, fmt.Errorf("] is missing at %q", s.rest())
		}
		return func(v string) bool { return slices.Contains(all, v) }, nil
	}
}

// relation compares numbers as numbers, and all else as texts.
func relation(s *scanner) (func(string) bool, error) {
	operator := s.accept("!=", "<=", ">=", "=~", "=", "<", ">")
	if operator == "" || operator == "=~" {
		return nil, fmt.Errorf("localaws knows no such comparison: %q", operator+s.rest())
	}
	text, err := literal(s)
	if err != nil {
		return nil, err
	}
	number, errNumber := strconv.ParseFloat(text, 64)
	return func(v string) bool {
		if n, err := strconv.ParseFloat(v, 64); err == nil && errNumber == nil {
			return compare(n, operator, number)
		}
		return compare(float64(cmp.Compare(v, text)), operator, 0)
	}, nil
}

// run answers the query about messages, which are in order of time.
func (q *Query) run(rows []row) (found []row) {
	for _, r := range rows {
		if !slices.ContainsFunc(q.filters, func(c rowCondition) bool { return !c(r) }) {
			found = append(found, r)
		}
	}
	sorts := q.sorts
	if len(sorts) == 0 {
		sorts = []order{{"@timestamp", true}}
	}
	slices.SortStableFunc(found, func(a, b row) int {
		for _, o := range sorts {
			c := compareValues(a[o.field], b[o.field])
			if o.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return found
}

func compareValues(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}

// discover adds the fields of the first JSON object in a message, flattened: secret.name, items.0.
func discover(r row, message string) {
	begin := strings.IndexByte(message, '{')
	if begin < 0 {
		return
	}
	var fields map[string]any
	d := json.NewDecoder(strings.NewReader(message[begin:]))
	d.UseNumber()
	if d.Decode(&fields) == nil {
		flatten(r, "", fields)
	}
}

func flatten(r row, prefix string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, item := range v {
			if prefix == "" && strings.HasPrefix(name, "@") {
				name = "@" + name
			}
			flatten(r, join(prefix, name), item)
		}
	case []any:
		for i, item := range v {
			flatten(r, join(prefix, strconv.Itoa(i)), item)
		}
	case nil:
	case bool: // Insights has numbers for it
		r[prefix] = "0"
		if v {
			r[prefix] = "1"
		}
	default: // a text or a number
		r[prefix] = fmt.Sprint(v)
	}
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}
