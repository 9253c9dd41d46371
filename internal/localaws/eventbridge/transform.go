package eventbridge

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// InputTransformer makes what a target gets of an event: PathsMap names values of it by paths such as $.detail.name and
// $.resources[0], and Template has these names in angle brackets. It is JSON, or lines each of which is a JSON text.
//
// A text is put between quotation marks where the template has none around it, and nothing is escaped, as at EventBridge. Of
// the variables that EventBridge has by itself there are aws.events.rule-arn, aws.events.rule-name, aws.events.event.json and
// aws.events.event.ingestion-time.
type InputTransformer struct {
	PathsMap map[string]string
	Template string
}

var (
	placeholder = regexp.MustCompile(`<([A-Za-z0-9_.-]+)>`)
	inputPath   = regexp.MustCompile(`^\$(\.[A-Za-z0-9_/-]+|\[[0-9]+\])*$`)
	pathPart    = regexp.MustCompile(`\.([A-Za-z0-9_/-]+)|\[([0-9]+)\]`)
)

var ownVariables = []string{"aws.events.rule-arn", "aws.events.rule-name", "aws.events.event.json", "aws.events.event.ingestion-time"}

// check refuses what EventBridge refuses when a target is put, and paths that localaws does not have.
func (t *InputTransformer) check() error {
	for name, path := range t.PathsMap {
		if !inputPath.MatchString(path) {
			return fmt.Errorf("localaws does not have the path %s", path)
		}
		if strings.HasPrefix(name, "aws.") {
			return fmt.Errorf("the name %s is reserved", name)
		}
	}
	for _, found := range placeholder.FindAllStringSubmatch(t.Template, -1) {
		if _, known := t.PathsMap[found[1]]; !known && !slices.Contains(ownVariables, found[1]) {
			return fmt.Errorf("placeholder <%s> is not in the InputPathsMap", found[1])
		}
	}
	if !wellFormed(t.fill(func(string) any { return "" })) {
		return fmt.Errorf("the InputTemplate is neither JSON nor lines of JSON texts")
	}
	return nil
}

// wellFormed tells whether a text is JSON, or lines each of which is a JSON text.
func wellFormed(text string) bool {
	if json.Valid([]byte(text)) {
		return true
	}
	for line := range strings.Lines(text) {
		var s string
		if json.Unmarshal([]byte(line), &s) != nil {
			return false
		}
	}
	return text != ""
}

// apply makes what the target gets of an event.
func (t *InputTransformer) apply(payload []byte, ruleARN string, received time.Time) ([]byte, error) {
	var event any
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, err
	}
	text := t.fill(func(name string) any {
		switch name {
		case "aws.events.rule-arn":
			return ruleARN
		case "aws.events.rule-name":
			return ruleARN[strings.LastIndexByte(ruleARN, '/')+1:]
		case "aws.events.event.json":
			return event
		case "aws.events.event.ingestion-time":
			return received.Format("2006-01-02T15:04:05Z")
		}
		return follow(event, t.PathsMap[name])
	})
	if strings.HasPrefix(strings.TrimSpace(text), "{") && !json.Valid([]byte(text)) {
		return nil, fmt.Errorf("the input that the template came to is no JSON")
	}
	return []byte(text), nil
}

// follow is the value at a path; missing if there is none.
func follow(v any, path string) any {
	for _, part := range pathPart.FindAllStringSubmatch(path, -1) {
		if part[1] != "" {
			object, _ := v.(map[string]any)
			var there bool
			if v, there = object[part[1]]; !there {
				return missing{}
			}
			continue
		}
		list, _ := v.([]any)
		i, err := strconv.Atoi(part[2])
		if err != nil || i >= len(list) {
			return missing{}
		}
		v = list[i]
	}
	return v
}

// fill puts values in the place of the template's names.
func (t *InputTransformer) fill(value func(name string) any) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(t.Template); i++ {
		if found := placeholder.FindStringSubmatchIndex(t.Template[i:]); found != nil && found[0] == 0 {
			name := t.Template[i+found[2] : i+found[3]]
			b.WriteString(textOf(value(name), quoted))
			i += found[1] - 1
			continue
		}
		c := t.Template[i]
		b.WriteByte(c)
		switch {
		case c == '\\' && quoted && i+1 < len(t.Template):
			i++
			b.WriteByte(t.Template[i])
		case c == '"':
			quoted = !quoted
		}
	}
	return b.String()
}

// textOf is a value as it stands in a template, between quotation marks or not.
func textOf(v any, quoted bool) string {
	switch v := v.(type) {
	case missing:
		return ""
	case string:
		if quoted {
			return v
		}
		return `"` + v + `"`
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // what was JSON
	}
	if quoted {
		return strings.ReplaceAll(string(text), `"`, "")
	}
	return string(text)
}
