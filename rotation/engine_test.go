package rotation_test

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/scrub"
)

func TestEachKindsOverlapEndsInItsOwnTime(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.expect("database-0 database-1", "api-0 api-1", "admin-1")
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "api=old") || strings.Contains(journal, "database") {
		t.Errorf("the journal says %s", journal)
	}

	// On the third day the others can be rotated, and the API client cannot.
	e.aws.Clock().Advance(3 * day)
	e.mustRotate()
	e.expect("database-1 database-2", "api-0 api-1", "admin-2")
	e.reconcile()
	e.expect("database-2", "api-0 api-1", "admin-2")
	if e.current(&e.api.target) != "api-1" {
		t.Error("the API client was rotated while its overlap was open")
	}

	e.aws.Clock().Advance(5 * day)
	e.reconcile()
	e.expect("database-2", "api-1", "admin-2")
	if journal := e.journal(); len(journal) > 0 {
		t.Errorf("left in the journal: %s", journal)
	}
	for _, at := range e.api.looked {
		if ago := e.aws.Clock().Now().Sub(at); ago < 0 || ago > time.Minute {
			t.Errorf("the use was looked for as if it were %s earlier by AWS's clock", ago)
		}
	}
	if len(e.api.looked) != 2 {
		t.Errorf("the use was looked for %d times, not before the quarantine and after it", len(e.api.looked))
	}
	if e.services.times != 2 {
		t.Errorf("%d redeploys for two rotations", e.services.times)
	}
}

func TestWhatIsMadeCurrentAgainOnTheThirdDayIsAcceptedAgain(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile()
	e.aws.Clock().Advance(3 * day)
	e.moveCurrent(e.version("AWSPREVIOUS").ID, e.version("AWSCURRENT").ID)
	e.reconcile() // accepts the old values, and marks what was current
	// The administrator's password is set again. That of the database was retired:
	// an operator has to say what is right.
	e.expect("database-1", "api-0 api-1", "admin-0")
	id := e.version("AWSPREVIOUS").ID
	if log := e.log.String(); !strings.Contains(log, "which it never accepted: version "+id+" has the value that it accepts") {
		t.Error("no alarm names the version that stores the accepted password")
	}
	e.moveCurrent(id, e.version("AWSCURRENT").ID)
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
}

func TestARollbackPutsKindsOfOneValueBack(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.services.failing = true
	e.reconcile()
	e.expect("database-0 database-1", "api-0 api-1", "admin-0")
	if e.current(&e.database.target) != "database-0" || e.current(&e.admin) != "admin-0" {
		t.Error("AWSCURRENT is not what it was")
	}
	e.services.failing = false
	e.reconcile()
	e.expect("database-0", "api-0", "admin-0")
}

func TestAfterAKindsOverlapHasEndedNothingIsRolledBack(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile()
	e.services.failing = true
	e.aws.Clock().Advance(day)
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
	if e.current(&e.database.target) != "database-1" {
		t.Error("rolled back to a password that is refused")
	}
}

func TestATestThatFailsPutsKindsOfOneValueBack(t *testing.T) {
	e := newEngine(t)
	e.webhook.broken = true
	if err := e.rotate(""); err == nil || !strings.Contains(err.Error(), "it does not work") {
		t.Fatalf("got %v", err)
	}
	e.expect("database-0 database-1", "api-0 api-1", "admin-0")
}

func TestARotationThatIsGivenUpLeavesTheCurrentValuesAlone(t *testing.T) {
	e := newEngine(t)
	e.admin.restart = false
	e.webhook.broken = true
	if err := e.rotate(""); err == nil {
		t.Fatal("no error")
	}
	e.admin.accept("admin-1") // as after a set whose test was cut off
	if _, err := e.Abandon(t.Context(), e.arn, slog.New(slog.NewTextHandler(&e.log, nil)), &scrub.Secrets{}); err != nil {
		t.Fatal(err)
	}
	e.expect("database-0", "api-0", "admin-0")
	if journal := e.journal(); len(journal) > 0 {
		t.Errorf("left in the journal: %s", journal)
	}
}

