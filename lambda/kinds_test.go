package main

import (
	"testing"
	"time"

	"mautic-rotation/internal/rig"
)

// Several kinds in one secret: which of them a rotation changes, and that each
// goes its own way after it.

func TestEachKindAloneIsRotatedWithoutTheOthers(t *testing.T) {
	m := deployMautic(t, &rig.Application{Services: []string{"mautic-prod-web"}})
	m.longAgo()
	m.mustPreflight()
	for _, tc := range []struct{ kind, old string }{ // and what is taken of the old values, right after the rotation
		{"admin", "database api webhook"}, {"api", everyKind}, {"webhook", "database admin api"}, {"database", everyKind},
	} {
		before, oldDocument := m.values(), m.raw("AWSCURRENT")
		m.mustRotateOnly(tc.kind)
		m.changedOnly(tc.kind, oldDocument)
		m.wantTaken(m.values(), everyKind, "of the new values, after "+tc.kind)
		m.wantTaken(before, tc.old, "of the old values, after "+tc.kind)
	}
	if n := m.redeploys(); n != 1 {
		t.Errorf("%d redeploys, of which the database's password needs one", n)
	}
	m.mustBeSteady()
	m.mustReconcile()
	m.accepts(false, m.Password)
	// What is open is the API client's overlap, and ends in a week.
	m.callersAreQuiet()
	m.AWS.Clock().Advance(8 * 24 * time.Hour)
	m.mustSettle()
	if m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
		t.Error("the old API client is served still")
	}
	m.wantTaken(m.values(), everyKind, "of the new values, at the end")
	m.noLoginFailed()
}

func TestADatabaseAndAnAdminPasswordChangeInOneRotationByEachWay(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"admin", "single"} { // by itself: TestOneRotationChangesEveryCredentialOfAMautic
		t.Run(way, func(t *testing.T) {
			m := deployMautic(t, &rig.Application{Services: []string{"mautic-prod-web"}})
			m.likeItsTasks()
			m.reconfigure(map[string]string{"DATABASE_WAY": way})
			if way == "admin" {
				m.administrator()
			}
			before := m.values()
			m.mustPreflight()
			m.mustRotateOnly("database.admin")
			m.mustSettle()
			m.wantTaken(m.values(), everyKind, "of the new values")
			m.wantTaken(before, "api webhook", "of the old values")
			m.logSays(`"way":"` + way + `"`)
			if way != "single" {
				m.noLoginFailed()
			} else {
				m.logSays("Mautic does not work until its tasks have the new database password") // why signing in was not tried
			}
		})
	}
}

func TestOnTheThirdDayWhatIsMadeCurrentAgainByHandIsAcceptedForEveryKind(t *testing.T) {
	m := deployMautic(t, &rig.Application{Services: []string{"mautic-prod-web"}})
	m.longAgo()
	before := m.values()
	promoted := m.mustRotate()
	after := m.values()
	m.mustBeSteady()
	m.mustReconcile()
	m.wantTaken(before, "api", "of the old values, once every task has been replaced")
	m.AWS.Clock().Advance(3 * 24 * time.Hour)

	m.moveLabel("AWSCURRENT", m.labelled("AWSPREVIOUS").ID, promoted)
	if m.values() != before {
		t.Fatal("AWSCURRENT is not the version before")
	}
	m.mustReconcile()
	// What is in its overlap was accepted all the time. The database's password was
	// retired: nobody but an operator can say what is right, and until then there is
	// no way to Mautic's tables, where the others are.
	m.wantTaken(before, "api", "of the values that are AWSCURRENT again")
	m.accepts(true, after.password) // running tasks have it
	m.logSays("the target refuses AWSCURRENT's value", "version "+promoted+" has the value that it accepts")

	m.moveLabel("AWSCURRENT", promoted, m.labelled("AWSCURRENT").ID)
	m.callersAreQuiet()
	m.mustReconcile()
	m.AWS.Clock().Advance(8 * 24 * time.Hour)
	m.mustSettle()
	m.wantTaken(after, everyKind, "of the values that are AWSCURRENT, at the end")
	m.wantTaken(before, "", "of those from before, at the end")
	m.tasksHave(after.password)
}
