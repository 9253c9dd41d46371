package document

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Pointer names a place in a document as a JSON Pointer (RFC 6901):
// "/admin_credentials/admin_password", "/hooks/0/secret". In a name, "~1"
// stands for "/" and "~0" for "~".
type Pointer string

// ErrMissing says that a document has no field at a pointer.
var ErrMissing = errors.New("missing")

// ParsePointer checks that s is a JSON Pointer to a field. The empty pointer,
// which is the whole document, is refused.
func ParsePointer(s string) (Pointer, error) {
	if !strings.HasPrefix(s, "/") {
		return "", fmt.Errorf("%q is not a JSON Pointer: it has to start with a slash, like /database_password", s)
	}
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%q is not valid UTF-8 text, so no document has such a field", s)
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '~' && (i+1 == len(s) || s[i+1] != '0' && s[i+1] != '1') {
			return "", fmt.Errorf(`%q is not a JSON Pointer: write "~" in a name as "~0"`, s)
		}
	}
	return Pointer(s), nil
}

var unescapeToken = strings.NewReplacer("~1", "/", "~0", "~")

func (p Pointer) tokens() []string {
	tokens := strings.Split(string(p), "/")[1:]
	for i, t := range tokens {
		tokens[i] = unescapeToken.Replace(t)
	}
	return tokens
}

// span is a value's place in the raw text: [start, end).
type span struct{ start, end int }

// find returns the place of the value at p. A key that occurs twice in an object on the way is an
// error, because readers differ in which one they use.
func (d Document) find(p Pointer) (span, error) {
	at := span{start: skipSpace(d.raw, 0)}
	at.end = skipValue(d.raw, at.start)
	for _, token := range p.tokens() {
		var matches []span
		switch d.raw[at.start] {
		case '{':
			matches = d.members(at, token)
		case '[':
			matches = d.element(at, token)
		}
		switch len(matches) {
		case 0:
			return span{}, fmt.Errorf("field %s: %w", p, ErrMissing)
		case 1:
			at = matches[0]
		default:
			return span{}, fmt.Errorf("field %s is ambiguous: its key occurs %d times in one object; remove all but one", p, len(matches))
		}
	}
	return at, nil
}

// members returns the values of every member of an object that is named key.
func (d Document) members(object span, key string) []span {
	var found []span
	at := skipSpace(d.raw, object.start+1)
	for d.raw[at] != '}' {
		nameEnd := skipValue(d.raw, at)
		name := d.raw[at:nameEnd]
		colon := skipSpace(d.raw, nameEnd)
		start := skipSpace(d.raw, colon+1)
		end := skipValue(d.raw, start)
		if unquote(name) == key {
			found = append(found, span{start, end})
		}
		at = skipComma(d.raw, end)
	}
	return found
}

// element returns the value at an index of an array, if there is one.
func (d Document) element(array span, token string) []span {
	index, err := strconv.Atoi(token)
	if err != nil || strconv.Itoa(index) != token { // RFC 6901 allows neither "01" nor "+1"
		return nil
	}
	at := skipSpace(d.raw, array.start+1)
	for i := 0; d.raw[at] != ']'; i++ {
		end := skipValue(d.raw, at)
		if i == index {
			return []span{{at, end}}
		}
		at = skipComma(d.raw, end)
	}
	return nil
}

// The three functions below walk JSON that is known to be valid, so they only need to find where
// a value ends.

func skipSpace(s string, at int) int {
	for at < len(s) && (s[at] == ' ' || s[at] == '\t' || s[at] == '\n' || s[at] == '\r') {
		at++
	}
	return at
}

// skipComma goes from the end of a value to the start of the next one, or to the closing bracket.
func skipComma(s string, at int) int {
	at = skipSpace(s, at)
	if s[at] == ',' {
		at = skipSpace(s, at+1)
	}
	return at
}

// skipValue returns where the value that starts at at ends. It counts brackets
// instead of recursing, so the depth of a document costs no stack.
func skipValue(s string, at int) int {
	depth := 0
	for {
		switch s[at] {
		case '{', '[':
			depth++
			at++
		case '}', ']':
			depth--
			at++
		case '"':
			at = skipString(s, at)
		case ',', ':', ' ', '\t', '\n', '\r':
			at++
			continue // never the end of a value
		default:
			at = skipLiteral(s, at)
		}
		if depth == 0 {
			return at
		}
	}
}

func skipString(s string, at int) int {
	for at++; s[at] != '"'; at++ {
		if s[at] == '\\' {
			at++
		}
	}
	return at + 1
}

// skipLiteral skips a number, true, false or null.
func skipLiteral(s string, at int) int {
	for at < len(s) && !strings.ContainsRune(",:]} \t\n\r", rune(s[at])) {
		at++
	}
	return at
}
