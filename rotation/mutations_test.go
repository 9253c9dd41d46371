package rotation_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// Mistakes that show at one moment only: between two calls of one invocation, or
// where two guards stand behind each other and both have to do their part.

// whenNth has do run when the kind's method begins for the nth time.
func (k *target) whenNth(method string, n int64, do func()) {
	var calls atomic.Int64
	k.at = func(called string) {
		if called == method && calls.Add(1) == n {
			do()
		}
	}
}

// underTheLock is the call of "exclusive" that a quarantine begins with. The one
// before belongs to the look for use.
const underTheLock = 2

func TestNothingIsTakenAwayWithoutALookAtTheLabelsAtTheLastMoment(t *testing.T) {
	t.Parallel()
	t.Run("another rotation has begun", func(t *testing.T) {
		e := newEngine(t)
		e.mustRotate()
		e.database.locks = true
		e.database.whenFirst("quarantine", func() {
			e.database.broken = true
			e.fails(e.rotate("only.database.emergency."+uuid), "it does not work") // after it was set
		})
		e.fails(e.reconcileWith(t.Context()), "is in progress")
	})
	t.Run("the value is current again", func(t *testing.T) {
		e := newEngine(t)
		e.mustRotate()
		e.database.locks = true
		e.database.whenFirst("quarantine", e.goBack)
		e.reconcile()
		e.logSays("AWSCURRENT has moved to version")
		if accepted := e.database.accepts(); !strings.Contains(accepted, "database-0") {
			t.Errorf("the database accepts %s, and AWSCURRENT stores database-0", accepted)
		}
	})
}

func TestUnderTheLockItCountsWhatTheLabelsSayThen(t *testing.T) {
	t.Parallel()
	t.Run("another invocation has retired it", func(t *testing.T) {
		e := newEngine(t)
		e.mustRotate()
		retired := 0
		e.database.whenNth("exclusive", underTheLock, e.reconcile)
		counted := e.database.at
		e.database.at = func(method string) {
			if method == "retire" {
				retired++
			}
			counted(method)
		}
		e.reconcile()
		e.expect("database-1", "api-0 api-1", "admin-1")
		if retired != 1 {
			t.Errorf("two invocations retired %d times", retired)
		}
	})
	t.Run("another invocation has held it", func(t *testing.T) {
		e := newEngine(t)
		e.mustRotate()
		e.database.whenNth("exclusive", underTheLock, func() {
			e.database.use = func(credential.Overlap) (string, error) { return "7 logins with the old password", nil }
			e.reconcile()
			e.database.use = nil
		})
		e.reconcile()
		e.expect("database-0 database-1", "api-0 api-1", "admin-1")
		e.isHeld()
	})
	t.Run("the value is current again", func(t *testing.T) {
		e := newEngine(t)
		e.mustRotate()
		e.database.whenNth("exclusive", underTheLock, e.goBack)
		if err := e.reconcileWith(t.Context()); err != nil {
			t.Error(err)
		}
		if journal := strings.Join(e.journal(), " "); strings.Contains(journal, "database=quarantined") {
			t.Errorf("the journal says %s of what is current", journal)
		}
	})
}

func TestNothingIsTakenAwayWithoutItsLock(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.database.whenFirst("in use", func() { e.database.busy = true })
	e.reconcile()
	if len(e.database.looked) == 0 {
		t.Fatal("the moment did not come")
	}
	e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "database=proven") {
		t.Errorf("the journal says %s", journal)
	}
}

// anHourAgo is a clock of ECS's that is so far behind that a deployment seems to
// be older than the rollout it belongs to.
type anHourAgo struct{ clock }

func (c anHourAgo) Now() time.Time { return c.clock.Now().Add(-time.Hour) }

func TestAServiceIsRedeployedOnceInAnInvocation(t *testing.T) {
	e := newEngine(t)
	e.services.clock = anHourAgo{e.services.clock}
	e.mustRotate()
	before := e.services.times
	e.aws.Clock().Advance(20 * time.Second) // no redeploy is about to begin any more
	e.reconcile()
	if n := e.services.times - before; n != 1 {
		t.Errorf("%d redeploys in one invocation", n)
	}
}

