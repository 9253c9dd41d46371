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

// An account is what a target has of one kind and one secret.
type account struct {
	values []held
	locks  [2]int // who holds each: an invocation, or -1 for a statement that the server has not finished
}

// The locks of an account: to change it, and to end an overlap.
const (
	changing = iota
	ending
)

// held is a value that a target has.
type held struct {
	text string
	on   bool // it is accepted; else it was made inactive
	made time.Time
}

func (a *account) accepts(value string) bool {
	return slices.ContainsFunc(a.values, func(v held) bool { return v.text == value && v.on })
}

// set has it accept these values and no others.
func (a *account) set(now time.Time, values ...string) {
	before := a.values
	a.values = nil
	for _, text := range values {
		made := now
		for _, v := range before {
			if v.text == text {
				made = v.made
			}
		}
		a.values = append(a.values, held{text, true, made})
	}
}

func (a *account) remove(value string) {
	a.values = slices.DeleteFunc(slices.Clone(a.values), func(v held) bool { return v.text == value })
}

func (a *account) turn(value string, on bool) (found bool) {
	a.values = slices.Clone(a.values)
	for i := range a.values {
		if a.values[i].text == value {
			a.values[i].on, found = on, true
		}
	}
	return found
}

// kindOf is a kind of the worlds'.
type kindOf interface {
	credential.Kind
	base() *kind
}

// kind is what all kinds have in common.
type kind struct {
	w       *world
	index   int
	name    string
	restart bool
	single  bool // the target accepts one value at a time
	locks   bool // at the server

	read map[string]string // the values of documents, by their text
}

// The kinds by their names. Each behaves as the real one of its name does; "single" is
// a database whose account accepts one password.
func newKind(w *world, index int, name string) kindOf {
	k := &kind{w: w, index: index, name: name, locks: true, read: map[string]string{}}
	switch name {
	case "database":
		k.restart = true
		return &dual{kind: k}
	case "api":
		return &dual{kind: k, overlap: w.scenario.Overlap}
	case "smtp":
		k.restart, k.locks = true, false
		return &issuer{dual{kind: k}}
	case "single":
		k.restart, k.single = true, true
		return &swapper{dual{kind: k}}
	case "admin", "webhook":
		k.single = true
		return &plain{k}
	}
	panic("no such kind: " + name)
}

func (k *kind) base() *kind        { return k }
func (k *kind) Name() string       { return k.name }
func (k *kind) Where() string      { return "/" + k.name }
func (k *kind) NeedsRestart() bool { return k.restart }

func (k *kind) field() document.Pointer { return document.Pointer("/" + k.name) }

// Fields, Value and the rest read each text once: the documents of a search are few,
// and asked for over and over.
func (k *kind) Fields(d document.Document) ([]document.Pointer, error) {
	if k.value(d) == "" {
		return nil, nil
	}
	return []document.Pointer{k.field()}, nil
}

func (k *kind) Value(d document.Document) (credential.Value, bool, error) {
	text := k.value(d)
	if text == "" {
		return credential.Value{}, false, nil
	}
	return credential.Value{Target: k.name + " " + string(rune('0'+k.secretOf(d))), Secret: text}, true, nil
}

// value is what a document stores; "" for nothing.
func (k *kind) value(d document.Document) string {
	text, known := k.read[d.Raw()]
	if !known {
		text = k.w.parse(d.Raw()).values[k.index]
		k.read[d.Raw()] = text
	}
	return text
}

// secretOf is the secret that a document belongs to.
func (k *kind) secretOf(d document.Document) int { return k.w.parse(d.Raw()).secret }

// at is the account that a document is about.
func (k *kind) at(d document.Document) int { return k.w.accountOf(k.secretOf(d), k.index) }

// next makes up a value. It is part of a call, since it depends on what was made before.
func (k *kind) next(at int) string {
	k.w.made++
	return fmt.Sprintf("%s%s-%d-%d", mark, k.name, at/len(k.w.kinds), k.w.made)
}

