package database

import (
	"testing"
)

// refusedLogins is how many logins of the account the server has refused so
// far, by its log.
func (f *fixture) refusedLogins() (count int) {
	f.t.Helper()
	err := f.server.Admin().QueryRowContext(f.t.Context(),
		"SELECT COUNT(*) FROM performance_schema.error_log WHERE ERROR_CODE = ? AND INSTR(DATA, ?) > 0", logAccessDenied, "'"+f.user+"'@").Scan(&count)
	if err != nil {
		f.t.Fatal(err)
	}
	return count
}

func TestEachStepMakesNoMoreRefusedLoginsThanItMust(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		prepare func(*fixture)
		heal    int // refused logins of a set that finds a given-up rotation's password
	}{
		{"self", func(f *fixture) { f.admin("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ?", f.user) }, 1},
		{"admin", func(f *fixture) { f.withAdmin() }, 0},
		{"rds", func(f *fixture) { f.atRDS() }, 0},
		{"single", func(f *fixture) { f.configure(func(c *Config) { c.Way = "single" }) }, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			tc.prepare(f)
			dual := tc.name == "self" || tc.name == "admin"
			costs := func(what string, want int, do func() error) {
				t.Helper()
				before := f.refusedLogins()
				err := do()
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				if got := f.refusedLogins() - before; got != want {
					t.Errorf("%s: %d refused logins, want %d", what, got, want)
				}
			}
			change, overlap := f.change(f.first, pendingPassword), f.overlap(pendingPassword, f.first)
			costs("preflight", 0, func() error { f.preflight(f.first); return nil })
			costs("set", 0, func() error { return f.Set(t.Context(), change) })
			again := 0
			if !dual {
				again = 1 // the current password, before the pending one shows that it is done
			}
			costs("set again", again, func() error { return f.Set(t.Context(), change) })
			costs("test", 0, func() error { return f.Test(t.Context(), change) })
			costs("quarantine", 0, func() error { return f.Quarantine(t.Context(), overlap) })
			costs("restore", 0, func() error { return f.Restore(t.Context(), overlap) })
			costs("retire", 1, func() error { return f.Retire(t.Context(), overlap) })
			costs("retire again", 1, func() error { return f.Retire(t.Context(), overlap) })

			given := f.change(pendingPassword, abandonedPassword)
			costs("the next set", 0, func() error { return f.Set(t.Context(), given) })
			if dual {
				costs("a set after one that was given up", tc.heal, func() error { return f.Set(t.Context(), f.change(pendingPassword, f.first)) })
				return
			}
			costs("put back", 1, func() error { return f.PutBack(t.Context(), given) })
			costs("set once more", 0, func() error { return f.Set(t.Context(), given) })
			// The current one, which is refused, and the proof.
			costs("retire what was given up", 2, func() error { return f.Retire(t.Context(), f.overlap(pendingPassword, abandonedPassword)) })
		})
	}
}

func TestAWrongCurrentPasswordCostsOneRefusedLoginAndARecoveryThree(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*fixture)
		want    int
		fails   bool
	}{
		"self":                     {prepare: func(f *fixture) { f.configure(func(c *Config) { c.Way = "self" }) }, want: 1, fails: true},
		"admin":                    {prepare: func(f *fixture) { f.withAdmin() }, want: 1, fails: true},
		"rds":                      {prepare: func(f *fixture) { f.atRDS() }, want: 2, fails: true},
		"rds, of another user":     {prepare: func(f *fixture) { f.atRDS().db.MasterUser = "root" }, want: 1, fails: true},
		"single":                   {prepare: func(f *fixture) { f.configure(func(c *Config) { c.Way = "single" }) }, want: 2, fails: true},
		"a recovery":               {prepare: func(f *fixture) { f.atRDS(); f.configure(func(c *Config) { c.Recovery = true }) }, want: 3},
		"a recovery, but not here": {prepare: func(f *fixture) { f.configure(func(c *Config) { c.Recovery = true }) }, want: 1, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, dualPrivilege)
			f.fill(unrelatedPassword, "")
			tc.prepare(f)
			before := f.refusedLogins()
			if err := f.Set(t.Context(), f.withPrevious(oldPassword)); (err != nil) != tc.fails {
				t.Errorf("set: %v", err)
			}
			if got := f.refusedLogins() - before; got != tc.want {
				t.Errorf("%d refused logins, want %d", got, tc.want)
			}
		})
	}
}
