package database

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"mautic-rotation/rotation/credential"
)

func TestSetMakesTheServerAcceptBothPasswords(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	f.accepts(true, f.first, pendingPassword)
}

func TestSetMayRunAnyNumberOfTimes(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	for range 3 {
		f.mustSet(f.first, pendingPassword)
		f.accepts(true, f.first, pendingPassword)
	}
}

func TestSetMayRunManyTimesAtOnce(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.setConcurrently(8, f.first, pendingPassword)
	f.accepts(true, f.first, pendingPassword)
}

func (f *fixture) setConcurrently(times int, current, pending string) {
	f.t.Helper()
	var group sync.WaitGroup
	for range times {
		change := f.change(current, pending)
		change.Log = slog.New(slog.DiscardHandler)
		group.Go(func() {
			if err := f.Set(f.t.Context(), change); err != nil {
				f.t.Errorf("set: %v", err)
			}
		})
	}
	group.Wait()
}

func TestSetAfterAnAbandonedRotationKeepsThePasswordInUse(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, abandonedPassword) // set, and never promoted
	f.mustSet(f.first, pendingPassword)
	f.accepts(true, f.first, pendingPassword)
	f.accepts(false, abandonedPassword)
}

func TestHealsThatRunAtOnceKeepThePasswordInUse(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, abandonedPassword)
	f.setConcurrently(6, f.first, pendingPassword)
	f.accepts(true, f.first, pendingPassword)
	f.accepts(false, abandonedPassword)
}

func TestSetDoesNotHealForAVersionThatIsNotCurrentAnyMore(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, abandonedPassword)
	change := f.change(f.first, pendingPassword)
	moved := errors.New("AWSCURRENT has moved")
	change.Confirm = func(context.Context) error { return moved }
	if err := f.Set(t.Context(), change); !errors.Is(err, moved) {
		t.Errorf("got %v, want the error of Confirm", err)
	}
	f.accepts(true, f.first, abandonedPassword)
	f.accepts(false, pendingPassword)
}

func TestManyRotationsInARowEachKeepTheTwoLatestPasswords(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	previous, current := "", f.first
	for range 40 {
		next := f.config.Passwords.Generate()
		f.mustSet(current, next)
		f.accepts(true, current, next)
		if previous != "" {
			f.accepts(false, previous)
		}
		previous, current = current, next
	}
}

func TestSetTakesPasswordsOfAnyCharacters(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	current := f.first
	for _, next := range []string{`it's "quoted"`, `back\slash\`, `'; DROP USER x; --`, "täglich ☕", "%s ? %d", "a b\tc\nd"} {
		f.mustSet(current, next)
		f.accepts(true, current, next)
		current = next
	}
}

func TestSetFindsAPrivilegeThatComesFromARole(t *testing.T) {
	f := newFixture(t)
	role := f.user + "_role"
	f.admin("CREATE ROLE ?", role)
	t.Cleanup(func() { f.server.Admin().Exec("DROP ROLE ?", role) })
	f.admin("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ?", role)
	f.admin("GRANT ? TO ?", role, f.user) // granted, and not active by default
	f.mustSet(f.first, pendingPassword)
	f.accepts(true, f.first, pendingPassword)
}

func TestSetFailsWithTheRemedyAndChangesNothing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		privileges []string
		prepare    func(*fixture)
		change     func(*fixture) credential.Change
		wantError  string
	}{
		{
			name:      "without the privilege",
			wantError: "without a gap",
		},
		{
			name: "with a user for two hosts", privileges: []string{dualPrivilege, "SELECT (User, Host) ON mysql.user"},
			prepare: func(f *fixture) {
				f.admin("CREATE USER ?@'10.%' IDENTIFIED BY ?", f.user, f.first)
				f.t.Cleanup(func() { f.server.Admin().Exec("DROP USER ?@'10.%'", f.user) })
			},
			wantError: "the user exists for several hosts (%, 10.%)",
		},
		{
			name: "with a wrong current password", privileges: []string{dualPrivilege},
			change:    func(f *fixture) credential.Change { return f.change("not-the-password", pendingPassword) },
			wantError: "log in with the AWSCURRENT password: MySQL error 1045: the password of 'USER' at ADDR is wrong",
		},
		{
			name: "with another host in the pending version", privileges: []string{dualPrivilege},
			change: func(f *fixture) credential.Change {
				c := f.change(f.first, pendingPassword)
				c.Pending = parse(f.t, strings.Replace(c.Pending.Raw(), `"127.0.0.1"`, `"localhost"`, 1))
				return c
			},
			wantError: "AWSPENDING names another host",
		},
		{
			name: "with a password history that the new one is in", privileges: []string{dualPrivilege},
			prepare: func(f *fixture) { f.admin("ALTER USER ? PASSWORD HISTORY 5", f.user) },
			change: func(f *fixture) credential.Change {
				f.admin("ALTER USER ? IDENTIFIED BY ?", f.user, pendingPassword)
				f.admin("ALTER USER ? IDENTIFIED BY ?", f.user, f.first)
				return f.change(f.first, pendingPassword)
			},
			wantError: "MySQL error 3638",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, tc.privileges...)
			change := f.change(f.first, pendingPassword)
			if tc.prepare != nil {
				tc.prepare(f)
			}
			if tc.change != nil {
				change = tc.change(f)
			}
			want := strings.NewReplacer("USER", f.user, "ADDR", f.server.Addr()).Replace(tc.wantError)
			if err := f.Set(t.Context(), change); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			f.accepts(true, f.first)
			f.accepts(false, pendingPassword)
		})
	}
}

func TestSetSaysWhenItCannotSeeTheUsersOtherAccounts(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	if !strings.Contains(f.log.String(), grantToSeeAccounts) {
		t.Errorf("the log has no word of it: %s", &f.log)
	}
	g := newFixtureBeside(f, dualPrivilege, "SELECT (User, Host) ON mysql.user")
	g.mustSet(g.first, pendingPassword)
	if strings.Contains(g.log.String(), grantToSeeAccounts) {
		t.Errorf("the log of a user who can: %s", &g.log)
	}
}

func TestASinglePasswordThatIsSetAfterItsRotationWasGivenUpIsPutBack(t *testing.T) {
	f := newFixture(t)
	f.configure(func(c *Config) { c.Way = string(single) })
	c := f.change(f.first, pendingPassword)
	done := make(chan error, 1)
	var once sync.Once
	set := c
	set.Confirm = func(context.Context) error {
		once.Do(func() {
			go func() { done <- f.PutBack(t.Context(), c) }()
			f.awaitWaiter()
		})
		return nil
	}
	if err := f.Set(t.Context(), set); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	f.accepts(true, f.first)
	f.accepts(false, pendingPassword)
}
