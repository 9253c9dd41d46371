package rotation_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/rotation"
)

// What createSecret makes, and of which kinds.

func TestARetryKeepsTheValueThatWasMade(t *testing.T) {
	e := newEngine(t)
	e.beforeStep(rotation.SetSecret, func() error { return errors.New("cut off") })
	e.fails(e.rotate(""), "cut off")
	made := e.version("AWSPENDING").Value
	if err := e.resume(e.version("AWSPENDING").ID); err != nil {
		t.Fatal(err)
	}
	if e.database.made != 1 || e.version("AWSCURRENT").Value != made {
		t.Errorf("%d values were made for one rotation", e.database.made)
	}
}

func TestOfTwoDeliveriesOfCreateSecretTheFirstToStoreItsValueWins(t *testing.T) {
	smtp := newIssuer()
	e := newEngine(t, smtp)
	stop := errors.New("far enough")
	e.beforeStep(rotation.SetSecret, func() error { return stop })
	e.beforeCall("PutSecretValue", "", func() wire.Fault {
		smtp.accept("smtp-0") // the other one finds a place free, too
		if err := e.invoke(rotation.CreateSecret, e.version("AWSPENDING").ID); err != nil {
			t.Error(err)
		}
		smtp.accept("smtp-0", "smtp-1", "smtp-2")
		return wire.Fault{}
	})
	e.fails(e.rotate(""), stop.Error())
	if stored := e.version("AWSPENDING").Value; !strings.Contains(stored, "smtp-2") || smtp.accepts() != "smtp-0 smtp-2" {
		t.Errorf("stored is %s, accepted are %s: what was made twice is to be taken away", stored, smtp.accepts())
	}
}

func TestTheRotationTokenIsSentWithTheNewValue(t *testing.T) {
	e := newEngine(t)
	e.aws.SecretsManager.SetVariants(localsecretsmanager.Variants{RotationTokenSent: true})
	e.mustRotate()
	if e.version("AWSCURRENT").RotationToken == "" {
		t.Error("the new value was stored without the event's RotationToken: Secrets Manager refuses that across accounts")
	}
}

func TestASecretThatAServiceOwnsIsNotRotated(t *testing.T) {
	e := newEngine(t)
	if err := e.aws.SecretsManager.SetOwningService(e.arn, "rds"); err != nil {
		t.Fatal(err)
	}
	e.fails(e.rotate(""), "the secret is owned by the service rds")
	if e.version("AWSPENDING").HasValue {
		t.Error("a value was stored")
	}
}

func TestTheScheduleRotatesWhatIsDueAndNothingElse(t *testing.T) {
	e := newEngine(t)
	e.reconfigure(func(c *rotation.Config) { c.Every = map[string]time.Duration{"admin": 10 * day, "webhook": 30 * day} })
	e.mustRotate()
	e.reconcile()
	e.due() // in about ten days
	e.mustRotate()
	e.currentHolds("database-1", "admin-2")
	if e.current(&e.webhook) != "webhook-1" || e.current(&e.api.target) != "api-1" {
		t.Errorf("rotated before they were due: AWSCURRENT stores %s and %s", e.current(&e.webhook), e.current(&e.api.target))
	}
}

func TestAKindIsToldWhenItWasRotatedLastAndWhetherItsValueHasLeaked(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	if !e.admin.asked.Last.IsZero() || e.admin.asked.Emergency {
		t.Errorf("before the first rotation it was told %s, emergency: %v", e.admin.asked.Last, e.admin.asked.Emergency)
	}
	e.aws.Clock().Advance(3 * day)
	if err := e.rotate("emergency.only.admin." + uuid); err != nil {
		t.Fatal(err)
	}
	ago := e.admin.asked.Now.Sub(e.admin.asked.Last)
	if ago < 3*day-time.Minute || ago > 3*day+time.Hour || !e.admin.asked.Emergency {
		t.Errorf("it was told that it was rotated %s ago, emergency: %v", ago, e.admin.asked.Emergency)
	}
}

