package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/leak"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
)

// What each of the four steps promises.

func TestWhatARotationSetsIsNotedBeforeAnyTargetHasIt(t *testing.T) {
	e := newEngine(t)
	for _, k := range []*target{&e.database.target, &e.api.target, &e.admin, &e.webhook} {
		k.whenFirst("set", func() {
			labels := e.version("AWSPENDING").Labels
			if !slices.ContainsFunc(labels, func(label string) bool {
				return strings.HasPrefix(label, "rotation;") && strings.Contains(label, ";admin=pending.1") && strings.Contains(label, ";api=pending.1") && strings.Contains(label, ";database=pending.1") && strings.Contains(label, ";webhook=pending.1")
			}) {
				t.Errorf("%s is set, and its version has the labels %s alone", k.name, labels)
			}
		})
	}
	e.mustRotate()
}

func TestNoTargetIsWrittenToForAVersionThatIsNotPendingAnyMore(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"set", "put back"} {
		t.Run(step, func(t *testing.T) {
			e := newEngine(t)
			e.webhook.broken = step == "put back"
			givenUp := ""
			e.admin.whenFirst(step, func() {
				givenUp = e.version("AWSPENDING").ID
				e.takeLabelOff("AWSPENDING", givenUp)
			})
			before := map[string]string{"set": "admin-0", "put back": "admin-1"}[step]
			e.fails(e.rotate(""), fmt.Sprintf("version %s is not AWSPENDING", givenUp))
			if e.admin.accepts() != before {
				t.Errorf("%s is accepted: the target was written to after AWSPENDING was taken off", e.admin.accepts())
			}
		})
	}
}

func TestNoTargetIsWrittenToForASecretThatWasEditedMeanwhile(t *testing.T) {
	e := newEngine(t)
	e.admin.whenFirst("set", e.draft())
	e.fails(e.rotate(""), "AWSCURRENT has since moved to version")
	if e.admin.accepts() != "admin-0" {
		t.Errorf("%s is accepted", e.admin.accepts())
	}
}

func TestAnEditDuringARotationIsKeptAndTheRotationGivenUp(t *testing.T) {
	t.Parallel()
	for _, step := range []rotation.Step{rotation.SetSecret, rotation.FinishSecret} {
		t.Run("before "+string(step), func(t *testing.T) {
			e := newEngine(t)
			publish := e.draft()
			e.beforeStep(step, func() error {
				publish()
				return nil
			})
			set := e.database.count("set")
			e.fails(e.rotate(""), "the secret was edited after this rotation began")
			e.isEdited()
			if step == rotation.SetSecret && set.Load() > 0 {
				t.Error("a value was set that could not be promoted any more")
			}
			if id := e.version("AWSPENDING").ID; id != "" {
				t.Errorf("version %s is still AWSPENDING, and would be tried again for ever", id)
			}
			e.reconcile()
			e.currentHolds("database-0", "admin-0")
			e.expect("database-0", "api-0", "admin-0")
			e.closed()
		})
	}
}

func TestAnEditAtTheMomentOfThePromotionIsNotUndone(t *testing.T) {
	e := newEngine(t)
	publish := e.draft()
	e.beforeCall("UpdateSecretVersionStage", promotion, func() wire.Fault {
		publish()
		return wire.Fault{}
	})
	if err := e.rotate(""); err == nil {
		t.Error("no error")
	}
	e.isEdited()
}

func TestNothingIsPromotedThatItsTargetRefuses(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"database", "webhook"} {
		t.Run(kind, func(t *testing.T) {
			e := newEngine(t)
			k := map[string]*target{"database": &e.database.target, "webhook": &e.webhook}[kind]
			e.beforeStep(rotation.FinishSecret, func() error {
				k.accept(kind + "-0") // the server was restored after the test, say
				return nil
			})
			e.fails(e.rotate(""), "the pending "+kind+" credential is not promoted, since its target does not accept it (denied)")
			e.currentHolds("database-0", "admin-0")
			if e.services.times != 0 {
				t.Error("redeployed for nothing")
			}
		})
	}
}

func TestNothingIsPromotedWhileATargetDoesNotAnswer(t *testing.T) {
	e := newEngine(t)
	e.beforeStep(rotation.FinishSecret, func() error {
		e.api.fault = func(func() error) error { return errors.New("no answer") }
		return nil
	})
	e.fails(e.rotate(""), "does not accept it (unreachable)")
	e.currentHolds("database-0", "admin-0")
}

