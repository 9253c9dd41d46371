package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/rig"
)

// A notice says what is, of each kind.

// noNoticeSays checks that no notice has one of the texts.
func (d *deployment) noNoticeSays(texts ...string) {
	d.t.Helper()
	notices := d.notices()
	if len(notices) == 0 {
		d.t.Error("there is no notice")
	}
	for _, notice := range notices {
		for _, text := range texts {
			if strings.Contains(notice, text) {
				d.t.Errorf("a notice says %s: %s", text, notice)
			}
		}
	}
}

func TestTheNoticeOfARollbackNamesEveryKindThatWentBack(t *testing.T) {
	m := deployMautic(t, brokenApplication())
	m.longAgo()
	before := m.values()
	m.mustRotate()
	m.awaitFailedRollouts()
	m.mustEnd()
	if m.values() != before {
		t.Fatal("not rolled back")
	}
	notice := m.noticed("rolled-back")
	for kind := range fieldsOf {
		if !strings.Contains(notice, kind) {
			t.Errorf("the notice does not name %s: %s", kind, notice)
		}
	}
	m.noNoticeSays("no longer accepted by", "retired: ")
}

func TestNoNoticeSaysThatASinglePasswordThatIsRefusedIsAccepted(t *testing.T) {
	d := deploy(t, func(o *rig.Options) { setEnv(o, "DATABASE_WAY", "single") })
	d.mustRotate()
	d.accepts(false, d.Password)
	d.accepts(true, d.password("AWSCURRENT"))
	if !strings.Contains(d.noticed("promoted"), "database") {
		t.Error("the notice of the promotion does not name the database")
	}
	d.noNoticeSays("still accepted", "is accepted until", "both are accepted")
}

func TestNoNoticeSaysThatAWebhookSecretInUseIsRefused(t *testing.T) {
	m := deployMautic(t, &rig.Application{})
	m.mustPreflight()
	m.mustRotateOnly("webhook") // the first: publishes the next secret, and goes on with the one in use
	if m.hookSecrets() != m.seed.HookSecret || m.field("/webhooks/next_secret") == "" {
		t.Fatal("no next secret was published")
	}
	m.mustEnd()
	m.noNoticeSays("not accepted any more", "is refused", "no longer accepted", "retired: ")
}

// Secrets Manager, which invokes finishSecret, hands its answer to nobody.
func TestTheAnswerToTheEventOfAPromotionHasItsNoticeAndTheLogHasItOnce(t *testing.T) {
	app := &rig.Application{}
	d := deployApplication(t, app)
	app.Slow.Store(true) // the rollout stays open until the event comes
	at := d.AWS.Clock().Now()
	promoted := d.mustRotate()
	answer := d.answer(fmt.Appendf(nil, `{
		"source": "aws.secretsmanager", "detail-type": "Secret Label Updated", "time": %q, "resources": [%q],
		"detail": {"name": "mautic-prod-secrets", "labelUpdated": "AWSCURRENT", "versionId": %q}}`, at.UTC().Format(time.RFC3339), d.SecretARN, promoted))
	if !slices.Equal(answer.Told, []string{"promoted"}) || !strings.Contains(answer.Notice, "mautic-prod-secrets: database rotated: version "+promoted+" is AWSCURRENT.") || answer.Next == "" {
		t.Errorf("it tells %q: %q; next: %q", answer.Told, answer.Notice, answer.Next)
	}
	if notices := strings.Count(d.log.String(), `"notice":"promoted"`); notices != 1 {
		t.Errorf("the log has %d notices of it", notices)
	}
	app.Slow.Store(false)
	d.mustSettle()
}
