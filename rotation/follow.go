package rotation

import (
	"errors"
	"fmt"
	"strings"

	"mautic-rotation/rotation/copies"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// Copies of a credential in fields that belong to no kind, such as a DSN, are updated with it: in
// the pending document, and back again in a rollback.

// loginOf is the login that copies of a kind's credential contain; false: there can be none.
func loginOf(kind credential.Kind, d document.Document) (copies.Login, bool, error) {
	copied, ok := kind.(credential.Copied)
	if !ok {
		return copies.Login{}, false, nil
	}
	return copied.Login(d)
}

// follow returns into, with the copies of the kinds' credentials changed from those of was to
// those of is.
func follow(into, was, is document.Document, kinds []credential.Kind) (document.Document, error) {
	return followAs(into, was, is, kinds, document.Document{})
}

// followAs is follow for a document that goes back to an earlier one: if nothing else in a copy's
// field has changed, the field gets its earlier bytes back.
func followAs(into, was, is document.Document, kinds []credential.Kind, before document.Document) (document.Document, error) {
	for _, kind := range kinds {
		from, had, errFrom := loginOf(kind, was)
		to, has, errTo := loginOf(kind, is)
		if err := errors.Join(errFrom, errTo); err != nil {
			return document.Document{}, err
		}
		if !had || !has || from == to {
			continue
		}
		for place, text := range into.Strings() {
			next, found := copies.Replace(text, from, to)
			if !found {
				continue
			}
			if before.Raw() != "" {
				if old, err := before.Text(place); err == nil {
					if forth, ok := copies.Replace(old, to, from); ok && forth == text {
						next = old
					}
				}
			}
			var err error
			if into, err = into.Replace(place, next); err != nil {
				return document.Document{}, fmt.Errorf("change the copy of the %s credential: %w", kind.Name(), err)
			}
		}
	}
	return into, nil
}

// copiesOf returns the places of the copies of a kind's credential.
func copiesOf(kind credential.Kind, d document.Document) (places []document.Pointer, err error) {
	login, ok, err := loginOf(kind, d)
	if err != nil || !ok {
		return nil, err
	}
	for place, text := range d.Strings() {
		if _, found := copies.Replace(text, login, login); found {
			places = append(places, place)
		}
	}
	return places, nil
}

// checkCopies reports which copies of a kind's credential are updated with it, and which other
// fields contain its secret: those stop working with the old value.
func (r *Rotator) checkCopies(kind credential.Kind, d document.Document) (checks []credential.Check, err error) {
	login, ok, err := loginOf(kind, d)
	if err != nil || !ok {
		return nil, err
	}
	follows, err := copiesOf(kind, d)
	if err != nil {
		return nil, err
	}
	switch {
	case len(follows) > 0 && r.leaveCopies:
		checks = append(checks, credential.Check{
			What:    "copies in other fields",
			Warning: fmt.Errorf("%s: not changed, since FOLLOW_COPIES is false, so they stop working once the old value is refused", inFields(follows)),
		})
	case len(follows) > 0:
		checks = append(checks, credential.Check{What: "copies in other fields, which are updated with the credential: " + inFields(follows)})
	}
	own := map[document.Pointer]bool{}
	for _, kind := range r.kinds {
		fields, err := kind.Fields(d)
		if err != nil {
			return nil, err
		}
		for _, field := range fields {
			own[field] = true
		}
	}
	var others []document.Pointer
	for place, text := range d.Strings() {
		if _, found := copies.Replace(text, login, login); !found && !own[place] && copies.Mentions(text, login) {
			others = append(others, place)
		}
	}
	if len(others) > 0 {
		checks = append(checks, credential.Check{
			What:    "its secret in other fields",
			Warning: fmt.Errorf("%s: not changed, since the secret is not in a DSN or URL there, next to the user's name; if it is a copy, make its readers take it from %s instead", inFields(others), inFields(fieldsOf(kind, d))),
		})
	}
	return checks, nil
}

func fieldsOf(kind credential.Kind, d document.Document) []document.Pointer {
	fields, err := kind.Fields(d)
	if err != nil {
		return nil // reported by whoever needs them
	}
	return fields
}

func inFields(places []document.Pointer) string {
	var list []string
	for _, p := range places {
		list = append(list, string(p))
	}
	return strings.Join(list, ", ")
}
