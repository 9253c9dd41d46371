package rotation_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
)

// How a rotation is rolled back, given up or turned round by hand.

func TestARollbackLeavesNoVersionPending(t *testing.T) {
	e := newEngine(t)
	e.stayPending()
	e.services.failing = true
	e.reconcile() // redeploys
	e.reconcile() // rolls back
	e.currentHolds("database-0", "admin-0")
	if id := e.version("AWSPENDING").ID; id != "" {
		t.Errorf("AWSPENDING is on version %s: Secrets Manager would try that one again, and begin no other", id)
	}
	e.services.failing = false
	e.reconcile()
	if err := e.rotate(uuid); err != nil {
		t.Error(err)
	}
}

func TestARollbackTakesItsMarkBackIfAnEmergencyHasBegun(t *testing.T) {
	e := newEngine(t)
	e.services.stale = true
	e.mustRotate()
	e.before = func(step rotation.Step) error {
		if step == rotation.SetSecret {
			return errors.New("not now")
		}
		return nil
	}
	began := false
	e.services.failing = true
	e.beforeCall("UpdateSecretVersionStage", "=rolledback.", func() wire.Fault {
		began, e.services.failing = true, false
		e.fails(e.rotate("emergency."+uuid), "not now")
		return wire.Fault{}
	})
	e.reconcile()
	if !began {
		t.Fatal("nothing was rolled back")
	}
	e.currentHolds("database-1", "admin-1")
	e.logSays("an emergency has begun during a rollback")
	if labels := strings.Join(e.version("AWSCURRENT").Labels, " "); strings.Contains(labels, "rolledback") {
		t.Errorf("AWSCURRENT is marked: %s", labels)
	}
}

// A call that the step has sent may still be under way.
func TestAStepThatGivesUpDoesNotRollBackAtOnce(t *testing.T) {
	smtp := newIssuer()
	e := newEngine(t, smtp)
	e.services.stale = true
	e.mustRotate()
	e.before = func(step rotation.Step) error {
		if step == rotation.SetSecret {
			e.services.failing = true
			smtp.accept("smtp-1") // somebody has deleted the new key
		}
		return nil
	}
	e.fails(e.rotate("only.smtp.emergency."+uuid), credential.ErrLost.Error())
	e.nothingPending()
	e.currentHolds("database-1", "admin-1")
	e.logSays("one of its calls may be under way")
	e.aws.Clock().Advance(time.Minute)
	e.reconcile()
	e.currentHolds("database-0", "admin-0")
}

// TestARollbackLeavesWhatAnEarlierRotationHasReplaced: the overlap of an API client lasts for
// days, in which callers take the new one up.
func TestARollbackLeavesWhatAnEarlierRotationHasReplaced(t *testing.T) {
	for name, goBack := range map[string]func(e *engine) error{
		"by itself": func(e *engine) error {
			e.services.failing = true
			return e.reconcileWith(t.Context())
		},
		"as an operator asks": func(e *engine) error {
			_, err := e.RollBack(t.Context(), e.arn, e.logger(), &scrub.Secrets{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			for _, fault := range []error{e.rotate("only.api." + uuid), e.reconcileWith(t.Context())} {
				if fault != nil {
					t.Fatal(fault)
				}
			}
			e.aws.Clock().Advance(time.Hour)
			e.services.stale = true
			for _, fault := range []error{e.reconcileWith(t.Context()), e.rotate("only.database." + uuid), goBack(e)} {
				if fault != nil {
					t.Fatal(fault)
				}
			}
			e.services.failing, e.services.stale = false, false
			e.reconcile()
			e.reconcile()
			if got := e.current(&e.database.target) + "; " + e.current(&e.api.target); got != "database-0; api-1" {
				t.Errorf("AWSCURRENT stores %s", got)
			}
		})
	}
}

func TestAVersionThatWasRolledBackIsNotTakenUpAgain(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	bad := e.version("AWSCURRENT").ID
	e.services.failing = true
	e.reconcile()
	for _, rounds := range []string{"while its values are accepted", "after they were retired"} {
		for _, step := range []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret} {
			if err := e.invoke(step, bad); err == nil {
				t.Errorf("%s, %s was done", rounds, step)
			}
		}
		e.currentHolds("database-0", "admin-0")
		e.services.failing = false
		e.reconcile()
	}
	e.expect("database-0", "api-0", "admin-0")
}

func TestAVersionWhoseRollbackWasCutOffIsNotTakenUpAgain(t *testing.T) {
	e := newEngine(t)
	bad := e.stayPending()
	e.services.failing = true
	on := e.refuseMoves("VersionStage=AWSPENDING")
	e.fails(e.reconcileWith(t.Context()), "refused on purpose") // rolls back, as far as to the mark
	for _, step := range []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret} {
		err := e.invoke(step, bad)
		if step == rotation.CreateSecret || step == rotation.FinishSecret {
			e.fails(err, "was rolled back, and its rotation cannot continue")
		}
	}
	on.Store(false)
	e.services.failing = false
	e.reconcile()
	e.currentHolds("database-0", "admin-0")
}

