package database

import (
	"context"
	"errors"
	"fmt"

	"mautic-rotation/rotation/credential"
)

// Set makes the account accept the pending password and, if the method can, keep accepting the
// current one. It logs in with the current password first, which proves AWSCURRENT and shows
// which account is meant. A single-valued account that an earlier attempt has changed accepts the
// pending password instead, and nothing is left to do. See credential.Target.
func (k *Kind) Set(ctx context.Context, c credential.Change) error {
	current, pending, err := k.accounts(ctx, c)
	if err != nil {
		return err
	}
	own, err := k.login(ctx, current, "")
	if credential.OutcomeOf(err) == credential.Denied {
		own, err = k.refused(ctx, c, current, pending, err)
		if errors.Is(err, errAlreadySet) {
			return nil
		}
	} else if err != nil {
		err = fmt.Errorf("log in with the AWSCURRENT password: %w", err)
	}
	if err != nil {
		return err
	}
	t, err := k.begin(ctx, own, c.Log)
	if err != nil {
		return err
	}
	defer t.close()
	if err := t.checkPolicies(ctx, current.password, pending.password); err != nil {
		return fmt.Errorf("the rotation could not be completed, so nothing was changed: %w", err)
	}
	if problem, _ := t.checkTogether(ctx); problem != nil {
		return fmt.Errorf("nothing was changed: %w", problem)
	}
	t.tell()
	if err := t.tellEvicted(ctx, current, pending); err != nil {
		return err
	}
	return t.change(ctx, c.Confirm, current, pending)
}

// PutBack makes sure that the account accepts the current password. With a method that keeps it,
// this only checks. See credential.Target.
func (k *Kind) PutBack(ctx context.Context, c credential.Change) error {
	current, pending, err := k.accounts(ctx, c)
	if err != nil {
		return err
	}
	if !k.singleEver() {
		if outcome, err := k.probeLogin(ctx, current); outcome != credential.Accepted {
			return fmt.Errorf("the AWSCURRENT password is not accepted (%s): %w", outcome, err)
		}
		return nil
	}
	t, err := k.reinstate(ctx, current, pending, c.Confirm, c.Log)
	if err != nil {
		return err
	}
	t.close()
	return nil
}
