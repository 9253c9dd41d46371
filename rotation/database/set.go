package database

import (
	"context"
	"fmt"

	"mautic-rotation/rotation"
)

// swapStatement is the compare-and-swap: it fails with 3891, and changes
// nothing, unless the second password is the account's primary one.
const swapStatement = "ALTER USER USER() IDENTIFIED BY ? REPLACE ? RETAIN CURRENT PASSWORD"

// Set makes the account accept the pending password, as its primary one, and
// the current one, as its secondary. See rotation.Target.
func (k *Kind) Set(ctx context.Context, c rotation.Change) error {
	current, pending, err := k.accounts(c)
	if err != nil {
		return err
	}
	s, err := k.login(ctx, current, "")
	if err != nil {
		return fmt.Errorf("log in with the AWSCURRENT password: %w", err)
	}
	defer s.close()
	server, err := s.identify(ctx)
	if err != nil {
		return err
	}
	if err := server.check(); err != nil {
		return err
	}
	if !server.accountsKnown {
		c.Log.Warn("cannot see whether the user exists for other hosts too, where its password would stay: "+grantToSeeAccounts, "account", server.account)
	}

	if err := s.lock(ctx); err != nil {
		return err
	}
	// Under the lock: the rotation may have been given up while this waited,
	// and what was set of it taken away.
	if err := c.Confirm(ctx); err != nil {
		return err
	}
	err = s.swap(ctx, current, pending)
	if !isNumber(err, errNotCurrentPassword) {
		return explain(err, current)
	}
	// The current password logs in, and is not the primary one: so it is the
	// secondary, and the primary is the pending one when an earlier attempt
	// has set it, or that of a rotation that was given up.
	switch outcome, err := k.Probe(ctx, c.Pending); outcome {
	case rotation.Accepted:
		c.Log.Info("an earlier attempt has set the pending password")
		return nil
	case rotation.Denied:
		c.Log.Warn("the primary password is of a rotation that was given up: putting the current one back in its place")
		return s.heal(ctx, current, pending)
	default:
		return fmt.Errorf("cannot tell which password is the primary one, so nothing was changed: %w", err)
	}
}

// swap is the compare-and-swap of the primary password.
func (s *session) swap(ctx context.Context, current, pending account) error {
	err := s.exec(ctx, swapStatement, pending.password, current.password)
	if !isNumber(err, errNoPrivilege) {
		return err
	}
	// A privilege that comes from a role counts only while the role is active.
	if roleErr := s.exec(ctx, "SET ROLE ALL"); roleErr != nil {
		return err
	}
	return s.exec(ctx, swapStatement, pending.password, current.password)
}

// heal makes the current password the primary one again, which evicts the one
// that a given-up rotation left there, and then swaps.
//
// The first statement has no REPLACE, since the primary password is unknown:
// run twice, it would put the current one in both slots, and so evict whatever
// a heal beside this one had set. The session's lock keeps them apart.
func (s *session) heal(ctx context.Context, current, pending account) error {
	if err := s.exec(ctx, "ALTER USER USER() IDENTIFIED BY ? RETAIN CURRENT PASSWORD", current.password); err != nil {
		return explain(err, current)
	}
	return explain(s.swap(ctx, current, pending), current)
}

// PutBack looks whether the current password is accepted, which Set has kept.
func (k *Kind) PutBack(ctx context.Context, c rotation.Change) error {
	outcome, err := k.Probe(ctx, c.Current)
	if outcome != rotation.Accepted {
		return fmt.Errorf("the AWSCURRENT password is not accepted (%s): %w", outcome, err)
	}
	return nil
}
