// Package document edits a secret's JSON document without disturbing it.
//
// A secret often holds much more than the credentials that a rotation
// changes, and other programs read it. So a document is never decoded and
// encoded again: a field's value is replaced in place, and every other byte
// (order, spacing, number text, escapes, duplicate and unknown keys) stays as
// it was.
//
//	doc, err := document.Parse(secretString)
//	old, err := doc.Text("/database_password")
//	doc, err = doc.Replace("/database_password", "new value")
//	doc.Raw() // differs from secretString in that value alone
//
// No error of this package contains a value of the document.
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxBytes is the largest secret value that Secrets Manager stores.
const MaxBytes = 65536

// A Document is a valid JSON object and the exact bytes it was written in. It is immutable;
// Replace returns a new one.
type Document struct {
	raw string
}

// Parse reads a document. It fails when value is not exactly one JSON object.
func Parse(value string) (Document, error) {
	if !utf8.ValidString(value) {
		return Document{}, errors.New("the value is not valid UTF-8 text")
	}
	if strings.HasPrefix(value, "\ufeff") {
		return Document{}, errors.New("the value begins with a byte order mark (U+FEFF), which is not part of JSON: store it without one (an editor calls that UTF-8 without BOM)")
	}
	if !json.Valid([]byte(value)) {
		return Document{}, fmt.Errorf("the value is not valid JSON%s", syntaxErrorPlace(value))
	}
	if at := skipSpace(value, 0); value[at] != '{' {
		return Document{}, errors.New(`the value is JSON, but not a JSON object ({"field": "value", …})`)
	}
	return Document{raw: value}, nil
}

// syntaxErrorPlace says where the JSON goes wrong. It gives the offset only, because the message
// of encoding/json quotes a character of the value.
func syntaxErrorPlace(value string) string {
	var ignored any
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal([]byte(value), &ignored), &syntax) {
		return fmt.Sprintf(" (it goes wrong at byte %d of %d)", syntax.Offset, len(value))
	}
	return ""
}

// Raw returns the document's exact text, which holds secrets.
func (d Document) Raw() string { return d.raw }

// String and GoString keep secrets out of the output if someone formats or logs a document by
// mistake.
func (d Document) String() string { return "[document]" }

// GoString is String for %#v.
func (d Document) GoString() string { return d.String() }

// Has reports whether the document has a field at p, of any type except null. A null field counts
// as missing, here and for Text and Integer. Has fails if p is ambiguous.
func (d Document) Has(p Pointer) (bool, error) {
	_, err := d.value(p)
	if errors.Is(err, ErrMissing) {
		return false, nil
	}
	return err == nil, err
}

// value returns the raw text of the value at p.
func (d Document) value(p Pointer) (string, error) {
	at, err := d.find(p)
	if err != nil {
		return "", err
	}
	raw := d.raw[at.start:at.end]
	if raw == "null" {
		return "", fmt.Errorf("field %s: %w (it is null)", p, ErrMissing)
	}
	return raw, nil
}

// IsObject reports whether the field at p is an object, into which Insert can put fields. It
// fails with ErrMissing if there is no such field.
func (d Document) IsObject(p Pointer) (bool, error) {
	at, err := d.find(p)
	return err == nil && d.raw[at.start] == '{', err
}

// Text returns the string at p. It fails with ErrMissing if there is no such field, and with
// another error if the field is not a string.
func (d Document) Text(p Pointer) (string, error) {
	raw, err := d.value(p)
	if err != nil {
		return "", err
	}
	if raw[0] != '"' {
		return "", fmt.Errorf("field %s is %s, not a string: write it in quotes", p, typeName(raw))
	}
	text := unquote(raw)
	if err := readable(p, text); err != nil {
		return "", err
	}
	return text, nil
}

// readable refuses text that JSON cannot hold, or that readers decode differently: it would come
// back as something else.
func readable(p Pointer, text string) error {
	if strings.ContainsRune(text, utf8.RuneError) { // invalid UTF-8 decodes to it too
		return fmt.Errorf("field %s contains half of a surrogate pair or U+FFFD, which no login can send", p)
	}
	return nil
}

// Integer returns the whole number at p. It may be a number in any notation (3306, 3306.0,
// 3.306e3) or a string of digits, since AWS's own secrets have either. It fails with ErrMissing
// if there is no such field.
func (d Document) Integer(p Pointer) (int, error) {
	raw, err := d.value(p)
	if err != nil {
		return 0, err
	}
	text := raw
	if raw[0] == '"' {
		text = unquote(raw)
	}
	if n, err := strconv.Atoi(text); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != float64(int(f)) {
		return 0, fmt.Errorf("field %s is %s, not a whole number", p, typeName(raw))
	}
	return int(f), nil
}

// Replace returns the document with the value at p replaced by the string text. No other byte
// changes. It fails with ErrMissing if there is no such field, if Text could not read the text
// back, and if the result would be larger than MaxBytes.
func (d Document) Replace(p Pointer, text string) (Document, error) {
	at, err := d.find(p)
	if err != nil {
		return Document{}, err
	}
	if err := readable(p, text); err != nil {
		return Document{}, err
	}
	next := d.raw[:at.start] + quote(text) + d.raw[at.end:]
	if len(next) > MaxBytes {
		return Document{}, fmt.Errorf("with the new %s the value would have %d bytes, and Secrets Manager stores at most %d: shorten the secret or split it",
			p, len(next), MaxBytes)
	}
	return Document{raw: next}, nil
}

// EqualOutside reports whether d and other are the same, byte for byte, except for the values at
// the given places. If only one of them has a place, they are different.
func (d Document) EqualOutside(other Document, places []Pointer) bool {
	for _, p := range places {
		a, errA := d.find(p)
		b, errB := other.find(p)
		if errors.Is(errA, ErrMissing) && errors.Is(errB, ErrMissing) {
			continue
		}
		if errA != nil || errB != nil {
			return false
		}
		d.raw = d.raw[:a.start] + "null" + d.raw[a.end:]
		other.raw = other.raw[:b.start] + "null" + other.raw[b.end:]
	}
	return d.raw == other.raw
}

// quote writes text as a JSON string. It does not escape <, > and &, which encoding/json does by
// default for HTML, so that people can read the result.
func quote(text string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// unquote decodes a JSON string that is known to be valid.
func unquote(raw string) string {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1] // without escapes, as most strings are
	}
	var text string
	if err := json.Unmarshal([]byte(raw), &text); err != nil {
		panic("document: unquote of invalid JSON") // Parse has checked it
	}
	return text
}

func typeName(raw string) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}
