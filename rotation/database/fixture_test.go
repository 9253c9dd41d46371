// Clients here log in thousands of times, under the race detector, where the
// post-quantum key exchange takes as long as the rest of a handshake. What is
// verified, and how, does not depend on it.
//
//go:debug tlsmlkem=0

package database

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/mysql"
	"mautic-rotation/rotation/password"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

const dualPrivilege = "APPLICATION_PASSWORD_ADMIN ON *.*"

// fixture is one account of its own on a shared server, and a kind that
// reaches it.
type fixture struct {
	*Kind
	t      testing.TB
	server *mysqlserver.Server
	user   string
	first  string // the password that the account was made with
	log    bytes.Buffer

	quarantined bool // what evidence tells InUse
	overTCP     bool // the account is for no login by the server's socket
	watched     *mysqlproxy.Proxy
}

// newFixture is an account on the shared MySQL server.
func newFixture(t *testing.T, privileges ...string) *fixture {
	t.Helper()
	t.Parallel()
	return newFixtureOn(t, mysqltest.Shared(t), privileges...)
}

// onEach runs a test on an account of each pinned server, which has no
// privileges, with an administrator who has CREATE USER.
func onEach(t *testing.T, test func(*testing.T, *fixture)) {
	t.Helper()
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		f := newFixtureOn(t, server)
		f.withAdmin()
		test(t, f)
	})
}

// onEachMariaDB runs a test on an account of each pinned MariaDB.
func onEachMariaDB(t *testing.T, test func(*testing.T, *fixture), privileges ...string) {
	t.Helper()
	mysqltest.EachMariaDB(t, func(t *testing.T, server *mysqlserver.Server) {
		test(t, newFixtureOn(t, server, privileges...))
	})
}

// change runs a statement as root that changes the whole of a borrowed server,
// and another when the test ends, to change it back.
func change(t *testing.T, server *mysqlserver.Server, statement, back string) {
	t.Helper()
	t.Cleanup(func() {
		// Not the test's context, which has ended by then.
		if _, err := server.Admin().ExecContext(context.Background(), back); err != nil {
			t.Errorf("%s: %v", back, err)
		}
	})
	if _, err := server.Admin().ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func newFixtureOn(t testing.TB, server *mysqlserver.Server, privileges ...string) *fixture {
	t.Helper()
	user, first := mysqltest.UniqueUserOn(t, server, privileges...)
	return &fixture{Kind: newKind(t, server.CAFile()), t: t, server: server, user: user, first: first}
}

// configure gives the fixture a kind with other settings.
func (f *fixture) configure(change func(*Config)) {
	c := f.config
	change(&c)
	f.Kind = New(c)
}

// withAdmin gives the kind an administrator's secret, and makes the user.
func (f *fixture) withAdmin(privileges ...string) {
	f.t.Helper()
	if len(privileges) == 0 {
		privileges = []string{createUser}
	}
	user, password := mysqltest.UniqueUserOn(f.t, f.server, privileges...)
	f.configure(func(c *Config) { c.Admin = f.adminSecret(user, password) })
}

// throughProxy has the kind reach the server through a proxy. Logins of the
// test's own do not go there.
func (f *fixture) throughProxy() *mysqlproxy.Proxy {
	f.t.Helper()
	proxy, err := mysqlproxy.Start(mysqlproxy.Options{Upstream: f.server.Addr(), UpstreamTLS: f.server.TLSConfig()})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { proxy.Close() })
	f.configure(func(c *Config) { c.Endpoint, c.CAFile = proxy.Addr(), proxy.CAFile() })
	return proxy
}

const createUser = "CREATE USER ON *.*"

// adminSecret has a version for each password.
func (f *fixture) adminSecret(user string, passwords ...string) func(context.Context) ([]document.Document, error) {
	f.t.Helper()
	var versions []document.Document
	for _, p := range passwords {
		versions = append(versions, parse(f.t, fmt.Sprintf(`{"username":%q,"password":%q,"host":%q,"port":%d}`, user, p, f.server.Host(), f.server.Port())))
	}
	return func(context.Context) ([]document.Document, error) { return versions, nil }
}

// newFixtureBeside is a second account for the same test.
func newFixtureBeside(f *fixture, privileges ...string) *fixture {
	return newFixtureOn(f.t, f.server, privileges...)
}

func newKind(t testing.TB, caFile string) *Kind {
	t.Helper()
	policy, err := password.NewPolicy(password.DefaultLength, password.DefaultAlphabet)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Passwords: policy, CAFile: caFile, LookPause: 50 * time.Millisecond})
}

// doc is the document that holds a password of the fixture's account.
func (f *fixture) doc(password string) document.Document {
	f.t.Helper()
	return parse(f.t, fmt.Sprintf(`{"engine":"mysql","host":%q,"port":%d,"username":%q,"password":%q}`, f.server.Host(), f.server.Port(), f.user, password))
}

