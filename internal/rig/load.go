package rig

import (
	"context"
	"time"

	"mautic-rotation/internal/load"
)

// loadPause is between two logins of one worker: the two make some 80 a second.
const loadPause = 25 * time.Millisecond

// StartLoad starts a load of logins in the two ways an application makes them:
// with the password that it read when it started, and with the one that it reads
// just before.
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
