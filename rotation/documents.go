package rotation

import (
	"errors"
	"fmt"
	"strings"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// Which kinds a document has, and whether one document was made from another.

// present returns the kinds that a document has a credential for.
func (r *Rotator) present(d document.Document) ([]credential.Kind, error) {
	var found []credential.Kind
	for _, kind := range r.kinds {
		fields, err := kind.Fields(d)
		if err != nil {
			return nil, fmt.Errorf("the %s credential in the secret: %w", kind.Name(), err)
		}
		if len(fields) > 0 {
			found = append(found, kind)
		}
	}
	if len(found) == 0 {
		var looked []string
		for _, kind := range r.kinds {
			looked = append(looked, kind.Name()+" at "+kind.Where())
		}
		return nil, fmt.Errorf("the secret has no credential that this function rotates. It was expected in these fields: %s", strings.Join(looked, "; "))
	}
	return found, nil
}

// editedMeanwhile fails if the pending document is not the current one with new values of the
// changed kinds: someone edited the secret after the pending version was made, and promoting it
// would undo that edit.
func editedMeanwhile(made []credential.Kind, current, pending document.Document) error {
	expected, err := current, error(nil)
	for _, kind := range made {
		if expected, err = putFields(expected, pending, kind); err != nil {
			return err
		}
	}
	for _, kind := range made {
		at := document.Pointer(rotatedAt + kind.Name())
		text, err := pending.Text(at)
		if errors.Is(err, document.ErrMissing) {
			continue
		}
		if err == nil {
			expected, err = expected.Put(at, text)
		}
		if err != nil {
			return err
		}
	}
	if expected.Raw() == pending.Raw() {
		return nil
	}
	if expected, err = follow(expected, current, pending, made); err != nil {
		return err
	}
	if expected.Raw() != pending.Raw() {
		return errEdited
	}
	return nil
}

// putFields returns a document with a kind's fields taken from another.
func putFields(into, from document.Document, kind credential.Kind) (document.Document, error) {
	fields, err := kind.Fields(from)
	if err != nil {
		return document.Document{}, err
	}
	for _, field := range fields {
		text, err := from.Text(field)
		if err != nil {
			return document.Document{}, err
		}
		if into, err = into.Put(field, text); err != nil {
			return document.Document{}, err
		}
	}
	return into, nil
}

// errEdited says that the pending version was not made from the current one.
var errEdited = errors.New("the secret was edited after this rotation began, and promoting its version would undo the edit, so the rotation is given up, and what it has set is retired: rotate again")

func names(kinds []credential.Kind) []string {
	list := make([]string, len(kinds))
	for i, kind := range kinds {
		list[i] = kind.Name()
	}
	return list
}
