package database

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/password"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

const dualPrivilege = "APPLICATION_PASSWORD_ADMIN ON *.*"

// fixture is one account of its own on the shared server, and a kind that
// reaches it.
type fixture struct {
	*Kind
	t      *testing.T
	server *mysqlserver.Server
	user   string
	first  string // the password that the account was made with
	log    bytes.Buffer

	quarantined bool // what evidence tells InUse
}

func newFixture(t *testing.T, privileges ...string) *fixture {
	t.Helper()
	t.Parallel()
	server := mysqltest.Shared(t)
	user, first := mysqltest.UniqueUser(t, privileges...)
	return &fixture{Kind: newKind(t, server.CAFile()), t: t, server: server, user: user, first: first}
}

func newKind(t *testing.T, caFile string) *Kind {
	t.Helper()
	policy, err := password.NewPolicy(password.DefaultLength, password.DefaultAlphabet)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Passwords: policy, CAFile: caFile})
}

// doc is the document that holds a password of the fixture's account.
func (f *fixture) doc(password string) document.Document {
	f.t.Helper()
	return parse(f.t, fmt.Sprintf(`{"engine":"mysql","host":%q,"port":%d,"username":%q,"password":%q}`, f.server.Host(), f.server.Port(), f.user, password))
}

func parse(t *testing.T, text string) document.Document {
	t.Helper()
	d, err := document.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (f *fixture) change(current, pending string) rotation.Change {
	return rotation.Change{
		Current: f.doc(current),
		Pending: f.doc(pending),
		Confirm: func(context.Context) error { return nil },
		Log:     slog.New(slog.NewTextHandler(&f.log, nil)),
	}
}

func (f *fixture) mustSet(current, pending string) {
	f.t.Helper()
	if err := f.Set(f.t.Context(), f.change(current, pending)); err != nil {
		f.t.Fatalf("set: %v", err)
	}
}

// accepts checks which passwords the server takes.
func (f *fixture) accepts(want bool, passwords ...string) {
	f.t.Helper()
	for i, p := range passwords {
		if err := f.server.Login(f.t.Context(), f.user, p, ""); (err == nil) != want {
			f.t.Errorf("password %d of %d: login gives %v, want accepted: %v", i+1, len(passwords), err, want)
		}
	}
}

func (f *fixture) admin(statement string, args ...any) {
	f.t.Helper()
	if _, err := f.server.Admin().ExecContext(f.t.Context(), statement, args...); err != nil {
		f.t.Fatal(err)
	}
}

const (
	pendingPassword   = "pending-PASSWORD-0123456789"
	abandonedPassword = "abandoned-PASSWORD-0123456789"
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

func TestAHundredRotationsInARowEachKeepTheTwoLatestPasswords(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	previous, current := "", f.first
	for range 100 {
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
	for _, tc := range []struct {
		name       string
		privileges []string
		prepare    func(*fixture)
		change     func(*fixture) rotation.Change
		wantError  string
	}{
		{
			name:      "without the privilege",
			wantError: "MySQL error 1227: 'USER' at ADDR may not keep its old password beside a new one: GRANT APPLICATION_PASSWORD_ADMIN ON *.* to it",
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
			change:    func(f *fixture) rotation.Change { return f.change("not-the-password", pendingPassword) },
			wantError: "log in with the AWSCURRENT password: MySQL error 1045: the password of 'USER' at ADDR is wrong",
		},
		{
			name: "with another host in the pending version", privileges: []string{dualPrivilege},
			change: func(f *fixture) rotation.Change {
				c := f.change(f.first, pendingPassword)
				c.Pending = parse(f.t, strings.Replace(c.Pending.Raw(), `"127.0.0.1"`, `"localhost"`, 1))
				return c
			},
			wantError: "AWSPENDING names another host",
		},
		{
			name: "with a password history that the new one is in", privileges: []string{dualPrivilege},
			prepare: func(f *fixture) { f.admin("ALTER USER ? PASSWORD HISTORY 5", f.user) },
			change: func(f *fixture) rotation.Change {
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
	if g.log.Len() > 0 {
		t.Errorf("the log of a user who can: %s", &g.log)
	}
}

// newFixtureBeside is a second account for the same test.
func newFixtureBeside(f *fixture, privileges ...string) *fixture {
	user, first := mysqltest.UniqueUser(f.t, privileges...)
	return &fixture{Kind: f.Kind, t: f.t, server: f.server, user: user, first: first}
}