func TestAnEventBeginsNoQuarantine(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	if _, err := e.ReconcileOnEvent(t.Context(), e.arn, e.logger(), &scrub.Secrets{}); err != nil {
		t.Fatal(err)
	}
	e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
}

func TestNoQuarantineBeginsThatIsLongerThanItsInvocation(t *testing.T) {
	e := newEngine(t)
	e.reconfigure(func(c *rotation.Config) { c.Limits.Watch = time.Hour })
	e.mustRotate()
	taken := e.database.count("quarantine", "retire")
	near, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	e.fails(e.reconcileWith(near), "raise the function's timeout, or lower WATCH_SECONDS")
	if taken.Load() > 0 {
		t.Error("it was taken out of service")
	}
}

// hosted is the database, whose target is named by a field of its own.
type hosted struct{ *pair }

func (k hosted) Value(d document.Document) (credential.Value, bool, error) {
	v, ok, err := k.pair.Value(d)
	if err == nil {
		v.Target, err = d.Text("/site")
	}
	return v, ok, err
}

func TestAValueOfAnotherTargetStaysUntilItIsReleasedAndIsNeverTouched(t *testing.T) {
	e := newEngine(t)
	e.reconfigure(func(c *rotation.Config) {
		c.Kinds[0] = hosted{&e.database}
		c.Limits.Observe = time.Hour
	})
	e.mustRotate()
	e.reconcile()
	e.draft()()
	for range 3 {
		e.aws.Clock().Advance(2 * time.Hour)
		e.reconcile()
		e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	}
	e.logSays("value is for another target than that of version")
	if err := e.release(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		e.aws.Clock().Advance(2 * time.Hour)
		e.reconcile()
		e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	}
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "database=foreign") {
		t.Errorf("the journal says %s", journal)
	}
	e.fails(e.rotate("only.database."+uuid), "released as foreign, may be in use: remove it from its target")

	// Nor is it tried, or used to set AWSCURRENT's value again: it may be another server's.
	e.database.accept("database-0")
	used := e.database.count("restore", "set", "put back")
	e.aws.Clock().Advance(25 * time.Hour)
	e.reconcile()
	if used.Load() > 0 {
		t.Error("a value that is never to be touched was used to set AWSCURRENT's again")
	}
	e.logSays("the target refuses AWSCURRENT's value, and it could not be set again")
}

func TestAVersionThatCannotBeReadStopsTheRotationOfWhatItMayStore(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile() // the API client's old value is accepted for days
	old := e.version("AWSPREVIOUS").ID
	e.aws.Intercept(func(c wire.Call) (fault wire.Fault) {
		if c.Operation == "GetSecretValue" && strings.Contains(c.Detail, "VersionId="+old) {
			fault.Error = refused
		}
		return fault
	})
	e.fails(e.reconcileWith(t.Context()), "read version "+old)
	e.fails(e.rotate("only.api."+uuid), "read version "+old)
	e.expect("database-1", "api-0 api-1", "admin-1")
	e.aws.Intercept(nil)
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "api=old") {
		t.Errorf("the journal says %s", journal)
	}
}

func TestARollbackMarksTheVersionAndTakesAWSPENDINGOffBeforeItMovesAWSCURRENT(t *testing.T) {
	e := newEngine(t)
	bad := e.stayPending()
	e.services.stale = true
	e.reconcile() // redeploys
	e.services.failing = true
	looked := false
	e.beforeCall("UpdateSecretVersionStage", promotion, func() wire.Fault {
		looked = true
		if labels := strings.Join(e.labels()[bad], " "); !strings.Contains(labels, "database=rolledback") || strings.Contains(labels, "AWSPENDING") {
			t.Errorf("AWSCURRENT moves away from version %s, which has the labels %s", bad, labels)
		}
		return wire.Fault{}
	})
	e.reconcile()
	e.currentHolds("database-0", "admin-0")
	if !looked {
		t.Error("nothing was looked at")
	}
}

