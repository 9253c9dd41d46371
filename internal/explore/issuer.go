package explore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// issuer is a kind whose target makes the values: access keys of IAM, two at most,
// without a compare-and-swap and without a lock.
type issuer struct{ dual }

var _ credential.Issuer = (*issuer)(nil)

const quota = 2

func (k *issuer) Generate(ctx context.Context, g credential.Generation) (next document.Document, err error) {
	if err := k.probe(g.Current, "rehearse"); err != nil {
		return document.Document{}, err
	}
	keys, _, err := k.sweep(ctx, g.Current, g.Ownership)
	if err != nil {
		return document.Document{}, err
	}
	for _, key := range keys {
		if current := k.value(g.Current); !g.Emergency || len(keys) < quota || key.text == current {
			continue
		}
		// The call names the key. If it takes effect late, it deletes no other one.
		defer k.w.running.aboutToTake(key.text)()
		if err := credential.Confirmed(ctx, g.Confirm); err != nil {
			return document.Document{}, err
		}
		if err := k.delete(g.Current, "delete the old key for an emergency", key.text); err != nil {
			return document.Document{}, err
		}
	}
	at := k.at(g.Current)
	made, err := k.tell(g.Current, "make a key", "", func(a *account) (string, error) {
		if len(a.values) == quota {
			return "", errors.New("there is no place for another key")
		}
		made := k.next(at)
		a.values = append(slices.Clone(a.values), held{made, true, k.w.now})
		return made, nil
	})
	if err != nil {
		return document.Document{}, err
	}
	return g.Current.Replace(k.field(), made)
}

func (k *issuer) Set(_ context.Context, c credential.Change) error {
	err := k.probe(c.Pending, "log in")
	if credential.OutcomeOf(err) == credential.Denied {
		return fmt.Errorf("%w: %w", credential.ErrLost, err)
	}
	return err
}

func (k *issuer) Quarantine(ctx context.Context, o credential.Overlap) error {
	return k.change(ctx, o, "deactivate", false)
}

func (k *issuer) Restore(ctx context.Context, o credential.Overlap) error {
	old := k.value(o.Old)
	_, err := k.tell(o.Current, "activate", old, func(a *account) (string, error) {
		if !a.turn(old, true) {
			return "", errors.New("the key is deleted")
		}
		return "", nil
	})
	return err
}

func (k *issuer) Retire(ctx context.Context, o credential.Overlap) error {
	defer k.w.running.aboutToTake(k.value(o.Old))()
	if err := k.change(ctx, o, "deactivate", false); err != nil {
		return err
	}
	if err := credential.Confirmed(ctx, o.Confirm); err != nil {
		return err
	}
	return k.delete(o.Current, "delete", k.value(o.Old))
}

func (k *issuer) delete(d document.Document, what, key string) error {
	_, err := k.tell(d, what, key, func(a *account) (string, error) {
		a.remove(key)
		return "", nil
	})
	return err
}

func (k *issuer) change(ctx context.Context, o credential.Overlap, what string, on bool) error {
	if err := k.probe(o.Current, "log in"); err != nil {
		return err
	}
	old := k.value(o.Old)
	defer k.w.running.aboutToTake(old)()
	if err := credential.Confirmed(ctx, o.Confirm); err != nil {
		return err
	}
	_, err := k.tell(o.Current, what, old, func(a *account) (string, error) {
		a.turn(old, on)
		return "", nil
	})
	return err
}

func (k *issuer) Sweep(ctx context.Context, o credential.Ownership) (removed []string, err error) {
	secret := slices.Index(k.w.arns, o.Owner)
	d, err := document.Parse(fmt.Sprintf(`{"account": "%d"}`, secret))
	if err != nil {
		return nil, err
	}
	_, removed, err = k.sweep(ctx, d, o)
	return removed, err
}

// sweep returns the keys that are left, too.
func (k *issuer) sweep(ctx context.Context, d document.Document, o credential.Ownership) (left []held, removed []string, err error) {
	at := k.at(d)
	keys, err := ask(k.w, call{what: k.name + ": list the keys", account: at}, func(int) ([]held, string, error) {
		keys := k.w.accounts[at].values
		return keys, fmt.Sprint(keys), nil
	})
	if errors.Is(err, errFault) {
		err = credential.Failf(credential.Unreachable, "%s: %w", k.name, err)
	}
	if err != nil || len(keys) < quota {
		return keys, nil, err
	}
	stored, err := o.Stored(ctx)
	if err != nil {
		return nil, nil, err
	}
	kept := func(key held) bool {
		return slices.ContainsFunc(stored.Documents, func(d document.Document) bool { return k.value(d) == key.text })
	}
	if !slices.ContainsFunc(keys, kept) {
		return keys, nil, nil // the keys may be another secret's
	}
	for _, key := range keys {
		if kept(key) || stored.Busy && k.w.running.now.Sub(key.made) < credential.MaxInvocation {
			left = append(left, key)
			continue
		}
		if err := k.delete(d, "delete a lost key", key.text); err != nil {
			return nil, removed, err
		}
		removed = append(removed, "a key")
	}
	return left, removed, nil
}
