package database

import (
	"strings"
	"testing"

	"mautic-rotation/rotation/credential"
)

const slotsPrivilege = "SELECT (User, Host, User_attributes) ON mysql.user"

// retainedByHand is an account that a DBA has given a second password.
func (f *fixture) retainedByHand() (second string) {
	f.t.Helper()
	f.fill(f.first, unrelatedPassword)
	return unrelatedPassword
}

func TestASecondPasswordThatIsUsedKeepsARotationFromBeginningAndTheRemedyHelps(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T) *fixture{
		"seen in the account": func(t *testing.T) *fixture { return newFixture(t, dualPrivilege, logPrivilege, slotsPrivilege) },
		"seen by an administrator": func(t *testing.T) *fixture {
			f := newFixture(t, logPrivilege)
			f.withAdmin(createUser, "SELECT ON mysql.*")
			return f
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := prepare(t)
			second := f.retainedByHand()
			f.accepts(true, second) // that is its use
			fresh := credential.Generation{Current: f.doc(f.first)}
			_, err := f.Generate(t.Context(), fresh)
			f.says(err, "second password", "logins of '"+f.user+"'", "ALTER USER … DISCARD OLD PASSWORD")
			if said := f.preflight(f.first); !strings.Contains(said, "check that no other password is accepted: WARNING") {
				t.Errorf("the preflight says %s", said)
			}
			emergency := fresh
			emergency.Emergency = true
			if _, err := f.Generate(t.Context(), emergency); err != nil {
				t.Errorf("in an emergency: %v", err)
			}
			f.accepts(true, f.first, second)

			f.admin("ALTER USER ? DISCARD OLD PASSWORD", f.user)
			if _, err := f.Generate(t.Context(), fresh); err != nil {
				t.Errorf("after the remedy: %v", err)
			}
			if said := f.preflight(f.first); strings.Contains(said, "check that no other password is accepted") {
				t.Errorf("after the remedy, the preflight says %s", said)
			}
		})
	}
}

func TestNoUnknownPasswordIsEvictedWithoutAWord(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, f *fixture) {
		t.Helper()
		second := f.retainedByHand()
		if said := f.preflight(f.first); !strings.Contains(said, "check that no other password is accepted: WARNING") || strings.Contains(said, "PROBLEM") {
			t.Errorf("the preflight says %s", said)
		}
		next := f.generate()
		f.mustSet(f.first, next)
		f.accepts(true, f.first, next)
		f.accepts(false, second)
		if !strings.Contains(f.log.String(), "removes a password that it does not know") {
			t.Errorf("the log says %s", &f.log)
		}
		f.log.Reset()
		f.mustSet(f.first, next) // now it knows both
		if strings.Contains(f.log.String(), "takes away") {
			t.Errorf("the second time, the log says %s", &f.log)
		}
	}
	t.Run("MySQL", func(t *testing.T) { check(t, newFixture(t, dualPrivilege, slotsPrivilege)) })
	t.Run("MySQL, seen in the log alone", func(t *testing.T) {
		f := newFixture(t, dualPrivilege, logPrivilege)
		f.accepts(true, f.retainedByHand())
		if said := f.preflight(f.first); !strings.Contains(said, "WARNING: the account may accept a second password") || !strings.Contains(said, "logins of '"+f.user+"'") {
			t.Errorf("the preflight says %s", said)
		}
		f.mustSet(f.first, f.generate())
		if said := f.log.String(); !strings.Contains(said, "level=WARN msg=\"cannot see whether the account already has a second password") || !strings.Contains(said, grantToSeeSlots) {
			t.Errorf("the log says %s", said)
		}
	})
	for name, privileges := range map[string][]string{
		"seen in the account":   {dualPrivilege, "SELECT ON mysql.*"},
		"seen in the log alone": {dualPrivilege, logPrivilege},
	} {
		t.Run("MySQL, beside the one in AWSCURRENT as the first, "+name, func(t *testing.T) {
			f := newFixture(t, privileges...)
			f.fill(unrelatedPassword, f.first)
			if said := f.preflight(f.first); !strings.Contains(said, "check that no other password is accepted: WARNING") || !strings.Contains(said, "its first") && !strings.Contains(said, "second one, so the account accepts another one") {
				t.Errorf("the preflight says %s", said)
			}
		})
	}
	t.Run("MariaDB", func(t *testing.T) { onEachMariaDB(t, check, createUser) })
}

// The logins of a rotation's own overlap are in the server's log for days.
func TestAPasswordThatARotationHasTakenAwayIsNoSecondPasswordAnyMore(t *testing.T) {
	const warning = "the account may accept a second password"
	f := newFixture(t, dualPrivilege, logPrivilege)
	next := f.generate()
	f.mustSet(f.first, next)
	f.accepts(true, f.first, next) // tasks from before use the old one
	if said := f.preflight(next); !strings.Contains(said, warning) {
		t.Errorf("while it is accepted, the preflight says %s", said)
	}
	if err := f.Retire(t.Context(), f.overlap(next, f.first)); err != nil {
		t.Fatal(err)
	}
	if said := f.preflight(next); strings.Contains(said, warning) {
		t.Errorf("once it is retired, the preflight says %s", said)
	}
	f.fill(next, unrelatedPassword) // somebody gives the account another one, and uses it
	f.accepts(true, unrelatedPassword)
	if said := f.preflight(next); !strings.Contains(said, warning) {
		t.Errorf("with another one, the preflight says %s", said)
	}
}
