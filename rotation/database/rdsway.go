package database

import (
	"context"
	"fmt"

	"mautic-rotation/rotation/credential"
)

// rdsChanger is the method rds. RDS changes the password some time after the request, and may
// report success when it has not: only a login proves it.
type rdsChanger struct{}

func (rdsChanger) set(ctx context.Context, t *turn, _, next account) error {
	api := t.k.config.RDS
	// Again, under the lock: an attempt beside this one may have asked.
	db, err := api.Get(ctx, t.db)
	if err != nil {
		return fmt.Errorf("ask RDS about %s: %w", t.db.Identifier, err)
	}
	if db.PasswordPending {
		t.log.Info("RDS was already asked to change the password, and has not done so yet")
	} else {
		if err := api.SetMasterPassword(ctx, db, next.password, t.log); err != nil {
			return fmt.Errorf("set the master user's password with the RDS API: %w", err)
		}
		t.log.Info("asked RDS to change the master user's password", "database", db.Identifier)
	}
	if err := api.Await(ctx, db, t.log); err != nil {
		return fmt.Errorf("RDS was asked to change the password, and the next attempt continues from there: %w", err)
	}
	switch outcome, err := t.k.probeLogin(ctx, next); outcome {
	case credential.Accepted:
		return nil
	case credential.Denied:
		return fmt.Errorf("RDS has no pending change of the password, but the server does not accept the new one: RDS may be late, or have applied an earlier change; the next attempt continues from there: %w", err)
	default:
		return fmt.Errorf("check that the server accepts the password that RDS has set; the next attempt continues from there: %w", err)
	}
}
