package rotation_test

import (
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
)

// What follows from the rollout alone, and no entry of a label says.

func TestAValueIsOldFromTheRolloutOnThatReplacedIt(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.aws.Clock().Advance(8 * day)
	e.reconcile()
	e.aws.Clock().Advance(20 * time.Hour) // the proof is of yesterday
	m := &measured{name: "OpenOverlapTime"}
	e.reconfigure(func(c *rotation.Config) { c.Metrics, c.Limits.Observe = m, time.Hour })
	e.mustRotate()
	e.reconcile()
	if len(m.values) != 1 || m.values[0] > time.Hour.Seconds() {
		t.Errorf("the overlap that has just begun has been open for %v seconds", m.values)
	}
	e.expect("database-1 database-2", "api-1 api-2", "admin-2")
	e.aws.Clock().Advance(50 * time.Minute)
	e.reconcile()
	e.expect("database-1 database-2", "api-1 api-2", "admin-2")
	e.aws.Clock().Advance(20 * time.Minute)
	e.reconcile()
	e.expect("database-2", "api-1 api-2", "admin-2")
}

func TestNoTaskIsStartedWithAValueThatIsWantedAgainBeforeItIsKnownToBeAccepted(t *testing.T) {
	e := newEngine(t)
	e.reconfigure(func(c *rotation.Config) { c.Limits.Observe = time.Hour })
	e.mustRotate()
	e.reconcile() // it has converged
	e.goBack()
	e.database.accept("database-1") // somebody has taken the old one away
	e.log.Reset()
	at := e.aws.Clock().Now().Add(time.Second)
	if _, err := e.ReconcileOnMove(t.Context(), e.arn, at, "", e.logger(), &scrub.Secrets{}); err != nil {
		t.Fatal(err)
	}
	set, redeployed := strings.Index(e.log.String(), "was set again"), strings.Index(e.log.String(), "the redeploy has begun")
	if set < 0 || redeployed < set {
		t.Errorf("set again at %d of the log, redeployed at %d", set, redeployed)
	}
	if !e.database.takes("database-0") {
		t.Errorf("accepted are %s, without AWSCURRENT's", e.database.accepts())
	}
}
