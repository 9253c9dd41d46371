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
	missed string // a value that something was refused with while its use was watched for
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

// exchange gives a target that accepts one value another. It fails if it has not the one
// that is to be replaced.
func (k *kind) exchange(d document.Document, what, was, want string, fails error) error {
	_, err := k.do(d, call{what: k.name + ": " + what, detail: was + " " + want, write: true}, func(a *account, by int) (string, error) {
		if !a.accepts(was) {
			return "", fails
		}
		k.w.gives(by, k.index, k.secretOf(d), want)
		a.set(k.w.now, want)
		return "", nil
	})
	return err
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
