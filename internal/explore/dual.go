package explore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// dual is a kind whose target accepts two values.
type dual struct {
	*kind
	overlap time.Duration
}

func (k *dual) MinOverlap() time.Duration { return k.overlap }

var errLocked = &credential.Failure{Outcome: credential.Unknown, Problem: "another invocation holds the lock", Remedy: "try again", Temporary: true}

// lock holds one of the account's locks until unlock is called, or the invocation ends.
func (k *kind) lock(d document.Document, which int) (unlock func(), err error) {
	if !k.locks {
		return func() {}, nil
	}
	at := k.at(d)
	r := k.w.running
	what := [...]string{changing: "lock", ending: "lock the end"}[which]
	_, err = k.do(d, call{what: k.name + ": " + what}, func(a *account, by int) (string, error) {
		if a.locks[which] != 0 {
			return "", errLocked
		}
		a.locks[which] = by
		return "", nil
	})
	if which == changing {
		r.session = at + 1
	}
	return func() {
		r.session = 0
		r.does(func(w *world, v *invocation) { w.unlock(v, at, which) })
	}, err
}

func (k *dual) Set(ctx context.Context, c credential.Change) error {
	if err := k.probe(c.Current, "log in"); err != nil {
		return err
	}
	unlock, err := k.lock(c.Current, changing)
	if err != nil {
		return err
	}
	defer unlock()
	if err := credential.Confirmed(ctx, c.Confirm); err != nil {
		return err
	}
	current, pending := k.value(c.Current), k.value(c.Pending)
	_, err = k.tell(c.Current, "set", current+" "+pending, func(a *account) (string, error) {
		if !a.accepts(current) {
			return "", k.refused()
		}
		a.set(k.w.now, current, pending)
		k.w.sets(pending)
		return "", nil
	})
	return err
}

func (k *dual) PutBack(_ context.Context, c credential.Change) error {
	return k.probe(c.Current, "log in")
}

func (k *dual) Exclusive(_ context.Context, o credential.Overlap) (release func(), ok bool, err error) {
	unlock, err := k.lock(o.Current, ending)
	if errors.Is(err, errLocked) {
		return nil, false, nil
	}
	return unlock, err == nil, err
}

func (k *dual) InUse(_ context.Context, o credential.Overlap, watch time.Duration) (use credential.Use, err error) {
	old := k.value(o.Old)
	use.Told = !k.w.scenario.Untold
	refused := o.Quarantined && !use.Told // then logins that are refused tell of use
	looks := use.Told || refused
	use.Seen, err = k.do(o.Current, call{what: k.name + ": look for use", detail: fmt.Sprint(old, " ", looks, watch)}, func(a *account, _ int) (seen string, err error) {
		k.w.now = k.w.now.Add(watch)
		if looks && (!refused || !a.accepts(old) || a.missed == old) {
			seen = k.w.usedBy(k.index, old)
		}
		if refused && seen != "" {
			a.missed = old // the server's count of refused logins tells it from then on
		}
		k.w.active.used = k.w.active.used || seen != ""
		return seen, nil
	})
	if err != nil {
		return credential.Use{}, err
	}
	return use, nil
}

// aboutToTake tells that an invocation is about to take a value away, and waits for no
// answer of Secrets Manager's any more.
func (r *run) aboutToTake(value string) (done func()) {
	r.does(func(_ *world, v *invocation) { v.taking = append(slices.Clip(v.taking), value) })
	return func() {
		r.does(func(_ *world, v *invocation) {
			if at := slices.Index(v.taking, value); at >= 0 {
				v.taking = slices.Delete(slices.Clone(v.taking), at, at+1)
			}
		})
	}
}

// usedBy tells who uses a value.
func (w *world) usedBy(kind int, value string) string {
	for i := range w.tasks {
		for account, v := range w.tasks[i].values {
			if account%len(w.kinds) == kind && v == value {
				return "a task uses it"
			}
		}
	}
	if value == w.lagging {
		return "a program uses it"
	}
	return ""
}

func (k *dual) Quarantine(ctx context.Context, o credential.Overlap) error {
	return k.takeAway(ctx, o, "quarantine")
}

func (k *dual) Retire(ctx context.Context, o credential.Overlap) error {
	return k.takeAway(ctx, o, "retire")
}

func (k *dual) takeAway(ctx context.Context, o credential.Overlap, what string) error {
	unlock, err := k.lock(o.Current, changing)
	if err != nil {
		return err
	}
	defer unlock()
	current, old := k.value(o.Current), k.value(o.Old)
	defer k.w.running.aboutToTake(old)()
	if err := credential.Confirmed(ctx, o.Confirm); err != nil {
		return err
	}
	_, err = k.tell(o.Current, what, current+" "+old, func(a *account) (string, error) {
		if !a.accepts(current) {
			return "", k.refused()
		}
		a.remove(old)
		return "", nil
	})
	return err
}

func (k *dual) Restore(_ context.Context, o credential.Overlap) error {
	current, old := k.value(o.Current), k.value(o.Old)
	unlock, err := k.lock(o.Current, changing)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = k.tell(o.Current, "restore", current+" "+old, func(a *account) (string, error) {
		switch {
		case a.accepts(current) && a.accepts(old):
			return "", nil
		case !a.accepts(current) && a.accepts(old):
			return "", nil // the old one is what is accepted
		case !a.accepts(current):
			return "", k.refused()
		case len(a.values) > 1:
			return "", errors.New("another rotation has set its value meanwhile")
		}
		a.set(k.w.now, current, old)
		return "", nil
	})
	return err
}

func (k *dual) Revoke(_ context.Context, o credential.Overlap) (string, error) {
	_, err := k.tell(o.Current, "revoke", "", func(*account) (string, error) { return "", nil })
	return "what was issued", err
}
