package rotation_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// Helpers of tests that have something happen at one moment of a rotation or a
// reconcile, or look at how things stand there.

// once returns a function that calls do when it is called first, also where do
// itself leads to the next call.
func once(do func()) func() {
	var done atomic.Bool
	return func() {
		if done.CompareAndSwap(false, true) {
			do()
		}
	}
}

// whenFirst has do run when the kind's method begins for the first time.
func (k *target) whenFirst(method string, do func()) {
	first := once(do)
	k.at = func(called string) {
		if called == method {
			first()
		}
	}
}

// count counts the calls of a kind's methods.
func (k *target) count(methods ...string) *atomic.Int64 {
	var n atomic.Int64
	k.at = func(called string) {
		for _, method := range methods {
			if called == method {
				n.Add(1)
			}
		}
	}
	return &n
}

// beforeStep has do run when a step begins for the first time. A step whose do
// returns an error fails with it.
func (e *engine) beforeStep(step rotation.Step, do func() error) {
	var done atomic.Bool
	e.before = func(begun rotation.Step) error {
		if begun == step && done.CompareAndSwap(false, true) {
			return do()
		}
		return nil
	}
}

// beforeCall has do run before the first call of Secrets Manager's operation
// whose parameters, as localaws.Call tells them, have the text in them. The
// fault that do returns is the call's.
func (e *engine) beforeCall(operation, text string, do func() wire.Fault) {
	var done atomic.Bool
	e.aws.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation == operation && strings.Contains(c.Detail, text) && done.CompareAndSwap(false, true) {
			return do()
		}
		return wire.Fault{}
	})
}

// refuseMoves has Secrets Manager refuse to move such labels while the returned
// switch is on, as it is at first.
func (e *engine) refuseMoves(label string) *atomic.Bool {
	var on atomic.Bool
	on.Store(true)
	e.aws.Intercept(func(c wire.Call) (fault wire.Fault) {
		if on.Load() && c.Operation == "UpdateSecretVersionStage" && strings.Contains(c.Detail, label) {
			fault.Error = refused
		}
		return fault
	})
	return &on
}

var refused = &wire.Error{Code: "AccessDeniedException", Message: "refused on purpose", Status: 400}

// promotion is in the parameters of the call that moves AWSCURRENT.
const promotion = "VersionStage=AWSCURRENT"

// invoke runs one step, as an event that comes once more does.
func (e *engine) invoke(step rotation.Step, token string) error {
	return e.Rotate(e.t.Context(), rotation.Event{Step: step, SecretID: e.arn, Token: token}, e.logger(), &scrub.Secrets{})
}

func (e *engine) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&e.log, nil)) }

// reconcileWith reconciles, and returns the error.
func (e *engine) reconcileWith(ctx context.Context) error {
	_, err := e.Reconcile(ctx, e.arn, e.logger(), &scrub.Secrets{})
	return err
}

func (e *engine) abandon() error {
	_, err := e.Abandon(e.t.Context(), e.arn, e.logger(), &scrub.Secrets{})
	return err
}

func (e *engine) release() error {
	_, err := e.Release(e.t.Context(), e.arn, e.logger(), &scrub.Secrets{})
	return err
}

// draft stores AWSCURRENT's document with another value, "edited", in a field
// that no kind owns, under a label of its own. The function it returns makes that current, by
// hand. A new version that is stored in the middle of a rotation would end it.
func (e *engine) draft() (publish func()) {
	e.t.Helper()
	doc, err := document.Parse(e.version("AWSCURRENT").Value)
	if err == nil {
		doc, err = doc.Put("/site", "edited")
	}
	if err != nil {
		e.t.Fatal(err)
	}
	value := doc.Raw()
	out, err := e.secrets.PutSecretValue(e.t.Context(), &sm.PutSecretValueInput{SecretId: &e.arn, SecretString: &value, VersionStages: []string{"DRAFT"}})
	if err != nil {
		e.t.Fatal(err)
	}
	return func() { e.moveCurrent(*out.VersionId, e.version("AWSCURRENT").ID) }
}

