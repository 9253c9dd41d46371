package database

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/credential"
)

// expect checks the outcome of a login, and what is said.
func (f *fixture) expect(password string, want credential.Outcome, wants ...string) {
	f.t.Helper()
	got, err := f.Probe(f.t.Context(), f.doc(password))
	if got != want {
		f.t.Errorf("got %s, want %s (%v)", got, want, err)
	}
	f.says(err, wants...)
}

func (f *fixture) says(err error, wants ...string) {
	f.t.Helper()
	for _, want := range wants {
		if err == nil || !strings.Contains(err.Error(), want) {
			f.t.Errorf("got %v, want %q in it", err, want)
		}
	}
	for _, secret := range []string{f.first, pendingPassword} {
		if err != nil && strings.Contains(err.Error(), secret) {
			f.t.Errorf("the error has a password in it: %v", err)
		}
	}
}

func TestMariaDBsRefusalsOfALoginAreTold(t *testing.T) {
	onEachMariaDB(t, refusalsOfALogin)
}

func refusalsOfALogin(t *testing.T, f *fixture) {
	f.expect("wrong", credential.Denied, "MySQL error 1045", "is wrong")
	f.admin("ALTER USER ? ACCOUNT LOCK", f.user)
	f.expect(f.first, credential.Locked, "MySQL error 4151", "is locked by hand: ALTER USER … ACCOUNT UNLOCK")
	f.admin("ALTER USER ? ACCOUNT UNLOCK", f.user)
	f.admin("ALTER USER ? PASSWORD EXPIRE", f.user)
	err := f.Set(t.Context(), f.change(f.first, pendingPassword))
	f.says(err, "MySQL error 1820", "has expired: have an administrator run ALTER USER … IDENTIFIED BY")
	if got := credential.OutcomeOf(err); got != credential.Locked {
		t.Errorf("an expired password: got %s", got)
	}
	f.admin("ALTER USER ? IDENTIFIED VIA unix_socket", f.user)
	f.expect(f.first, credential.Unknown, "MySQL error 1698", "as an operating system user (unix_socket)")
}

func TestMariaDBsBlockOfAnAccountIsTold(t *testing.T) {
	mysqltest.EachMariaDB(t, blockOfAnAccount)
}

func blockOfAnAccount(t *testing.T, shared *mysqlserver.Server) {
	f := newFixtureOn(t, mysqltest.Borrow(t, shared.Series()))
	change(t, f.server, "SET GLOBAL max_password_errors = 2", "SET GLOBAL max_password_errors = DEFAULT")
	change(t, f.server, "SET GLOBAL disconnect_on_expired_password = ON", "SET GLOBAL disconnect_on_expired_password = DEFAULT")
	f.withAdmin()
	if said := f.preflight(f.first); strings.Contains(said, "refused logins in a row lock the account") {
		t.Errorf("two are more than the one that a rotation makes: %s", said)
	}
	f.configure(func(c *Config) { c.Recovery = true })
	if said := f.preflight(f.first); !strings.Contains(said, "WARNING: 2 refused logins in a row lock the account, and this function makes up to 4 on purpose") {
		t.Errorf("the preflight says %s", said)
	}
	f.accepts(false, "wrong", "wrong")
	f.expect(f.first, credential.Locked, "MySQL error 4150", "FLUSH PRIVILEGES")
	f.admin("FLUSH PRIVILEGES")
	f.admin("ALTER USER ? PASSWORD EXPIRE", f.user)
	f.expect(f.first, credential.Locked, "MySQL error 1862", "has expired")
}

func TestAServerThatIsFullOrReadOnlyIsTold(t *testing.T) {
	mysqltest.Each(t, fullOrReadOnly)
}

func fullOrReadOnly(t *testing.T, shared *mysqlserver.Server) {
	f := newFixtureOn(t, mysqltest.Borrow(t, shared.Series()), createUser)
	f.configure(func(c *Config) { c.Way = "self" })
	// Back off by its own cleanup too, should the test end early.
	change(t, f.server, "SET GLOBAL read_only = ON", "SET GLOBAL read_only = OFF")
	if !f.onMariaDB() {
		f.admin("SET GLOBAL super_read_only = ON")
	}
	err := f.Set(t.Context(), f.change(f.first, pendingPassword))
	f.says(err, "MySQL error 1290", "is read-only: name the writer's endpoint")
	f.admin("SET GLOBAL read_only = OFF")
	f.accepts(true, f.first)
	f.accepts(false, pendingPassword)

	// One connection is kept for administrators, which root has.
	held, err := f.server.Admin().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	change(t, f.server, "SET GLOBAL max_connections = 10", "SET GLOBAL max_connections = 400")
	for range 12 {
		s, err := f.login(t.Context(), f.account(f.first), "")
		if err != nil {
			break
		}
		defer s.Close()
	}
	f.expect(f.first, credential.Unreachable, "MySQL error 1040", "too many connections, which says nothing about the password")
}

func TestAHostThatTheServerHasBlockedIsToldAndCertificatesAreNotTriedTwice(t *testing.T) {
	mysqltest.EachMariaDB(t, blockedHost)
}

