// Package copies finds copies of a login in text: in DSNs and URLs that hold both
// its name and its secret. They would stop working when the login is rotated, so a
// rotation updates them too.
//
//	text, ok := copies.Replace("mysql://mautic:old@db/mautic", Login{"mautic", "old"}, Login{"mautic", "new"})
//
// A secret alone proves nothing: people use one password for two systems, and a name
// and a password may be the same word. So a copy is a name and a secret, in the places
// where a DSN or a URL has them:
//
//   - before the @ of a URL, as in mysql://name:secret@host, or of a DSN without a
//     scheme, as in name:secret@tcp(host:3306)/db
//   - as parameters: user=name;password=secret, or ?user=name&password=secret
//
// Each copy keeps its encoding: none, percent-encoded, or percent-encoded with every %
// doubled, as in Mautic's local.php.
package copies

import (
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
)

// A Login is a user's name and the secret that goes with it.
type Login struct{ Name, Secret string }

// String hides the secret.
func (l Login) String() string { return "[login]" }

// GoString is String for %#v.
func (l Login) GoString() string { return l.String() }

// An encoding is how a copy writes characters that have a meaning in a DSN.
type encoding struct {
	escape string // what comes before two hexadecimal digits: "%" or "%%"; "": nothing is escaped
	lower  bool   // the digits are written in lower case
}

var hexDigits = map[bool]string{false: "0123456789ABCDEF", true: "0123456789abcdef"}

// unreserved reports whether no encoding escapes a character (RFC 3986).
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0
}

// hasReserved reports whether text has a character that an encoding would escape.
func hasReserved(text string) bool {
	for i := range len(text) {
		if !unreserved(text[i]) {
			return true
		}
	}
	return false
}

