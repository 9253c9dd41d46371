package mauticserver

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// TemplateLocalPHP is the config/local.php that the official image copies where
// there is none. It has no site_url and no secret_key.
const TemplateLocalPHP = `<?php
$parameters = array(
	'db_driver' => 'pdo_mysql',
	'db_host' => getenv('MAUTIC_DB_HOST'),
	'db_name' => getenv('MAUTIC_DB_DATABASE'),
	'db_user' => getenv('MAUTIC_DB_USER'),
	'db_password' => getenv('MAUTIC_DB_PASSWORD'),
	'db_table_prefix' => null,
);
`

// LocalPHP writes a config/local.php with literal values, as Mautic's installer
// and its configuration page do: strings, int64s, booleans, nil, and lists of
// them as []any. A % is doubled, as Mautic wants it there.
func LocalPHP(parameters map[string]any) string {
	var b strings.Builder
	b.WriteString("<?php\n$parameters = array(\n")
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		fmt.Fprintf(&b, "\t%s => %s,\n", phpString(name), phpLiteral(parameters[name]))
	}
	return b.String() + ");\n"
}

func phpLiteral(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case string:
		return phpString(strings.ReplaceAll(value, "%", "%%"))
	case []any:
		var entries []string
		for _, entry := range value {
			entries = append(entries, phpLiteral(entry))
		}
		return "array(" + strings.Join(entries, ", ") + ")"
	default:
		return fmt.Sprint(value)
	}
}

func phpString(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// readLocalPHP evaluates a config/local.php. It knows the PHP that such files are
// written in: literals, getenv, and ?: for what comes instead. What it does not
// know is an error, as a mistake in the file is one of PHP.
func readLocalPHP(text string, env map[string]string) (map[string]any, error) {
	text, ok := strings.CutPrefix(phpComment.ReplaceAllString(text, "$1"), "<?php")
	if !ok {
		return nil, errors.New("config/local.php does not begin with <?php")
	}
	r := &phpReader{tokens: phpToken.FindAllString(text, -1), env: env}
	for _, want := range []string{"$parameters", "="} {
		r.want(want)
	}
	parameters, list := r.array()
	r.want(";")
	if list != nil {
		r.fail("")
	}
	if r.err == nil && len(r.tokens) > 0 && r.tokens[0] != "?>" {
		r.fail(r.tokens[0])
	}
	return parameters, r.err
}

var (
	// A quoted text is matched first, so that what looks like a comment in it stays.
	phpComment = regexp.MustCompile(`('(?:[^'\\]|\\.)*')|(?://|#)[^\n]*|(?s:/\*.*?\*/)`)
	phpToken   = regexp.MustCompile(`'(?:[^'\\]|\\.)*'|\$?[A-Za-z_][A-Za-z0-9_]*|-?[0-9]+|=>|\?:|\?>|\S`)
)

// phpReader reads one file, up to the first mistake.
type phpReader struct {
	tokens []string
	env    map[string]string
	err    error
}

func (r *phpReader) fail(at string) {
	if r.err == nil {
		// Not the token itself: it may be a part of a password.
		r.err = fmt.Errorf("config/local.php has PHP that is not understood here (%d bytes)", len(at))
	}
	r.tokens = nil
}

// next takes a token; "" at the end.
func (r *phpReader) next() (token string) {
	if len(r.tokens) > 0 {
		token, r.tokens = r.tokens[0], r.tokens[1:]
	}
	return token
}

// has takes a token if it is the one.
func (r *phpReader) has(token string) bool {
	if len(r.tokens) == 0 || r.tokens[0] != token {
		return false
	}
	r.tokens = r.tokens[1:]
	return true
}

func (r *phpReader) want(token string) {
	if got := r.next(); got != token {
		r.fail(got)
	}
}

// array reads array(…) or […], with keys or without.
func (r *phpReader) array() (entries map[string]any, list []any) {
	end := "]"
	if !r.has("[") {
		r.want("array")
		r.want("(")
		end = ")"
	}
	entries = map[string]any{}
	for r.err == nil && !r.has(end) {
		value := r.expression()
		if r.has("=>") {
			key, ok := value.(string)
			if !ok {
				r.fail("")
			}
			entries[key] = r.expression()
		} else {
			list = append(list, value)
		}
		if r.has(end) {
			break
		}
		r.want(",")
	}
	return entries, list
}

// expression reads a value. PHP's getenv is false for what is not there.
func (r *phpReader) expression() (value any) {
	if len(r.tokens) > 0 && (r.tokens[0] == "[" || r.tokens[0] == "array") {
		entries, list := r.array()
		if len(entries) > 0 {
			return entries
		}
		return list
	}
	switch token := r.next(); {
	case token == "true" || token == "false":
		value = token == "true"
	case token == "null":
	case strings.HasPrefix(token, "'"):
		value = r.string(token)
	case token == "getenv":
		r.want("(")
		name := r.string(r.next())
		r.want(")")
		if text, found := r.env[name]; found {
			value = text
		} else {
			value = false
		}
	default:
		number, err := strconv.ParseInt(token, 10, 64)
		if err != nil {
			r.fail(token)
		}
		value = number
	}
	if r.has("?:") {
		other := r.expression()
		if !truth(value) {
			value = other
		}
	}
	return value
}

func (r *phpReader) string(token string) string {
	if len(token) < 2 || token[0] != '\'' {
		r.fail(token)
		return ""
	}
	return strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(token[1 : len(token)-1])
}

// truth is PHP's.
func truth(value any) bool {
	switch value := value.(type) {
	case bool:
		return value
	case int64:
		return value != 0
	case string:
		return value != "" && value != "0"
	case []any:
		return len(value) > 0
	default:
		return false
	}
}
