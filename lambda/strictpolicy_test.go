package main

import (
	"testing"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
)

func TestAnEmergencyAndARollbackWorkWhereAPolicyHasEachPasswordNamedAndMuchOfItChanged(t *testing.T) {
	server := mysqltest.Own(t, mysqlserver.MySQL97) // the policies are the whole server's
	app := &rig.Application{CircuitBreaker: true}
	d := deployApplication(t, app, func(o *rig.Options) { o.MySQL = server })
	d.mustRotate() // the rig's own password does not meet the policy
	d.mustEnd()
	for _, statement := range []string{
		"INSTALL COMPONENT 'file://component_validate_password'",
		"SET GLOBAL validate_password.policy = MEDIUM",
		"SET GLOBAL validate_password.changed_characters_percentage = 25",
		"SET GLOBAL password_require_current = ON",
	} {
		if _, err := server.Admin().ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	d.mustPreflight()
	before := d.password("AWSCURRENT")
	if err := d.rotateAs("emergency"); err != nil {
		t.Fatal(err)
	}
	promoted := d.password("AWSCURRENT")
	d.accepts(true, promoted)
	d.accepts(false, before)
	d.mustEndWith(promoted)

	app.Broken.Store(true)
	d.mustRotate()
	bad := d.password("AWSCURRENT")
	d.awaitFailedRollouts()
	app.Broken.Store(false)
	d.mustEndWith(promoted)
	d.accepts(false, bad)
}
