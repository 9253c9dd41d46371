package database

import (
	"context"
	"fmt"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
)

// swapStatement is MySQL's compare-and-swap: it fails with 3891, and changes
// nothing, unless the second password is the account's primary one.
const swapStatement = "ALTER USER USER() IDENTIFIED BY ? REPLACE ? RETAIN CURRENT PASSWORD"

// keepStatement is the take-away: it puts the current password into both
// slots, so that whatever else was in the second one is gone. It fails with
// 3891, and changes nothing, unless that password is the primary one. DISCARD
// OLD PASSWORD would have no such guard: between a look and the discarding,
// another rotation's set can have made the current password the second one.
const keepStatement = swapStatement // with the current password twice

// makePrimaryStatement has no guard. The lock keeps others away.
const makePrimaryStatement = "ALTER USER USER() IDENTIFIED BY ? RETAIN CURRENT PASSWORD"

// swapper is the way self on MySQL.
type swapper struct{}

var _ keeper = swapper{}

func (swapper) set(ctx context.Context, t *turn, present, next account) error {
	err := t.own.execWithRoles(ctx, swapStatement, next.password, present.password)
	if !mysql.Is(err, mysql.NotCurrentPassword) {
		return explain(err, present)
	}
	// The present password logs in, and is not the primary one: so it is the
	// secondary, and the primary is the next one when an earlier attempt has
	// set it, or that of a rotation that was given up.
	switch outcome, err := t.k.try(ctx, next); outcome {
	case credential.Accepted:
		t.log.Info("an earlier attempt has set the password")
		return nil
	case credential.Denied:
		t.log.Warn("the primary password is of a rotation that was given up: putting the one in use back in its place")
	default:
		return fmt.Errorf("cannot tell which password is the primary one, so nothing was changed: %w", err)
	}
	// The heal's first statement has no REPLACE, since the primary password is
	// unknown: run twice, it would put the present one in both slots, and so
	// evict whatever a heal beside this one had set.
	if err := t.own.Exec(ctx, makePrimaryStatement, present.password); err != nil {
		return explain(err, present)
	}
	return explain(t.own.Exec(ctx, swapStatement, next.password, present.password), present)
}

func (swapper) takeAway(ctx context.Context, t *turn, current, _ account) error {
	err := t.own.Exec(ctx, keepStatement, current.password, current.password)
	if !mysql.Is(err, mysql.NotCurrentPassword) {
		return explain(err, current)
	}
	// Both are accepted, so the old password is the primary one: of a rotation
	// that was given up, or rolled back.
	if err := t.own.Exec(ctx, makePrimaryStatement, current.password); err != nil {
		return explain(err, current)
	}
	return explain(t.own.Exec(ctx, keepStatement, current.password, current.password), current)
}

// restore makes the old password the primary one and the current one the
// second, then they change places; both are accepted in between.
func (swapper) restore(ctx context.Context, t *turn, current, old account) error {
	err := t.own.Exec(ctx, swapStatement, old.password, current.password)
	if err != nil && !mysql.Is(err, mysql.NotCurrentPassword) {
		return explain(err, current)
	}
	if err := t.own.Exec(ctx, swapStatement, current.password, old.password); err != nil {
		return fmt.Errorf("put the old password into the second slot: %w", explain(err, current))
	}
	return nil
}
