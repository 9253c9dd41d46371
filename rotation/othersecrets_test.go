package rotation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/rotation"
)

// besides gives the function a second secret, and returns the ARN of that.
func (e *engine) besides(value string) (arn string) {
	e.t.Helper()
	out, err := e.secrets.CreateSecret(e.t.Context(), &sm.CreateSecretInput{Name: aws.String("other"), SecretString: &value})
	if err != nil {
		e.t.Fatal(err)
	}
	e.config.Secrets = []string{e.arn, *out.ARN}
	e.Rotator = rotation.New(e.config)
	return *out.ARN
}

// of makes an engine's helpers work on another secret.
func (e *engine) of(arn string, do func()) {
	e.t.Helper()
	before := e.arn
	e.arn = arn
	do()
	e.arn = before
}

func (e *engine) mustRotateOnly(kinds string) {
	e.t.Helper()
	if err := e.rotate("only." + kinds + "." + uuid); err != nil {
		e.t.Fatal(err)
	}
}

func TestAValueThatAnotherSecretStoresStaysAccepted(t *testing.T) {
	e := newEngine(t)
	other := e.besides(`{"database": "database-0"}`)
	e.mustRotateOnly("database")
	e.reconcile()
	e.expect("database-0 database-1", "api-0", "admin-0")
	if !strings.Contains(e.log.String(), "the AWSCURRENT of "+other+" stores it") {
		t.Error("no alarm tells where the old value is stored")
	}

	e.of(other, func() { e.store(`{"database": "database-1"}`) }) // as the alarm says
	e.reconcile()
	e.expect("database-1", "api-0", "admin-0")
}

func TestAValueThatAnotherSecretStoresAndAnOperatorHasReleasedIsNeverTouched(t *testing.T) {
	e := newEngine(t)
	e.besides(`{"database": "database-0"}`)
	e.mustRotateOnly("database")
	e.reconcile()
	if err := e.release(); err != nil {
		t.Fatal(err)
	}
	e.expect("database-0 database-1", "api-0", "admin-0")
	if got := strings.Join(e.journal(), " "); got != "database=foreign" {
		t.Errorf("the journal says %s", got)
	}
}

func TestNothingIsTakenAwayWhileAnotherSecretCannotBeRead(t *testing.T) {
	e := newEngine(t)
	other := e.besides(`{"database": "database-0"}`)
	e.mustRotateOnly("database")
	if _, err := e.secrets.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: &other}); err != nil {
		t.Fatal(err)
	}
	e.reconcile()
	e.expect("database-0 database-1", "api-0", "admin-0")
	if !strings.Contains(e.log.String(), other+" cannot be read: restore it, or remove it from SECRET_ARNS") {
		t.Error("no alarm names the secret that cannot be read")
	}
	if _, err := e.secrets.RestoreSecret(t.Context(), &sm.RestoreSecretInput{SecretId: &other}); err != nil {
		t.Fatal(err)
	}
	e.of(other, func() { e.store(`{}`) })
	e.reconcile()
	e.expect("database-1", "api-0", "admin-0")
}

func TestOfTwoSecretsWithTheSameServicesTheLaterPromotionIsRolledBackFirst(t *testing.T) {
	e := newEngine(t)
	e.services.stale = true
	other := e.besides(`{"api": "api-0", "admin": "admin-0"}`)
	e.api.restart = true
	e.mustRotateOnly("database")
	e.aws.Clock().Advance(time.Minute)
	e.of(other, func() { e.mustRotateOnly("api") })
	e.services.stale, e.services.failing = false, true // the second one breaks the application

	e.reconcile()
	if got := e.current(&e.database.target); got != "database-1" {
		t.Errorf("AWSCURRENT has %s: the earlier promotion was rolled back, too", got)
	}
	e.of(other, e.reconcile)
	e.of(other, func() {
		if got := e.version("AWSCURRENT").Value; !strings.Contains(got, `"api-0"`) {
			t.Errorf("the later promotion was not rolled back: %s", got)
		}
	})
	e.services.failing = false // with the old value it comes up
	e.reconcile()
	e.of(other, e.reconcile)
	e.expect("database-1", "api-0", "admin-0")
	if got := e.current(&e.database.target); got != "database-1" {
		t.Errorf("AWSCURRENT has %s", got)
	}
}

func TestNothingIsTakenAwayWhileTheLabelsOfAnotherSecretCannotBeUnderstood(t *testing.T) {
	e := newEngine(t)
	other := e.besides(`{"database": "database-9"}`)
	e.of(other, func() { e.put("rotation;2;nonsense", e.version("AWSCURRENT").ID) })
	e.mustRotateOnly("database")
	e.reconcile()
	e.expect("database-0 database-1", "api-0", "admin-0")
	if !strings.Contains(e.log.String(), other+" cannot be read") {
		t.Error("no alarm names the secret")
	}
}
