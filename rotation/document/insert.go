package document

import (
	"errors"
	"fmt"
)

// Insert returns the document with a new field at p that holds the string text, as the last
// member of its object. It creates missing parent objects, but no array elements. The field is
// spaced like its neighbours, and no byte of theirs changes. Insert fails if the field exists, if
// a parent is not an object, if Text could not read the text back, and if the result would be
// larger than MaxBytes.
func (d Document) Insert(p Pointer, text string) (Document, error) {
	if err := readable(p, text); err != nil {
		return Document{}, err
	}
	object := span{start: skipSpace(d.raw, 0)}
	object.end = skipValue(d.raw, object.start)
	tokens := p.tokens()
	for i, token := range tokens {
		var found []span
		switch d.raw[object.start] {
		case '{':
			found = d.members(object, token)
		case '[':
			found = d.element(object, token)
		}
		switch {
		case len(found) == 0 && d.raw[object.start] != '{':
			return Document{}, fmt.Errorf("field %s: its parent is %s, not an object", p, typeName(d.raw[object.start:]))
		case len(found) > 1:
			return Document{}, fmt.Errorf("field %s is ambiguous: its key occurs %d times in one object; remove all but one", p, len(found))
		case len(found) == 1 && i == len(tokens)-1:
			return Document{}, fmt.Errorf("field %s already exists", p)
		case len(found) == 0:
			next := d.insert(object, token, nested(tokens[i+1:], text))
			if len(next) > MaxBytes {
				return Document{}, fmt.Errorf("with the new %s the value would have %d bytes, and Secrets Manager stores at most %d: shorten the secret or split it",
					p, len(next), MaxBytes)
			}
			inserted, err := Parse(next) // it may be nested too deeply now
			if err != nil {
				return Document{}, fmt.Errorf("with the new %s: %w", p, err)
			}
			return inserted, nil
		}
		object = found[0]
	}
	return Document{}, errors.New("the empty pointer is the whole document")
}

// Put is Replace if there is a field at p, and Insert if there is none.
func (d Document) Put(p Pointer, text string) (Document, error) {
	next, err := d.Replace(p, text)
	if errors.Is(err, ErrMissing) {
		return d.Insert(p, text)
	}
	return next, err
}

// nested writes text as a string inside one object for each key.
func nested(keys []string, text string) string {
	if len(keys) == 0 {
		return quote(text)
	}
	return "{" + quote(keys[0]) + ": " + nested(keys[1:], text) + "}"
}

// insert adds a member to an object, spaced as its last one is.
func (d Document) insert(object span, key, value string) string {
	first := skipSpace(d.raw, object.start+1)
	if d.raw[first] == '}' {
		return d.raw[:first] + quote(key) + ": " + value + d.raw[first:]
	}
	before, between := d.raw[object.start+1:first], ": "
	end, alone := first, true
	for at := first; d.raw[at] != '}'; at = skipComma(d.raw, end) {
		colon := skipValue(d.raw, at)
		start := skipSpace(d.raw, skipSpace(d.raw, colon)+1)
		if at != first {
			before, alone = spaceBefore(d.raw, at), false
		}
		between = d.raw[colon:start]
		end = skipValue(d.raw, start)
	}
	if alone && before == "" && between == ": " {
		before = " " // written on one line, with spaces
	}
	return d.raw[:end] + "," + before + quote(key) + between + value + d.raw[end:]
}

// spaceBefore returns the white space that ends at at.
func spaceBefore(s string, at int) string {
	start := at
	for start > 0 && skipSpace(s, start-1) > start-1 {
		start--
	}
	return s[start:at]
}
