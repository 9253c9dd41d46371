package rotation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// What goes on when something else fails: a login, the write of a label, or the time is short.

// The API client is in Mautic's tables. If the promoted database password is refused, and cannot be
// set again, only the old one opens them.
func TestARollbackAsksWithTheDatabasePasswordThatIsAccepted(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile()
	e.aws.Clock().Advance(8 * day)
	e.reconcile()
	e.reconcile()
	e.services.stale = true // the rollout of the next rotation stays open
	if err := e.rotate("only.database.api." + uuid); err != nil {
		t.Fatal(err)
	}
	e.api.needs = "database"
	var with document.Document
	e.api.reached = func(_ string, d document.Document) { with = d }
	e.api.fault = func(apply func() error) error {
		if !e.database.takes(e.database.value(with)) {
			return errors.New("log in to Mautic's database: refused")
		}
		return apply()
	}
	e.database.accept("database-1") // a server from before
	e.database.at = func(string) {}
	e.database.fault = nil
	failRestore(e)
	for range 3 {
		_ = e.reconcileWith(t.Context())
	}
	if got := e.current(&e.database.target) + " " + e.current(&e.api.target); got != "database-1 api-1" {
		t.Errorf("AWSCURRENT stores %s: nothing is rolled back\n%s", got, e.log.String()[max(0, e.log.Len()-3000):])
	}
}

// failRestore has the server refuse to set the value again.
func failRestore(e *engine) {
	now := ""
	e.database.at = func(method string) { now = method }
	e.database.fault = func(apply func() error) error {
		if now == "restore" {
			return errors.New("password policy")
		}
		return apply()
	}
}

// refusedNow is an engine whose database refuses AWSCURRENT's value, a day after its rotation or,
// where old tasks are left, at once.
func refusedNow(t *testing.T, oldTasks bool) *engine {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile()
	e.aws.Clock().Advance(8 * day)
	e.reconcile()
	e.reconcile()
	e.services.stale = oldTasks // its rollout stays open
	if err := e.rotate("only.database." + uuid); err != nil {
		t.Fatal(err)
	}
	e.reconcile()
	e.database.accept("database-1")
	if !oldTasks {
		e.aws.Clock().Advance(25 * time.Hour)
	}
	return e
}

func TestTooLittleTimeIsNoFailureToSet(t *testing.T) {
	e := refusedNow(t, false)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	err := e.reconcileWith(ctx)
	if !errors.Is(err, rotation.ErrTooLittleTime) {
		t.Errorf("the error is %v: the secret is not handled again once there is time", err)
	}
	e.logSaysNot("could not be set again")
}

// timeLeft is an invocation's context whose deadline a test can bring closer.
type timeLeft struct {
	context.Context
	left atomic.Int64
}

func (c *timeLeft) Deadline() (time.Time, bool) {
	return time.Now().Add(time.Duration(c.left.Load())), true
}

func TestALostAnswerThatLeavesTooLittleTimeIsNoFailureToSet(t *testing.T) {
	e := refusedNow(t, true)
	ctx := &timeLeft{Context: t.Context()}
	ctx.left.Store(int64(5 * time.Minute))
	now, tried := "", 0
	e.database.at = func(method string) { now = method }
	e.database.fault = func(apply func() error) error {
		if now == "restore" {
			tried++
			ctx.left.Store(int64(5 * time.Second))
			return &credential.Failure{Outcome: credential.Unreachable, Problem: "lost"}
		}
		return apply()
	}
	if err := e.reconcileWith(ctx); !errors.Is(err, rotation.ErrTooLittleTime) {
		t.Errorf("the reconcile returns %v, though it is not known whether the value is set", err)
	}
	if tried != 1 {
		t.Errorf("it was tried %d times to set the value", tried)
	}
	e.logSaysNot("could not be set again")
}

func TestWhatALabelSaysOfAGivenUpValueThatIsMadeCurrentByHand(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile()
	e.aws.Clock().Advance(8 * day)
	e.reconcile()
	e.reconcile()
	e.database.broken = true
	_ = e.rotate("only.database." + uuid)
	pending, current := e.version("AWSPENDING").ID, e.version("AWSCURRENT").ID
	e.database.busy = true
	_ = e.abandon()
	if now := e.version("AWSCURRENT").ID; now != current {
		current = now
	}
	e.moveCurrent(pending, current)
	said := false
	for _, l := range e.status().Labels {
		if strings.Contains(l.Means, "accepts only one value") {
			t.Errorf("%s: %s; the database accepts two", l.Label, l.Means)
		}
		said = said || strings.Contains(l.Means, "has not been seen to accept it yet")
	}
	if !said {
		t.Errorf("no label tells of the value that AWSCURRENT has: %+v", e.status().Labels)
	}
}

// A label that cannot be tidied up must not keep another kind's old value from being retired.
func TestATidyThatFailsStopsNothingElse(t *testing.T) {
	e := newEngine(t)
	e.services.stale = true
	e.mustRotate()
	e.reconcile()
	v2 := e.version("AWSCURRENT")
	doc, err := document.Parse(v2.Value)
	if err == nil {
		doc, err = doc.Put("/admin", "admin-x")
	}
	if err != nil {
		t.Fatal(err)
	}
	e.store(doc.Raw())
	e.admin.accept("admin-x")
	failed := 0
	e.aws.Intercept(func(c wire.Call) (fault wire.Fault) {
		if c.Operation == "UpdateSecretVersionStage" && strings.Contains(c.Detail, "MoveToVersionId="+v2.ID) {
			failed++
			fault.Error = &wire.Error{Code: "LimitExceededException", Message: "20 labels", Status: 400}
		}
		return fault
	})
	_ = e.reconcileWith(t.Context())
	e.services.stale = false
	for range 3 {
		_ = e.reconcileWith(t.Context())
	}
	if failed == 0 {
		t.Error("no label was to be removed")
	}
	if got := e.database.accepts(); got != "database-1" {
		t.Errorf("the old database password is not retired: accepted are %s\n%v", got, e.labels())
	}
}

// The admin's value that AWSCURRENT has is recorded by the first edition's label on another version alone.
func TestAFirstEditionRollbackIsNotedBeforeItIsPutBack(t *testing.T) {
	e := newEngine(t)
	bad := e.promotedByFirstEdition("DRAFT")
	e.goBack()
	e.webhook.accept("webhook-0")
	current := e.version("AWSCURRENT").ID
	e.put("rotation;rolled-back;of="+bad+";live=admin,api,database;next="+current+e.since(), bad)
	e.services.stale = true
	e.admin.at = func(method string) {
		if method != "put back" {
			return
		}
		if labels := strings.Join(e.labels()[current], " "); !strings.Contains(labels, "admin=") {
			t.Errorf("admin is put back while AWSCURRENT has the labels %s", labels)
		}
	}
	e.reconcile()
	e.expect("database-0 database-1", "api-0 api-1", "admin-0")
}

// ECS refuses every redeploy. An operator who releases learns what to do about it.
func TestAReleaseTellsOfARolloutThatItDoesNotEndSinceNothingWasRedeployed(t *testing.T) {
	e := newEngine(t)
	e.services.refusal = errors.New("AccessDenied: ecs:UpdateService")
	_ = e.rotate("")
	e.aws.Clock().Advance(2 * time.Hour)
	_ = e.reconcileWith(t.Context())
	_ = e.release()
	e.logSays("force a new deployment of each")
	if !slices.Contains(e.journal(), "rollout") {
		t.Error("the rollout has ended, and tasks with the old values run")
	}
}
