package database

import (
	"context"
	"strings"
	"testing"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/credential"
)

const nearHost = "127.0.0.%"

// newFixtureForSeveralHosts is an account that exists for two hosts: logins over TCP,
// the function's among them, match one of them, and those by the server's socket the
// other one.
func newFixtureForSeveralHosts(t *testing.T, server *mysqlserver.Server, privileges ...string) *fixture {
	t.Helper()
	f := newFixtureOn(t, server)
	if err := server.CreateUser(t.Context(), f.user, nearHost, f.first, append(privileges, "SELECT ON mysql.*")...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Admin().Exec("DROP USER ?@?", f.user, nearHost) })
	return f
}

// acceptedEverywhere checks which passwords the user's accounts for both hosts take.
func (f *fixture) acceptedEverywhere(want bool, passwords ...string) {
	f.t.Helper()
	for _, over := range []bool{false, true} {
		f.overTCP = over
		f.accepts(want, passwords...)
	}
	f.overTCP = false
}

// eachWayForSeveralHosts runs a test with each way that changes accounts by name.
func eachWayForSeveralHosts(t *testing.T, test func(*testing.T, *fixture)) {
	t.Helper()
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		t.Run("self", func(t *testing.T) { test(t, newFixtureForSeveralHosts(t, server, createUser)) })
		t.Run("admin", func(t *testing.T) {
			f := newFixtureForSeveralHosts(t, server)
			f.withAdmin(createUser, "SELECT ON mysql.*")
			test(t, f)
		})
	})
}

func TestAUserOfSeveralHostsHasOnePasswordForAllOfThem(t *testing.T) {
	eachWayForSeveralHosts(t, func(t *testing.T, f *fixture) {
		if said := f.preflight(f.first); strings.Contains(said, "PROBLEM") || strings.Contains(said, "the same password: WARNING") {
			t.Errorf("the preflight says %s", said)
		}
		next := f.generate()
		f.mustSet(f.first, next)
		f.acceptedEverywhere(true, f.first, next)
		f.mustQuarantine(next, f.first)
		f.acceptedEverywhere(false, f.first)
		f.acceptedEverywhere(true, next)
		if err := f.Restore(t.Context(), f.overlap(next, f.first)); err != nil {
			t.Fatal(err)
		}
		f.acceptedEverywhere(true, f.first, next)
		if err := f.Retire(t.Context(), f.overlap(f.first, next)); err != nil { // rolled back
			t.Fatal(err)
		}
		f.acceptedEverywhere(false, next)
		f.acceptedEverywhere(true, f.first)
		f.admin("ALTER USER ?@? IDENTIFIED BY ?", f.user, "%", unrelatedPassword)
		f.admin("ALTER USER ?@? IDENTIFIED BY ?", f.user, nearHost, unrelatedPassword)
		f.acceptedEverywhere(false, f.first)
	})
}

func TestAChangeOfSeveralHostsThatIsCutOffIsMadeWholeByARepetition(t *testing.T) {
	eachWayForSeveralHosts(t, func(t *testing.T, f *fixture) {
		proxy := f.throughProxy()
		overlap := f.overlap(pendingPassword, f.first)
		for name, do := range map[string]func() error{
			"set":     func() error { return f.Set(t.Context(), f.change(f.first, pendingPassword)) },
			"restore": func() error { return f.Restore(t.Context(), overlap) },
			"retire":  func() error { return f.Retire(t.Context(), overlap) },
		} {
			for cut, statements := 0, 0; cut <= 2*statements; cut++ {
				for _, host := range []string{"%", nearHost} {
					f.fillFor(host, f.first, map[string]string{"retire": pendingPassword}[name])
					if name == "restore" {
						f.fillFor(host, pendingPassword, "")
					}
				}
				changes, hook := cutAt(cut)
				proxy.SetHook(hook)
				err := do()
				proxy.SetHook(nil)
				if cut == 0 {
					if statements = int(changes.Load()); statements == 0 {
						t.Fatalf("%s: nothing was changed", name)
					}
				} else if err == nil {
					t.Errorf("%s, cut %d: no error", name, cut)
				}
				if err := do(); err != nil {
					t.Errorf("%s, cut %d of %d, again: %v", name, cut, 2*statements, err)
				}
				f.acceptedEverywhere(true, pendingPassword)
				f.acceptedEverywhere(name != "retire", f.first)
			}
		}
	})
}

func TestWhatARestoreThatWasCutOffHasRestoredForOneHostIsTakenAway(t *testing.T) {
	eachWayForSeveralHosts(t, func(t *testing.T, f *fixture) {
		proxy := f.throughProxy()
		overlap := f.overlap(pendingPassword, f.first)
		for name, do := range map[string]func(context.Context, credential.Overlap) error{"quarantine": f.Quarantine, "retire": f.Retire} {
			for _, host := range []string{"%", nearHost} {
				f.fillFor(host, pendingPassword, "")
			}
			_, hook := cutAt(2) // on MariaDB one account of the two has the old password by then
			proxy.SetHook(hook)
			if err := f.Restore(t.Context(), overlap); err == nil {
				t.Fatal("it was not cut off")
			}
			proxy.SetHook(nil)
			if err := do(t.Context(), overlap); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			f.acceptedEverywhere(true, pendingPassword)
			f.acceptedEverywhere(false, f.first)
		}
	})
}

func TestAUserWhoHasAnotherPasswordForAnotherHostIsNotChanged(t *testing.T) {
	eachWayForSeveralHosts(t, func(t *testing.T, f *fixture) {
		f.admin("ALTER USER ?@? IDENTIFIED BY ?", f.user, "%", unrelatedPassword)
		_, err := f.Generate(t.Context(), f.generation(f.first))
		f.says(err, "for % with a password other than the one in AWSCURRENT", "ALTER USER '"+f.user+"'@'%' IDENTIFIED BY")
		f.says(f.Set(t.Context(), f.change(f.first, pendingPassword)), "nothing was changed", "for % with a password other")
		f.accepts(true, unrelatedPassword)
		f.admin("ALTER USER ?@? IDENTIFIED BY ?", f.user, "%", f.first)
		f.mustSet(f.first, f.generate())
	})
}
