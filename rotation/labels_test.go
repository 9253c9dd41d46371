package rotation_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
)

// What the journal must not forget.

func TestAQuarantineIsNotedBeforeTheValueIsTakenAway(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.database.whenFirst("quarantine", func() {
		if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "=quarantined") {
			t.Errorf("a crash now would leave the value refused, and the journal says %s", journal)
		}
	})
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
}

func TestAnOldValueIsRememberedUntilItWasRetired(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.database.whenFirst("retire", func() { e.database.stuck = true })
	for range 2 {
		e.fails(e.reconcileWith(t.Context()), "the target does not answer")
		e.aws.Clock().Advance(time.Second)
		if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "database=quarantined") {
			t.Errorf("the journal says %s: nobody would take the value away", journal)
		}
	}
	e.database.stuck = false
	e.reconcile()
	if journal := strings.Join(e.journal(), " "); strings.Contains(journal, "database=") {
		t.Errorf("the journal says %s", journal)
	}
}

func TestAValueWhoseKindIsNotSetUpAnyMoreKeepsItsLabel(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	journal := strings.Join(e.journal(), " ")
	e.reconfigure(func(c *rotation.Config) { c.Kinds = []credential.Kind{&e.api, &e.admin, &e.webhook} })
	e.fails(e.reconcileWith(t.Context()), `this function has no kind "database"`)
	if now := strings.Join(e.journal(), " "); now != journal {
		t.Errorf("the journal said %s, and says %s", journal, now)
	}
}

func TestAValueThatIsNotWhereItWasKeepsItsLabel(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	journal := strings.Join(e.journal(), " ")
	// As after a change of the settings that say where it is.
	moved := &elsewhere{pair: &e.database}
	e.reconfigure(func(c *rotation.Config) { c.Kinds[0] = moved })
	e.reconcile()
	if now := strings.Join(e.journal(), " "); !strings.Contains(now, "database=proven") {
		t.Errorf("the journal said %s, and says %s", journal, now)
	}
	if e.database.accepts() != "database-0 database-1" || !strings.Contains(e.log.String(), "it has no such credential where the settings say it is") {
		t.Errorf("accepted are %s, and the log does not say why nothing is retired", e.database.accepts())
	}
}

func TestAtEveryCallEachAcceptedValueIsInALabelledVersion(t *testing.T) {
	e := newEngine(t)
	unlabelled := e.watchLabels()
	e.mustRotate()
	e.reconcile()
	e.aws.Clock().Advance(3 * day)
	e.mustRotate() // the first version is not AWSPREVIOUS any more, and its API client is accepted
	e.reconcile()
	e.aws.Clock().Advance(5 * day)
	e.database.use = func(credential.Overlap) (string, error) { return "in use", nil }
	e.reconcile()
	if err := e.release(); err != nil {
		t.Fatal(err)
	}
	e.database.use = nil
	e.reconcile()
	e.expect("database-2", "api-1", "admin-2")
	if found := unlabelled(); found != "" {
		t.Error(found)
	}
}

func TestAChangeOfTheLabelsThatWasCutOffIsMadeAgain(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	// The new label is written, and the old one stays.
	before := e.version("AWSPREVIOUS").Labels
	old := before[slices.IndexFunc(before, func(l string) bool { return strings.HasPrefix(l, "rotation;") })]
	on := e.refuseMoves("VersionStage=" + old)
	e.fails(e.reconcileWith(t.Context()), "refused on purpose")
	if n := len(e.version("AWSPREVIOUS").Labels); n != 3 {
		t.Fatalf("%d labels, not the new one beside the old", n)
	}
	on.Store(false)
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
	if n := len(e.version("AWSPREVIOUS").Labels); n != 2 {
		t.Errorf("%d labels are left: %s", n, e.version("AWSPREVIOUS").Labels)
	}
}