func TestTheOldVersionIsNotedBeforeItIsPromotedOver(t *testing.T) {
	e := newEngine(t)
	// createSecret notes it too, and somebody may have taken that off.
	e.beforeStep(rotation.FinishSecret, func() error {
		current := e.version("AWSCURRENT")
		for _, label := range current.Labels {
			if strings.HasPrefix(label, "rotation;") {
				e.takeLabelOff(label, current.ID)
			}
		}
		return nil
	})
	e.beforeCall("UpdateSecretVersionStage", promotion, func() wire.Fault {
		labels := e.version("AWSCURRENT").Labels
		if !slices.ContainsFunc(labels, func(label string) bool {
			return strings.HasPrefix(label, "rotation;") && strings.Contains(label, "api=proven.1") && strings.Contains(label, ";database=proven.1")
		}) {
			t.Errorf("the version that is about to be promoted over has the labels %s alone", labels)
		}
		return wire.Fault{}
	})
	e.mustRotate()
}

func TestAPromotionWhoseReplyIsLostIsAPromotion(t *testing.T) {
	e := newEngine(t)
	e.beforeCall("UpdateSecretVersionStage", promotion, func() wire.Fault { return wire.Fault{LoseReply: true} })
	e.mustRotate()
	e.currentHolds("database-1", "admin-1")
	if e.services.times != 1 {
		t.Errorf("%d redeploys", e.services.times)
	}
}

func TestFinishSecretThatRunsAgainDoesWhatFollowsThePromotion(t *testing.T) {
	e := newEngine(t)
	promoted := e.stayPending()
	e.currentHolds("database-1", "admin-1")
	for range 2 {
		if err := e.invoke(rotation.FinishSecret, promoted); err != nil {
			t.Fatal(err)
		}
	}
	if e.services.times != 1 {
		t.Errorf("%d redeploys in two more tries, want one: tasks with the old values would never be replaced, or over and over", e.services.times)
	}
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
}

func TestAStepThatComesLateChangesNothing(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile()
	late := e.version("AWSCURRENT").ID
	if err := e.rotate("only.database.admin." + uuid); err != nil {
		t.Fatal(err)
	}
	e.reconcile()
	before := e.state()
	for _, step := range []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret} {
		e.fails(e.invoke(step, late), "is not AWSPENDING")
		e.fails(e.invoke(step, strings.Repeat("0", 32)), "the secret has no version")
	}
	e.expect("database-2", "api-0 api-1", "admin-2")
	if after := e.state(); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
}

// state is what versions there are, with their labels.
func (e *engine) state() string {
	e.t.Helper()
	state, err := e.aws.SecretsManager.State(e.arn)
	if err != nil {
		e.t.Fatal(err)
	}
	var lines []string
	for _, v := range state.Versions {
		labels := slices.Sorted(slices.Values(v.Labels))
		lines = append(lines, fmt.Sprintf("%s %s %q", v.ID, v.Value, labels))
	}
	return strings.Join(lines, "\n")
}

func TestAStepOfAVersionThatIsCurrentAlreadyChangesNothing(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	before := e.state()
	set, tested := e.admin.count("set", "put back"), e.database.count("set", "test")
	for _, step := range []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret} {
		if err := e.invoke(step, e.version("AWSCURRENT").ID); err != nil {
			t.Error(err)
		}
	}
	if after := e.state(); after != before || set.Load()+tested.Load() > 0 || e.services.times != 1 {
		t.Errorf("%d and %d calls of targets, %d redeploys\nbefore %s\nafter  %s", set.Load(), tested.Load(), e.services.times, before, after)
	}
}

func TestNothingIsSetWhileTheApplicationIsUnhealthy(t *testing.T) {
	e := newEngine(t)
	h := &health{}
	h.sick.Store(true)
	e.watchHealth(h)
	e.fails(e.rotate(""), "the health check failed (unhealthy: it answers 500)")
	e.expect("database-0", "api-0", "admin-0")
	if len(e.journal()) > 0 {
		t.Errorf("noted as set: %s", e.journal())
	}
	h.sick.Store(false)
	if err := e.resume(e.version("AWSPENDING").ID); err != nil {
		t.Error(err)
	}
}

func TestNothingIsSetThatTheServicesCouldNotFollow(t *testing.T) {
	e := newEngine(t)
	e.services.unread = true
	e.fails(e.rotate(""), "nothing is changed: the services: no task reads the secret")
	e.expect("database-0", "api-0", "admin-0")
	if journal := e.journal(); len(journal) > 0 {
		t.Errorf("the journal says %s, though nothing was set", journal)
	}

	// Once it is mended, the same rotation goes on.
	e.services.unread = false
	if err := e.resume(e.version("AWSPENDING").ID); err != nil {
		t.Fatal(err)
	}
	e.currentHolds("database-1", "admin-1")
}

func TestAnEmergencyTellsOfServicesThatCannotFollowAndDoesNotWaitForThem(t *testing.T) {
	e := newEngine(t)
	e.services.unread = true
	if err := e.rotate("emergency." + uuid); err != nil {
		t.Fatal(err)
	}
	e.expect("database-1", "api-1", "admin-1")
	e.logSays(`problem="no task reads the secret"`)
}

