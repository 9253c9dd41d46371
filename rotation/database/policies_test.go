package database

import (
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
)

// newStrictServer has the component that refuses passwords which are too much
// like the ones they replace. The policy holds for the whole server.
func newStrictServer(t *testing.T) *mysqlserver.Server {
	t.Helper()
	server := mysqltest.Borrow(t, mysqlserver.MySQL97)
	change(t, server, "INSTALL COMPONENT 'file://component_validate_password'", "UNINSTALL COMPONENT 'file://component_validate_password'")
	if _, err := server.Admin().ExecContext(t.Context(), "SET GLOBAL validate_password.policy = LOW"); err != nil {
		t.Fatal(err)
	}
	return server
}

func TestAPasswordMayBeTakenAwayAndAcceptedAgainHoweverMuchOfItHasToChange(t *testing.T) {
	t.Parallel()
	server := newStrictServer(t)
	for _, way := range []string{"self", "admin"} { // one after the other: the policy is the server's
		for _, percentage := range []int{10, 25, 100} {
			for _, first := range []string{"", "chosen-by-hand"} { // few characters, so that many of them are in the next one
				f := newFixtureOn(t, server, dualPrivilege)
				f.withAdmin()
				f.configure(func(c *Config) { c.Way = way })
				if first != "" {
					f.admin("SET GLOBAL validate_password.changed_characters_percentage = 0")
					f.fill(first, "")
					f.first = first
				}
				f.admin("SET GLOBAL validate_password.changed_characters_percentage = ?", percentage)
				// What it is about, as this server has it.
				if err := f.swapAs(f.first, f.first, f.first); !mysql.Is(err, mysql.TooFewChanges) {
					t.Fatalf("the server answers %v to a password that replaces itself", err)
				}
				if said := f.preflight(f.first); strings.Contains(said, "PROBLEM") {
					t.Errorf("way %s, %d %%: the preflight says %s", way, percentage, said)
				}
				next := f.generate()
				f.mustSet(f.first, next)
				f.accepts(true, f.first, next)
				f.mustQuarantine(next, f.first)
				f.accepts(false, f.first)
				if err := f.Restore(t.Context(), f.overlap(next, f.first)); err != nil {
					t.Errorf("way %s, %d %%: restore: %v", way, percentage, err)
				}
				f.accepts(true, f.first, next)
				if err := f.Retire(t.Context(), f.overlap(f.first, next)); err != nil { // rolled back
					t.Errorf("way %s, %d %%: retire: %v", way, percentage, err)
				}
				f.accepts(true, f.first)
				f.accepts(false, next)
			}
		}
	}
}

// generation is of an account that has been rotated before.
func (f *fixture) generation(current string) credential.Generation {
	return credential.Generation{Current: f.doc(current), Now: time.Now(), Last: time.Now().Add(-24 * time.Hour)}
}

// generate is what createSecret does.
func (f *fixture) generate() (next string) {
	f.t.Helper()
	d, err := f.Generate(f.t.Context(), f.generation(f.first))
	if err != nil {
		f.t.Fatal(err)
	}
	a, err := f.read(d)
	if err != nil {
		f.t.Fatal(err)
	}
	return a.password
}

func TestAPolicyThatTheWaySingleDoesNotMeetIsNoReasonAgainstIt(t *testing.T) {
	t.Parallel()
	f := newFixtureOn(t, newStrictServer(t))
	f.configure(func(c *Config) { c.Way = "single" })
	f.admin("SET GLOBAL validate_password.changed_characters_percentage = 25")
	if said := f.preflight(f.first); strings.Contains(said, "PROBLEM") {
		t.Errorf("the preflight says %s", said)
	}
	f.mustSet(f.first, pendingPassword)
	f.accepts(true, pendingPassword)
	if err := f.PutBack(t.Context(), f.change(f.first, pendingPassword)); err != nil {
		t.Error(err)
	}
	f.accepts(true, f.first)
}

func TestAPasswordHistoryKeepsARotationFromBeginningAndItsRemedyHelps(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"self", "admin", "single"} {
		t.Run(way, func(t *testing.T) {
			f := newFixture(t, dualPrivilege)
			f.withAdmin()
			f.configure(func(c *Config) { c.Way = way })
			f.admin("ALTER USER ? PASSWORD HISTORY 5 PASSWORD REUSE INTERVAL 7 DAY", f.user)
			wants := []string{"password_history is 5 and password_reuse_interval is 7", "MySQL error 3638", "PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY"}
			_, err := f.Generate(t.Context(), credential.Generation{Current: f.doc(f.first)})
			f.says(err, wants...)
			f.says(f.Set(t.Context(), f.change(f.first, pendingPassword)), wants...)
			f.accepts(true, f.first)
			f.accepts(false, pendingPassword)

			f.admin("ALTER USER ? PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY", f.user)
			if _, err := f.Generate(t.Context(), credential.Generation{Current: f.doc(f.first)}); err != nil {
				t.Error(err)
			}
			f.mustSet(f.first, pendingPassword)
			if err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first)); err != nil {
				t.Error(err)
			}
			f.accepts(true, pendingPassword)
			f.accepts(false, f.first)
		})
	}
}

func TestWhereAPasswordHasToBeNamedAnUnknownOneIsNotReplacedAndTheRemedyHelps(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.admin("ALTER USER ? PASSWORD REQUIRE CURRENT", f.user)
	f.mustSet(f.first, abandonedPassword) // the primary one, which nobody knows any more
	err := f.Set(t.Context(), f.change(f.first, pendingPassword))
	f.says(err, "MySQL error 3892", "ALTER USER … PASSWORD REQUIRE CURRENT OPTIONAL")
	f.accepts(true, f.first, abandonedPassword)
	f.accepts(false, pendingPassword)

	// With the version that stores it, it can be taken away without.
	if err := f.Retire(t.Context(), f.overlap(f.first, abandonedPassword)); err != nil {
		t.Error(err)
	}
	f.accepts(true, f.first)
	f.accepts(false, abandonedPassword)

	f.mustSet(f.first, abandonedPassword)
	f.admin("ALTER USER ? PASSWORD REQUIRE CURRENT OPTIONAL", f.user)
	f.mustSet(f.first, pendingPassword)
	f.accepts(true, f.first, pendingPassword)
	f.accepts(false, abandonedPassword)
}