func TestWhatIsMadeCurrentAgainByHandLeavesNoVersionPending(t *testing.T) {
	e := newEngine(t)
	e.stayPending()
	e.reconcile() // redeploys
	old := ""
	for id, labels := range e.labels() {
		if slices.Contains(labels, "AWSPREVIOUS") {
			old = id
		}
	}
	e.moveCurrent(old, e.version("AWSCURRENT").ID)
	e.reconcile()
	if id := e.version("AWSPENDING").ID; id != "" {
		t.Errorf("AWSPENDING is on version %s: no rotation could begin", id)
	}
}

func TestARotationThatChangesNothingKeepsTheOneBeforeFromBeingFinal(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.services.stale = true
	e.due()
	e.mustRotate() // nothing, since the rollout is open
	e.currentHolds("database-1", "admin-1")
	e.services.failing = true
	e.reconcile()
	e.currentHolds("database-0", "admin-0")
	e.expect("database-0 database-1", "api-0 api-1", "admin-0")
}

func TestNothingIsRolledBackToAValueThatIsRefused(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.services.failing = true
	e.database.take("database-0") // by hand, say
	e.reconcile()
	e.currentHolds("database-1", "admin-0") // each kind by itself
	e.expect("database-1", "api-0 api-1", "admin-0")
}

func TestARollbackThatIsCutOffIsFinishedThoughTheApplicationHasRecovered(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.services.failing = true
	on := e.refuseMoves(promotion)
	e.fails(e.reconcileWith(t.Context()), "refused on purpose")
	on.Store(false)
	e.services.failing = false
	e.reconcile()
	e.currentHolds("database-0", "admin-0")
	if !e.database.takes("database-0") || e.admin.accepts() != "admin-0" {
		t.Errorf("accepted are %s; %s", e.database.accepts(), e.admin.accepts())
	}
	for range 2 {
		e.reconcile()
	}
	e.expect("database-0", "api-0", "admin-0")
}

func TestARollbackThatIsCutOffPutsBackWhatWasSetAgainMeanwhile(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.services.failing = true
	on := e.refuseMoves(promotion)
	e.fails(e.reconcileWith(t.Context()), "refused on purpose")
	e.admin.accept("admin-1")
	on.Store(false)
	e.reconcile()
	e.currentHolds("database-0", "admin-0")
	if e.admin.accepts() != "admin-0" {
		t.Errorf("AWSCURRENT stores admin-0, and %s is accepted", e.admin.accepts())
	}
}

func TestAnEditAtTheMomentOfARollbackIsNotUndone(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	publish := e.draft()
	e.services.failing = true
	e.beforeCall("UpdateSecretVersionStage", promotion, func() wire.Fault {
		publish()
		return wire.Fault{}
	})
	if err := e.reconcileWith(t.Context()); err == nil {
		t.Error("no error")
	}
	e.isEdited()
}

func TestNoRotationBeginsWhileARolloutIsOpen(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.services.stale = true
	e.fails(e.rotate("only.webhook."+uuid), "has not converged")
	if e.current(&e.webhook) != "webhook-1" {
		t.Errorf("AWSCURRENT stores %s", e.current(&e.webhook))
	}
}

func TestARollbackRedeploysAndRetiresTheBadValueOnlyWhenNothingUsesIt(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.services.failing = true
	for range 3 {
		e.reconcile() // tasks with the bad value still run
		e.currentHolds("database-0", "admin-0")
		e.expect("database-0 database-1", "api-0 api-1", "admin-0")
	}
	if e.services.times != 2 {
		t.Errorf("%d redeploys, not one for the rotation and one for the rollback", e.services.times)
	}
	e.services.failing = false
	e.reconcile()
	e.expect("database-0", "api-0", "admin-0")
}

func TestWhatWasRolledBackIsRememberedUntilARotationHasSucceeded(t *testing.T) {
	e := newEngine(t)
	remembered := func() bool { return strings.Contains(strings.Join(e.journal(), " "), "=failed") }
	e.rollBack()
	if !remembered() {
		t.Fatalf("the schedule would do the same again; the journal says %s", e.journal())
	}
	e.mustRotate()
	if !remembered() {
		t.Error("forgotten with the promotion, before anybody has seen the application come up")
	}
	e.reconcile()
	if remembered() {
		t.Error("remembered though a rotation has succeeded: the schedule is held off for ever")
	}
}

func TestReleaseForgetsWhatWasRolledBack(t *testing.T) {
	e := newEngine(t)
	e.rollBack()
	if err := e.release(); err != nil {
		t.Fatal(err)
	}
	e.closed()
}

