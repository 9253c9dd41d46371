package credential_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// A gate accepts one password.
type gate struct {
	mu       sync.Mutex
	password string
}

// swap is a compare-and-swap.
func (g *gate) swap(old, next string) (swapped bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.password != old {
		return false
	}
	g.password = next
	return true
}

// gateKind is a whole kind, whose target accepts one value at a time.
type gateKind struct{ gate *gate }

var _ credential.Kind = gateKind{}

const place = document.Pointer("/gate_password")

func (gateKind) Name() string { return "gate" }

func (gateKind) Where() string      { return "/gate/code" }
func (gateKind) NeedsRestart() bool { return true }

func (gateKind) Fields(d document.Document) ([]document.Pointer, error) {
	if has, err := d.Has(place); err != nil || !has {
		return nil, err
	}
	return []document.Pointer{place}, nil
}

func (k gateKind) Value(d document.Document) (credential.Value, bool, error) {
	if fields, err := k.Fields(d); err != nil || len(fields) == 0 {
		return credential.Value{}, false, err
	}
	password, err := d.Text(place)
	return credential.Value{Target: "the gate", Secret: password}, err == nil, err
}

func (gateKind) Generate(_ context.Context, g credential.Generation) (document.Document, error) {
	return g.Current.Replace(place, rand.Text())
}

func (k gateKind) Set(ctx context.Context, c credential.Change) error {
	return k.change(ctx, c, c.Current, c.Pending)
}

func (k gateKind) PutBack(ctx context.Context, c credential.Change) error {
	return k.change(ctx, c, c.Pending, c.Current)
}

// change may run again, and beside itself: what has been done is found done.
func (k gateKind) change(ctx context.Context, c credential.Change, from, to document.Document) error {
	old, oldErr := from.Text(place)
	next, nextErr := to.Text(place)
	if err := errors.Join(oldErr, nextErr); err != nil {
		return err
	}
	if outcome, _ := k.Probe(ctx, to); outcome == credential.Accepted {
		return nil
	}
	if err := credential.Confirmed(ctx, c.Confirm); err != nil {
		return err
	}
	if !k.gate.swap(old, next) {
		_, err := k.Probe(ctx, to) // another invocation may have been faster
		return err
	}
	return nil
}

func (k gateKind) Test(ctx context.Context, c credential.Change) error {
	_, err := k.Probe(ctx, c.Pending)
	return err
}

func (k gateKind) Probe(_ context.Context, d document.Document) (credential.Outcome, error) {
	password, err := d.Text(place)
	if err != nil {
		return credential.Unknown, err
	}
	if !k.gate.swap(password, password) {
		err := &credential.Failure{Outcome: credential.Denied, Problem: "the gate refuses the password", Remedy: "store the right one in the secret"}
		return err.Outcome, err
	}
	return credential.Accepted, nil
}

func (k gateKind) Preflight(ctx context.Context, current document.Document) []credential.Check {
	_, err := k.Probe(ctx, current)
	return []credential.Check{{What: "open the gate", Problem: err}}
}

// A whole kind, and what the engine does with it in a rotation.
func Example() {
	ctx := context.Background()
	var kind credential.Kind = gateKind{&gate{password: "old"}}
	current, err := document.Parse(`{"gate_password": "old", "site": "mautic"}`)
	if err != nil {
		panic(err)
	}

	// createSecret. The engine stores the document as the pending version.
	pending, err := kind.Generate(ctx, credential.Generation{Current: current})
	if err != nil {
		panic(err)
	}

	change := credential.Change{Current: current, Pending: pending}
	for range 2 { // any step may run again
		fmt.Println("setSecret:", kind.Set(ctx, change))
	}
	fmt.Println("testSecret:", kind.Test(ctx, change))

	outcome, err := kind.Probe(ctx, current)
	fmt.Println("the old one is", outcome, "since", err)

	// Output:
	// setSecret: <nil>
	// setSecret: <nil>
	// testSecret: <nil>
	// the old one is denied since the gate refuses the password: store the right one in the secret
}