func parse(t testing.TB, text string) document.Document {
	t.Helper()
	d, err := document.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (f *fixture) change(current, pending string) credential.Change {
	return credential.Change{
		Current: f.doc(current),
		Pending: f.doc(pending),
		Confirm: func(context.Context) error { return nil },
		Log:     slog.New(slog.NewTextHandler(&f.log, nil)),
	}
}

func (f *fixture) overlap(current, old string) credential.Overlap {
	return credential.Overlap{
		Current: f.doc(current),
		Old:     f.doc(old),
		Confirm: func(context.Context) error { return nil },
		Log:     slog.New(slog.DiscardHandler),
	}
}

func (f *fixture) account(password string) account {
	f.t.Helper()
	a, err := f.Kind.account(f.t.Context(), f.doc(password))
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

func (f *fixture) admin(statement string, args ...any) {
	f.t.Helper()
	if _, err := f.server.Admin().ExecContext(f.t.Context(), statement, args...); err != nil {
		f.t.Fatal(err)
	}
}

// logIn makes one login of the account, by the server's socket: tests make
// thousands, of which each by TLS would take five times as long.
func (f *fixture) logIn(password string) error {
	if f.overTCP {
		return f.server.Login(f.t.Context(), f.user, password, "")
	}
	return f.server.Accepts(f.t.Context(), f.user, password, "")
}

// accepts checks which passwords the server takes.
func (f *fixture) accepts(want bool, passwords ...string) {
	f.t.Helper()
	for i, p := range passwords {
		if err := f.logIn(p); (err == nil) != want {
			f.t.Errorf("password %d of %d: login gives %v, want accepted: %v", i+1, len(passwords), err, want)
		}
	}
}

func (f *fixture) mustSet(current, pending string) {
	f.t.Helper()
	if err := f.Set(f.t.Context(), f.change(current, pending)); err != nil {
		f.t.Fatalf("set: %v", err)
	}
}

func (f *fixture) mustQuarantine(current, old string) {
	f.t.Helper()
	if err := f.Quarantine(f.t.Context(), f.overlap(current, old)); err != nil {
		f.t.Fatalf("quarantine: %v", err)
	}
}

// mustRestore is for the first password, beside the pending one.
func (f *fixture) mustRestore() {
	f.t.Helper()
	if err := f.Restore(f.t.Context(), f.overlap(pendingPassword, f.first)); err != nil {
		f.t.Fatalf("restore: %v", err)
	}
}

const (
	pendingPassword   = "pending-PASSWORD-0123456789"
	abandonedPassword = "abandoned-PASSWORD-0123456789"
)

const unrelatedPassword = "unrelated-PASSWORD-0123456789"

// slots fills both slots of the account by hand.
func (f *fixture) slots(primary, second string) {
	f.t.Helper()
	f.fillFor("%", primary, second)
	f.accepts(true, primary, second)
}

// isPrimary checks it by a swap of the password with itself, which says 3891 of
// the second one, and takes that away otherwise.
func (f *fixture) isPrimary(password string) {
	f.t.Helper()
	if err := f.swapAs(password, password, password); err != nil {
		f.t.Errorf("it is not the primary password: %v", err)
	}
}

// swapAs runs the compare-and-swap in a connection of the account's own.
func (f *fixture) swapAs(login, next, present string) error {
	f.t.Helper()
	s, err := f.login(f.t.Context(), f.account(login), "")
	if err != nil {
		f.t.Fatal(err)
	}
	defer s.Close()
	return s.Exec(f.t.Context(), swapStatement, next, present)
}

// await waits until a query of the server's state answers something but 0. Its
// limit is for what never comes: a busy machine takes seconds.
func (f *fixture) await(query string, args ...any) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Minute)
	defer cancel()
	pace := time.NewTicker(5 * time.Millisecond) // leaves the processor to what is waited for
	defer pace.Stop()
	for {
		var found int
		if err := f.server.Admin().QueryRowContext(ctx, query, args...).Scan(&found); err != nil {
			f.t.Fatalf("%s: %v", query, err)
		}
		if found != 0 {
			return
		}
		<-pace.C
	}
}

// awaitWaiter waits until a connection waits for the account's lock.
func (f *fixture) awaitWaiter() {
	f.t.Helper()
	schema := "performance_schema" // MySQL deprecates the other one, MariaDB has that alone
	if f.onMariaDB() {
		schema = "information_schema"
	}
	f.await("SELECT COUNT(*) FROM "+schema+".processlist WHERE STATE = 'User lock' AND INFO LIKE ?", "%"+mysql.LockName("set", f.user)+"%")
}

// lockedSession is one of the account's own that has its lock.
func (f *fixture) lockedSession(password string) *session {
	f.t.Helper()
	s, err := f.login(f.t.Context(), f.account(password), "")
	if err != nil {
		f.t.Fatal(err)
	}
	if err := s.lock(f.t.Context(), f.user); err != nil {
		f.t.Fatal(err)
	}
	return s
}
