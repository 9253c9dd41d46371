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
	if _, err := k.sweep(ctx, g.Current, g.Ownership); err != nil {
		return document.Document{}, err
	}
	current := k.value(g.Current)
	if g.Emergency {
		_, err := k.tell(g.Current, "delete the old key for an emergency", current, func(a *account) (string, error) {
			if len(a.values) == quota {
				a.set(k.w.now, current)
			}
			return "", nil
		})
		if err != nil {
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
	old := k.value(o.Old)
	_, err := k.tell(o.Current, "delete", old, func(a *account) (string, error) {
		a.remove(old)
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
	return k.sweep(ctx, d, o)
}

func (k *issuer) sweep(ctx context.Context, d document.Document, o credential.Ownership) (removed []string, err error) {
	at := k.at(d)
	keys, err := ask(k.w, call{what: k.name + ": list the keys", account: at}, func(int) ([]held, string, error) {
		keys := k.w.accounts[at].values
		return keys, fmt.Sprint(keys), nil
	})
	if errors.Is(err, errFault) {
		err = credential.Failf(credential.Unreachable, "%s: %w", k.name, err)
	}
	if err != nil || len(keys) < quota {
		return nil, err
	}
	stored, err := o.Stored(ctx)
	if err != nil {
		return nil, err
	}
	kept := func(key held) bool {
		return slices.ContainsFunc(stored.Documents, func(d document.Document) bool { return k.value(d) == key.text })
	}
	if !slices.ContainsFunc(keys, kept) {
		return nil, nil // the keys may be another secret's
	}
	for _, key := range keys {
		if kept(key) || stored.Busy && k.w.running.now.Sub(key.made) < credential.MaxInvocation {
			continue
		}
		_, err := k.tell(d, "delete a lost key", key.text, func(a *account) (string, error) {
			a.remove(key.text)
			return "", nil
		})
		if err != nil {
			return removed, err
		}
		removed = append(removed, "a key")
	}
	return removed, nil
}
