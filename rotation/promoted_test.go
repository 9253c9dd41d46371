package rotation_test

import (
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/scrub"
)

// moved reconciles as the event of a move of AWSCURRENT has it, and returns the lines that tell of a
// promotion.
func (e *engine) moved(at time.Time, to string) (told []string) {
	e.t.Helper()
	before := len(e.log.String())
	if _, err := e.ReconcileOnMove(e.t.Context(), e.arn, at, to, e.logger(), &scrub.Secrets{}); err != nil {
		e.t.Fatal(err)
	}
	for line := range strings.Lines(e.log.String()[before:]) {
		if strings.Contains(line, "tells=promoted") {
			told = append(told, line)
		}
	}
	return told
}

func TestTheEventOfAPromotionTellsOfIt(t *testing.T) {
	e := newEngine(t)
	first := e.version("AWSCURRENT").ID
	e.mustRotate()
	e.mustEndOverlaps()
	e.services.stale = true // the rollout stays open
	at := e.aws.Clock().Now()
	e.mustRotateWith("only.database." + uuid)
	promoted := e.version("AWSCURRENT").ID

	told := e.moved(at, promoted)
	if len(told) != 1 || !strings.Contains(told[0], "database rotated: version "+promoted+" is AWSCURRENT. The old value of database may be accepted") || strings.Contains(told[0], "admin") {
		t.Errorf("it tells %q", told)
	}
	if told := e.moved(at, ""); len(told) != 1 {
		t.Errorf("without a version it tells %q", told)
	}
	// What is no move of this promotion: a tick, the event of one before that comes late, and a move
	// away and back by hand.
	before := len(e.log.String())
	e.reconcile()
	if strings.Contains(e.log.String()[before:], "tells=") {
		t.Error("a tick tells of it")
	}
	if told := e.moved(at.Add(-time.Hour), first); len(told) > 0 {
		t.Errorf("the event of another version tells %q", told)
	}
	if told := e.moved(e.aws.Clock().Now().Add(time.Hour), promoted); len(told) > 0 {
		t.Errorf("a move back by hand tells %q", told)
	}
	e.services.stale = false
	e.closeAll()
	if told := e.moved(at, promoted); len(told) > 0 {
		t.Errorf("when all is over it tells %q", told)
	}
}

func TestTheEventOfAnEmergencyAndOfARollback(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.mustEndOverlaps()
	at := e.aws.Clock().Now()
	e.mustRotateWith("only.database." + uuid)
	if _, err := e.rollBackAsked(); err != nil {
		t.Fatal(err)
	}
	if told := e.moved(at, e.version("AWSCURRENT").ID); len(told) > 0 {
		t.Errorf("a rollback tells %q", told)
	}
	e.services.stale = false
	e.closeAllButFailed()
	e.services.stale = true
	at = e.aws.Clock().Now()
	e.mustRotateWith(again)
	if told := e.moved(at, again); len(told) != 1 || !strings.Contains(told[0], "emergency: ") || strings.Contains(told[0], "may be accepted until") {
		t.Errorf("an emergency tells %q", told)
	}
}

// closeAllButFailed lets what is open come to its end, after a rollback.
func (e *engine) closeAllButFailed() {
	e.t.Helper()
	e.aws.Clock().Advance(8 * day)
	for range 4 {
		e.reconcile()
	}
}

func TestAPromotionThatReplacesNoTaskIsToldOf(t *testing.T) {
	for kind, accepted := range map[string]bool{"api": true, "admin": false, "webhook": false} {
		t.Run(kind, func(t *testing.T) {
			e := newEngine(t)
			first := e.version("AWSCURRENT").ID
			at := e.aws.Clock().Now()
			e.mustRotateOnly(kind)
			promoted := e.version("AWSCURRENT").ID
			told := e.moved(at, promoted)
			if len(told) != 1 || !strings.Contains(told[0], kind+" rotated: version "+promoted+" is AWSCURRENT.") || strings.Contains(told[0], "may be accepted until") != accepted {
				t.Errorf("it tells %q", told)
			}
			e.aws.Clock().Advance(time.Hour)
			if told := e.moved(e.aws.Clock().Now(), promoted); len(told) > 0 {
				t.Errorf("a move back by hand tells %q", told)
			}
			e.moveCurrent(first, promoted)
			if told := e.moved(e.aws.Clock().Now(), first); len(told) > 0 {
				t.Errorf("a move to the version before tells %q", told)
			}
		})
	}
}

func TestAPromotionIsToldOfWithoutWhatWasRotatedBefore(t *testing.T) {
	e := newEngine(t)
	e.mustRotateOnly("database")
	e.reconcile()
	e.aws.Clock().Advance(time.Minute)
	at := e.aws.Clock().Now()
	e.mustRotateWith("only.admin." + uuid)
	if told := e.moved(at, e.version("AWSCURRENT").ID); len(told) != 1 || !strings.Contains(told[0], ": admin rotated") || strings.Contains(told[0], "database") {
		t.Errorf("it tells %q", told)
	}
}

func TestWhatSomebodyStoresIsNoPromotion(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile()
	e.aws.Clock().Advance(time.Hour)
	e.store(strings.Replace(e.version("AWSCURRENT").Value, `"admin-1"`, `"admin-9"`, 1))
	if told := e.moved(e.aws.Clock().Now(), e.version("AWSCURRENT").ID); len(told) > 0 {
		t.Errorf("it tells %q", told)
	}
}
