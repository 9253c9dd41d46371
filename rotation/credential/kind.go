package credential

import (
	"context"
	"fmt"
	"time"

	"mautic-rotation/rotation/document"
)

// A Kind is one kind of credential: where the document stores it, how a new value is made, and
// the target that accepts it.
type Kind interface {
	// Name is what operators call the kind: "database", "admin", "api",
	// "webhook" or "smtp".
	Name() string

	// Fields lists the places in d that hold this kind's credential, which are the fields that
	// its rotation changes. It returns none, and no error, if d has no such credential. It
	// returns an error if a field exists but cannot be used.
	Fields(d document.Document) ([]document.Pointer, error)

	// Where names the field in which the credential's secret is expected, and the setting that
	// chooses another: "/password (or DATABASE_PASSWORD_POINTER)".
	Where() string

	// Value is the credential that d stores. It uses only d and the settings, so versions can be
	// compared at any time. It returns false, and no error, if d has no such credential, and an
	// error if d lacks something needed to use it.
	Value(d document.Document) (Value, bool, error)

	// Generate returns g.Current with new values in this kind's fields, and every other byte
	// unchanged. It changes nothing at the target, unless the kind is an Issuer. It is the last
	// call before anything changes, so it fails if it can see that the rotation would: then the
	// kind is left out of the rotation, with a notice, and the other kinds continue. If the error
	// is a *TooEarly, nobody has to do anything. If it may pass (see MayPass), the engine calls
	// Generate again after some seconds.
	Generate(ctx context.Context, g Generation) (document.Document, error)

	// NeedsRestart reports whether the credential's users read it only at start, so that a
	// redeploy has to follow.
	NeedsRestart() bool

	Target
}

// A Generation is what a new value is made from.
type Generation struct {
	Current document.Document

	Now  time.Time // by AWS's clock
	Last time.Time // when the kind was last rotated; zero if not known

	// Emergency: every present value may have leaked, including one prepared for the next
	// rotation.
	Emergency bool

	// Confirm reads the labels again. It fails if Current is no longer AWSCURRENT, or if the
	// rotation was given up. An Issuer calls it before it deletes what a version stores. See
	// Confirmed.
	Confirm func(ctx context.Context) error

	Ownership // for an Issuer
}

// A TooEarly is Generate's error while the last value is too young to be replaced.
type TooEarly struct {
	Until time.Time // from then on there is a new one
	Why   string    // what has to happen first
}

// Error is the reason, and how long it holds.
func (e *TooEarly) Error() string {
	return fmt.Sprintf("%s: not before %s", e.Why, e.Until.UTC().Format(time.RFC3339))
}

// A Target is the system that accepts a kind's credential.
type Target interface {
	// Set makes the target accept the pending value and, if it can accept two, keep accepting the
	// current one. It may be called any number of times for one change, concurrently, and after a
	// call with an unknown outcome. If it returns nil, the pending value is accepted. If it
	// returns an error, the current value is accepted as before. An error that wraps ErrLost says
	// that calling it again is of no use.
	Set(ctx context.Context, c Change) error

	// PutBack makes sure that the target accepts the current value, and fails otherwise. If Set
	// keeps both values, it only checks. If not, it replaces the pending value by the current
	// one. It may be called any number of times.
	PutBack(ctx context.Context, c Change) error

	// Test uses the pending value for real, as the application does. It changes nothing.
	Test(ctx context.Context, c Change) error

	// Probe asks the target once whether it accepts d's value. The error says why the outcome is
	// not Accepted, and what to do about it. Fields of d that are not the kind's are AWSCURRENT's,
	// whichever version the value is from: the way to the target may need another kind's
	// credential, and an old one must not be used for that.
	Probe(ctx context.Context, d document.Document) (Outcome, error)

	// Preflight checks whether a rotation from current would work, from start to end and back. It
	// changes nothing.
	Preflight(ctx context.Context, current document.Document) []Check
}

// A Router is a kind whose target accepts one value at a time, and is written to by some means
// other than that value, such as Mautic's database.
type Router interface {
	// Route checks whether PutBack would reach the target now. It changes nothing.
	Route(ctx context.Context, c Change) error
}

// A Check is one line of a preflight: what was checked, and what is wrong, with the remedy. A
// Problem would make a rotation fail; a Warning would not.
type Check struct {
	What             string
	Problem, Warning error
}

// A Dependent is a kind whose target is reached through another kind's. While that one cannot be
// reached, nothing can be said about this one. The application's health is one too, if it needs
// what a kind's credential is for.
type Dependent interface {
	// Needs is the name of the other kind; "" if there is none.
	Needs() string
}

// Reached reports, from a kind's preflight, whether its target could be reached and accepted the
// current value. Other problems are the kind's own.
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

// FirstProblem returns the first finding of a preflight that would make a rotation fail; nil if
// there is none.
func FirstProblem(checks []Check) error {
	for _, check := range checks {
		if check.Problem != nil {
			return check.Problem
		}
	}
	return nil
}
