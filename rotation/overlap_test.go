package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// How an old value is taken out of service.

func TestNoOldValueIsTakenAwayOnceAnotherRotationOfItsKindHasBegun(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	taken := e.database.count("quarantine", "retire")
	e.database.whenFirst("in use", func() {
		e.database.broken = true
		e.fails(e.rotate("only.database.emergency."+uuid), "it does not work") // after it was set
	})
	e.reconcile()
	if taken.Load() > 0 {
		t.Error("an old value was taken away beside a rotation of its kind")
	}
	e.database.at, e.database.broken = nil, false
	if err := e.abandon(); err != nil {
		t.Fatal(err)
	}
	if !e.database.takes("database-1") {
		t.Errorf("accepted are %s, without AWSCURRENT's", e.database.accepts())
	}
}

func TestNoOldValueIsTakenAwayWhileATaskThatMayUseItIsLeft(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.services.stale = true
	taken := e.database.count("quarantine", "retire")
	for range 3 {
		e.reconcile()
		e.aws.Clock().Advance(20 * time.Minute)
	}
	e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	if taken.Load() > 0 {
		t.Error("it was taken out of service")
	}
	e.services.stale = false
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
}

func TestALoginOfAnOldTaskInTheSecondInWhichTheRolloutConvergesIsNoUseOfItsValue(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	clock := e.aws.Clock()
	e.database.busy = true // its use is looked for in a later second
	late := time.Second - 200*time.Millisecond
	clock.Advance(clock.Now().Truncate(time.Second).Add(late + time.Second).Sub(clock.Now()))
	login := clock.Now() // by the last old task, which then ends
	e.reconcile()
	clock.Advance(700 * time.Millisecond)
	e.database.busy = false
	e.database.use = func(o credential.Overlap) (string, error) {
		// A server looks back from now, by its own clock.
		back := max(0, o.Now.Sub(o.Since))
		if o.Since.IsZero() {
			back = 0
		}
		if login.After(clock.Now().Add(-back)) {
			return "1 login", nil
		}
		return "", nil
	}
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
}

func TestNoOldValueIsTakenAwayWhenItHasBecomeCurrentAgain(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"exclusive", "in use", "quarantine"} {
		t.Run("before "+moment, func(t *testing.T) {
			e := newEngine(t)
			e.mustRotate()
			e.database.whenFirst(moment, e.goBack)
			_ = e.reconcileWith(t.Context()) // may say that AWSCURRENT has moved
			e.currentHolds("database-0", "admin-0")
			for range 2 {
				if !e.database.takes("database-0") || !e.api.takes("api-0") {
					t.Errorf("AWSCURRENT's values are refused: %s; %s", e.database.accepts(), e.api.accepts())
				}
				e.reconcile()
			}
			e.expect("database-0", "api-0 api-1", "admin-0")
		})
	}
}

func TestWhatAnotherInvocationHasEndedWhileThisOneWaitedIsNotDoneAgain(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	first := once(e.reconcile)
	retired := 0
	e.database.at = func(method string) {
		switch method {
		case "exclusive":
			first()
		case "retire":
			retired++
		}
	}
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
	if retired != 1 {
		t.Errorf("two invocations retired %d times", retired)
	}
}

func TestWhatAnotherInvocationIsEndingIsLeftToIt(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.database.busy = true
	e.reconcile()
	e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	if len(e.database.looked) > 0 {
		t.Error("its use was looked for: what the other invocation does to prove would count as use")
	}
	e.database.busy = false
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
}

func TestWhatAnotherInvocationHasHeldMeanwhileStaysHeld(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.database.whenFirst("exclusive", func() {
		e.database.use = func(credential.Overlap) (string, error) { return "7 logins with the old password", nil }
		e.reconcile()
		e.database.use = nil
	})
	e.reconcile()
	e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	e.isHeld()
}

func TestOnceEverythingHasConvergedADeploymentThatFailsIsNobodysFailure(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile() // the database's old value is retired
	e.services.failing, e.services.busy = true, true
	e.aws.Clock().Advance(day)
	e.reconcile()
	e.currentHolds("database-1", "admin-1")
	e.expect("database-1", "api-0 api-1", "admin-1")
	e.aws.Clock().Advance(7 * day)
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1") // a quarantine waits for the deployment
	e.services.failing, e.services.busy = false, false
	e.reconcile()
	e.expect("database-1", "api-1", "admin-1")
	e.closed()
}

func TestWithoutServicesAnOldValueIsAcceptedForADay(t *testing.T) {
	e := newEngine(t)
	e.reconfigure(func(c *rotation.Config) { c.Services = nil })
	e.mustRotate()
	e.aws.Clock().Advance(23 * time.Hour)
	e.reconcile()
	e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	e.aws.Clock().Advance(2 * time.Hour)
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
}

