package smtp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mautic-rotation/rotation/credential"
)

// looks is how often Set lists the keys before it treats a missing one as gone: IAM's lists may
// lag behind a key that was made seconds ago.
const looks = 4

// Set makes sure that both keys exist and are active, as they are once the pending one was made.
// See [credential.Target].
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
		return fmt.Errorf("the IAM user %s no longer has the access key %s: %w: rotate again", k.config.User, short(pending.keyID), credential.ErrLost)
	case key.active:
		return nil
	}
	if err := credential.Confirmed(ctx, c.Confirm); err != nil {
		return err
	}
	c.Log.Warn("the pending access key was inactive, and was activated", "key", short(key.id))
	return k.activate(ctx, key.id)
}

// listWith lists the user's keys, several times if a key is missing that was just made.
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

// PutBack makes sure that the current key is active. It also tries to log in with it. If the
// server gives no answer, IAM's word is enough: an endpoint that cannot be reached is no reason
// not to roll back an application.
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
		c.Log.Warn("the current access key is active, but no login has shown that it is accepted", "key", short(current.keyID), "why", err)
	}
	return nil
}

// ensureActive activates one of the user's keys, unless it is active. It fails if the key no
// longer exists.
func (k *Kind) ensureActive(ctx context.Context, id string, confirm func(context.Context) error) error {
	keys, _, err := k.list(ctx)
	if err != nil {
		return err
	}
	key, found := keys.find(id)
	switch {
	case !found:
		return fmt.Errorf("the IAM user %s no longer has the access key %s, so it cannot be accepted again: rotate, from a version whose key exists", k.config.User, short(id))
	case key.active:
		return nil
	}
	if err := credential.Confirmed(ctx, confirm); err != nil {
		return err
	}
	return k.activate(ctx, id)
}
