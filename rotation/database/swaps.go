package database

import (
	"context"

	"mautic-rotation/rotation/credential"
)

// Swaps reports whether the account has one password at a time: because of the method that is set
// or, if RDS may change the password, of the method that the server allows.
func (k *Kind) Swaps(ctx context.Context, o credential.Overlap) (bool, error) {
	chosen, err := parseWay(k.config.Way)
	switch {
	case err != nil:
		return false, err
	case chosen != auto:
		return !chosen.dual(), nil
	case k.config.RDS == nil:
		return false, nil // a way without overlap is never taken unless it is set
	}
	current, old, err := k.overlap(ctx, o)
	if err != nil {
		return false, err
	}
	own, _, err := k.enter(ctx, current, old)
	if err != nil {
		return false, err
	}
	t, err := k.begin(ctx, own, quiet)
	if err != nil {
		return false, err
	}
	defer t.close()
	return !t.way.dual(), nil
}
