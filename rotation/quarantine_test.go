package rotation_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/ledger"
)

// What becomes of a quarantine that its invocation does not see to its end.

// oldEntry is what the label of the version before says of the database.
func (e *engine) oldEntry() ledger.Entry {
	e.t.Helper()
	v := e.version("AWSPREVIOUS")
	book, err := ledger.Read(map[string][]string{v.ID: v.Labels})
	if err != nil {
		e.t.Fatal(err)
	}
	return book.Page(v.ID).Entries["database"]
}

// duringQuarantine calls f when the value is watched for the first time after its
// quarantine, and has the watch end with what it returns.
func (e *engine) duringQuarantine(f func() (evidence string, err error)) {
	e.database.use = func(o credential.Overlap) (string, error) {
		if !o.Quarantined {
			return "", nil
		}
		e.database.use = nil
		return f()
	}
}

func TestAQuarantineThatItsInvocationDoesNotEndTellsWhenItBegan(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	began := e.database.count("quarantine")
	e.duringQuarantine(func() (string, error) {
		if at := e.oldEntry(); at.State != ledger.Quarantined || !at.At.IsZero() {
			t.Errorf("while it is watched, the label says %+v", at)
		}
		return "", errors.New("the log cannot be read")
	})
	e.fails(e.reconcileWith(t.Context()), "the log cannot be read")
	if at := e.oldEntry(); at.State != ledger.Quarantined || e.aws.Clock().Now().Sub(at.At).Abs() > time.Minute {
		t.Errorf("the label says %+v: the next invocation has to know how long it has been refused", at)
	}
	e.aws.Clock().Advance(time.Minute)
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
	if began.Load() != 1 {
		t.Errorf("it was quarantined %d times", began.Load())
	}
}

func TestAQuarantineWhoseInvocationDiesIsBegunAgain(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	began := e.database.count("quarantine")
	ctx, die := context.WithCancel(t.Context())
	e.duringQuarantine(func() (string, error) {
		die()
		return "", ctx.Err()
	})
	e.fails(e.reconcileWith(ctx), "context canceled")
	if at := e.oldEntry(); at.State != ledger.Quarantined || !at.At.IsZero() {
		t.Errorf("the label says %+v", at)
	}
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
	if began.Load() != 2 {
		t.Errorf("it was quarantined %d times", began.Load())
	}
}

func TestWhoeverTakesAQuarantineUpKeepsTheOneThatBeganItFromActingOnWhatItSees(t *testing.T) {
	e := newEngine(t)
	e.database.locks = true
	e.mustRotate()
	e.duringQuarantine(func() (string, error) {
		ctx, die := context.WithCancel(t.Context())
		e.database.whenFirst("quarantine", die)
		e.fails(e.reconcileWith(ctx), "context canceled")
		return "a refused login", nil // by which the other one has tried the old value
	})
	e.reconcile()
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "database=quarantined") {
		t.Errorf("the journal says %s", journal)
	}
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
	if strings.Contains(e.log.String(), "audit=held") {
		t.Error("it was held for what the function did itself")
	}
}
