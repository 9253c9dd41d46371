package database

import (
	"context"

	"mautic-rotation/rotation/credential"
)

// Swaps tells whether the account has one password at a time: by the way that is set,
// or where RDS may be the one to change it, by the way that the server leaves.
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
