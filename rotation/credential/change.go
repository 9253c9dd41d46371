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

	// Confirm reads the versions' labels again. It fails if Current is no longer
	// AWSCURRENT, or Pending no longer AWSPENDING. See Confirmed.
	Confirm func(ctx context.Context) error

	// Previous reads AWSPREVIOUS; false if there is no such version. It may be
	// nil. A target asks for it only if it refuses both other values.
	Previous func(ctx context.Context) (document.Document, bool, error)

	// Log is for what an operator should know of how the change was made.
	Log *slog.Logger
}

// An Overlap is a current value, and an old one that its target may accept too.
type Overlap struct {
	Current, Old document.Document

	// Confirm reads the labels again. It fails if Current is no longer
	// AWSCURRENT, or if a rotation has begun to set another value. See Confirmed.
	Confirm func(ctx context.Context) error

	// Now is the time by AWS's clock, as its last reply before the call told it,
	// to the second.
	Now time.Time

	// Since is from when on use of the old value counts, by AWS's clock: from the
	// convergence of the rollout, or from the last change of the value's state where
	// that is later, for the quarantine itself uses the old value. Once Quarantined it is
	// when that began. Zero: from the call on.
	Since time.Time

	// Quarantined tells that the old value is refused by now, so that a refused
	// login may be of something that still uses it.
	Quarantined bool

	// Before is what the target's counters said when the quarantine began; nil: not
	// known. See Baseliner.
	Before *Baseline

	Log *slog.Logger
}

// Confirmed calls a Confirm function; nil confirms everything. A kind calls it
// right before it writes to its target.
func Confirmed(ctx context.Context, confirm func(context.Context) error) error {
	if confirm == nil {
		return nil
	}
	return confirm(ctx)
}