func TestTheScheduleRotatesNothingAfterARollbackAndARotationByHandDoes(t *testing.T) {
	e := newEngine(t)
	e.rollBack()
	e.due()
	e.mustRotate()
	e.currentHolds("database-0", "admin-0")
	if !strings.Contains(e.log.String(), "nothing is rotated by the schedule, since the last rotation was rolled back") {
		t.Error("the log does not say why nothing is rotated")
	}
	if err := e.rotate("all." + uuid); err != nil {
		t.Fatal(err)
	}
	e.currentHolds("database-2", "admin-2")
}

// labels are those of each version.
func (e *engine) labels() map[string][]string {
	e.t.Helper()
	state, err := e.aws.SecretsManager.State(e.arn)
	if err != nil {
		e.t.Fatal(err)
	}
	labels := map[string][]string{}
	for _, v := range state.Versions {
		labels[v.ID] = v.Labels
	}
	return labels
}

// due gives the secret a schedule, and turns the clock to a minute before the
// schedule's window, when a rotation that asks for nothing counts as its own.
func (e *engine) due() {
	e.t.Helper()
	_, err := e.secrets.RotateSecret(e.t.Context(), &sm.RotateSecretInput{
		SecretId: &e.arn, RotationLambdaARN: &e.fn, RotateImmediately: aws.Bool(false),
		RotationRules: &types.RotationRulesType{ScheduleExpression: aws.String("rate(10 days)"), Duration: aws.String("3h")},
	})
	if err == nil {
		err = e.aws.SecretsManager.WaitRotation(e.t.Context(), e.arn, "")
	}
	if err != nil {
		e.t.Fatal(err)
	}
	secret, err := e.secrets.DescribeSecret(e.t.Context(), &sm.DescribeSecretInput{SecretId: &e.arn})
	if err != nil {
		e.t.Fatal(err)
	}
	opens := secret.NextRotationDate.Add(-3 * time.Hour)
	e.aws.Clock().Advance(opens.Add(-time.Minute).Sub(e.aws.Clock().Now()))
}

func TestWhatWasPromotedCannotBeAbandoned(t *testing.T) {
	e := newEngine(t)
	e.stayPending()
	e.fails(e.abandon(), "its rotation is complete")
	if e.version("AWSPENDING").ID != e.version("AWSCURRENT").ID {
		t.Error("AWSPENDING was taken off, which Secrets Manager takes for an incomplete rotation")
	}
	e.currentHolds("database-1", "admin-1")
	if !e.database.takes("database-1") {
		t.Error("the value in AWSCURRENT is refused")
	}
}

func TestWhatIsMadeCurrentAgainByHandIsPutBackAtEachTarget(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.database.whenFirst("in use", func() { e.database.stuck = true })
	e.fails(e.reconcileWith(t.Context()), "the target does not answer") // its quarantine is noted, and not seen to succeed
	e.database.stuck = false
	e.database.take("database-0")
	e.goBack()
	e.reconcile()
	e.currentHolds("database-0", "admin-0")
	if !e.database.takes("database-0") || e.admin.accepts() != "admin-0" {
		t.Errorf("accepted are %s; %s: what AWSCURRENT stores is refused", e.database.accepts(), e.admin.accepts())
	}
	e.aws.Clock().Advance(8 * day)
	for range 2 {
		e.reconcile()
	}
	e.expect("database-0", "api-0", "admin-0")
}

func TestBeforeARotationItIsTakenNoteOfWhatWasMovedByHand(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.goBack() // and no reconcile comes in between
	if err := e.rotate("only.webhook." + uuid); err != nil {
		t.Fatal(err)
	}
	e.currentHolds("database-0", "admin-0")
	if e.admin.accepts() != "admin-0" {
		t.Errorf("AWSCURRENT stores admin-0, and %s is accepted", e.admin.accepts())
	}
	e.aws.Clock().Advance(8 * day)
	for range 3 {
		e.reconcile()
	}
	e.expect("database-0", "api-0", "admin-0")
}

func TestAGivenUpValueStaysWhileAnotherRotationIsUnderWay(t *testing.T) {
	e := newEngine(t)
	e.webhook.broken = true
	e.fails(e.rotate("only.database.webhook."+uuid), "it does not work")
	e.takeLabelOff("AWSPENDING", e.version("AWSPENDING").ID)
	e.admin.whenFirst("test", func() {
		e.reconcile()
		if e.database.accepts() != "database-0 database-1" {
			t.Errorf("accepted are %s: taken away beside a rotation", e.database.accepts())
		}
	})
	if err := e.rotate("only.admin." + strings.Repeat("b", 32)); err != nil {
		t.Fatal(err)
	}
	e.reconcile()
	e.expect("database-0", "api-0", "admin-1")
}
