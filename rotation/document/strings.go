package document

import (
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"
)

var escapeToken = strings.NewReplacer("~", "~0", "/", "~1")

// Strings yields each string in the document with its place, in document order. It leaves out
// what Text cannot read: an ambiguous place, or text with half of a surrogate pair.
func (d Document) Strings() iter.Seq2[Pointer, string] {
	return func(yield func(Pointer, string) bool) {
		at := skipSpace(d.raw, 0)
		d.strings("", at, yield)
	}
}

// strings yields the strings in the value that starts at at. It returns false when the caller
// wants no more.
func (d Document) strings(p Pointer, at int, yield func(Pointer, string) bool) bool {
	switch d.raw[at] {
	case '"':
		text := unquote(d.raw[at:skipString(d.raw, at)])
		return strings.ContainsRune(text, utf8.RuneError) || yield(p, text)
	case '{':
		names, starts := d.named(at)
		seen := map[string]int{}
		for _, name := range names {
			seen[name]++
		}
		for i, name := range names {
			if seen[name] == 1 && !d.strings(p+Pointer("/"+escapeToken.Replace(name)), starts[i], yield) {
				return false
			}
		}
	case '[':
		next := skipSpace(d.raw, at+1)
		for i := 0; d.raw[next] != ']'; i++ {
			if !d.strings(p+Pointer("/"+strconv.Itoa(i)), next, yield) {
				return false
			}
			next = skipComma(d.raw, skipValue(d.raw, next))
		}
	}
	return true
}

// named returns the names of an object's members, and where their values start.
func (d Document) named(object int) (names []string, starts []int) {
	at := skipSpace(d.raw, object+1)
	for d.raw[at] != '}' {
		end := skipValue(d.raw, at)
		start := skipSpace(d.raw, skipSpace(d.raw, end)+1)
		names, starts = append(names, unquote(d.raw[at:end])), append(starts, start)
		at = skipComma(d.raw, skipValue(d.raw, start))
	}
	return names, starts
}
