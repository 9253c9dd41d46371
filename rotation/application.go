package rotation

import (
	"context"
	"log/slog"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/rollout"
)

// A Health tells whether the application works, as far as one can see from
// outside.
type Health interface {
	// Check returns what is wrong, or nil. An application that cannot be asked is
	// not well.
	Check(ctx context.Context) error
}

// A Redeployer restarts what reads the secret when it starts.
type Redeployer interface {
	// Redeploy starts new tasks in place of the running ones, and returns
	// when that has begun. Whatever was created since then, by the clock of
	// whoever creates it, was created after the call. Calling it again starts
	// new tasks once more.
	Redeploy(ctx context.Context, log *slog.Logger) (since time.Time, err error)

	// Rollout tells how far that has come.
	Rollout(ctx context.Context, since time.Time) (rollout.State, error)

	// Preflight finds out whether Redeploy would work, and whether what it
	// restarts reads the secret.
	Preflight(ctx context.Context, secretARN string) []credential.Check
}
