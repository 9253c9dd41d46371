package document

import (
	"errors"
	"fmt"
	"strings"
)

// Remove returns the document without the object member at p. No other byte changes, except the
// comma between the member and its neighbour and the white space before it. It is no error if the
// field does not exist.
func (d Document) Remove(p Pointer) (Document, error) {
	if len(p.tokens()) == 0 {
		return Document{}, errors.New("the empty pointer is the whole document")
	}
	parent := p[:strings.LastIndexByte(string(p), '/')]
	value, err := d.find(p)
	if errors.Is(err, ErrMissing) {
		return d, nil
	}
	if err != nil {
		return Document{}, err
	}
	object, err := d.find(parent)
	if err != nil {
		return Document{}, err
	}
	if d.raw[object.start] != '{' {
		return Document{}, fmt.Errorf("field %s is an array element, which cannot be removed", p)
	}
	first := skipSpace(d.raw, object.start+1)
	start, before := first, -1 // start of the member, and end of the one before
	for at := first; d.raw[at] != '}'; {
		end := skipValue(d.raw, skipSpace(d.raw, skipSpace(d.raw, skipValue(d.raw, at))+1))
		if end == value.end {
			start = at
			break
		}
		before, at = end, skipComma(d.raw, end)
	}
	from, to := start, value.end
	switch next := skipComma(d.raw, value.end); {
	case before >= 0:
		from = before // remove the comma before it too
	case d.raw[next] != '}':
		to = next // the next member takes its place
	}
	return Parse(d.raw[:from] + d.raw[to:])
}

// RemoveEmpty is Remove for an object without members; any other value stays.
func (d Document) RemoveEmpty(p Pointer) (Document, error) {
	at, err := d.find(p)
	if errors.Is(err, ErrMissing) {
		return d, nil
	}
	if err != nil || d.raw[at.start] != '{' || d.raw[skipSpace(d.raw, at.start+1)] != '}' {
		return d, err
	}
	return d.Remove(p)
}
