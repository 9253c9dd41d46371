package eventrule

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Transformer is an input transformer: Paths are the variables, each a path such as
// $.detail.notice or $.resources[0], and Template has them as <name>. The template is a
// JSON value, or several strings in quotation marks, each in a line of its own, which
// come to a text of several lines.
type Transformer struct {
	Paths    map[string]string
	Template string
}

var (
	variable = regexp.MustCompile(`<[A-Za-z0-9_.-]+>`)
	segment  = regexp.MustCompile(`^(?:\.([A-Za-z0-9_/-]+)|\[([0-9]+)\])`)
)

// Apply makes the target's input of an event in JSON. Values are put in as they are, for
// EventBridge escapes nothing: a value that breaks the template, with a quotation mark
// for instance, is an error.
func (t Transformer) Apply(event []byte) (string, error) {
	var read any
	if err := json.Unmarshal(event, &read); err != nil {
		return "", fmt.Errorf("event: %w", err)
	}
	values := map[string]any{}
	for name, path := range t.Paths {
		value, found, err := at(read, path)
		if err != nil {
			return "", fmt.Errorf("the path of %s: %w", name, err)
		}
		if found {
			values[name] = value
		}
	}
	input, err := t.fill(values)
	if err != nil {
		return "", err
	}
	return input, valid(input)
}

// at is what a path leads to.
func at(value any, path string) (any, bool, error) {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, false, fmt.Errorf("%s does not begin with $", path)
	}
	for rest != "" {
		step := segment.FindStringSubmatch(rest)
		if step == nil {
			return nil, false, fmt.Errorf("%s is not supported", path)
		}
		rest = rest[len(step[0]):]
		if step[1] != "" {
			fields, _ := value.(map[string]any)
			if value, ok = fields[step[1]]; !ok {
				return nil, false, nil
			}
			continue
		}
		items, _ := value.([]any)
		i, err := strconv.Atoi(step[2])
		if err != nil || i >= len(items) {
			return nil, false, err
		}
		value = items[i]
	}
	return value, true, nil
}

// fill puts the values in. In a string of the template a value stands as its text, which
// is none where the event has no such value; elsewhere it stands as JSON.
func (t Transformer) fill(values map[string]any) (string, error) {
	var filled strings.Builder
	quoted, last := false, 0
	for _, place := range variable.FindAllStringIndex(t.Template, -1) {
		before := t.Template[last:place[0]]
		quoted = quoted != (unescaped(before)%2 == 1)
		filled.WriteString(before)
		last = place[1]
		name := t.Template[place[0]+1 : place[1]-1]
		if _, known := t.Paths[name]; !known {
			return "", fmt.Errorf("there is no path for <%s>", name)
		}
		value, found := values[name]
		text, isText := value.(string)
		switch {
		case !found && !quoted:
			return "", fmt.Errorf("the event has nothing for <%s>, and EventBridge's guide does not say what a JSON value comes to then", name)
		case !found:
		case isText && quoted:
			filled.WriteString(text)
		case isText:
			filled.WriteString(`"` + text + `"`)
		default:
			of, err := json.Marshal(value)
			if err != nil {
				return "", err
			}
			if quoted {
				of = []byte(strings.ReplaceAll(string(of), `"`, "")) // so that the string stays valid
			}
			filled.Write(of)
		}
	}
	filled.WriteString(t.Template[last:])
	return filled.String(), nil
}

// unescaped counts the quotation marks that begin or end a string.
func unescaped(text string) (n int) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			n++
		}
	}
	return n
}

// valid holds an input to what a target is given: a JSON value, or a string in each line.
func valid(input string) error {
	if json.Valid([]byte(input)) {
		return nil
	}
	for line := range strings.SplitSeq(strings.TrimSpace(input), "\n") {
		var text string
		if err := json.Unmarshal([]byte(line), &text); err != nil {
			return errors.New("the template with its values is neither JSON nor a string in each line: " + input)
		}
	}
	return nil
}
