package main

import (
	"fmt"
	"net/http"
	"testing"

	"mautic-rotation/internal/rig"
)

// What the application's page answers, and what follows from it.

func TestAPageThatIsNotServedToTheFunctionIsNoReasonToRollBack(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int64{
		"a redirect": http.StatusMovedPermanently, "a WAF that denies it": http.StatusForbidden, "too many requests": http.StatusTooManyRequests,
	} {
		t.Run(name, func(t *testing.T) {
			page := newAnswering(t)
			d := deployApplication(t, &rig.Application{}, func(o *rig.Options) { setEnv(o, "MAUTIC_URL", page.url) })
			d.mustRotate()
			promoted, from := d.password("AWSCURRENT"), d.mark()
			page.status.Store(status)
			d.mustBeSteady()
			for range 4 {
				d.AWS.Clock().Advance(pastRollout)
				_ = d.Reconcile()
			}
			if d.password("AWSCURRENT") != promoted {
				t.Fatal("a working application is rolled back")
			}
			d.accepts(true, promoted)
			d.warned(from, fmt.Sprint(status)) // what was seen

			page.status.Store(http.StatusOK)
			d.mustEndWith(promoted)
			d.accepts(false, d.Password)
			d.calm()
			d.wantDeployments(1)
			d.noLoginFailed()
		})
	}
}

func TestAPageThatRedirectsIsNamedWithItsTargetBeforeAnythingChanges(t *testing.T) {
	page := newAnswering(t)
	d := deployApplication(t, &rig.Application{}, neverRetried, func(o *rig.Options) { setEnv(o, "MAUTIC_URL", page.url) })
	page.status.Store(http.StatusMovedPermanently)
	wantError(t, d.preflight(), movedTo)
	_, err := d.Rotate(t.Context())
	wantError(t, err, movedTo, "MAUTIC_URL")
	if d.password("AWSCURRENT") != d.Password {
		t.Error("promoted")
	}
	d.accepts(true, d.Password)
	d.wantDeployments(0)
	d.noLoginFailed()
}

func TestAnApplicationIsRolledBackOnlyWhenItIsIllTwice(t *testing.T) {
	page := newAnswering(t)
	d := deployApplication(t, &rig.Application{}, func(o *rig.Options) { setEnv(o, "MAUTIC_URL", page.url) })
	d.mustRotate()
	promoted := d.password("AWSCURRENT")
	page.status.Store(http.StatusInternalServerError)
	d.mustBeSteady()
	for range 3 { // within two minutes
		_ = d.Reconcile()
	}
	if d.password("AWSCURRENT") != promoted {
		t.Fatal("rolled back at once")
	}
	d.accepts(true, d.Password)
	d.AWS.Clock().Advance(pastRollout)
	_ = d.Reconcile()
	if d.password("AWSCURRENT") != d.Password {
		t.Fatal("not rolled back, though the application stays ill")
	}
	page.status.Store(http.StatusOK)
	d.mustEndWith(d.Password)
	d.noLoginFailed()
}