func TestWordsInTheTokenOrInALabelSayWhatIsRotated(t *testing.T) {
	e := newEngine(t)
	if err := e.rotate("only.admin.webhook." + uuid); err != nil {
		t.Fatal(err)
	}
	e.expect("database-0", "api-0", "admin-1")
	if e.current(&e.webhook) != "webhook-1" || e.services.times != 0 || len(e.journal()) > 0 {
		t.Errorf("webhook is %s, %d redeploys, journal %s", e.current(&e.webhook), e.services.times, e.journal())
	}

	if err := e.rotate("only.ad." + uuid); err == nil || !strings.Contains(err.Error(), "which this function does not know") {
		t.Errorf("got %v", err)
	}
	if _, err := e.Abandon(t.Context(), e.arn, slog.New(slog.NewTextHandler(&e.log, nil)), &scrub.Secrets{}); err != nil {
		t.Fatal(err)
	}

	label := "rotate;only.database"
	_, err := e.secrets.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
		SecretId: &e.arn, VersionStage: &label, MoveToVersionId: aws.String(e.version("AWSCURRENT").ID),
	})
	if err != nil {
		t.Fatal(err)
	}
	e.mustRotate()
	e.expect("database-0 database-1", "api-0", "admin-1")
	if e.version(label).ID != "" {
		t.Error("the label is still there, and the next rotation would follow it again")
	}

	// By its name, while its overlap is open, is an error.
	if err := e.rotate("only.database." + uuid); err == nil || !strings.Contains(err.Error(), "its overlap is still open") {
		t.Errorf("got %v", err)
	}
}

func TestTheDocumentSaysWhenEachKindWasRotated(t *testing.T) {
	e := newEngine(t)
	before := e.version("AWSCURRENT").Value
	if err := e.rotate("only.admin." + uuid); err != nil {
		t.Fatal(err)
	}
	after := e.version("AWSCURRENT").Value
	want := regexp.MustCompile(`^` + regexp.QuoteMeta(strings.TrimSuffix(strings.Replace(before, "admin-0", "admin-1", 1), "}")) +
		`, "rotated_at": \{"admin": "20[0-9-]+T[0-9:]+Z"\}\}$`)
	if !want.MatchString(after) {
		t.Errorf("before %s\nafter  %s", before, after)
	}
	e.mustRotate()
	for _, kind := range []string{"database", "api", "admin", "webhook"} {
		if !strings.Contains(e.version("AWSCURRENT").Value, `"`+kind+`": "20`) {
			t.Errorf("%s is missing in %s", kind, e.version("AWSCURRENT").Value)
		}
	}
}

func TestInAnEmergencyOldValuesAreGoneWithThePromotion(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile() // the API client's overlap is open for days
	e.services.failing = true
	if err := e.rotate("emergency." + uuid); err != nil {
		t.Fatal(err)
	}
	e.expect("database-2", "api-2", "admin-2")
	for _, ended := range []string{"database-1", "api-1", "api-0"} {
		if !strings.Contains(e.log.String(), "what was issued under "+ended) {
			t.Errorf("the notice does not say that what was issued under %s was ended", ended)
		}
	}
	e.aws.Clock().Advance(day)
	e.reconcile()
	if e.current(&e.database.target) != "database-2" {
		t.Error("rolled back to a value that may have leaked")
	}
	e.services.failing = false
	e.reconcile()
	e.expect("database-2", "api-2", "admin-2")
	if journal := e.journal(); len(journal) > 0 || strings.Count(e.log.String(), "every task runs with the new value") != 1 {
		t.Errorf("left in the journal: %s", journal)
	}
}