// ask and tell make a call of the target, which reads or writes. What they return
// tells the answer from others. tell is told what it writes, too.
func (k *kind) ask(d document.Document, what string, apply func(*account) (string, error)) (string, error) {
	return k.do(d, call{what: k.name + ": " + what}, func(a *account, _ int) (string, error) { return apply(a) })
}

func (k *kind) tell(d document.Document, what, detail string, apply func(*account) (string, error)) (string, error) {
	return k.do(d, call{what: k.name + ": " + what, detail: detail, write: true}, func(a *account, _ int) (string, error) { return apply(a) })
}

func (k *kind) do(d document.Document, c call, apply func(a *account, by int) (string, error)) (string, error) {
	w, at := k.w, k.at(d)
	c.account, c.detail = at, fmt.Sprint(at, " ", c.detail)
	locked := w.running.session == at+1
	answer, err := ask(w, c, func(by int) (string, string, error) {
		a := &w.accounts[at]
		if locked && a.locks[changing] != by && a.locks[changing] != -1 {
			return "", "", errFault // the lock was lost with its connection
		}
		answer, err := apply(a, by)
		return answer, answer, err
	})
	if errors.Is(err, errFault) {
		return "", credential.Failf(credential.Unreachable, "%s: %w", k.name, err)
	}
	return answer, err
}

func (k *kind) refused() error {
	return &credential.Failure{Outcome: credential.Denied, Problem: "the target refuses the " + k.name + " value", Remedy: "store the right one in the secret"}
}

func (k *kind) probe(d document.Document, why string) error {
	value := k.value(d)
	_, err := k.do(d, call{what: k.name + ": " + why, detail: value}, func(a *account, _ int) (string, error) { return k.accepted(a, value) })
	return err
}

func (k *kind) accepted(a *account, value string) (string, error) {
	if !a.accepts(value) {
		return "", k.refused()
	}
	v := k.w.active
	v.proved = append(slices.Clip(v.proved), value)
	return "accepted", nil
}

func (k *kind) Probe(_ context.Context, d document.Document) (credential.Outcome, error) {
	err := k.probe(d, "log in")
	return credential.OutcomeOf(err), err
}

func (k *kind) Test(_ context.Context, c credential.Change) error { return k.probe(c.Pending, "test") }

func (k *kind) Preflight(context.Context, document.Document) []credential.Check { return nil }

func (k *kind) Generate(_ context.Context, g credential.Generation) (document.Document, error) {
	value, at := k.value(g.Current), k.at(g.Current)
	next, err := k.do(g.Current, call{what: k.name + ": rehearse", detail: value}, func(a *account, _ int) (string, error) {
		if _, err := k.accepted(a, value); err != nil {
			return "", err
		}
		return k.next(at), nil
	})
	if err != nil {
		return document.Document{}, err
	}
	return g.Current.Replace(k.field(), next)
}

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
		_, err = k.tell(to, "set in place of what was read", was+" "+want, func(a *account) (string, error) {
			if !a.accepts(was) {
				return "", errMoved
			}
			a.set(k.w.now, want)
			return "", nil
		})
		if !errors.Is(err, errMoved) || attempt == 3 {
			return err
		}
	}
}

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
	looks := use.Told || o.Quarantined
	use.Seen, err = k.do(o.Current, call{what: k.name + ": look for use", detail: fmt.Sprint(old, " ", looks, watch)}, func(*account, int) (seen string, err error) {
		k.w.now = k.w.now.Add(watch)
		if looks {
			seen = k.w.usedBy(k.index, old)
		}
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
	was, want := k.value(from), k.value(to)
	_, err := k.tell(from, "replace", was+" "+want, func(a *account) (string, error) {
		if !a.accepts(was) {
			return "", k.refused()
		}
		a.set(k.w.now, want)
		return "", nil
	})
	return err
}

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
