package credential

import (
	"context"
	"log/slog"
	"time"

	"mautic-rotation/rotation/document"
)

// A Change is what one rotation does to one kind.
type Change struct {
	Current, Pending document.Document

	// Confirm reads the versions' labels again. It fails if Current is no longer AWSCURRENT, or
	// Pending no longer AWSPENDING. See Confirmed.
	Confirm func(ctx context.Context) error

	// Previous reads AWSPREVIOUS; false if there is no such version. It may be nil. A kind calls
	// it only if its target refuses both other values.
	Previous func(ctx context.Context) (document.Document, bool, error)

	// Log is for what an operator should know about how the change was made.
	Log *slog.Logger
}

// An Overlap is a current value, and an old one that its target may still accept.
type Overlap struct {
	Current, Old document.Document

	// Confirm reads the labels again. It fails if Current is no longer
	// AWSCURRENT, or if a rotation has begun to set another value. See Confirmed.
	Confirm func(ctx context.Context) error

	// Now is the time by AWS's clock, from its last reply before the call, to the second.
	Now time.Time

	// Since is the time from which use of the old value counts, by AWS's clock: when the rollout
	// converged or, if later, when the value's state last changed, because the quarantine itself
	// uses the old value. Once Quarantined, it is when the quarantine began. Zero: from this call
	// on.
	Since time.Time

	// Quarantined: the old value is refused by now, so a refused login may come from something
	// that still uses it.
	Quarantined bool

	// Before has the target's counters from when the quarantine began; nil: not known. See
	// Baseliner.
	Before *Baseline

	Log *slog.Logger
}

// Confirmed calls a Confirm function; nil confirms everything. A kind calls it just before it
// writes to its target.
func Confirmed(ctx context.Context, confirm func(context.Context) error) error {
	if confirm == nil {
		return nil
	}
	return confirm(ctx)
}