func TestAnEmergencyIsFinishedByAReconcileWhenItsStepWasCutOff(t *testing.T) {
	e := newEngine(t)
	e.api.stuck = true
	if err := e.rotate("emergency.only.admin.api." + uuid); err == nil || !strings.Contains(err.Error(), "what follows is not complete yet") {
		t.Fatalf("got %v", err)
	}
	e.api.stuck = false
	e.expect("database-0", "api-0 api-1", "admin-1")
	e.reconcile()
	e.expect("database-0", "api-1", "admin-1")
	for range 2 {
		e.reconcile()
	}
	if journal := e.journal(); len(journal) > 0 {
		t.Errorf("left in the journal: %s", journal)
	}
}

func TestAnEmergencyRedeploysThoughAnOldValueIsNotTakenAwayYet(t *testing.T) {
	e := newEngine(t)
	e.database.stuck = true
	if err := e.rotate("emergency." + uuid); err == nil || !strings.Contains(err.Error(), "what follows is not complete yet") {
		t.Fatalf("got %v", err)
	}
	if e.services.times != 1 {
		t.Errorf("%d redeploys: tasks whose values are gone would wait for the rest", e.services.times)
	}
	e.database.stuck = false
	e.reconcile()
	e.expect("database-1", "api-1", "admin-1")
	e.reconcile()
	if journal := e.journal(); len(journal) > 0 || e.services.times != 1 {
		t.Errorf("%d redeploys, left in the journal: %s", e.services.times, journal)
	}
	if !regexp.MustCompile(`The application's tasks were refused for at most [0-9]+s, from the promotion on`).MatchString(e.log.String()) {
		t.Error("the notice does not say for how long tasks were refused")
	}
}

func TestTheServicesAreLookedAtOnlyForWhatIsReadAtTheirStart(t *testing.T) {
	e := newEngine(t)
	e.services.unread = true
	if err := e.preflight(); err == nil || !strings.Contains(err.Error(), "no task reads the secret") {
		t.Errorf("with a database password: %v", err)
	}
	alone := `{"api": "api-0", "admin": "admin-0", "webhook": "webhook-0"}`
	if _, err := e.secrets.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: &e.arn, SecretString: &alone}); err != nil {
		t.Fatal(err)
	}
	if err := e.preflight(); err != nil {
		t.Errorf("without: %v", err)
	}
	e.mustRotate()
	if e.services.times != 0 {
		t.Error("redeployed for nothing")
	}
}

func TestAnEmergencyThatIsGivenUpLeavesOlderOverlapsAlone(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile() // the API client's overlap is open for days
	e.aws.Intercept(func(c wire.Call) (fault wire.Fault) {
		if c.Operation == "UpdateSecretVersionStage" && strings.Contains(c.Detail, "VersionStage=AWSCURRENT") {
			fault.Error = &wire.Error{Code: "AccessDeniedException", Message: "not promoted", Status: 400}
		}
		return fault
	})
	if err := e.rotate("emergency." + uuid); err == nil || !strings.Contains(err.Error(), "not promoted") {
		t.Fatalf("got %v", err)
	}
	e.aws.Intercept(nil)
	if _, err := e.Abandon(t.Context(), e.arn, slog.New(slog.NewTextHandler(&e.log, nil)), &scrub.Secrets{}); err != nil {
		t.Fatal(err)
	}
	e.reconcile()
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "api=old") || !strings.Contains(journal, "database=revoking") {
		t.Errorf("the journal says %s", journal)
	}
	if log := e.log.String(); !strings.Contains(log, "not rotated: the value may have leaked") {
		t.Error("nothing says that the leaked value is still accepted")
	}
	if e.current(&e.database.target) != "database-1" || !strings.Contains(e.database.accepts(), "database-1") || !strings.Contains(e.api.accepts(), "api-1") {
		t.Errorf("what AWSCURRENT holds is not accepted: %s; %s", e.database.accepts(), e.api.accepts())
	}
}
