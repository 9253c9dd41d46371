package smtp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mautic-rotation/rotation/credential"
)

// looks is how often Set lists the keys before one that is missing counts as
// gone: IAM's lists may lag behind a key that was made seconds ago.
const looks = 4

// Set sees to it that both keys are there and active, which they are since the
// pending one was made. See [credential.Target].
func (k *Kind) Set(ctx context.Context, c credential.Change) error {
	current, pending, err := k.accounts(c)
	if err != nil {
		return err
	}
	switch {
	case !current.at.same(pending.at):
		return fmt.Errorf("AWSPENDING is for the SMTP server %s and AWSCURRENT for %s: start a new rotation, which begins from AWSCURRENT", pending.at, current.at)
	case current.keyID == pending.keyID:
		return errors.New("AWSPENDING has the access key of AWSCURRENT with another password: start a new rotation, which begins from AWSCURRENT")
	}
	keys, err := k.listWith(ctx, pending.keyID)
	if err != nil {
		return err
	}
	if err := k.inUse(keys, current.keyID); err != nil {
		return err
	}
	key, found := keys.find(pending.keyID)
	switch {
	case !found:
		return fmt.Errorf("the IAM user %s has no access key %s any more: %w: rotate again", k.config.User, short(pending.keyID), credential.ErrLost)
	case key.active:
		return nil
	}
	if err := credential.Confirmed(ctx, c.Confirm); err != nil {
		return err
	}
	c.Log.Warn("the pending access key was inactive, and is activated", "key", short(key.id))
	return k.activate(ctx, key.id)
}

// listWith lists the user's keys, a few times where one is missing that was
// made just now.
func (k *Kind) listWith(ctx context.Context, id string) (accessKeys, error) {
	pause := k.config.Pause
	for look := 1; ; look++ {
		keys, _, err := k.list(ctx)
		if _, found := keys.find(id); err != nil || found || look == looks {
			return keys, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		pause *= 2
	}
}

// PutBack sees to it that the current key is active. That it logs in is tried,
// too; but where the server does not say, what IAM says has to do, for an
// endpoint that cannot be reached is no reason to keep an application from
// being rolled back.
func (k *Kind) PutBack(ctx context.Context, c credential.Change) error {
	current, err := k.account(c.Current)
	if err != nil {
		return err
	}
	if err := k.ensureActive(ctx, current.keyID, c.Confirm); err != nil {
		return err
	}
	err = k.accepted(ctx, current)
	if credential.OutcomeOf(err) == credential.Denied {
		return err
	}
	if err != nil {
		c.Log.Warn("the current access key is active, but no login shows that it is accepted", "key", short(current.keyID), "why", err)
	}
	return nil
}

// ensureActive makes a key of the user's active, unless it is. It fails when
// there is no such key any more.
func (k *Kind) ensureActive(ctx context.Context, id string, confirm func(context.Context) error) error {
	keys, _, err := k.list(ctx)
	if err != nil {
		return err
	}
	key, found := keys.find(id)
	switch {
	case !found:
		return fmt.Errorf("the IAM user %s has no access key %s any more, so that it cannot be accepted again: rotate, from a version whose key is there", k.config.User, short(id))
	case key.active:
		return nil
	}
	if err := credential.Confirmed(ctx, confirm); err != nil {
		return err
	}
	return k.activate(ctx, id)
}
