package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mautic-rotation/rotation"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// issuer is a pair whose target makes the values: it has two places for them.
type issuer struct {
	pair
	owner string
	aged  bool // what was made is older than any invocation
}

func newIssuer() *issuer {
	k := &issuer{pair: pair{target: target{name: "smtp", restart: true}}}
	k.accept("smtp-0")
	return k
}

func (k *issuer) Generate(ctx context.Context, g credential.Generation) (next document.Document, err error) {
	if _, err := k.Sweep(ctx, g.Ownership); err != nil {
		return document.Document{}, err
	}
	k.begin("generate")
	if len(strings.Fields(k.accepts())) > 1 && g.Emergency {
		if err := credential.Confirmed(ctx, g.Confirm); err != nil {
			return document.Document{}, err
		}
	}
	err = k.call(func() error {
		k.mu.Lock()
		defer k.mu.Unlock()
		if len(k.accepted) > 1 && g.Emergency {
			k.accepted = []string{k.value(g.Current)}
		}
		if len(k.accepted) > 1 {
			return errors.New("there is no place for another one")
		}
		k.made++
		made := fmt.Sprintf("smtp-%d", k.made)
		k.accepted = append(k.accepted, made)
		next, err = g.Current.Replace(k.field(), made)
		return err
	})
	return next, err
}

func (k *issuer) Set(ctx context.Context, c credential.Change) error {
	outcome, err := k.Probe(ctx, c.Pending)
	if outcome == credential.Denied {
		return credential.ErrLost
	}
	return err
}

func (k *issuer) Sweep(ctx context.Context, o credential.Ownership) (removed []string, err error) {
	there := strings.Fields(k.accepts())
	if len(there) < 2 {
		return nil, nil
	}
	held, err := o.Stored(ctx)
	if err != nil || held.Busy && !k.aged {
		return nil, err
	}
	k.owner = o.Owner
	for _, value := range there {
		if slices.ContainsFunc(held.Documents, func(d document.Document) bool {
			stored, _, err := k.Value(d)
			return err == nil && stored.Secret == value
		}) {
			continue
		}
		err := k.call(func() error {
			k.take(value)
			return nil
		})
		if err != nil {
			return removed, err
		}
		removed = append(removed, value)
	}
	return removed, nil
}

// failPut has the value of a rotation not be stored.
func (e *engine) failPut(when *bool) {
	e.aws.Intercept(func(c wire.Call) (fault wire.Fault) {
		if *when && c.Operation == "PutSecretValue" {
			fault.Error = &wire.Error{Code: "AccessDeniedException", Message: "not stored", Status: 400}
		}
		return fault
	})
}

func TestAValueThatWasMadeAndNotStoredIsTakenAwayByTheRetry(t *testing.T) {
	smtp := newIssuer()
	e := newEngine(t, smtp)
	down := true
	e.failPut(&down)
	if err := e.rotate(""); err == nil || !strings.Contains(err.Error(), "not stored") {
		t.Fatalf("got %v", err)
	}
	if smtp.accepts() != "smtp-0 smtp-1" {
		t.Fatalf("accepted are %s", smtp.accepts())
	}
	pending := e.version("AWSPENDING").ID

	// While the rotation may still be about to store it, it stays.
	e.reconcile()
	if smtp.accepts() != "smtp-0 smtp-1" {
		t.Errorf("taken away, though a rotation may be about to store it: %s are left", smtp.accepts())
	}
	down = false
	if err := e.resume(pending); err != nil {
		t.Fatal(err)
	}
	e.reconcile()
	if smtp.accepts() != "smtp-2" || e.current(&smtp.target) != "smtp-2" || smtp.owner != e.arn {
		t.Errorf("accepted are %s, current is %s, the owner %s", smtp.accepts(), e.current(&smtp.target), smtp.owner)
	}
}

func TestAValueThatWasMadeAndNeverStoredIsTakenAwayByAReconcile(t *testing.T) {
	smtp := newIssuer()
	e := newEngine(t, smtp)
	down := true
	e.failPut(&down)
	if err := e.rotate(""); err == nil {
		t.Fatal("no error")
	}
	smtp.aged = true
	e.reconcile()
	if smtp.accepts() != "smtp-0" || !strings.Contains(e.log.String(), "audit=swept") {
		t.Errorf("accepted are %s", smtp.accepts())
	}
}

func TestAValueThatAnotherSecretStoresIsNotLost(t *testing.T) {
	smtp := newIssuer()
	e := newEngine(t, smtp)
	other := e.besides(`{"smtp": "smtp-moved"}`)
	smtp.accept("smtp-0", "smtp-moved")
	e.reconcile()
	if smtp.accepts() != "smtp-0 smtp-moved" {
		t.Errorf("accepted are %s", smtp.accepts())
	}
	e.of(other, func() { e.store(`{"smtp": "another"}`); e.store(`{"smtp": "another one"}`) })
	e.reconcile()
	if smtp.accepts() != "smtp-0" {
		t.Errorf("accepted are %s", smtp.accepts())
	}
}

func TestAValueOfARotationThatIsGivenUpBeforeItWasSetIsTakenAway(t *testing.T) {
	smtp := newIssuer()
	e := newEngine(t, smtp)
	e.before = func(step rotation.Step) error {
		if step == rotation.SetSecret {
			return errors.New("not begun")
		}
		return nil
	}
	if err := e.rotate(""); err == nil || !strings.Contains(err.Error(), "not begun") {
		t.Fatalf("got %v", err)
	}
	if smtp.accepts() != "smtp-0 smtp-1" {
		t.Fatalf("accepted are %s", smtp.accepts())
	}
	if _, err := e.Abandon(t.Context(), e.arn, slog.New(slog.NewTextHandler(&e.log, nil)), &scrub.Secrets{}); err != nil {
		t.Fatal(err)
	}
	if smtp.accepts() != "smtp-0" {
		t.Errorf("accepted are %s", smtp.accepts())
	}
}

func TestARotationWhoseValueIsLostGivesItselfUp(t *testing.T) {
	smtp := newIssuer()
	e := newEngine(t, smtp)
	smtp.broken = true
	if err := e.rotate(""); err == nil || !strings.Contains(err.Error(), "it does not work") {
		t.Fatalf("got %v", err)
	}
	smtp.broken = false
	smtp.accept("smtp-0") // the new one is deleted by hand
	if err := e.resume(e.version("AWSPENDING").ID); !strings.Contains(fmt.Sprint(err), credential.ErrLost.Error()) {
		t.Fatalf("got %v", err)
	}
	if id := e.version("AWSPENDING").ID; id != "" {
		t.Fatalf("AWSPENDING is still on %s, and every rotation would take it up again", id)
	}
	e.reconcile()
	e.expect("database-0", "api-0", "admin-0")
	e.mustRotate()
	e.reconcile()
	if smtp.accepts() != "smtp-2" || e.current(&smtp.target) != "smtp-2" {
		t.Errorf("accepted are %s, current is %s", smtp.accepts(), e.current(&smtp.target))
	}
}

// resume asks for a rotation while one is pending: Secrets Manager tries that
// one again.
func (e *engine) resume(token string) error {
	e.t.Helper()
	_, err := e.secrets.RotateSecret(e.t.Context(), &sm.RotateSecretInput{SecretId: &e.arn, RotationLambdaARN: aws.String(e.fn)})
	if err == nil || !strings.Contains(err.Error(), "will be reattempted") {
		e.t.Fatalf("it is not taken up again: %v", err)
	}
	return e.aws.SecretsManager.WaitRotation(e.t.Context(), e.arn, token)
}
