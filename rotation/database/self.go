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

// makePrimaryStatement has no guard. The lock keeps other changes away.
const makePrimaryStatement = "ALTER USER USER() IDENTIFIED BY ? RETAIN CURRENT PASSWORD"

// discardStatement empties the second slot, whatever is in it; it has no guard either.
const discardStatement = "ALTER USER USER() DISCARD OLD PASSWORD"

// swapper is the method self on MySQL.
type swapper struct{}

var _ keeper = swapper{}

func (swapper) set(ctx context.Context, t *turn, present, next account) error {
	err := t.own.swap(ctx, next, present)
	if !mysql.Is(err, mysql.NotCurrentPassword) {
		return explain(err, present)
	}
	// The present password logs in, and is not the primary one: so it is the
	// secondary, and the primary is the next one when an earlier attempt has
	// set it, or that of a rotation that was given up.
	switch outcome, err := t.k.probeLogin(ctx, next); outcome {
	case credential.Accepted:
		t.log.Info("an earlier attempt has already set the password")
		return nil
	case credential.Denied:
		t.log.Warn("the primary password came from a rotation that was given up: making the current one primary again")
	default:
		return fmt.Errorf("cannot tell which password is the primary one, so nothing was changed: %w", err)
	}
	// The heal's first statement has no REPLACE, since the primary password is
	// unknown: run twice, it would put the present one in both slots, and so
	// evict whatever a heal beside this one had set.
	if err := t.own.Exec(ctx, makePrimaryStatement, present.password); err != nil {
		return explain(err, present)
	}
	return explain(t.own.swap(ctx, next, present), present)
}

// takeAway empties the second slot once the current password is known to be the
// primary one. DISCARD has no guard, so that another change between the two
// statements could make the current password the second one; but they share a
// session, which holds the account's lock until the server has done with both.
//
// Up to the last statement the account accepts both passwords: cut off anywhere
// before it, a repetition starts anew. To put the current password into both slots
// would be a compare-and-swap that takes the old one away as well; cut off right
// after, it would leave a second slot that nobody can see, and that a later
// change by hand leaves accepted.
func (swapper) takeAway(ctx context.Context, t *turn, current, old account) error {
	primary, err := t.own.isPrimary(ctx, current)
	if err != nil {
		return explain(err, current)
	}
	if !primary { // so the old one is: of a rotation that was given up, or rolled back
		if err := t.own.swap(ctx, current, old); err != nil {
			return explain(err, current)
		}
	}
	return explain(t.own.Exec(ctx, discardStatement), current)
}

// restore makes the old password primary and the current one secondary, and then swaps them; both
// are accepted in between.
func (swapper) restore(ctx context.Context, t *turn, current, old account) error {
	err := t.own.swap(ctx, old, current)
	if err != nil && !mysql.Is(err, mysql.NotCurrentPassword) {
		return explain(err, current)
	}
	if err := t.own.swap(ctx, current, old); err != nil {
		return fmt.Errorf("put the old password into the second slot: %w", explain(err, current))
	}
	return nil
}

// swap runs the compare-and-swap: next becomes the primary password in the place
// of present, which becomes the second one. It fails with 3891, and changes
// nothing, unless present is the primary one.
//
// validate_password.changed_characters_percentage refuses a next password that is
// too much like the one in REPLACE (4165), and it looks only once that is known to
// be the primary one. Without REPLACE it has nothing to compare. The lock stands in
// for REPLACE then: nothing of this function changes the primary password between
// the two statements.
func (s *session) swap(ctx context.Context, next, present account) error {
	err := s.execWithRoles(ctx, swapStatement, next.password, present.password)
	if mysql.Is(err, mysql.TooFewChanges) {
		return s.Exec(ctx, makePrimaryStatement, next.password)
	}
	return err
}

// isPrimary reports whether a's password is the account's primary one, and changes nothing: it
// replaces the password with itself, which needs no privilege and leaves the second slot alone. A
// policy may refuse that as too similar (4165), but only after the server has found that it is
// the primary one.
func (s *session) isPrimary(ctx context.Context, a account) (bool, error) {
	err := s.Exec(ctx, replaceStatement, a.password, a.password)
	switch {
	case err == nil, mysql.Is(err, mysql.TooFewChanges):
		return true, nil
	case mysql.Is(err, mysql.NotCurrentPassword):
		return false, nil
	default:
		return false, err
	}
}
