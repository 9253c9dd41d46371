package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// What becomes of a rotation of which a part cannot be done now.

// leftOut checks how many kinds each rotation went on without.
func (d *deployment) leftOut(want ...float64) {
	d.t.Helper()
	if got := d.measured("KindsLeftOut")["mautic-prod-secrets"]; !slices.Equal(got, want) {
		d.t.Errorf("left out were %v kinds, want %v", got, want)
	}
}

// givenUp checks that a rotation was given up before it changed anything.
func (d *deployment) givenUp(err error, before string, reasons ...string) {
	d.t.Helper()
	wantError(d.t, err, append(reasons, "createSecret: ", "This rotation is given up")...)
	if d.raw("AWSCURRENT") != before || d.labelled("AWSPENDING").ID != "" || d.journal() != "" {
		d.t.Errorf("something was changed, or AWSPENDING is left on version %q; the journal says %s", d.labelled("AWSPENDING").ID, d.journal())
	}
}

func TestAWebhookMadeInMauticsPagesKeepsNoOtherCredentialFromBeingRotated(t *testing.T) {
	m := deployMauticWithoutTasks(t)
	m.longAgo()
	before := m.values()
	m.sql("INSERT INTO {webhooks (is_published, name, webhook_url, secret) SELECT 1, 'made by hand', webhook_url, REPEAT('ab', 32) FROM {webhooks LIMIT 1")
	m.mustRotate()
	after := m.values()
	if after.hook != before.hook || after.password == before.password || after.admin == before.admin || after.key == before.key {
		t.Error("the others were not rotated, or the webhook was")
	}
	m.wantTaken(after, "database admin api", "of the new values")
	m.leftOut(1)
	m.logSays(`"notice":"left-out"`, "webhook left out of this rotation", "made by hand", "MAUTIC_WEBHOOKS")

	// The remedy.
	m.reconfigure(map[string]string{"MAUTIC_WEBHOOKS": m.text("SELECT name FROM {webhooks ORDER BY id LIMIT 1")})
	m.AWS.Clock().Advance(25 * time.Hour) // without services, for whoever restarts what uses them
	m.mustReconcile()
	m.mustRotateOnly("webhook")
	if m.values().hook == before.hook {
		t.Error("the webhook is not rotated after the remedy either")
	}
}

func TestAnUnpublishedAdministratorKeepsNoOtherCredentialFromBeingRotated(t *testing.T) {
	m := deployMauticWithoutTasks(t)
	m.longAgo()
	before, old := m.values(), m.raw("AWSCURRENT")
	m.sql("UPDATE {users SET is_published = 0 WHERE username = '" + m.seed.AdminUser + "'")
	m.givenUp(m.rotateAs("only.admin.api"), old, "admin: ")
	m.mustRotate()
	if after := m.values(); after.admin != before.admin || after.password == before.password || after.key == before.key || after.hook == before.hook {
		t.Error("the others were not rotated, or the administrator was")
	}
	m.leftOut(1)
}

func TestAnEmergencyWhileMauticIsStoppedRotatesWhatItCan(t *testing.T) {
	m := deployMauticWithoutTasks(t)
	before := m.values()
	m.reconfigure(map[string]string{"MAUTIC_URL": "http://127.0.0.1:1"})
	if err := m.rotateAs("emergency"); err != nil {
		t.Fatal(err)
	}
	m.accepts(true, m.password("AWSCURRENT"))
	m.accepts(false, before.password)
	if after := m.values(); after.admin != before.admin || after.key != before.key || after.hook == before.hook {
		t.Error("what needs Mautic was rotated, or the webhook's secret was not")
	}
	m.leftOut(2)
	m.logSays("admin and api left out of this rotation, since it cannot be rotated now, and what may have leaked of it is still accepted", "check MAUTIC_URL")

	// What is left is rotated when Mautic is there again.
	m.reconfigure(map[string]string{"MAUTIC_URL": m.site.URL()})
	if err := m.rotateAs("only.admin.api.emergency"); err != nil {
		t.Fatal(err)
	}
	if m.letsIn(before.admin) || m.servesClient(before.client, before.key) {
		t.Error("an old value is accepted")
	}
}

