package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

// AWSCURRENT gets an earlier value again, in each way in which that can happen while
// the old value is accepted. Tasks are replaced, and then the other value is taken away.

func TestADocumentFromBeforeTheRotationThatIsStoredAgainIsRolledOutAndKeepsItsPassword(t *testing.T) {
	d := deployApplication(t, &rig.Application{StartTime: 100 * time.Millisecond})
	before := d.raw("AWSCURRENT")
	promoted := d.mustRollOut()

	d.put(before) // as Terraform does, and scripts
	d.mustReconcile()
	d.accepts(true, d.Password)
	d.everyAcceptedPasswordIsLabelled()
	d.mustEndWith(d.Password)
	d.accepts(false, promoted)
	d.wantDeployments(2)
	if d.raw("AWSCURRENT") != before {
		t.Error("the document that was stored by hand has changed")
	}
	d.mustRotateOnceMore()
	d.noLoginFailed()
}

func TestWithADocumentFromBeforeTheKeyThatTasksSendMailWithIsKeptForAsLong(t *testing.T) {
	app := &rig.Application{MailInterval: 100 * time.Millisecond, StartTime: 100 * time.Millisecond}
	s := deploySES(t, app)
	before := s.raw("AWSCURRENT")
	s.mustRollOut()
	promoted := s.current()

	s.put(before)
	s.mustReconcile()
	s.editByHand()
	s.AWS.Clock().Advance(time.Hour)
	s.mustReconcile()
	s.everyAcceptedPasswordIsLabelled()
	s.mustEndWith(s.Password)
	s.wantKeys(s.SMTPKey.ID)
	if _, accepted := s.AWS.IAM.KeyAccepts(promoted); accepted {
		t.Error("the other key is accepted still")
	}
	s.mustRotateOnceMore()
	s.noLoginFailed()
	if err := noMailFailed(t.Context(), app); err != nil {
		t.Error(err)
	}
}

func TestAMoveBackToTheVersionFromBeforeAnEditIsRolledOut(t *testing.T) {
	d := deployApplication(t, &rig.Application{StartTime: 100 * time.Millisecond})
	old := d.labelled("AWSCURRENT").ID
	promoted := d.mustRollOut()
	d.editByHand()

	d.moveLabel("AWSCURRENT", old, d.labelled("AWSCURRENT").ID)
	d.mustReconcile()
	d.accepts(true, d.Password)
	d.everyAcceptedPasswordIsLabelled()
	d.mustEndWith(d.Password)
	d.accepts(false, promoted)
	d.wantDeployments(2)
	d.mustRotateOnceMore()
	d.noLoginFailed()
}

func TestAMoveBackAfterAReleaseIsRolledOut(t *testing.T) {
	app := &rig.Application{Literal: true}
	d := deployApplication(t, app, timed(patient))
	old := d.labelled("AWSCURRENT").ID
	d.mustRotate()
	d.mustBeSteady()
	for range ticksToEnd {
		_ = d.tick()
		if d.databaseIsHeld() {
			break
		}
	}
	if !d.databaseIsHeld() {
		t.Fatal("the old password is in use, and not held")
	}
	app.Literal = false // somebody corrects the configuration, deploys it, and says so
	d.pipelineDeploys()
	d.mustBeSteady()
	promoted := d.password("AWSCURRENT")
	d.tasksHave(promoted)
	d.reconfigure(map[string]string{timingVariable: quick.String()})

	// As soon as the release is noted, and before it takes the old password away.
	current, moved := d.labelled("AWSCURRENT").ID, make(chan error, 1)
	d.AWS.Intercept(once(wire.Fault{After: func() {
		_, err := d.Secrets.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
			SecretId: &d.SecretARN, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &old, RemoveFromVersionId: &current,
		})
		moved <- err
	}}, func(c wire.Call) bool { return c.Operation == "UpdateSecretVersionStage" }))
	t.Logf("the release: %v", d.Invoke(fmt.Appendf(nil, `{"Action":"release","SecretId":%q}`, d.SecretARN)))
	d.AWS.Intercept(nil)
	select {
	case err := <-moved:
		if err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatal("the release was noted nowhere")
	}
	d.accepts(true, d.Password)
	d.mustEndWith(d.Password)
	d.accepts(false, promoted)
	d.noLoginFailed()
}

func TestAMoveBackBeforeTheRedeployWasNotedIsRolledOut(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault   wire.Fault
		pending localsecretsmanager.PendingAfterSuccess
	}{
		"no service was deployed":           {wire.Fault{KillBefore: true}, localsecretsmanager.PendingRemovedOnPromotion},
		"one service was deployed":          {wire.Fault{KillAfter: true}, localsecretsmanager.PendingRemovedOnPromotion},
		"AWSPENDING is left on the version": {wire.Fault{KillAfter: true}, localsecretsmanager.PendingRemovedOnCompletion},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployApplication(t, &rig.Application{}, neverRetried)
			d.AWS.SecretsManager.SetVariants(localsecretsmanager.Variants{PendingAfterSuccess: tc.pending})
			old := d.labelled("AWSCURRENT").ID
			d.AWS.Intercept(once(tc.fault, func(c wire.Call) bool { return c.Operation == "UpdateService" }))
			if _, err := d.Rotate(t.Context()); err == nil {
				t.Fatal("the rotation succeeded without a redeploy")
			}
			d.AWS.Intercept(nil)
			d.mustBeSteady()
			promoted := d.password("AWSCURRENT")

			d.moveLabel("AWSCURRENT", old, d.labelled("AWSCURRENT").ID)
			d.mustReconcile()
			d.everyAcceptedPasswordIsLabelled()
			d.AWS.Clock().Advance(25 * time.Hour) // a rotation that is pending for so long is given up
			d.mustEndWith(d.Password)
			d.accepts(false, promoted)
			d.mustRotateOnceMore()
			d.noLoginFailed()
		})
	}
}

func TestAMoveAwayAndBackBeforeAReconcileRanIsRolledOut(t *testing.T) {
	d := deployApplication(t, &rig.Application{StartTime: 100 * time.Millisecond})
	old := d.labelled("AWSCURRENT").ID
	d.mustRollOut()
	promoted := d.labelled("AWSCURRENT").ID

	d.moveLabel("AWSCURRENT", old, promoted)
	d.pipelineDeploys()
	d.mustBeSteady()
	d.tasksHave(d.Password)
	d.moveLabel("AWSCURRENT", promoted, old)
	if err := d.labelMoved(); err != nil {
		t.Errorf("the event of the label: %v", err)
	}
	d.accepts(true, d.Password) // every task has it
	d.mustEndWith(d.password("AWSCURRENT"))
	d.wantDeployments(3)
	d.mustRotateOnceMore()
	d.noLoginFailed()
}

func TestWhatIsOldAlreadyAndBecomesCurrentByAnEditOfItsPasswordIsRolledOut(t *testing.T) {
	d := deployApplication(t, &rig.Application{StartTime: 100 * time.Millisecond})
	promoted := d.mustRollOut()
	d.put(withPassword(d.editByHand(), d.Password)) // the old value in a document that never had it
	d.mustReconcile()
	d.everyAcceptedPasswordIsLabelled()
	d.mustEndWith(d.Password)
	d.accepts(false, promoted)
	if !strings.Contains(d.raw("AWSCURRENT"), "www.example.com") {
		t.Error("the edit was lost")
	}
	d.noLoginFailed()
}
