package credential

import (
	"context"
	"fmt"
	"time"

	"mautic-rotation/rotation/document"
)

// A Kind is one kind of credential: where it stands in the document, how a new
// value is made, and the target that accepts it.
type Kind interface {
	// Name is what operators call the kind: "database", "admin", "api",
	// "webhook" or "smtp".
	Name() string

	// Fields lists the places in d that hold this kind's credential: the
	// fields that a rotation of it changes. None, and no error, if d has no such
	// credential. An error if a field is there but cannot be used.
	Fields(d document.Document) ([]document.Pointer, error)

	// Where tells in which field of a document the credential's secret is looked for,
	// and which setting names another one: "/password (or DATABASE_PASSWORD_POINTER)".
	Where() string

	// Value is the credential that d stores. It asks only d and the settings, so
	// that versions can be compared at any time. False, and no error, if d has no
	// such credential. An error if d does not say what is needed to use it.
	Value(d document.Document) (Value, bool, error)

	// Generate returns g.Current with new values in this kind's fields, and
	// every other byte as it was. It changes nothing at the target, unless the
	// kind is an Issuer. It is the last call before something changes, so it
	// fails if it can see that the rotation would: then the kind is left out of
	// the rotation, somebody is told why, and the other kinds go on. If the error
	// is a *TooEarly, nobody has to do anything. If it is a fault that may pass
	// (see MayPass), the call is made again, after seconds.
	Generate(ctx context.Context, g Generation) (document.Document, error)

	// NeedsRestart tells whether what uses the credential reads it only when it
	// starts, so that a redeploy has to follow.
	NeedsRestart() bool

	Target
}

// A Generation is what a new value is made from.
type Generation struct {
	Current document.Document

	Now  time.Time // by AWS's clock
	Last time.Time // when the kind was last rotated; zero if not known

	// Emergency: every present value may have leaked, one that is meant for the
	// next rotation included.
	Emergency bool

	Ownership // for an Issuer
}

// A TooEarly is Generate's error while the last value is too young to be replaced.
type TooEarly struct {
	Until time.Time // from then on there is a new one
	Why   string    // what has to pass before
}

// Error is the reason, and until when it holds.
func (e *TooEarly) Error() string {
	return fmt.Sprintf("%s: not before %s", e.Why, e.Until.UTC().Format(time.RFC3339))
}

// A Target is the system that accepts a kind's credential.
type Target interface {
	// Set makes the target accept the pending value and, if it can accept two,
	// keep accepting the current one. It may be called any number of times for
	// one change, also at once, and after a call whose outcome is not known.
	// After nil, the pending value is accepted. After an error, the current
	// value is accepted as before. An error that wraps ErrLost tells that
	// calling it again is of no use.
	Set(ctx context.Context, c Change) error

	// PutBack makes sure that the target accepts the current value, and fails
	// unless it does. If Set keeps both values, this only looks. Otherwise the
	// current value takes the pending one's place. It may be called any number
	// of times.
	PutBack(ctx context.Context, c Change) error

	// Test uses the pending value for real, as the application does. It changes
	// nothing.
	Test(ctx context.Context, c Change) error

	// Probe asks once whether the target accepts d's value. The error says why
	// the outcome is not Accepted, and what to do about it. Fields of d that are not
	// the kind's are AWSCURRENT's, whichever version the value is from: the way to the
	// target may take another kind's credential, and an old one must not be used for it.
	Probe(ctx context.Context, d document.Document) (Outcome, error)

	// Preflight finds out whether a rotation from current would work, to its
	// end and back. It changes nothing.
	Preflight(ctx context.Context, current document.Document) []Check
}

// A Router is a kind whose target accepts one value at a time and is written to by
// another way than with that value: through Mautic's database, say.
type Router interface {
	// Route finds out whether PutBack would reach the target now. It changes nothing.
	Route(ctx context.Context, c Change) error
}

// A Check is one line of a preflight: what was looked at, and what is wrong, with
// the remedy. A rotation would fail with a Problem, and not with a Warning.
type Check struct {
	What             string
	Problem, Warning error
}

// A Dependent is a kind whose target is reached by way of another kind's: while
// that one cannot be reached, there is nothing to be said of this one. The
// application's health is one too, if it needs what a kind's credential is for.
type Dependent interface {
	// Needs is the name of the other kind; "" if there is none.
	Needs() string
}

// Reached tells from a kind's preflight whether its target could be reached, and took
// the current value. Other problems are the kind's own.
func Reached(checks []Check) bool {
	problem := FirstProblem(checks)
	if problem == nil {
		return true
	}
	switch OutcomeOf(problem) {
	case Denied, Unreachable, Locked:
		return false
	default:
		return true
	}
}

// FirstProblem is the first thing in a preflight that would make a rotation fail;
// nil if there is none.
func FirstProblem(checks []Check) error {
	for _, check := range checks {
		if check.Problem != nil {
			return check.Problem
		}
	}
	return nil
}
