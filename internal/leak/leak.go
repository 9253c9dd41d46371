// Package leak looks for secret values where none may be, in whatever form
// they are written.
//
// It is the counterpart of package scrub and shares no code with it: what scrub
// does not think of is to be found here.
package leak

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf16"
)

// Shortest is the length, in bytes, from which on a value is looked for. A
// shorter one would be found by chance.
const Shortest = 8

// Values are secret values, by what each is. The zero value holds none.
type Values struct{ wanted map[string]wanted }

// wanted is what is looked for of one value. Its forms are made once: many texts
// are searched for the same values.
type wanted struct {
	name  string
	forms []form
}

// Add adds a value, unless it is shorter than Shortest. What is the name that a
// finding has in place of the value.
func (v *Values) Add(what, value string) {
	if len(value) < Shortest {
		return
	}
	if v.wanted == nil {
		v.wanted = map[string]wanted{}
	}
	v.wanted[value] = wanted{what, forms(value)}
}

// Len is how many values there are.
func (v *Values) Len() int { return len(v.wanted) }

// In returns what of the values a text holds, and in which form. No finding
// quotes the text.
func (v *Values) In(text string) (findings []string) {
	lower := strings.ToLower(text)
	for _, value := range v.wanted {
		for _, f := range value.forms {
			where := text
			if f.anyCase {
				where = lower
			}
			if strings.Contains(where, f.text) {
				findings = append(findings, fmt.Sprintf("%s, %s", value.name, f.name))
				break
			}
		}
	}
	return findings
}

// A form is one way to write a value.
type form struct {
	name, text string
	anyCase    bool // the digits may be of either case, and text is in lower case
}

func forms(value string) []form {
	all := []form{
		{name: "as it is", text: value},
		{name: "in JSON", text: inJSON(value)},
		{name: "in JSON, by code units", text: codeUnits(value), anyCase: true},
		{name: "in Go's quotes", text: strings.Trim(fmt.Sprintf("%q", value), `"`)},
		{name: "as a list of bytes", text: strings.Trim(fmt.Sprintf("%d", []byte(value)), "[]")},
		{name: "in a URL's query", text: url.QueryEscape(value)},
		{name: "in a URL's path", text: url.PathEscape(value)},
		{name: "in a URL, byte by byte", text: byteByByte("%", value), anyCase: true},
		{name: "in SQL, quotes doubled", text: strings.ReplaceAll(value, "'", "''")},
		{name: "in SQL, quotes escaped", text: strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`).Replace(value)},
		{name: "in hex", text: hex.EncodeToString([]byte(value)), anyCase: true},
		{name: "in hex, byte by byte", text: byteByByte(" ", value)[1:], anyCase: true},
	}
	for offset := range 3 {
		all = append(all,
			form{name: "in base64", text: inBase64(base64.RawStdEncoding, value, offset)},
			form{name: "in base64 for URLs", text: inBase64(base64.RawURLEncoding, value, offset)})
	}
	return all
}

func inJSON(value string) string {
	quoted, err := json.Marshal(value)
	if err != nil {
		panic(err) // a string
	}
	return string(quoted[1 : len(quoted)-1])
}

func codeUnits(value string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(value)) {
		fmt.Fprintf(&b, `\u%04x`, unit)
	}
	return b.String()
}

func byteByByte(prefix, value string) string {
	digits := hex.EncodeToString([]byte(value))
	var b strings.Builder
	for i := 0; i < len(digits); i += 2 {
		b.WriteString(prefix)
		b.WriteString(digits[i : i+2])
	}
	return b.String()
}

// inBase64 is what a value is in base64 when so many bytes, modulo 3, come
// before it, without the digits that hold bits of a neighbour.
func inBase64(encoding *base64.Encoding, value string, before int) string {
	const bits = 6 // of a digit
	encoded := encoding.EncodeToString(append(make([]byte, before), value...))
	first := (before*8 + bits - 1) / bits
	end := (before + len(value)) * 8 / bits
	return encoded[first:end]
}
