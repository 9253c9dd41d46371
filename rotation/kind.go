package rotation

import (
	"context"
	"log/slog"

	"mautic-rotation/rotation/document"
)

// A Kind is one credential kind: where it stands in the document, how a new
// value is made, and the target that accepts it. A kind knows nothing of
// Secrets Manager, and keeps nothing from one call to the next.
type Kind interface {
	// Name is what operators call the kind: "database", "admin", "api",
	// "webhook" or "smtp".
	Name() string

	// Fields lists the places in d that hold this kind's credential: the
	// fields a rotation of it changes. None, and no error, when d has no
	// such credential. It fails when a field is there but cannot be used.
	Fields(d document.Document) ([]document.Pointer, error)

	// Generate returns current with new values in this kind's fields, and
	// every other byte as it was. It changes nothing at the target.
	Generate(ctx context.Context, current document.Document) (document.Document, error)

	Target
}

// A Target is the system that accepts a kind's credential.
type Target interface {
	// Set makes the target accept the pending value and go on accepting the
	// current one. It may be called any number of times for one change, at
	// the same time too, and after a call whose outcome is not known; once it
	// has returned nil, both values are accepted. When it fails, the current
	// value is accepted as before.
	Set(ctx context.Context, c Change) error

	// Test uses the pending value for real, in the way the application does.
	// It changes nothing.
	Test(ctx context.Context, c Change) error

	// Probe asks whether the target accepts d's value, with one attempt. The
	// error says why the outcome is not Accepted, and what to do about it.
	Probe(ctx context.Context, d document.Document) (Outcome, error)

	// Preflight finds out whether a rotation from current would work, and
	// changes nothing.
	Preflight(ctx context.Context, current document.Document) []Check
}

// A Change is what one rotation does to one kind.
type Change struct {
	Current, Pending document.Document

	// Confirm reads the versions' labels again. It fails when Current is no
	// longer AWSCURRENT, or Pending no longer AWSPENDING. A target calls it
	// right before a write that no compare-and-swap guards.
	Confirm func(ctx context.Context) error

	// Log is for what an operator should know of how the change was made.
	Log *slog.Logger
}

// An Outcome is a target's answer to a probe. Only Denied means that the value
// is wrong.
type Outcome string

// The outcomes of a probe.
const (
	Accepted    Outcome = "accepted"
	Denied      Outcome = "denied"
	Unreachable Outcome = "unreachable" // no answer, or one that says nothing of the value
	Locked      Outcome = "locked"      // the account takes no login at all, right or wrong
	Unknown     Outcome = "unknown"
)

// A Check is one line of a preflight: what was looked at, and what is wrong,
// with the remedy. A Problem would make a rotation fail; a Warning would not.
type Check struct {
	What             string
	Problem, Warning error
}

// A Redeployer restarts what reads the secret when it starts.
type Redeployer interface {
	// Redeploy starts new tasks in place of the running ones, and returns
	// when that has begun. Calling it again starts them once more.
	Redeploy(ctx context.Context, log *slog.Logger) error

	// Preflight finds out whether Redeploy would work.
	Preflight(ctx context.Context) []Check
}