func TestAKindThatMakesNoNewValueYetDoesNotCountAsRotated(t *testing.T) {
	e := newEngine(t)
	e.webhook.early = true
	if err := e.rotate("all." + uuid); err != nil {
		t.Fatal(err)
	}
	if value := e.version("AWSCURRENT").Value; strings.Contains(value, `"webhook": "20`) || !strings.Contains(value, `"admin": "20`) {
		t.Errorf("AWSCURRENT is %s", value)
	}
	e.logSays(`msg="not rotated: it was just rotated: not before 20`)
	e.logSaysNot("left out")
}

func TestASecretOfOneCredentialSaysWhenItWasRotatedToo(t *testing.T) {
	e := newEngine(t)
	e.store(`{"site": "mautic", "admin": "admin-0"}`)
	e.mustRotate()
	want := regexp.MustCompile(`^{"site": "mautic", "admin": "admin-1", "rotated_at": {"admin": "20[0-9-]+T[0-9:]+Z"}}$`)
	if value := e.version("AWSCURRENT").Value; !want.MatchString(value) {
		t.Errorf("AWSCURRENT is %s", value)
	}
	e.mustRotate()
	if ago := e.admin.asked.Now.Sub(e.admin.asked.Last); e.admin.asked.Last.IsZero() || ago < 0 || ago > time.Minute {
		t.Errorf("the kind was told that it was rotated last at %s", e.admin.asked.Last)
	}
}

func TestARotationIsRolledBackToADocumentThatSaysWhenItsOwnValuesWereMade(t *testing.T) {
	e := newEngine(t)
	e.store(`{"site": "mautic", "database": "database-0"}`)
	before := e.version("AWSCURRENT").Value
	e.rollBack()
	if value := e.version("AWSCURRENT").Value; value != before {
		t.Errorf("AWSCURRENT is %s, want %s", value, before)
	}
}

func TestAnEditOfASecretOfOneCredentialDuringItsRotationIsKept(t *testing.T) {
	e := newEngine(t)
	e.store(`{"site": "mautic", "database": "database-0"}`)
	publish := e.draft()
	e.beforeStep(rotation.SetSecret, func() error {
		publish()
		return nil
	})
	e.fails(e.rotate(""), "the secret was edited after this rotation began")
	e.isEdited()
	if e.version("AWSPENDING").ID != "" {
		t.Error("the rotation was not given up")
	}
}

func TestAFieldOfSomebodyElsesWithTheNameOfTheBlockIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, field := range map[string]string{"text": `"2025-01-01"`, "a list": `["x"]`, "null": `null`} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			e.store(`{"rotated_at": ` + field + `, "admin": "admin-0", "webhook": "webhook-0"}`)
			e.mustRotate()
			if value, want := e.version("AWSCURRENT").Value, `{"rotated_at": `+field+`, "admin": "admin-1", "webhook": "webhook-1"}`; value != want {
				t.Errorf("AWSCURRENT is %s, want %s", value, want)
			}
			e.mustRotate()
			if ago := e.webhook.asked.Now.Sub(e.webhook.asked.Last); ago < -time.Second || ago > time.Minute {
				t.Errorf("a kind that has to wait was told that it was rotated %s ago", ago)
			}
		})
	}
}

func TestALabelWithWordsIsForARotationThatHasNone(t *testing.T) {
	e := newEngine(t)
	label := "rotate;only.webhook"
	_, err := e.secrets.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
		SecretId: &e.arn, VersionStage: &label, MoveToVersionId: aws.String(e.version("AWSCURRENT").ID),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.rotate("only.admin." + uuid); err != nil {
		t.Fatal(err)
	}
	if e.version(label).ID == "" || e.current(&e.webhook) != "webhook-0" {
		t.Errorf("the label is on version %q, AWSCURRENT stores %s", e.version(label).ID, e.current(&e.webhook))
	}
}
