package main

import (
	"context"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/ledger"
)

// What the labels of the ledger say. No other test of the ledger reads them.

// book is the ledger of the secret.
func (d *deployment) book() ledger.Book {
	d.t.Helper()
	labels := map[string][]string{}
	for _, v := range d.secretState().Versions {
		labels[v.ID] = v.Labels
	}
	book, err := ledger.Read(labels)
	if err != nil {
		d.t.Fatal(err)
	}
	return book
}

// unfinished is what is left to do by the ledger, but for the kinds named: an open
// rollout, and each value that is on its way out or held.
func (d *deployment) unfinished(but ...string) (left []string) {
	d.t.Helper()
	book := d.book()
	if book.Rollout().Open() {
		left = append(left, "the rollout")
	}
	current := d.labelled("AWSCURRENT").ID
	for _, page := range book.Pages {
		for _, kind := range page.Kinds() {
			state := page.Entries[kind].State
			if slices.Contains(but, kind) || isDone(kind, state, page.Version == current) {
				continue
			}
			left = append(left, kind+" of "+page.Version+" is "+string(state))
		}
	}
	return left
}

// isDone tells that nothing follows a state of a version's value.
func isDone(kind string, state ledger.State, current bool) bool {
	switch state {
	case ledger.Proven:
		return current
	case ledger.Old: // a target that accepts one value accepts another by now
		return kind == "admin" || kind == "webhook"
	case ledger.Failed, ledger.Foreign:
		return true
	}
	return false
}

// databaseIsHeld tells whether the ledger holds a database password until an
// operator acts.
func (d *deployment) databaseIsHeld() bool {
	d.t.Helper()
	return slices.ContainsFunc(d.book().Pages, func(p ledger.Page) bool { return p.Entries["database"].State == ledger.Held })
}

// nothingIsHeld checks that no kind's value waits for an operator.
func (d *deployment) nothingIsHeld() {
	d.t.Helper()
	for _, page := range d.book().Pages {
		for kind, entry := range page.Entries {
			if entry.State == ledger.Held {
				d.t.Errorf("%s of %s is held", kind, page.Version)
			}
		}
	}
}

// everyAcceptedPasswordIsLabelled checks that each database password which a
// version has ever stored, which is not wanted, and which the server accepts, is in
// a version whose label names the database.
func (d *deployment) everyAcceptedPasswordIsLabelled() {
	d.t.Helper()
	labelled := map[string]bool{} // by password
	book, wanted := d.book(), rig.PasswordIn(d.raw("AWSCURRENT"))
	for _, v := range d.secretState().Versions {
		password := rig.PasswordIn(v.Value)
		if password == "" {
			continue
		}
		entry, named := book.Page(v.ID).Entries["database"]
		labelled[password] = labelled[password] || named && entry.State.Live()
	}
	accepted := 0
	for password, ok := range labelled {
		if d.Login(d.t.Context(), password) != nil {
			continue
		}
		accepted++
		if !ok && password != wanted {
			d.t.Errorf("a password is accepted, and no labelled version has it; the labels say %s", d.journal())
		}
	}
	if accepted == 0 {
		d.t.Error("no password is accepted")
	}
}

// A reconcile of the schedule, and what it takes to the end.

// tick lets a minute pass and wakes the function, as its schedule does.
func (d *deployment) tick() error {
	d.AWS.Clock().Advance(time.Minute)
	return d.Reconcile()
}

// ticksToEnd is more than any ending takes.
const ticksToEnd = 30

// mustEnd lets what follows a change of AWSCURRENT come to its end: every task has
// been replaced, and only values that are wanted are labelled as live. What is
// left of the kinds named does not count.
func (d *deployment) mustEnd(but ...string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), hangTime)
	defer cancel()
	var fault error
	for range ticksToEnd {
		if err := d.WaitSteady(ctx); err != nil {
			d.t.Fatalf("%v; the last reconcile: %v", err, fault)
		}
		fault = d.tick()
		if len(d.unfinished(but...)) == 0 {
			return
		}
	}
	d.t.Fatalf("after %d ticks is left: %q; the last reconcile: %v", ticksToEnd, d.unfinished(but...), fault)
}

// mustEndWith is mustEnd, with the password that is current, and accepted alone,
// at the end.
func (d *deployment) mustEndWith(password string) {
	d.t.Helper()
	d.mustEnd()
	if d.password("AWSCURRENT") != password {
		d.t.Error("AWSCURRENT has another password")
	}
	d.accepts(true, password)
	d.everyOtherPasswordIsRefused()
	d.everyAcceptedPasswordIsLabelled()
	if d.Application() != nil {
		d.tasksHave(password)
	}
}

// mustRotateOnceMore checks that nothing stands in the way of the next rotation,
// and ends it.
func (d *deployment) mustRotateOnceMore() {
	d.t.Helper()
	before := d.password("AWSCURRENT")
	// The words tell that no schedule has started it, however late the schedule is.
	if err := d.rotateWith("only.database." + (rand.Text() + rand.Text())[:36]); err != nil {
		d.t.Fatalf("the next rotation: %v", err)
	}
	d.mustEnd()
	if d.password("AWSCURRENT") == before {
		d.t.Error("the next rotation has changed nothing")
	}
	d.accepts(true, d.password("AWSCURRENT"))
	d.accepts(false, before)
}

// mustRollOut rotates, and waits until every task has the new password, which it
// returns. No reconcile has run then.
func (d *deployment) mustRollOut() (promoted string) {
	d.t.Helper()
	d.mustRotate()
	d.mustBeSteady()
	d.AWS.Clock().Advance(time.Minute)
	promoted = d.password("AWSCURRENT")
	d.tasksHave(promoted)
	d.accepts(true, d.Password, promoted)
	return promoted
}

// observedFor has the function look for the use of an old value for so many
// minutes after the rollout, before it takes the value away.
func observedFor(minutes string) func(*rig.Options) {
	return func(o *rig.Options) { setEnv(o, "OBSERVE_MINUTES", minutes) }
}

func TestTheHelpersOfTheLedgerSeeWhatIsLeft(t *testing.T) {
	d := deploy(t)
	d.mustRotate()
	if len(d.unfinished()) == 0 {
		t.Error("right after a promotion nothing seems to be left")
	}
	if left := d.unfinished("database"); len(left) > 1 {
		t.Errorf("besides the database is left: %q", left)
	}
}