func TestTheLogHoldsNoSecretValue(t *testing.T) {
	e := newEngine(t)
	e.webhook.broken = true
	if err := e.rotate(""); err == nil {
		t.Fatal("no error")
	}
	e.webhook.broken = false
	if err := e.resume(e.version("AWSPENDING").ID); err != nil {
		t.Fatal(err)
	}
	e.reconcile()
	e.mustRotate()
	e.services.failing = true
	e.reconcile()
	var values leak.Values
	for n := range 3 {
		for _, kind := range []string{"database", "webhook"} { // the others are too short to look for
			value := fmt.Sprintf("%s-%d", kind, n)
			values.Add(value, value)
		}
	}
	if values.Len() != 6 {
		t.Fatal("nothing is looked for")
	}
	if found := values.In(e.log.String()); len(found) > 0 {
		t.Errorf("the log holds %s", found)
	}
	if !strings.Contains(e.log.String(), "rolled back") || !strings.Contains(e.log.String(), "audit=retired") {
		t.Error("the log does not tell the story that was to be looked at")
	}
}

func TestNoStepBeginsAChangeThatItsInvocationMayNotLiveToEnd(t *testing.T) {
	smtp := newIssuer()
	e := newEngine(t, smtp)
	near := func(step rotation.Step) func() error {
		return func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			err := e.Rotate(ctx, rotation.Event{Step: step, SecretID: e.arn, Token: e.version("AWSPENDING").ID}, e.logger(), &scrub.Secrets{})
			e.fails(err, "nothing was changed; raise the function's timeout")
			return nil
		}
	}
	e.beforeStep(rotation.CreateSecret, func() error {
		err := near(rotation.CreateSecret)()
		if e.version("AWSPENDING").HasValue || smtp.accepts() != "smtp-0" {
			t.Errorf("stored: %v; accepted of a target that makes its values: %s", e.version("AWSPENDING").HasValue, smtp.accepts())
		}
		return err
	})
	e.mustRotate()
	e.aws.Clock().Advance(8 * day)
	e.reconcile()

	e.beforeStep(rotation.SetSecret, func() error {
		err := near(rotation.SetSecret)()
		e.expect("database-1", "api-1", "admin-1")
		return err
	})
	e.mustRotate()
	e.aws.Clock().Advance(8 * day)
	e.reconcile()

	e.beforeStep(rotation.FinishSecret, func() error {
		err := near(rotation.FinishSecret)()
		e.currentHolds("database-2", "admin-2")
		return err
	})
	e.mustRotate()
	e.currentHolds("database-3", "admin-3")
}

func TestOneWrongAnswerIsNoIllness(t *testing.T) {
	e := newEngine(t)
	h := &health{}
	h.flaps.Store(1)
	e.watchHealth(h)
	e.mustRotate()
	if h.asked.Load() < 2 {
		t.Errorf("the application was asked %d times", h.asked.Load())
	}
}

func TestWhatAStepReadsIsScrubbedFromThenOn(t *testing.T) {
	e := newEngine(t)
	e.beforeStep(rotation.CreateSecret, func() error { return errors.New("far enough") })
	e.fails(e.rotate(""), "far enough")
	const proof = "a-rotation-token-of-36-characters-00"
	for _, step := range []rotation.Step{rotation.CreateSecret, rotation.SetSecret} {
		var secrets scrub.Secrets
		event := rotation.Event{Step: step, SecretID: e.arn, Token: e.version("AWSPENDING").ID, RotationToken: proof}
		if err := e.Rotate(t.Context(), event, e.logger(), &secrets); err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"database-0", "database-1", "webhook-1", proof} {
			if text := secrets.Text("a driver says " + value); strings.Contains(text, value) {
				t.Errorf("after %s: %q", step, text)
			}
		}
	}
}

func TestAnEventThatSecretsManagerWouldNotSendIsRefused(t *testing.T) {
	e := newEngine(t)
	for want, event := range map[string]rotation.Event{
		"unknown step":              {Step: "rotateSecret", SecretID: e.arn, Token: uuid},
		"names no SecretId":         {Step: rotation.SetSecret, Token: uuid},
		"has 31 characters":         {Step: rotation.SetSecret, SecretID: e.arn, Token: strings.Repeat("a", 31)},
		"has 65 characters":         {Step: rotation.SetSecret, SecretID: e.arn, Token: strings.Repeat("a", 65)},
		"has 0 characters: it is a": {Step: rotation.CreateSecret, SecretID: e.arn},
	} {
		e.fails(e.Rotate(t.Context(), event, e.logger(), &scrub.Secrets{}), want)
	}
}