func TestAnEmergencyThatCanRotateNothingIsGivenUp(t *testing.T) {
	m := deployMauticWithoutTasks(t)
	old := m.raw("AWSCURRENT")
	m.reconfigure(map[string]string{"MAUTIC_URL": "http://127.0.0.1:1"})
	m.givenUp(m.rotateAs("only.api.emergency"), old, "api: ", "check MAUTIC_URL")
}

func TestAScheduledRotationOfWhatCannotBeRotatedSucceedsAndChangesNothing(t *testing.T) {
	m := deployMauticWithoutTasks(t)
	m.reconfigure(map[string]string{"ROTATE_KINDS": "admin"})
	m.rotateWeekly()
	m.sql("UPDATE {users SET is_published = 0 WHERE username = '" + m.seed.AdminUser + "'")
	before := m.raw("AWSCURRENT")
	m.nextScheduledRotation() // succeeds
	if m.raw("AWSCURRENT") != before || m.labelled("AWSPENDING").ID != "" || m.journal() != "" {
		t.Error("something was changed, or is left pending")
	}
	m.leftOut(1)
	m.logSays("admin left out of this rotation", "is not published")
}

func TestAWebhookSecretAloneInItsSecretIsPublishedForADayBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	for name, deployed := range map[string]func(*mauticDeployment) *mauticDeployment{
		"a function for webhooks": func(m *mauticDeployment) *mauticDeployment {
			m.reconfigure(map[string]string{"ROTATE_KINDS": "webhook"})
			return m
		},
		"a secret of its own": func(m *mauticDeployment) *mauticDeployment { return setApart(t, m).webhook },
	} {
		t.Run(name, func(t *testing.T) {
			m := deployed(deployMauticWithoutTasks(t))
			m.mustRotate()
			published := m.field("/webhooks/next_secret")
			before := m.raw("AWSCURRENT")
			until := regexp.MustCompile(`not before 20[0-9-]+T[0-9:]+Z`)
			for _, words := range []string{"only.webhook", "all", "only.webhook"} {
				err := m.rotateAs(words)
				m.givenUp(err, before, "webhook: receivers of webhooks have 24h0m0s to read the next secret")
				if err != nil && !until.MatchString(err.Error()) {
					t.Errorf("it does not say from when on: %v", err)
				}
			}
			m.AWS.Clock().Advance(24 * time.Hour)
			m.mustRotate()
			if m.field("/webhooks/secret") != published || m.hookSecrets() != published {
				t.Error("what was published a day ago is not in use")
			}
		})
	}
}

func TestWhatIsTooEarlyForAWebhookIsSaidInTheLogOfARotationOfAll(t *testing.T) {
	m := deployMauticWithoutTasks(t)
	m.mustRotateOnly("webhook")
	hook := m.field("/webhooks/secret")
	if err := m.rotateAs("all"); err != nil {
		t.Fatal(err)
	}
	if m.field("/webhooks/secret") != hook || m.password("AWSCURRENT") == m.Password {
		t.Error("the webhook's secret was changed, or the database's password was not")
	}
	m.logSays("not rotated: receivers of webhooks have 24h0m0s", "not before 20")
	m.leftOut()
}

func TestARemedyLeadsOutOfARotationThatWasCancelled(t *testing.T) {
	d := deployApplication(t, &rig.Application{}, neverRetried)
	d.AWS.Intercept(denied("stuck", inStep("testSecret")))
	_, err := d.Rotate(t.Context())
	wantError(t, err, "stuck")
	d.AWS.Intercept(nil)
	if _, err := d.Secrets.CancelRotateSecret(t.Context(), &sm.CancelRotateSecretInput{SecretId: &d.SecretARN}); err != nil {
		t.Fatal(err)
	}
	wantError(t, d.tryAgain(), "mautic-rotation abandon", "`aws secretsmanager rotate-secret`")
	d.act(actionAbandon)
	d.mustRotate()
	d.mustSettle()
	d.accepts(true, d.password("AWSCURRENT"))
	d.accepts(false, d.Password)
	d.noLoginFailed()
}