func TestReleaseEndsARolloutThatDoesNotConverge(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.services.stale = true
	e.reconcile()
	if err := e.release(); err != nil {
		t.Fatal(err)
	}
	e.expect("database-0 database-1", "api-0 api-1", "admin-1") // its time is not over yet
	e.aws.Clock().Advance(time.Hour)
	if err := e.release(); err != nil {
		t.Fatal(err)
	}
	if e.services.times != 1 {
		t.Errorf("%d redeploys", e.services.times)
	}
	e.expect("database-1", "api-0 api-1", "admin-1")
}

func TestARedeployThatAnotherInvocationHasBegunIsNotBegunAgain(t *testing.T) {
	e := newEngine(t)
	e.stayPending()
	e.database.whenFirst("exclusive", e.reconcile)
	e.reconcile()
	if e.services.times != 1 {
		t.Errorf("%d redeploys: each starts all tasks anew", e.services.times)
	}
}

func TestWhatIsSeenInUseStaysAcceptedAndIsHeldWhenItsTimeIsOver(t *testing.T) {
	e := newEngine(t)
	e.reconfigure(func(c *rotation.Config) { c.Limits.Observe = time.Hour })
	e.mustRotate()
	e.database.use = func(credential.Overlap) (string, error) { return "7 logins with the old password", nil }
	taken := e.database.count("quarantine", "retire")

	e.reconcile()
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "database=proven") {
		t.Errorf("within the time for observing, the journal says %s", journal)
	}

	e.aws.Clock().Advance(61 * time.Minute)
	for range 2 {
		e.reconcile()
		e.isHeld()
	}
	e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	if taken.Load() > 0 {
		t.Error("what is in use was taken out of service")
	}
	if !strings.Contains(e.log.String(), "7 logins with the old password") {
		t.Error("the notice does not say what was seen")
	}
}

func TestWhatIsMissedAfterItWasTakenOutOfServiceIsAcceptedAgainAtOnce(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.database.use = missed
	e.reconcile()
	e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	e.isHeld()
}

func TestAnApplicationThatFallsIllWithTheQuarantineGetsItsOldValueBack(t *testing.T) {
	e := newEngine(t)
	h := &health{}
	e.watchHealth(h)
	e.mustRotate()
	e.database.whenFirst("quarantine", func() { h.sick.Store(true) })
	e.reconcile()
	e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	e.isHeld()
}

func TestWhatIsMadeCurrentAgainDuringTheWatchIsAcceptedAgainAtOnce(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	back := once(e.goBack)
	e.database.use = func(o credential.Overlap) (string, error) {
		if o.Quarantined {
			back()
		}
		return "", nil
	}
	_ = e.reconcileWith(t.Context())
	e.database.use = nil
	e.reconcile()
	e.currentHolds("database-0", "admin-0")
	e.expect("database-0", "api-0 api-1", "admin-0")
}

func TestReleaseRedeploysOnceMoreAndThenTakesTheOldValueAway(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.database.use = missed
	e.reconcile()
	e.database.use = nil
	e.reconcile() // what is held stays so until somebody acts
	e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	if err := e.release(); err != nil {
		t.Fatal(err)
	}
	if e.services.times != 2 {
		t.Errorf("%d redeploys, not one for the rotation and one for the release", e.services.times)
	}
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
}

func TestAQuarantineThatWasCutOffIsTakenUpAgain(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	cut := errors.New("the connection was lost")
	e.database.use = func(o credential.Overlap) (string, error) {
		if o.Quarantined {
			return "", cut
		}
		return "", nil
	}
	e.fails(e.reconcileWith(t.Context()), cut.Error())
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "=quarantined") {
		t.Errorf("the old value is refused, and the journal says %s", journal)
	}
	e.database.use = nil
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
}

func TestNoQuarantineBeginsThatTheInvocationCannotWatchToItsEnd(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	near, cancel := context.WithTimeout(t.Context(), 15*time.Second) // a change takes 20 s
	defer cancel()
	e.fails(e.reconcileWith(near), "raise the function's timeout, or lower WATCH_SECONDS")
	e.expect("database-0 database-1", "api-0 api-1", "admin-1")
}

func TestAStoredOldDocumentMakesItsValueTheWantedOne(t *testing.T) {
	e := newEngine(t)
	before := e.version("AWSCURRENT").Value
	e.mustRotate()
	e.store(before) // as Terraform and scripts do
	for range 2 {
		e.reconcile()
		if !e.database.takes("database-0") || !e.api.takes("api-0") {
			t.Fatalf("accepted are %s; %s: what AWSCURRENT stores is refused", e.database.accepts(), e.api.accepts())
		}
	}
}