func TestAnEditSurvivesARollback(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.draft()()
	e.services.failing = true
	e.reconcile()
	e.currentHolds("database-0", "admin-0")
	e.isEdited()
	if value := e.version("AWSCURRENT").Value; strings.Contains(value, "rotated_at") {
		t.Errorf("AWSCURRENT is %s, and its values were never rotated", value)
	}
}

func TestNothingIsPutBackOnceAWSCURRENTHasMovedOnceMore(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	bad := e.version("AWSCURRENT").ID
	e.services.failing = true
	e.admin.whenFirst("put back", func() { e.moveCurrent(bad, e.version("AWSCURRENT").ID) })
	e.reconcile()
	e.logSays("AWSCURRENT has moved to version " + bad)
}

func TestAMoveByHandBeginsARollout(t *testing.T) {
	t.Parallel()
	t.Run("back", func(t *testing.T) {
		e := newEngine(t)
		e.mustRotate()
		e.goBack()
		e.reconcile()
		e.currentHolds("database-0", "admin-0")
		if e.services.times != 2 {
			t.Errorf("%d redeploys: tasks have the value of the version that was turned away from", e.services.times)
		}
	})
	t.Run("away and back", func(t *testing.T) {
		e := newEngine(t)
		e.mustRotate()
		e.reconcile()
		e.aws.Clock().Advance(time.Hour)
		e.goBack()
		e.goBack()
		at := e.aws.Clock().Now()
		e.aws.Clock().Advance(time.Minute)
		for range 2 { // events come more than once
			if _, err := e.ReconcileOnMove(t.Context(), e.arn, at, "", e.logger(), &scrub.Secrets{}); err != nil {
				t.Fatal(err)
			}
		}
		e.currentHolds("database-1", "admin-1")
		if e.services.times != 2 {
			t.Errorf("%d redeploys: tasks that started between the two moves have other values", e.services.times)
		}
	})
}

func TestAPromotionThatIsInProgressFailsOnceItsRotationIsGivenUp(t *testing.T) {
	e := newEngine(t)
	e.beforeCall("UpdateSecretVersionStage", promotion, func() wire.Fault {
		return wire.Fault{Before: func() {
			if err := e.abandon(); err != nil {
				t.Error(err)
			}
			e.expect("database-0", "api-0", "admin-0")
		}}
	})
	e.fails(e.rotate(""), "move AWSCURRENT to version")
	e.currentHolds("database-0", "admin-0")
	e.expect("database-0", "api-0", "admin-0")
}

func TestARotationThatGivesItselfUpPutsBackWhatItHasSet(t *testing.T) {
	e := newEngine(t)
	publish := e.draft()
	e.beforeStep(rotation.FinishSecret, func() error {
		publish()
		return nil
	})
	e.fails(e.rotate(""), "the secret was edited after this rotation began")
	e.expect("database-0", "api-0", "admin-0") // a target of one value would refuse AWSCURRENT's until the next tick
}

func TestFinishSecretDoesNotRollBack(t *testing.T) {
	e := newEngine(t)
	promoted := e.stayPending()
	e.services.failing = true
	_ = e.invoke(rotation.FinishSecret, promoted) // may say that the services do not come up
	if e.services.times == 0 {
		t.Fatal("the services were not looked at")
	}
	e.currentHolds("database-1", "admin-1")
	e.reconcile()
	e.currentHolds("database-0", "admin-0")
}

func TestARotationByNameTouchesNoOtherKind(t *testing.T) {
	e := newEngine(t)
	others := e.database.count("set", "test", "put back")
	if err := e.rotate("only.admin." + uuid); err != nil {
		t.Fatal(err)
	}
	e.expect("database-0", "api-0", "admin-1")
	if others.Load() > 0 {
		t.Errorf("%d calls at the target of another kind", others.Load())
	}
}
