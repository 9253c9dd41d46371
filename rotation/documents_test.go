package rotation

import (
	"strings"
	"testing"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// fieldKind is a kind that owns fixed fields, as far as the plan looks at one.
type fieldKind struct {
	credential.Kind
	name   string
	fields []document.Pointer
}

func (k fieldKind) Name() string { return k.name }

func (k fieldKind) Fields(d document.Document) (found []document.Pointer, err error) {
	for _, field := range k.fields {
		has, err := d.Has(field)
		if err != nil {
			return nil, err
		}
		if has {
			found = append(found, field)
		}
	}
	return found, nil
}

func parse(t *testing.T, value string) document.Document {
	t.Helper()
	d, err := document.Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAPendingDocumentMustComeOfTheCurrentOne(t *testing.T) {
	database := fieldKind{name: "database", fields: []document.Pointer{"/db"}}
	smtp := fieldKind{name: "smtp", fields: []document.Pointer{"/mail/user", "/mail/password"}}
	const current = `{"db":"a","mail":{"user":"u","password":"p"},"rest":1}`
	for _, tc := range []struct {
		name, current, pending string
		made                   []credential.Kind
		edited                 bool
	}{
		{name: "nothing", current: current, pending: current},
		{name: "one", current: current, pending: strings.Replace(current, `"a"`, `"b"`, 1), made: []credential.Kind{database}},
		{name: "one of several fields", current: current, pending: strings.Replace(current, `"p"`, `"q"`, 1), made: []credential.Kind{smtp}},
		{name: "all", current: current, pending: `{"db":"b","mail":{"user":"v","password":"q"},"rest":1}`, made: []credential.Kind{database, smtp}},
		{name: "a kind that was not made", current: current, pending: `{"db":"b","mail":{"user":"v","password":"q"},"rest":1}`, made: []credential.Kind{database}, edited: true},
		{name: "the same value written otherwise", current: current, pending: strings.Replace(current, `"a"`, `"\u0061"`, 1), edited: true},
		{name: "a field that was added", current: `{"db":"a","mail":{"user":"u"}}`, pending: `{"db":"a","mail":{"user":"u", "password": "p"}}`, made: []credential.Kind{smtp}, edited: true},
		{name: "a field of nobody's", current: current, pending: strings.Replace(current, `1}`, `2}`, 1), edited: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := editedMeanwhile(tc.made, parse(t, tc.current), parse(t, tc.pending)); (err != nil) != tc.edited {
				t.Errorf("edited meanwhile: %v, want %v", err, tc.edited)
			}
		})
	}
}

func TestTheBlockIsReadAsItWasWritten(t *testing.T) {
	kinds := []string{"database", "admin", "api", "webhook", "smtp"}
	at := time.Date(2026, 11, 22, 21, 4, 5, 0, time.UTC)
	d := parse(t, `{"database_password": "x"}`)
	var err error
	for range 2 {
		if d, err = noteRotated(d, kinds[:2], at); err != nil {
			t.Fatal(err)
		}
	}
	last := lastRotated(d, kinds)
	if len(last) != 2 || !last["admin"].Equal(at) {
		t.Errorf("got %v from %s", last, d.Raw())
	}
	if d, err = d.Replace("/rotated_at/admin", "yesterday"); err != nil {
		t.Fatal(err)
	}
	if last = lastRotated(d, kinds); len(last) != 1 {
		t.Errorf("got %v", last)
	}
}
