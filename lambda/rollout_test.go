package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

// What a rollout is, when it has converged, and what is no evidence against it.

// apiOverlapOpen brings a Mautic to where everything has converged, and of the
// rotation only the API client's overlap is open, for two days already.
func apiOverlapOpen(t *testing.T, options ...func(*rig.Options)) *mauticDeployment {
	t.Helper()
	m := deployMautic(t, &rig.Application{}, options...)
	m.mustRotate()
	m.mustEnd("api")
	m.accepts(false, m.Password)
	m.AWS.Clock().Advance(48 * time.Hour)
	if !m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
		t.Fatal("the old API client is refused within its overlap")
	}
	return m
}

// apiOverlapEnds checks that the overlap is not held, and ends by its time.
func (m *mauticDeployment) apiOverlapEnds() {
	m.t.Helper()
	m.nothingIsHeld()
	if !m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
		m.t.Error("the old API client is refused within its overlap")
	}
	m.AWS.Clock().Advance(6 * 24 * time.Hour)
	m.callersAreQuiet()
	m.mustEnd()
	if m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
		m.t.Error("the old API client is served still, days after its overlap")
	}
	m.wantTaken(m.values(), everyKind, "of the new values, at the end")
	m.noLoginFailed()
}

func TestADeploymentDaysAfterTheRolloutDoesNotHoldAnOverlap(t *testing.T) {
	m := apiOverlapOpen(t)
	app := m.Application()
	app.Slow.Store(true)
	m.pipelineDeploys()
	for range 3 { // at SERVICE_DEPLOYMENT_IN_PROGRESS
		m.mustReconcile()
		m.AWS.Clock().Advance(pastRollout)
	}
	m.nothingIsHeld()
	app.Slow.Store(false)
	m.mustBeSteady()
	m.mustReconcile() // and at SERVICE_DEPLOYMENT_COMPLETED
	m.apiOverlapEnds()
	m.wantDeployments(2)
}

func TestAFailedDeploymentDaysAfterTheRolloutDoesNotHoldAnOverlap(t *testing.T) {
	m := deployMautic(t, &rig.Application{CircuitBreaker: true})
	app := m.Application()
	m.mustRotate()
	m.mustEnd("api")
	m.AWS.Clock().Advance(48 * time.Hour)
	promoted := m.password("AWSCURRENT")
	app.Broken.Store(true) // the image that the pipeline ships does not start
	m.pipelineDeploys()
	m.awaitFailedRollouts()
	for range 3 {
		m.mustReconcile()
		m.AWS.Clock().Advance(pastRollout)
	}
	if m.password("AWSCURRENT") != promoted {
		t.Fatal("rolled back")
	}
	m.nothingIsHeld()
	app.Broken.Store(false)
	m.mustBeSteady()
	m.apiOverlapEnds()
}

func TestAScaleOutDaysAfterTheRolloutDoesNotHoldAnOverlap(t *testing.T) {
	m := apiOverlapOpen(t)
	app := m.Application()
	app.Broken.Store(true) // the new tasks find no room, and so fail to start
	m.updateService(awsecs.UpdateServiceInput{Service: &app.Services[0], DesiredCount: aws.Int32(4)})
	for range 3 {
		m.mustReconcile()
		m.AWS.Clock().Advance(pastRollout)
	}
	m.nothingIsHeld()
	app.Broken.Store(false)
	m.mustBeSteady()
	m.apiOverlapEnds()
	m.wantDeployments(1)
}

func TestAHealthPageThatAnswers429DaysAfterTheRolloutDoesNotHoldAnOverlap(t *testing.T) {
	page := newAnswering(t)
	m := apiOverlapOpen(t, page.before)
	page.status.Store(http.StatusTooManyRequests)
	for range 3 {
		_ = m.Reconcile() // may say that it cannot tell
		m.AWS.Clock().Advance(pastRollout)
	}
	m.nothingIsHeld()
	page.status.Store(http.StatusOK)
	m.apiOverlapEnds()
	m.wantDeployments(1)
}

func TestARolloutThatNobodyLookedAtConvergesWhileAnotherDeploymentGoesOn(t *testing.T) {
	app := &rig.Application{}
	d := deployApplication(t, app)
	promoted := d.mustRollOut()
	d.AWS.Clock().Advance(pastRollout) // with no reconcile
	app.Slow.Store(true)
	d.pipelineDeploys()
	for range 3 {
		_ = d.tick()
		if d.password("AWSCURRENT") != promoted {
			t.Fatal("rolled back, though every task is new and nothing has failed")
		}
	}
	app.Slow.Store(false)
	d.mustEndWith(promoted)
	d.accepts(false, d.Password)
	d.wantDeployments(2)
	d.noLoginFailed()
}