func blockedHost(t *testing.T, shared *mysqlserver.Server) {
	// Of 127.0.0.1 the server keeps no count, nor of any host when it resolves
	// no names. What it does count differs: MySQL 9.7 leaves TLS out.
	f := newFixtureOn(t, mysqltest.Own(t, shared.Series(), "--max-connect-errors=3", "--skip-name-resolve=OFF"))
	host, port := anotherHost(t, f.server)
	f.configure(func(c *Config) { c.Endpoint = net.JoinHostPort(host, strconv.Itoa(port)) })
	for range 3 {
		before := f.aborted()
		f.expect(f.first, credential.Unreachable, "is not for that name")
		f.await("SELECT VARIABLE_VALUE > ? FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Aborted_connects'", before)
		if connections := f.aborted() - before; connections != 1 {
			t.Errorf("one login made %d connections", connections)
		}
	}
	f.configure(func(c *Config) { c.TLS = "VERIFY_CA" })
	f.expect(f.first, credential.Unreachable, "MySQL error 1129", "FLUSH HOSTS")
	f.admin("FLUSH HOSTS")
	f.expect(f.first, credential.Accepted)
}

// aborted is how many connections the server has refused so far.
func (f *fixture) aborted() (connections int) {
	f.t.Helper()
	var name string
	if err := f.server.Admin().QueryRowContext(f.t.Context(), "SHOW GLOBAL STATUS LIKE 'Aborted_connects'").Scan(&name, &connections); err != nil {
		f.t.Fatal(err)
	}
	return connections
}

func TestAStatementThatWaitsForAnotherOneFailsSoonAndChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixtureOn(t, mysqltest.Borrow(t, mysqlserver.MySQL), dualPrivilege) // the whole server waits
	f.mustSet(f.first, abandonedPassword)                                       // what is read first is in the caches
	conn, err := f.server.Admin().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "LOCK INSTANCE FOR BACKUP"); err != nil {
		t.Fatal(err)
	}
	err = f.Set(t.Context(), f.change(f.first, pendingPassword))
	f.says(err, "MySQL error 1205", "nothing was changed")
	if _, err := conn.ExecContext(t.Context(), "UNLOCK INSTANCE"); err != nil {
		t.Fatal(err)
	}
	f.accepts(true, f.first, abandonedPassword)
	f.accepts(false, pendingPassword)
}

func TestMySQLsRefusalsOfAChangeAreTold(t *testing.T) {
	t.Parallel()
	server := mysqltest.Borrow(t, mysqlserver.MySQL)
	change(t, server, "INSTALL COMPONENT 'file://component_validate_password'", "UNINSTALL COMPONENT 'file://component_validate_password'")
	if _, err := server.Admin().ExecContext(t.Context(), "SET GLOBAL validate_password.length = 0, validate_password.policy = LOW"); err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"self", "admin", "single"} {
		f := newFixtureOn(t, server, dualPrivilege)
		f.withAdmin()
		f.configure(func(c *Config) { c.Way = way })
		f.admin("SET GLOBAL validate_password.length = 60")
		err := f.Set(t.Context(), f.change(f.first, pendingPassword))
		f.says(err, "MySQL error 1819", "raise PASSWORD_LENGTH")
		if said := f.preflight(f.first); !strings.Contains(said, "the server accepts the passwords made here: PROBLEM: MySQL error 1819") {
			t.Errorf("way %s: the preflight says %s", way, said)
		}
		f.accepts(true, f.first)
		f.admin("SET GLOBAL validate_password.length = 0")

		f.admin("ALTER USER ? PASSWORD HISTORY 5", f.user)
		f.admin("ALTER USER ? IDENTIFIED BY ?", f.user, pendingPassword)
		f.admin("ALTER USER ? IDENTIFIED BY ?", f.user, f.first)
		f.says(f.Set(t.Context(), f.change(f.first, pendingPassword)), "MySQL error 3638", "PASSWORD HISTORY 0")
		said := f.preflight(f.first)
		if !strings.Contains(said, "password_history is 5 and password_reuse_interval is 0") {
			t.Errorf("way %s: the preflight says %s", way, said)
		}
		f.accepts(true, f.first)
		f.accepts(false, pendingPassword)

		f.admin("DROP USER ?", f.user)
		err = f.Set(t.Context(), f.change(f.first, pendingPassword))
		f.says(err, "MySQL error 1045", "the server knows no such user")
	}
}

func TestARetainedEmptyPasswordIsTold(t *testing.T) {
	// An empty password is refused by the document before the server sees it.
	f := newFixture(t, dualPrivilege)
	admin, err := f.login(t.Context(), f.account(f.first), "")
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	f.admin("ALTER USER ? IDENTIFIED BY ''", f.user)
	err = admin.Exec(t.Context(), makePrimaryStatement, pendingPassword)
	f.says(explain(err, admin.a), "MySQL error 3878", "cannot retain an empty one")
	f.admin("ALTER USER ? IDENTIFIED BY ?", f.user, f.first)
}

func TestAnAccountThatIsDroppedBetweenTheLoginAndTheChangeIsTold(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		change := f.change(f.first, pendingPassword)
		change.Confirm = func(context.Context) error { f.admin("DROP USER ?", f.user); return nil }
		f.says(f.Set(t.Context(), change), fmt.Sprintf("error 1396: the server would not change '%s@%%'", f.user), "check that the account still exists")
	})
}
