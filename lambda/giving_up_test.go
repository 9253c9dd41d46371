package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/host"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

// A rotation is given up before its promotion.

const hour = time.Hour

func TestWhatAWSCURRENTHasIsAcceptedWhenARotationIsAbandonedRightBeforeItsPromotion(t *testing.T) {
	m := deployMautic(t, &rig.Application{})
	m.longAgo()
	before := m.values()
	abandoned := make(chan error, 1)
	var first sync.Once
	m.AWS.Intercept(func(c wire.Call) wire.Fault {
		if !promotes(c) {
			return wire.Fault{}
		}
		return wire.Fault{Before: func() {
			first.Do(func() {
				abandoned <- m.Invoke(fmt.Appendf(nil, `{"Action":"abandon","SecretId":%q}`, m.SecretARN))
			})
		}}
	})
	_, err := m.Rotate(t.Context())
	m.AWS.Intercept(nil)
	select {
	case byHand := <-abandoned:
		t.Logf("the rotation: %v; abandon: %v", err, byHand)
	default:
		t.Fatalf("the rotation did not come to its promotion: %v", err)
	}
	m.isConsistent(before)
}

func TestAPromotionThatArrivesAfterItsRotationWasAbandonedChangesNothing(t *testing.T) {
	m := deployMautic(t, &rig.Application{})
	m.longAgo()
	before := m.values()
	arrive, arrived := make(chan struct{}), make(chan struct{}, 100)
	var sent atomic.Int64
	m.AWS.Intercept(func(c wire.Call) wire.Fault {
		if !promotes(c) {
			return wire.Fault{}
		}
		sent.Add(1)
		return wire.Fault{Late: arrive, After: func() { arrived <- struct{}{} }}
	})
	_, err := m.Rotate(t.Context())
	wantError(t, err, "finishSecret")
	m.act(actionAbandon)
	m.AWS.Intercept(nil)
	close(arrive)
	for range sent.Load() {
		<-arrived
	}
	if sent.Load() == 0 {
		t.Fatal("nothing was to be promoted")
	}
	if m.values() != before {
		t.Error("AWSCURRENT has other values than before the rotation that was abandoned")
	}
	m.isConsistent(before)
}

// isConsistent checks that everything in AWSCURRENT is accepted, now and at the
// end, and that the next rotation works. The values before are those of a rotation
// that may have been given up.
func (m *mauticDeployment) isConsistent(before values) {
	m.t.Helper()
	m.wantTaken(m.values(), everyKind, "of the values that are AWSCURRENT")
	m.everyAcceptedPasswordIsLabelled()
	if m.t.Failed() {
		return
	}
	m.mustEnd("api")
	m.wantTaken(m.values(), everyKind, "of the values that are AWSCURRENT, at the end")
	if m.values() != before {
		m.wantTaken(before, "api", "of the values before, at the end")
	}
	m.tasksHave(m.password("AWSCURRENT"))
	m.mustRotateOnly("admin.database")
	m.mustEnd("api")
	m.wantTaken(m.values(), everyKind, "of the values of the next rotation")
	m.noLoginFailed()
}

func TestAStuckRotationKeepsNoOtherKindsOverlapOpenAndIsGivenUpAfterADay(t *testing.T) {
	m := deployMautic(t, &rig.Application{}) // which Secrets Manager does not try again
	m.mustRotate()
	m.mustEnd("api")
	m.AWS.Clock().Advance(7*24*hour - 2*hour)
	m.AWS.Intercept(denied("stuck", inStep("testSecret")))
	wantError(t, m.rotateWith("only.admin.0123456789abcdef0123456789abcdef"), "stuck")
	m.AWS.Clock().Advance(4 * hour)
	m.callersAreQuiet()
	for range 5 {
		_ = m.tick()
	}
	if m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
		t.Error("the old API client is served still: a stuck rotation of another kind is in the way")
	}
	if m.labelled("AWSPENDING").ID == "" {
		t.Error("the rotation was given up within hours")
	}

	from := m.mark()
	m.AWS.Clock().Advance(25 * hour)
	_ = m.tick()
	m.warned(from, "given up")
	for range 3 {
		_ = m.tick()
	}
	if m.labelled("AWSPENDING").ID != "" {
		t.Fatal("the rotation is pending still, after more than a day")
	}
	m.AWS.Intercept(nil)
	m.mustEnd()
	m.wantTaken(m.values(), everyKind, "of the values that are AWSCURRENT")
	m.mustRotateOnly("admin")
	m.wantTaken(m.values(), everyKind, "of the values of the next rotation")
	m.noLoginFailed()
}

// scheduledRotation lets a week pass, and returns how the rotation ends that the
// schedule then starts.
func (d *deployment) scheduledRotation() error {
	d.t.Helper()
	ended := func(e host.Event) bool {
		r, ok := e.(localsecretsmanager.RotationEvent)
		return ok && (r.Name == localsecretsmanager.RotationSucceeded || r.Name == localsecretsmanager.RotationFailed)
	}
	before := 0
	for _, event := range d.AWS.Events() {
		if ended(event) {
			before++
		}
	}
	d.AWS.Clock().Advance(week)
	event, err := d.AWS.WaitEvent(d.t.Context(), func(e host.Event) bool {
		if ended(e) {
			before--
		}
		return before < 0
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return event.(localsecretsmanager.RotationEvent).Err
}
