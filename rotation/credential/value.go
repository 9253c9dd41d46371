package credential

import (
	"fmt"
	"log/slog"

	"mautic-rotation/rotation/copies"
	"mautic-rotation/rotation/document"
)

// A Value is what a document stores as a kind's credential, to be compared with
// ==. It never leaves the process. However it is printed, logged or encoded, it
// shows neither part, unless it is in an unexported field of a value that is
// printed as a whole: there fmt calls no methods.
type Value struct {
	// Target identifies the system and the account that the secret is for, as
	// far as the document and the settings say it. Different targets never have
	// the same name. One target may have two, where only a call could tell that
	// they are one: a server that is named by its host, and by RDS's identifier.
	Target string

	// Secret is the secret part. Where it has several fields, it tells them apart.
	Secret string
}

const hidden = "[credential value]"

// String hides the value.
func (v Value) String() string { return hidden }

// GoString is String for %#v.
func (v Value) GoString() string { return hidden }

// Format is String for all verbs: %d would print the fields.
func (v Value) Format(s fmt.State, _ rune) { fmt.Fprint(s, hidden) }

// LogValue hides the value from a log.
func (v Value) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the value from JSON.
func (v Value) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// A Copied is a kind of whose credential people keep copies in other fields of the
// secret, in DSNs and URLs.
type Copied interface {
	// Login is what such a copy has of d's credential. False, and no error, if d has no
	// such credential, or none that a DSN could have.
	Login(d document.Document) (copies.Login, bool, error)
}