func TestAnEmergencyTakesOlderValuesOfItsKindsAndNoOthers(t *testing.T) {
	e := newEngine(t)
	if err := e.rotate("only.api." + strings.Repeat("a", 32)); err != nil {
		t.Fatal(err)
	}
	if err := e.rotate("only.database.emergency." + uuid); err != nil {
		t.Fatal(err)
	}
	e.expect("database-1", "api-0 api-1", "admin-0")
}

func TestAnOldValueIsNotAskedForBeforeItsOwnTimeIsOver(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	calls := e.api.count("exclusive", "in use", "quarantine", "retire")
	e.aws.Clock().Advance(6 * day)
	e.reconcile()
	e.reconcile()
	if e.api.accepts() != "api-0 api-1" || calls.Load() > 1 { // one lock, with the database's
		t.Errorf("accepted are %s after six of seven days, %d calls", e.api.accepts(), calls.Load())
	}
}

// watchLabels looks before and after each call of Secrets Manager that moves a
// label. What it returns tells the first accepted value that no version with a
// label stored.

func TestAValueThatWasCurrentForAMomentStaysAcceptedUntilItsTasksAreReplaced(t *testing.T) {
	for name, away := range map[string]func(e *engine, before string){
		"the old document is stored again": func(e *engine, before string) { e.store(before) },
		"AWSCURRENT is moved back":         func(e *engine, _ string) { e.moveCurrent(e.version("AWSPREVIOUS").ID, e.version("AWSCURRENT").ID) },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			before := e.version("AWSCURRENT").Value
			e.beforeCall("UpdateSecretVersionStage", promotion, func() wire.Fault {
				return wire.Fault{After: func() { away(e, before) }} // a task has started meanwhile
			})
			_ = e.rotate("only.database." + uuid) // finds AWSCURRENT moved, or not
			e.services.stale = true
			e.services.deployed = time.Time{}
			if err := e.abandon(); err != nil {
				t.Error(err)
			}
			e.reconcile()
			e.expect("database-0 database-1", "api-0", "admin-0")
			if e.services.times == 0 {
				t.Error("nothing replaces the task")
			}
			e.services.stale = false
			e.aws.Clock().Advance(time.Minute)
			e.reconcile()
			e.expect("database-0", "api-0", "admin-0")
		})
	}
}

func TestNoAlarmIsRaisedOnLabelsThatAreOutOfDate(t *testing.T) {
	e := newEngine(t)
	e.beforeStep(rotation.FinishSecret, func() error {
		token := e.version("AWSPENDING").ID
		e.admin.whenFirst("probe", func() {
			if err := e.invoke(rotation.FinishSecret, token); err != nil {
				t.Error(err)
			}
		})
		return e.reconcileWith(t.Context()) // asks about the value that is AWSCURRENT no more
	})
	if err := e.rotate("only.admin." + uuid); err != nil {
		t.Error(err)
	}
	if strings.Contains(e.log.String(), "decision=alarm") {
		t.Error("an alarm about a value that is not wanted any more")
	}
}

func TestAValueThatAnotherInvocationHasSetAgainNeedsNobody(t *testing.T) {
	e := newEngine(t)
	e.mustRotateOnly("admin")
	e.reconcile()
	e.admin.accept("by hand")
	asked := 0
	e.admin.at = func(method string) {
		if asked++; method == "probe" && asked == 2 {
			e.admin.accept("admin-1")
		}
	}
	e.aws.Clock().Advance(2 * day)
	e.reconcile()
	if asked < 2 {
		t.Error("the target was not asked again")
	}
	for _, wrong := range []string{"decision=alarm", "was set again"} {
		if strings.Contains(e.log.String(), wrong) {
			t.Errorf("the log says %s", wrong)
		}
	}
}

func TestATargetIsReachedByAWSCURRENTsCredentialsAfterAnotherKindsRotation(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile() // of admin and api the label is on this version from here on
	var with []string
	for _, k := range []*target{&e.api.target, &e.admin} {
		k.reached = func(method string, d document.Document) {
			if current := e.current(&e.database.target); e.database.value(d) != current {
				with = append(with, fmt.Sprintf("%s %s with %s, while AWSCURRENT has %s", k.name, method, e.database.value(d), current))
			} else {
				with = append(with, k.name+" "+method)
			}
		}
	}
	e.mustRotateOnly("database")
	e.reconcile()
	e.api.accept("api-0") // a server from before
	e.aws.Clock().Advance(25 * time.Hour)
	e.reconcile()
	e.logSays("was set again")
	slices.Sort(with)
	if got := slices.Compact(with); !slices.Equal(got, []string{"admin probe", "api probe", "api restore"}) {
		t.Errorf("targets were reached: %q", got)
	}
}