func TestARedeployThatFailsForOneOfTwoServicesIsTriedAgainForThatOne(t *testing.T) {
	d := deployApplication(t, &rig.Application{}, neverRetried)
	d.AWS.Intercept(once(refused, func(c wire.Call) bool {
		return c.Operation == "UpdateService" && strings.Contains(c.Detail, "worker")
	}))
	_, err := d.Rotate(t.Context())
	t.Logf("the rotation: %v", err)
	d.AWS.Intercept(nil)
	if d.password("AWSCURRENT") == d.Password {
		t.Fatal("not promoted")
	}
	d.mustEndWith(d.password("AWSCURRENT"))
	d.accepts(false, d.Password)
	d.wantDeployments(1)
	d.noLoginFailed()
}

func TestOldTasksThatDoNotStopAreAnAlarmAndNoReasonToRollBack(t *testing.T) {
	linger := make(chan struct{})
	app := &rig.Application{Linger: linger}
	d := deployApplication(t, app)
	d.mustRotate()
	promoted := d.password("AWSCURRENT")
	d.awaitLingering(len(app.Services) * app.Tasks)
	from := d.mark()
	for range 3 {
		d.AWS.Clock().Advance(pastRollout)
		_ = d.Reconcile()
	}
	if d.password("AWSCURRENT") != promoted {
		t.Error("rolled back, though the new tasks work")
	}
	d.accepts(true, d.Password, promoted) // old tasks have it
	d.alarms(from, "mautic-prod-web")
	d.nothingIsHeld()
	close(linger)
	d.mustEndWith(promoted)
	d.accepts(false, d.Password)
	d.calm()
	d.wantDeployments(1)
	d.noLoginFailed()
}

func TestAServiceThatDoesNotExistIsFoundBeforeTheFirstChange(t *testing.T) {
	t.Parallel()
	for name, services := range map[string]string{
		"one of two":   "mautic-prod-web,mautic-prod-renamed",
		"the only one": "mautic-prod-renamed",
		"one of three": "mautic-prod-web,mautic-prod-renamed,mautic-prod-worker",
	} {
		t.Run(name, func(t *testing.T) {
			d := deployApplication(t, &rig.Application{}, neverRetried)
			d.reconfigure(map[string]string{"ECS_SERVICES": services})
			_, err := d.Rotate(t.Context())
			wantError(t, err, "mautic-prod-renamed", "ECS_SERVICES")
			if d.password("AWSCURRENT") != d.Password {
				t.Fatal("promoted, though the services cannot be redeployed")
			}
			d.accepts(true, d.Password)
			if pending := d.labelled("AWSPENDING"); pending.HasValue {
				d.accepts(false, d.password("AWSPENDING"))
			}
			d.wantDeployments(0)

			d.reconfigure(map[string]string{"ECS_SERVICES": "mautic-prod-web,mautic-prod-worker"}) // the remedy
			if d.labelled("AWSPENDING").ID != "" {
				if err := d.tryAgain(); err != nil {
					t.Fatal(err)
				}
			} else {
				d.mustRotate()
			}
			d.mustEndWith(d.password("AWSCURRENT"))
			d.noLoginFailed()
		})
	}
}

func TestAServiceThatIsMissingAfterThePromotionIsAnAlarmAndNoReasonToRollBack(t *testing.T) {
	t.Parallel()
	for name, services := range map[string]string{
		"one of two": "mautic-prod-web,mautic-prod-renamed", "the only one": "mautic-prod-renamed",
	} {
		t.Run(name, func(t *testing.T) {
			d := deployApplication(t, &rig.Application{})
			promoted, from := d.mustRollOut(), d.mark()
			d.reconfigure(map[string]string{"ECS_SERVICES": services})
			for range 3 {
				d.AWS.Clock().Advance(pastRollout)
				_ = d.Reconcile()
			}
			if d.password("AWSCURRENT") != promoted {
				t.Fatal("rolled back")
			}
			d.accepts(true, d.Password, promoted)
			d.alarms(from, "mautic-prod-renamed")

			d.reconfigure(map[string]string{"ECS_SERVICES": "mautic-prod-web,mautic-prod-worker"})
			d.mustEndWith(promoted)
			d.calm()
			d.wantDeployments(1)
			d.noLoginFailed()
		})
	}
}

func TestABakeIsLetFinishAndBothPasswordsAreAcceptedUntilThen(t *testing.T) {
	app := &rig.Application{Strategy: localecs.BlueGreen, BakeTime: time.Hour}
	d := deployApplication(t, app)
	since := d.AWS.Clock().Now()
	d.mustRotate()
	promoted := d.password("AWSCURRENT")
	d.sideBySide(app, since)
	for range 5 { // for 50 minutes
		d.AWS.Clock().Advance(10 * time.Minute)
		d.mustReconcile()
		d.accepts(true, d.Password, promoted)
		d.wantDeployments(1)
	}
	if d.password("AWSCURRENT") != promoted {
		t.Fatal("rolled back while it bakes")
	}
	d.AWS.Clock().Advance(15 * time.Minute)
	d.mustEndWith(promoted)
	d.accepts(false, d.Password)
	d.wantDeployments(1)
	d.noLoginFailed()
}
