package rotation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// What the ledger says of an old value that it has not told of before.

// standby is a kind whose Set does not need the current value to be accepted.
type standby struct {
	*pair
	silent *bool // Probe does not tell whether the old value is accepted
}

func (k standby) Set(_ context.Context, c credential.Change) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if pending := k.value(c.Pending); !slices.Contains(k.accepted, pending) {
		k.accepted = append(k.accepted, pending)
	}
	return nil
}

func (k standby) Probe(ctx context.Context, d document.Document) (credential.Outcome, error) {
	if *k.silent && k.value(d) == "api-0" {
		return credential.Unreachable, errors.New("no answer, on purpose")
	}
	return k.pair.Probe(ctx, d)
}

// standsBy has the API client's kind do without the current value.
func (e *engine) standsBy() (silent *bool) {
	silent = new(bool)
	e.reconfigure(func(c *rotation.Config) {
		c.Kinds[slices.IndexFunc(c.Kinds, func(k credential.Kind) bool { return k.Name() == "api" })] = standby{&e.api, silent}
	})
	return silent
}

func TestAnOldValueThatIsRefusedIsNotSaidToBeProvenAndNeverSet(t *testing.T) {
	e := newEngine(t)
	e.api.accept("api-by-hand")
	e.standsBy()
	e.mustRotate()
	for _, label := range e.version("AWSPREVIOUS").Labels {
		if strings.Contains(label, "api=") {
			t.Errorf("the old version, whose API client is refused, has the label %s", label)
		}
	}
	e.goBack()
	e.reconcile()
	if got := e.api.accepts(); got != "api-1 api-by-hand" {
		t.Errorf("accepted are %s: what was mistyped has been set", got)
	}
	e.logSays("the target refuses AWSCURRENT's value, which it never accepted")
}

func TestNothingIsPromotedWhileItIsNotKnownWhetherTheOldValueIsAccepted(t *testing.T) {
	e := newEngine(t)
	silent := e.standsBy()
	*silent = true
	e.fails(e.rotate(""), "does not say whether it accepts the old one")
	token := e.version("AWSPENDING").ID
	if e.version("AWSCURRENT").ID == token {
		t.Fatal("it was promoted")
	}
	*silent = false
	if err := e.invoke(rotation.FinishSecret, token); err != nil {
		t.Fatal(err)
	}
	e.reconcile()
	e.expect("database-1", "api-0 api-1", "admin-1")
}

func TestAnOldValueIsNotedThoughSomebodyHasMovedAWSCURRENTBeforeTheStep(t *testing.T) {
	for name, before := range map[string]func(e *engine, token string){
		"and the step comes":        func(*engine, string) {},
		"and a tick comes first":    func(e *engine, _ string) { e.reconcile() },
		"and the first step failed": func(e *engine, token string) { e.fails(e.finishWithoutLabels(token), "refused on purpose") },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			var noted []string
			e.beforeStep(rotation.FinishSecret, func() error {
				token := e.version("AWSPENDING").ID
				e.unlabel(e.version("AWSCURRENT"))
				e.moveCurrent(token, e.version("AWSCURRENT").ID)
				before(e, token)
				return nil
			})
			e.database.whenFirst("quarantine", func() { noted = e.version("AWSPREVIOUS").Labels })
			e.mustRotate()
			for range 3 {
				e.reconcile()
				e.aws.Clock().Advance(day / 24)
			}
			e.expect("database-1", "api-0 api-1", "admin-1")
			if labels := strings.Join(noted, " "); !strings.Contains(labels, "database=quarantined") || !strings.Contains(labels, "api=old") || !strings.Contains(labels, "admin=old") {
				t.Errorf("before the database's password was quarantined, the old version had the labels %s", labels)
			}
			e.aws.Clock().Advance(8 * day)
			e.reconcile()
			e.expect("database-1", "api-1", "admin-1")
			e.closed()
		})
	}
}

// unlabel takes the ledger's label off a version: an earlier release does not write one in
// createSecret, nor does this one where a target does not tell what it accepts.
func (e *engine) unlabel(v localsecretsmanager.VersionState) {
	e.t.Helper()
	for _, label := range v.Labels {
		if !strings.HasPrefix(label, "rotation;") {
			continue
		}
		_, err := e.secrets.UpdateSecretVersionStage(e.t.Context(), &sm.UpdateSecretVersionStageInput{SecretId: &e.arn, VersionStage: &label, RemoveFromVersionId: &v.ID})
		if err != nil {
			e.t.Fatal(err)
		}
	}
}

// finishWithoutLabels is finishSecret while no label of the ledger can be written.
func (e *engine) finishWithoutLabels(token string) error {
	on := e.refuseMoves("VersionStage=rotation;")
	defer on.Store(false)
	return e.invoke(rotation.FinishSecret, token)
}

func TestWhatAnEmergencyHasReplacedIsTakenAwayThoughSomebodyHasMovedAWSCURRENT(t *testing.T) {
	e := newEngine(t)
	e.beforeStep(rotation.FinishSecret, func() error {
		e.moveCurrent(e.version("AWSPENDING").ID, e.version("AWSCURRENT").ID)
		return nil
	})
	if err := e.rotate("emergency." + uuid); err != nil {
		t.Fatal(err)
	}
	e.expect("database-1", "api-1", "admin-1")
}