func TestALabelThatAsksForAnEmergencyStandsInTheWayOfOneRotationAtMost(t *testing.T) {
	d := deploy(t, neverRetried)
	d.mustPreflight()
	label := func() {
		d.moveLabel("rotate;emergency", d.labelled("AWSCURRENT").ID, "")
	}
	label()
	_, err := d.Rotate(t.Context())
	d.givenUp(err, d.raw("AWSCURRENT"), "an emergency can only be asked for in the token")
	label()
	d.act(actionAbandon)
	if d.labelled("rotate;emergency").ID != "" {
		t.Error("abandon leaves the label")
	}
	if err := d.rotateAs("emergency"); err != nil {
		t.Fatal(err)
	}
	d.accepts(false, d.Password)
}

func TestServicesAreLookedAtBeforeTheFirstChange(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(*deployment)
		mend  func(*deployment)
		want  string
	}{
		"one of two was renamed": {
			func(d *deployment) {
				d.reconfigure(map[string]string{"ECS_SERVICES": "mautic-prod-web,mautic-prod-jobs"})
			},
			func(d *deployment) {
				d.reconfigure(map[string]string{"ECS_SERVICES": "mautic-prod-web,mautic-prod-worker"})
			},
			"correct ECS_CLUSTER and ECS_SERVICES",
		},
		"the only one is missing": {
			func(d *deployment) { d.reconfigure(map[string]string{"ECS_SERVICES": "mautic-prod-jobs"}) },
			func(d *deployment) {
				d.reconfigure(map[string]string{"ECS_SERVICES": "mautic-prod-web,mautic-prod-worker"})
			},
			"correct ECS_CLUSTER and ECS_SERVICES",
		},
		"a task definition was deregistered": {
			func(d *deployment) {
				client := ecs.NewFromConfig(d.AWS.Config())
				if _, err := client.DeregisterTaskDefinition(d.t.Context(), &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("mautic-prod-worker:1")}); err != nil {
					d.t.Fatal(err)
				}
			},
			nil,
			"mautic-prod-worker:1 is INACTIVE, so ECS starts no new task",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployApplication(t, &rig.Application{}, neverRetried)
			tc.spoil(d)
			_, err := d.Rotate(t.Context())
			wantError(t, err, "createSecret: the services could not be redeployed after the promotion, so nothing is changed", tc.want)
			if d.password("AWSCURRENT") != d.Password || d.journal() != "" {
				t.Errorf("something was set; the journal says %s", d.journal())
			}
			if d.raw("AWSPENDING") != "" {
				t.Error("a new value was made")
			}
			if tc.mend != nil {
				tc.mend(d)
				if err := d.tryAgain(); err != nil {
					t.Fatal(err)
				}
				d.mustSettle()
				d.accepts(false, d.Password)
			}
			d.noLoginFailed()
		})
	}
}

func TestNoAccessKeyIsMadeThatTheSecretHasNoRoomFor(t *testing.T) {
	s := deploySES(t, &rig.Application{}, neverRetried)
	full := s.raw("AWSCURRENT")
	full += strings.Repeat(" ", document.MaxBytes-20-len(full))
	s.put(full)
	for range 2 {
		_, err := s.Rotate(t.Context())
		s.givenUp(err, full, "Secrets Manager stores at most 65536")
		s.wantKeys(s.SMTPKey.ID)
	}
	s.put(full[:len(full)-1000])
	s.mustRotate()
	s.mustSettle()
	s.wantKeys(s.current())
}