// store stores a document as a new AWSCURRENT.
func (e *engine) store(value string) {
	e.t.Helper()
	if _, err := e.secrets.PutSecretValue(e.t.Context(), &sm.PutSecretValueInput{SecretId: &e.arn, SecretString: &value}); err != nil {
		e.t.Fatal(err)
	}
}

// takeLabelOff takes a label off a version by hand.
func (e *engine) takeLabelOff(label, id string) {
	e.t.Helper()
	_, err := e.secrets.UpdateSecretVersionStage(e.t.Context(), &sm.UpdateSecretVersionStageInput{
		SecretId: &e.arn, VersionStage: aws.String(label), RemoveFromVersionId: &id,
	})
	if err != nil {
		e.t.Fatal(err)
	}
}

// goBack makes AWSPREVIOUS current again, by hand.
func (e *engine) goBack() {
	e.t.Helper()
	e.moveCurrent(e.version("AWSPREVIOUS").ID, e.version("AWSCURRENT").ID)
}

// fails fails the test unless the error has the text.
func (e *engine) fails(err error, text string) {
	e.t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		e.t.Fatalf("got error %v, want %q", err, text)
	}
}

// logSays fails the test unless the log has the text.
func (e *engine) logSays(text string) {
	e.t.Helper()
	if !strings.Contains(e.log.String(), text) {
		e.t.Errorf("the log does not say %q", text)
	}
}

// logSaysNot fails the test if the log has the text.
func (e *engine) logSaysNot(text string) {
	e.t.Helper()
	if at := strings.Index(e.log.String(), text); at >= 0 {
		e.t.Errorf("the log says %.200q", e.log.String()[at:])
	}
}

// currentHolds checks what AWSCURRENT stores of the database and the
// administrator.
func (e *engine) currentHolds(database, admin string) {
	e.t.Helper()
	if got := e.current(&e.database.target) + "; " + e.current(&e.admin); got != database+"; "+admin {
		e.t.Errorf("AWSCURRENT stores %s, want %s; %s", got, database, admin)
	}
}

// closed checks that nothing is left to do.
func (e *engine) closed() {
	e.t.Helper()
	if journal := e.journal(); len(journal) > 0 {
		e.t.Errorf("left in the journal: %s", journal)
	}
}

// isHeld checks that the journal says so.
func (e *engine) isHeld() {
	e.t.Helper()
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "=held") {
		e.t.Errorf("the journal says %q, and not that something is held", journal)
	}
}

// isEdited checks that AWSCURRENT has the edit of a draft.
func (e *engine) isEdited() {
	e.t.Helper()
	if current := e.version("AWSCURRENT").Value; !strings.Contains(current, `"site": "edited"`) {
		e.t.Errorf("AWSCURRENT is %s: the edit is lost", current)
	}
}

// missed sees the use of an old value that is refused by now.
func missed(o credential.Overlap) (string, error) {
	if o.Quarantined {
		return "3 refused logins", nil
	}
	return "", nil
}

// rollBack rotates, and has the application not come up until the rotation was
// rolled back and the bad values retired.
func (e *engine) rollBack() {
	e.t.Helper()
	e.mustRotate()
	e.services.failing = true
	e.reconcile()
	e.services.failing = false
	e.reconcile()
}

// stayPending rotates, and has the redeploy not begin: so that AWSPENDING stays
// on the version that was promoted, as it does on AWS at times.
func (e *engine) stayPending() (promoted string) {
	e.t.Helper()
	e.services.refusal = errors.New("ECS is throttled")
	e.fails(e.rotate(""), "redeploy service web: ECS is throttled")
	e.services.refusal = nil
	promoted = e.version("AWSCURRENT").ID
	if pending := e.version("AWSPENDING").ID; pending != promoted {
		e.t.Fatalf("AWSPENDING is on version %q, and AWSCURRENT on %s", pending, promoted)
	}
	e.aws.Clock().Advance(20 * time.Second) // it is not about to begin any more
	return promoted
}
