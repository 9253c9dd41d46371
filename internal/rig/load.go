package rig

import (
	"context"
	"time"

	"mautic-rotation/internal/load"
)

// loadPause is the time between two logins of a worker: the two make about 80 a second.
const loadPause = 25 * time.Millisecond

// StartLoad starts a load of logins in the two ways that an application makes them: with
// the password that it read at start, and with one that it reads just before.
func (r *Rig) StartLoad(ctx context.Context) (*load.Load, error) {
	atStart, err := r.PasswordLabelled("AWSCURRENT")
	if err != nil {
		return nil, err
	}
	return load.Start(ctx, loadPause,
		load.Worker{Name: "with the password read at the start", Use: func(ctx context.Context) error { return r.Login(ctx, atStart) }},
		load.Worker{Name: "with AWSCURRENT", Use: r.CurrentLogsIn},
	)
}
