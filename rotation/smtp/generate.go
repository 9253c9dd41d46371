package smtp

import (
	"context"
	"fmt"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// Generate makes an access key, and puts its id and its password into the document. If the key is
// lost before it is stored, the next call deletes it, or Sweep does.
func (k *Kind) Generate(ctx context.Context, g credential.Generation) (document.Document, error) {
	current, err := k.account(g.Current)
	if err != nil {
		return document.Document{}, err
	}
	if current.at.region == "" {
		return document.Document{}, noRegion(current.at)
	}
	if err := k.makeRoom(ctx, g, current.keyID); err != nil {
		return document.Document{}, err
	}
	id, password, err := k.create(ctx, current.at.region)
	if err != nil {
		return document.Document{}, err
	}
	g.Log.Info("created an access key", "user", k.config.User, "key", short(id), "region", current.at.region)
	next, err := g.Current.Replace(k.config.Layout.Username, id)
	if err != nil {
		return document.Document{}, err
	}
	return next.Replace(k.config.Layout.Password, password)
}

func noRegion(at endpoint) error {
	return fmt.Errorf("a password is derived for one SES region, and the host %s does not name one: set SMTP_REGION", at.host)
}

// makeRoom makes sure that the user can get another key beside current, AWSCURRENT's, which must
// be active.
func (k *Kind) makeRoom(ctx context.Context, g credential.Generation, current string) error {
	o := observed{user: k.config.User, owner: g.Owner}
	var err error
	if o.keys, o.now, err = k.list(ctx); err != nil {
		return err
	}
	if err := k.inUse(o.keys, current); err != nil {
		return err
	}
	if o.tag, err = k.owner(ctx); err != nil {
		return err
	}
	if len(o.keys) >= quota {
		if o, err = k.withStored(ctx, o, g.Ownership); err != nil {
			return err
		}
	}
	going, err := o.room(current, g.Emergency)
	if err != nil {
		return err
	}
	if len(going) > 0 {
		// A rollback may have made the other key's version current since.
		if err := credential.Confirmed(ctx, g.Confirm); err != nil {
			return err
		}
	}
	removed, err := k.deleteKeys(ctx, going)
	for _, what := range removed {
		g.Log.Warn("deleted to make room for a new one", "what", what)
	}
	return err
}

// inUse fails unless the key in AWSCURRENT belongs to the user, and is active.
func (k *Kind) inUse(keys accessKeys, id string) error {
	key, found := keys.find(id)
	if !found {
		return fmt.Errorf("the IAM user %s has no access key %s, which is the user name in AWSCURRENT (field %s): set SMTP_IAM_USER to the user that has it, or store the credential of one of this user's keys",
			k.config.User, short(id), k.config.Layout.Username)
	}
	if !key.active {
		return fmt.Errorf("the access key of AWSCURRENT, %[1]s, is inactive: find out who deactivated it, and why. To reactivate it: `aws iam update-access-key --user-name %[2]s --status Active --access-key-id` with its id",
			short(id), k.config.User)
	}
	return nil
}

// Sweep deletes the access keys that the secret owns and none of its versions stores. If the user
// has only one key there are none, so it makes no further call.
func (k *Kind) Sweep(ctx context.Context, w credential.Ownership) (removed []string, err error) {
	o := observed{user: k.config.User, owner: w.Owner}
	if o.keys, o.now, err = k.list(ctx); err != nil || len(o.keys) < quota {
		return nil, err
	}
	if o.tag, err = k.owner(ctx); err != nil || o.tag != o.owner {
		return nil, err
	}
	if o, err = k.withStored(ctx, o, w); err != nil {
		return nil, err
	}
	return k.deleteKeys(ctx, o.lost())
}

// withStored adds what the secret's versions store. It runs after the user's keys were listed, so a
// key that is in neither was never stored.
func (k *Kind) withStored(ctx context.Context, o observed, w credential.Ownership) (observed, error) {
	held, err := w.Stored(ctx)
	if err != nil {
		return observed{}, err
	}
	o.busy = held.Busy
	for _, d := range held.Documents {
		id, err := textOrNone(d, k.config.Layout.Username)
		if err != nil {
			return observed{}, err
		}
		o.held = append(o.held, id)
	}
	return o, nil
}

// deleteKeys deletes keys. It deactivates each one first, so that an interruption in between leaves
// nothing that is accepted.
func (k *Kind) deleteKeys(ctx context.Context, keys accessKeys) (removed []string, err error) {
	for _, key := range keys {
		if err := k.deactivate(ctx, key.id); err != nil {
			return removed, err
		}
		if err := k.remove(ctx, key.id); err != nil {
			return removed, err
		}
		removed = append(removed, fmt.Sprintf("access key %s of the IAM user %s", short(key.id), k.config.User))
	}
	return removed, nil
}
