package main

import (
	"context"
	"testing"

	"mautic-rotation/internal/rig"
)

func TestAnEmergencyAndARollbackWorkWhereAPolicyHasEachPasswordNamedAndMuchOfItChanged(t *testing.T) {
	app := &rig.Application{CircuitBreaker: true}
	d := deployApplication(t, app, func(o *rig.Options) { o.MySQL = silentServer(t) }) // the policies are the whole server's
	d.mustRotate()                                                                     // the rig's own password does not meet the policy
	d.mustEnd()
	run := func(ctx context.Context, statements ...string) {
		for _, statement := range statements {
			if _, err := d.MySQL.Admin().ExecContext(ctx, statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(t.Context(), "INSTALL COMPONENT 'file://component_validate_password'")
	t.Cleanup(func() {
		run(context.Background(), // the test's own context has ended
			"SET GLOBAL password_require_current = DEFAULT",
			"SET GLOBAL validate_password.policy = DEFAULT, validate_password.changed_characters_percentage = DEFAULT",
			"UNINSTALL COMPONENT 'file://component_validate_password'",
		)
	})
	run(t.Context(),
		"SET GLOBAL validate_password.policy = MEDIUM",
		"SET GLOBAL validate_password.changed_characters_percentage = 25",
		"SET GLOBAL password_require_current = ON",
	)
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