// encode writes text in an encoding. It escapes every reserved character, even those that the
// copy had left alone: any reader decodes them all.
func (e encoding) encode(text string) string {
	if e.escape == "" {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; unreserved(c) {
			b.WriteByte(c)
		} else {
			digits := hexDigits[e.lower]
			b.WriteString(e.escape)
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

// A reading is one way to read a name or a secret at the start of a text.
type reading struct {
	length  int
	escapes []string // "%" or "%%", one for each escaped character
	lower   bool
	bare    bool // it has an unescaped character that an encoding would escape
}

// readings returns the ways to read want at the start of text: literally, and decoded. want
// itself may look encoded.
func readings(text, want string) (list []reading) {
	if want == "" {
		return nil
	}
	if strings.HasPrefix(text, want) {
		list = append(list, reading{length: len(want), bare: hasReserved(want)})
	}
	if r, ok := decode(text, want); ok {
		list = append(list, r)
	}
	return list
}

// decode reads want at the start of text where at least one of its characters is escaped.
func decode(text, want string) (r reading, ok bool) {
	for i := range len(want) {
		rest := text[r.length:]
		if escape, digits, escaped := cutEscape(rest, want[i]); escaped {
			r.escapes = append(r.escapes, escape)
			r.lower = r.lower || strings.ContainsAny(digits, "abcdef")
			r.length += len(escape) + len(digits)
			continue
		}
		if rest == "" || rest[0] != want[i] {
			return r, false
		}
		r.bare = r.bare || !unreserved(want[i])
		r.length++
	}
	return r, len(r.escapes) > 0
}

// cutEscape reads one escaped character.
func cutEscape(text string, want byte) (escape, digits string, ok bool) {
	for _, escape := range []string{"%%", "%"} {
		rest, found := strings.CutPrefix(text, escape)
		if !found || len(rest) < 2 {
			continue
		}
		if c, err := hex.DecodeString(rest[:2]); err == nil && c[0] == want {
			return escape, rest[:2], true
		}
	}
	return "", "", false
}

// encodingOf works out how the copy is encoded. If nothing in it had to be escaped, the
// surrounding text decides, and otherwise what is usual for the form.
func encodingOf(text string, usual encoding, parts ...reading) encoding {
	e := encoding{}
	bare := false
	for _, r := range parts {
		bare = bare || r.bare
		e.lower = e.lower || r.lower
		for _, escape := range r.escapes {
			if e.escape == "" || escape == "%%" {
				e.escape = escape
			}
		}
	}
	switch {
	case e.escape != "":
		return e
	case bare:
		return encoding{} // readers do not decode it, or it would not work
	case usual.escape != "" && strings.Contains(text, "%%"):
		return encoding{escape: "%%"}
	}
	return usual
}

var (
	percent = encoding{escape: "%"}
	plain   = encoding{}
)

// Replace returns text with each copy of was replaced by is, and whether it found any.
func Replace(text string, was, is Login) (replaced string, ok bool) {
	if was.Name == "" || was.Secret == "" {
		return text, false
	}
	replaced, inUserinfo := replaceUserinfo(text, was, is)
	replaced, inParameters := replaceParameters(replaced, was, is)
	return replaced, inUserinfo || inParameters
}

// replaceUserinfo replaces a login before an @.
func replaceUserinfo(text string, was, is Login) (string, bool) {
	var b strings.Builder
	ok := false
	for at := 0; at < len(text); {
		usual := plain
		afterScheme := strings.HasSuffix(text[:at], "://")
		if afterScheme {
			usual = percent
		}
		if afterScheme || at == 0 {
			if name, secret, length, found := readUserinfo(text[at:], was); found {
				e := encodingOf(text, usual, name, secret)
				b.WriteString(e.encode(is.Name) + ":" + e.encode(is.Secret))
				at, ok = at+length, true
				continue
			}
		}
		b.WriteByte(text[at])
		at++
	}
	return b.String(), ok
}

// readUserinfo reads name:secret before an @.
func readUserinfo(text string, want Login) (name, secret reading, length int, ok bool) {
	for _, name := range readings(text, want.Name) {
		rest, colon := strings.CutPrefix(text[name.length:], ":")
		if !colon {
			continue
		}
		for _, secret := range readings(rest, want.Secret) {
			if strings.HasPrefix(rest[secret.length:], "@") {
				return name, secret, name.length + 1 + secret.length, true
			}
		}
	}
	return name, secret, 0, false
}

// parameter matches a user's name or a password among the parameters of a DSN.
var parameter = regexp.MustCompile(`(?i)(?:^|[:;&?\s])(?:(user|username|uid)|(password|passwd|pwd))=([^;&\s]+)`)

// replaceParameters replaces user=name and password=secret, if the text has both.
func replaceParameters(text string, was, is Login) (string, bool) {
	type found struct {
		start, end int
		reading
		text string
	}
	var names, secrets []found
	for _, m := range parameter.FindAllStringSubmatchIndex(text, -1) {
		f := found{start: m[6], end: m[7], text: is.Name}
		want, list := was.Name, &names
		if m[4] >= 0 {
			want, list, f.text = was.Secret, &secrets, is.Secret
		}
		for _, f.reading = range readings(text[f.start:f.end], want) {
			if f.length == f.end-f.start {
				*list = append(*list, f)
				break
			}
		}
	}
	if len(names) == 0 || len(secrets) == 0 {
		return text, false
	}
	usual := plain
	if strings.Contains(text, "?") {
		usual = percent // a URL's query
	}
	all := slices.Concat(names, secrets)
	var parts []reading
	for _, f := range all {
		parts = append(parts, f.reading)
	}
	e := encodingOf(text, usual, parts...)
	for i := len(text); i >= 0; i-- { // from the end, so that offsets stay valid
		for _, f := range all {
			if f.start == i {
				text = text[:f.start] + e.encode(f.text) + text[f.end:]
			}
		}
	}
	return text, true
}

// Mentions reports whether text contains the secret, in any encoding, in a place where Replace
// would not find it. Secrets shorter than eight characters are ignored, since they may be
// ordinary words.
func Mentions(text string, l Login) bool {
	if len(l.Secret) < shortestMention {
		return false
	}
	for at := range len(text) {
		if len(readings(text[at:], l.Secret)) > 0 {
			return true
		}
	}
	return false
}

// shortestMention is the length from which a secret is not mistaken for an ordinary word.
const shortestMention = 8