func TestAFaultOfCleanupLeavesTheOthersToBeRetired(t *testing.T) {
	e := newEngine(t)
	e.webhook.broken = true
	if err := e.rotate(""); err == nil {
		t.Fatal("no error")
	}
	e.webhook.broken = false
	e.api.stuck = true
	e.fails(e.abandon(), "the target does not answer")
	e.expect("database-0", "api-0 api-1", "admin-0")
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "api=givenup") {
		t.Errorf("the journal says %s: nobody would take the API client away", journal)
	}
	e.api.stuck = false
	e.reconcile()
	e.expect("database-0", "api-0", "admin-0")
	e.closed()
}

func (e *engine) watchLabels() func() string {
	found := make(chan string, 1)
	look := func(when string) {
		state, err := e.aws.SecretsManager.State(e.arn)
		if err != nil {
			e.t.Error(err)
			return
		}
		stored := ""
		for _, v := range state.Versions {
			if len(v.Labels) > 0 {
				stored += v.Value
			}
		}
		for _, k := range []*target{&e.database.target, &e.api.target, &e.admin, &e.webhook} {
			for _, value := range strings.Fields(k.accepts()) {
				if !strings.Contains(stored, `"`+value+`"`) {
					select {
					case found <- value + " is accepted, and in no labelled version, " + when:
					default:
					}
				}
			}
		}
	}
	looks := 0
	e.aws.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation != "UpdateSecretVersionStage" {
			return wire.Fault{}
		}
		looks++
		return wire.Fault{
			Before: func() { look("before " + c.Detail) },
			After:  func() { look("after " + c.Detail) },
		}
	})
	return func() string {
		if looks < 10 {
			return "nothing was looked at"
		}
		select {
		case what := <-found:
			return what
		default:
			return ""
		}
	}
}

func TestLabelsThatWereReadBeforeATargetWasAskedAreReadAgainBeforeAWrite(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	away := e.version("AWSCURRENT").ID
	e.database.whenFirst("probe", e.goBack)
	e.reconcile()
	if now := e.version("AWSCURRENT").ID; now == away {
		t.Fatal("the moment did not come")
	}
	for _, call := range e.aws.Calls() {
		if strings.Contains(call.Detail, "converged=") && strings.HasSuffix(call.Detail, "MoveToVersionId="+away) {
			t.Errorf("the rollout of a version that AWSCURRENT had been moved away from has converged: %s", call.Detail)
		}
	}
}

func TestTheLabelsThatAnInterruptedWriteLeavesAreJoinedWhereNothingElseIsToBeWritten(t *testing.T) {
	e := newEngine(t)
	e.reconfigure(func(c *rotation.Config) {
		c.Kinds[0] = hosted{&e.database}
		c.Limits.Observe = time.Hour
	})
	e.mustRotate()
	old, promoted := e.version("AWSPREVIOUS").ID, e.version("AWSCURRENT").ID
	e.reconcile()
	e.draft()() // another target
	for range 3 {
		e.aws.Clock().Advance(8 * day)
		e.reconcile()
	}
	before := e.labels()[old]
	if err := e.release(); err != nil {
		t.Fatal(err)
	}
	for _, label := range before {
		e.put(label, old) // as if the release had ended before it took the label off
	}
	e.reconcile()
	joined := e.labels()[old]
	if len(joined) != 1 || !strings.Contains(joined[0], "database=foreign.") {
		t.Fatalf("the version has the labels %q; before the release it had %q", joined, before)
	}
	e.reconcile()
	if again := e.labels()[old]; !slices.Equal(again, joined) {
		t.Errorf("%q are written again: %q", joined, again)
	}

	// What an operator does about it uncovers nothing.
	e.database.accept("database-1")
	for _, id := range []string{old, promoted} {
		for _, label := range e.labels()[id] {
			if strings.Contains(label, "database=foreign.") {
				e.takeLabelOff(label, id)
			}
		}
	}
	e.mustRotateWith("only.database." + uuid)
}
