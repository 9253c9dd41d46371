package explore

import (
	"context"
	"errors"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// plain is a kind whose target accepts one value: a row of Mautic's.
type plain struct{ *kind }

func (k *plain) Set(ctx context.Context, c credential.Change) error {
	return k.swap(ctx, c, c.Pending, func(string) error { return nil })
}

func (k *plain) PutBack(ctx context.Context, c credential.Change) error {
	return k.swap(ctx, c, c.Current, func(was string) error {
		if was != k.value(c.Pending) {
			return k.refused()
		}
		return nil
	})
}

// Route looks whether the database can be reached by which Mautic's own are written.
func (k *plain) Route(_ context.Context, c credential.Change) error {
	_, err := k.ask(c.Current, "reach", func(*account) (string, error) { return "", nil })
	return err
}

var errMoved = errors.New("the target's value has changed meanwhile")

func (k *plain) swap(ctx context.Context, c credential.Change, to document.Document, replaceable func(string) error) error {
	unlock, err := k.lock(to, changing)
	if err != nil {
		return err
	}
	defer unlock()
	want := k.value(to)
	for attempt := 1; ; attempt++ {
		was, err := k.ask(to, "read", func(a *account) (string, error) { return a.values[0].text, nil })
		if err != nil || was == want {
			return err
		}
		if err := replaceable(was); err != nil {
			return err
		}
		if err := credential.Confirmed(ctx, c.Confirm); err != nil {
			return err
		}
		err = k.exchange(to, "set in place of what was read", was, want, errMoved)
		if !errors.Is(err, errMoved) || attempt == 3 {
			return err
		}
	}
}
