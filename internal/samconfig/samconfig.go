// Package samconfig reads the parameters that samconfig.toml gives to a stack, as
// the SAM CLI does, and finds what SAM passes over without a word.
//
//	environments, err := samconfig.Read("samconfig.toml")
//	err = environments["prod"].Check(template)
//
// It reads the file by its shape, and is no TOML parser: a section
// [<environment>.deploy.parameters], in it plain strings, and
// parameter_overrides as a string or as a list of strings.
package samconfig

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// An Environment is what one section gives.
type Environment struct {
	Name       string
	StackName  string
	Region     string
	Parameters map[string]string // as SAM passes them on

	leftOver []string // what is in no Name=value: SAM drops it
	twice    []string // SAM takes the last
}

var (
	section = regexp.MustCompile(`^\[(\w+)\.deploy\.parameters\]`)
	setting = regexp.MustCompile(`^(\w+)\s*=\s*(.*)$`)
)

// Read reads all environments of a file, by name.
func Read(file string) (map[string]Environment, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	environments, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return environments, nil
}

func parse(text string) (map[string]Environment, error) {
	environments, name := map[string]Environment{}, ""
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		switch m := section.FindStringSubmatch(line); {
		case m != nil:
			name = m[1]
			environments[name] = Environment{Name: name}
			continue
		case strings.HasPrefix(line, "["):
			name = ""
		}
		m := setting.FindStringSubmatch(line)
		if name == "" || m == nil {
			continue
		}
		environment := environments[name]
		switch m[1] {
		case "parameter_overrides":
			items, after, err := stringsOf(m[2] + "\n" + rest)
			if err != nil {
				return nil, fmt.Errorf("%s: parameter_overrides: %w", name, err)
			}
			text = after
			environment.override(items)
		case "stack_name", "region":
			items, _, err := stringsOf(m[2])
			if err != nil || len(items) != 1 {
				return nil, fmt.Errorf("%s: %s is no string", name, m[1])
			}
			if m[1] == "region" {
				environment.Region = items[0]
			} else {
				environment.StackName = items[0]
			}
		}
		environments[name] = environment
	}
	return environments, nil
}

// stringsOf reads a string, or a list of strings, and gives what comes after it.
func stringsOf(text string) (items []string, rest string, err error) {
	isList := strings.HasPrefix(text, "[")
	text = strings.TrimPrefix(text, "[")
	for {
		text = strings.TrimLeft(text, " \t\r\n,")
		switch {
		case text == "":
			return nil, "", errors.New("it does not end")
		case text[0] == '#':
			_, text, _ = strings.Cut(text, "\n")
			continue
		case text[0] == ']' && isList:
			return items, text[1:], nil
		}
		item, after, err := quoted(text)
		if err != nil {
			return nil, "", err
		}
		items, text = append(items, item), after
		if !isList {
			return items, text, nil
		}
	}
}

// quoted reads a string in TOML's double quotes, which know escapes, or in its
// single ones, which do not.
func quoted(text string) (value, rest string, err error) {
	quote := text[0]
	if quote != '"' && quote != '\'' {
		line, _, _ := strings.Cut(text, "\n")
		return "", "", fmt.Errorf("%s is no string in quotes", line)
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote:
			return b.String(), text[i+1:], nil
		case c == '\n':
			return "", "", fmt.Errorf("%s has no end", text[:i])
		case c == '\\' && quote == '"' && i+1 < len(text):
			i++
			if text[i] != '"' && text[i] != '\\' {
				return "", "", fmt.Errorf("the escape %s is not understood", text[i-1:i+1])
			}
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", fmt.Errorf("%s has no end", text)
}

// pair is how SAM finds names and values: a value ends at a space, unless it is
// in quotes of its own.
var pair = regexp.MustCompile(` ([A-Za-z0-9"]+)=("(?:\\.|[^"\\]+)*"|(?:\\.|[^ "\\]+)+)`)

// override takes the parameters out of what is given.
func (e *Environment) override(items []string) {
	if e.Parameters == nil {
		e.Parameters = map[string]string{}
	}
	for _, item := range items {
		text := " " + strings.TrimSpace(item)
		for _, m := range pair.FindAllStringSubmatch(text, -1) {
			name, value := m[1], m[2]
			if _, given := e.Parameters[name]; given {
				e.twice = append(e.twice, name)
			}
			if len(value) > 1 && value[0] == '"' {
				value = value[1 : len(value)-1]
			}
			e.Parameters[name] = strings.NewReplacer(`\ `, " ", `\"`, `"`).Replace(value)
		}
		if strings.TrimSpace(pair.ReplaceAllString(text, "")) != "" {
			e.leftOver = append(e.leftOver, item)
		}
	}
}
