package main

import (
	"strings"
	"testing"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/rig"
)

func TestWhenOneOfTwoServicesFailsBothGoBack(t *testing.T) {
	app := brokenApplication()
	app.BrokenService = "mautic-prod-worker"
	d := deployApplication(t, app)
	d.mustRotate()
	bad := d.password("AWSCURRENT")
	d.awaitFailedRollouts("worker")
	d.mustReconcile()
	if d.password("AWSCURRENT") != d.Password {
		t.Fatalf("not rolled back: %s", d.journal())
	}
	d.mustSettle()
	d.accepts(true, d.Password)
	d.accepts(false, bad)
	d.tasksHave(d.Password)
	app.Broken.Store(false)
	d.mustRotate()
	d.mustSettle()
	d.accepts(false, d.Password)
	d.noLoginFailed()
}

func TestARedeployByHandInBetweenIsNoFailure(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	d.mustRotate()
	for _, name := range d.Application().Services {
		if err := d.Deploy(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		d.mustReconcile() // while both deployments are under way
	}
	d.mustSettle()
	d.accepts(true, d.password("AWSCURRENT"))
	d.accepts(false, d.Password)
	d.noLoginFailed()
	if strings.Contains(d.log.String(), "rolled back") {
		t.Error("taken for a failure")
	}
}

func TestASecondRotationDuringTheOverlapEvictsNothing(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	d.mustRotate()
	first := d.password("AWSCURRENT")
	_, err := d.Rotate(t.Context())
	wantError(t, err, "database: its overlap is still open", "This rotation is given up")
	if d.password("AWSCURRENT") != first || d.raw("AWSPENDING") != "" {
		t.Error("rotated while the overlap was open, or left pending")
	}
	d.accepts(true, d.Password, first)
	d.mustSettle()
	d.accepts(false, d.Password)
	d.mustRotate()
	if d.password("AWSCURRENT") == first {
		t.Error("not rotated, though the overlap has ended")
	}
	d.mustSettle()
	d.accepts(false, first)
	d.noLoginFailed()
}

func TestARotationEndsWhereAWSPENDINGStaysOnThePromotedVersion(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	d.AWS.SecretsManager.SetVariants(localsecretsmanager.Variants{PendingAfterSuccess: localsecretsmanager.PendingStays})
	for range 2 {
		old := d.password("AWSCURRENT")
		d.mustRotate()
		if d.password("AWSPENDING") != d.password("AWSCURRENT") {
			t.Fatal("AWSPENDING has not stayed")
		}
		d.mustSettle()
		d.accepts(false, old)
		d.accepts(true, d.password("AWSCURRENT"))
	}
	d.noLoginFailed()
}
