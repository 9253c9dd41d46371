package explore

import (
	"context"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// swapper is a database whose account accepts one password at a time.
type swapper struct{ dual }

func (k *swapper) Swaps(_ context.Context, o credential.Overlap) (swaps bool, err error) {
	_, err = k.ask(o.Current, "find the way", func(*account) (string, error) { return "", nil })
	return err == nil, err
}

func (k *swapper) Set(ctx context.Context, c credential.Change) error {
	err := k.probe(c.Current, "log in")
	if credential.OutcomeOf(err) == credential.Denied {
		if k.probe(c.Pending, "log in with the pending value") == nil {
			return nil
		}
	}
	if err != nil {
		return err
	}
	unlock, err := k.lock(c.Current, changing)
	if err != nil {
		return err
	}
	defer unlock()
	return k.replace(ctx, c.Confirm, c.Current, c.Pending)
}

func (k *swapper) PutBack(ctx context.Context, c credential.Change) error {
	// Under the lock: what another invocation is about to set would come after the look.
	unlock, err := k.lock(c.Current, changing)
	if err != nil {
		return err
	}
	defer unlock()
	if err := k.probe(c.Current, "log in"); credential.OutcomeOf(err) != credential.Denied {
		return err
	}
	if err := k.probe(c.Pending, "log in with the pending value"); err != nil {
		return err
	}
	return k.replace(ctx, c.Confirm, c.Pending, c.Current)
}

func (k *swapper) Quarantine(ctx context.Context, o credential.Overlap) error { return k.end(ctx, o) }
func (k *swapper) Retire(ctx context.Context, o credential.Overlap) error     { return k.end(ctx, o) }
func (k *swapper) Restore(context.Context, credential.Overlap) error          { return nil }

// end puts the current value back if the account has the old one.
func (k *swapper) end(ctx context.Context, o credential.Overlap) error {
	return k.PutBack(ctx, credential.Change{Current: o.Current, Pending: o.Old, Confirm: o.Confirm, Log: o.Log})
}

func (k *swapper) replace(ctx context.Context, confirm func(context.Context) error, from, to document.Document) error {
	if err := credential.Confirmed(ctx, confirm); err != nil {
		return err
	}
	return k.exchange(from, "replace", k.value(from), k.value(to), k.refused())
}
