package main

import (
	"regexp"
	"testing"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
)

func TestAnEmergencyDoesNotBeginWhileAPasswordPolicyWouldKeepTheOldPasswordAcceptedAndWorksAfterTheRemedy(t *testing.T) {
	server := mysqltest.Own(t, mysqlserver.MySQL97) // the policy is the whole server's
	execute := func(statement string) {
		t.Helper()
		if _, err := server.Admin().ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	execute("INSTALL COMPONENT 'file://component_validate_password'")
	execute("SET GLOBAL validate_password.policy = LOW")
	d := deployApplication(t, &rig.Application{}, func(o *rig.Options) { o.MySQL = server })
	d.mustPreflight()

	execute("SET GLOBAL validate_password.changed_characters_percentage = 10")
	err := d.rotateAs("emergency")
	wantError(t, err, "createSecret", "validate_password.changed_characters_percentage is 10", "MySQL error 4165", "on RDS, in the parameter group")
	if d.password("AWSCURRENT") != d.Password {
		t.Fatal("promoted, though the old password could not be taken away")
	}
	d.accepts(true, d.Password)

	execute(regexp.MustCompile(`SET GLOBAL [a-z_.]+ = 0`).FindString(err.Error()))
	if err := d.rotateAs("emergency"); err != nil {
		t.Fatal(err)
	}
	d.accepts(true, d.password("AWSCURRENT"))
	d.accepts(false, d.Password)
	d.mustSettle()
	if journal := d.journal(); len(journal) > 0 {
		t.Errorf("left in the journal: %s", journal)
	}
}
