package mysqlproxy_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// A fixture is a proxy before a shared server, and a user there.
type fixture struct {
	server         *mysqlserver.Server
	proxy          *mysqlproxy.Proxy
	user, password string
	change         string // how the statement begins that changes the user's own password
}

// onEachServer runs a test with a fixture on each of the shared servers.
func onEachServer(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) { test(t, newFixtureOn(t, server)) })
}

// onMariaDB is onEachServer without MySQL.
func onMariaDB(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	mysqltest.EachMariaDB(t, func(t *testing.T, server *mysqlserver.Server) { test(t, newFixtureOn(t, server)) })
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return newFixtureOn(t, mysqltest.Shared(t))
}

func newFixtureOn(t *testing.T, server *mysqlserver.Server, privileges ...string) *fixture {
	t.Helper()
	proxy, err := mysqlproxy.Start(mysqlproxy.Options{Upstream: server.Addr(), UpstreamTLS: server.TLSConfig()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	user, password := mysqltest.UniqueUserOn(t, server, privileges...)
	change := "ALTER USER"
	if server.IsMariaDB() {
		change = "SET PASSWORD"
	}
	return &fixture{server, proxy, user, password, change}
}

// fault sets a hook that does something to the statements that contain a text, and lets others pass.
func (f *fixture) fault(text string, action mysqlproxy.Action) {
	f.proxy.SetHook(func(_ context.Context, call mysqlproxy.Call) mysqlproxy.Action {
		if strings.Contains(call.Text, text) {
			return action
		}
		return mysqlproxy.Action{}
	})
}

// connect makes one connection through the proxy, which it verifies.
func (f *fixture) connect(t *testing.T, options ...func(*mysql.Config)) (*sql.Conn, error) {
	t.Helper()
	c := mysql.NewConfig()
	c.Net, c.Addr, c.TLS = "tcp", f.proxy.Addr(), f.proxy.TLSConfig()
	c.User, c.Passwd = f.user, f.password
	c.InterpolateParams = true
	c.Logger = &mysql.NopLogger{}
	for _, option := range options {
		option(c)
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db.Conn(t.Context())
}

// mustConnect is connect that has to work.
func (f *fixture) mustConnect(t *testing.T, options ...func(*mysql.Config)) *sql.Conn {
	t.Helper()
	conn, err := f.connect(t, options...)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// changePassword is the statement that the tests have go wrong.
func (f *fixture) changePassword(t *testing.T, conn *sql.Conn, to string) error {
	t.Helper()
	statement := "ALTER USER USER() IDENTIFIED BY ?"
	if f.server.IsMariaDB() {
		// It says OK to an ALTER USER of the current user, and changes nothing.
		statement = "SET PASSWORD = PASSWORD(?)"
	}
	_, err := conn.ExecContext(t.Context(), statement, to)
	return err
}

// wantPassword checks which of the two passwords the server takes.
func (f *fixture) wantPassword(t *testing.T, good, bad string) {
	t.Helper()
	if err := f.server.Login(t.Context(), f.user, good, ""); err != nil {
		t.Errorf("the right password: %v", err)
	}
	wantError(t, f.server.Login(t.Context(), f.user, bad, ""), 1045)
}

func wantError(t *testing.T, err error, number uint16) {
	t.Helper()
	var refusal *mysql.MySQLError
	if !errors.As(err, &refusal) || refusal.Number != number {
		t.Errorf("got %v, want error %d", err, number)
	}
}

// wantLost checks that the connection went away under a call.
func wantLost(t *testing.T, err error) {
	t.Helper()
	var refusal *mysql.MySQLError
	if err == nil || errors.As(err, &refusal) {
		t.Errorf("got %v, want a lost connection", err)
	}
}

func TestCallsAreSeenInOrderAndWithoutLiterals(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		conn := f.mustConnect(t)
		if err := conn.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := f.changePassword(t, conn, `s3cr'\et`); err != nil {
			t.Fatal(err)
		}
		var sum int
		if err := conn.QueryRowContext(t.Context(), "SELECT 1 + ?", 2).Scan(&sum); err != nil || sum != 3 {
			t.Fatal(sum, err)
		}
		// No statement of ours changes SQL modes, but a server may have them changed.
		if _, err := conn.ExecContext(t.Context(), "SET sql_mode = 'NO_BACKSLASH_ESCAPES'"); err != nil {
			t.Fatal(err)
		}
		if err := f.changePassword(t, conn, `s3cr'et\`); err != nil {
			t.Fatal(err)
		}

		change := "ALTER USER USER() IDENTIFIED BY '…'"
		if f.server.IsMariaDB() {
			change = "SET PASSWORD = PASSWORD('…')"
		}
		call := func(kind mysqlproxy.Kind, text string) mysqlproxy.Call {
			return mysqlproxy.Call{Conn: 1, Kind: kind, Text: text, User: f.user}
		}
		want := []mysqlproxy.Call{
			call(mysqlproxy.Login, ""),
			call(mysqlproxy.Ping, ""),
			call(mysqlproxy.Query, change),
			call(mysqlproxy.Query, "SELECT 1 + 2"),
			call(mysqlproxy.Query, "SET sql_mode = '…'"),
			call(mysqlproxy.Query, change),
		}
		if got := f.proxy.Calls(); !slices.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

func TestBothWaysOfAuthenticationPass(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// A new user's password is not in the server's cache yet: the first login sends it, later ones only prove it.
	for _, way := range []string{"full", "fast"} {
		conn, err := f.connect(t)
		if err != nil {
			t.Fatalf("%s authentication: %v", way, err)
		}
		conn.Close()
	}
	_, err := f.connect(t, func(c *mysql.Config) { c.Passwd = "wrong" })
	wantError(t, err, 1045)
}

func TestRepliesOfAllKindsPass(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		conn := f.mustConnect(t,
			func(c *mysql.Config) { c.InterpolateParams, c.MultiStatements = false, true },
			func(c *mysql.Config) { c.DBName = "information_schema" })

		// Rows of text; of none; of a prepared statement, with and without parameters; several results at once; errors.
		wantRows(t, conn, []string{"a", "", "b"}, "SELECT 'a' UNION ALL SELECT '' UNION ALL SELECT 'b'")
		wantRows(t, conn, nil, "SELECT 'a' FROM DUAL WHERE FALSE")
		wantRows(t, conn, []string{"a1"}, "SELECT CONCAT('a', ?)", 1)
		wantRows(t, conn, []string{strings.Repeat("x", 300_000)}, "SELECT REPEAT('x', 300000)")
		wantRows(t, conn, []string{"1", "2"}, "SELECT 1; DO 0; SELECT 2")
		_, err := conn.ExecContext(t.Context(), "SELEKT")
		wantError(t, err, 1064)
		_, err = conn.ExecContext(t.Context(), "SELECT ?", "one", "too many")
		if err == nil {
			t.Error("no error for a parameter too many")
		}
		wantRows(t, conn, []string{"information_schema"}, "SELECT LOWER(DATABASE())")

		var executed []string
		for _, call := range f.proxy.Calls() {
			if call.Kind == mysqlproxy.Execute {
				executed = append(executed, call.Text)
			}
		}
		if want := []string{"SELECT CONCAT('…', ?)"}; !slices.Equal(executed, want) {
			t.Errorf("executed %q, want %q", executed, want)
		}
	})
}

// wantRows checks a query's values, in all its results.
func wantRows(t *testing.T, conn *sql.Conn, want []string, query string, args ...any) {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return
	}
	defer rows.Close()
	var got []string
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			var value string
			if err := rows.Scan(&value); err != nil {
				t.Fatal(err)
			}
			got = append(got, value)
		}
	}
	if err := rows.Err(); err != nil {
		t.Errorf("%s: %v", query, err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %.80q, want %.80q", query, got, want)
	}
}

func TestConnectionsAreIndependent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	slow, quick := f.mustConnect(t), f.mustConnect(t)

	// The first connection's call is held in the hook until the second's is done.
	held, release := make(chan struct{}), make(chan struct{})
	f.proxy.SetHook(func(ctx context.Context, call mysqlproxy.Call) mysqlproxy.Action {
		if call.Conn == 1 {
			close(held)
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		return mysqlproxy.Action{}
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := slow.ExecContext(t.Context(), "DO 'slow'"); err != nil {
			t.Error(err)
		}
	})
	<-held
	if _, err := quick.ExecContext(t.Context(), "DO 'quick'"); err != nil {
		t.Error(err)
	}
	close(release)
	wg.Wait()
}

func TestClientsMustVerifyTheProxy(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		_, err := f.connect(t, func(c *mysql.Config) { c.TLS = f.server.TLSConfig() })
		var unverified *tls.CertificateVerificationError
		if !errors.As(err, &unverified) {
			t.Errorf("with the server's CA: %v", err)
		}
		_, err = f.connect(t, func(c *mysql.Config) { c.TLS = nil })
		wantError(t, err, 3159)
		if calls := f.proxy.Calls(); len(calls) > 0 {
			t.Errorf("calls: %v", calls)
		}
	})
}

func TestCloseEndsHooksAndConnections(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	conn := f.mustConnect(t)
	held := make(chan struct{})
	f.proxy.SetHook(func(ctx context.Context, _ mysqlproxy.Call) mysqlproxy.Action {
		close(held)
		<-ctx.Done()
		return mysqlproxy.Action{}
	})
	failed := make(chan error)
	go func() { failed <- conn.PingContext(t.Context()) }()
	<-held
	if err := f.proxy.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("the call went through")
	}
	if _, err := f.connect(t); err == nil {
		t.Error("it still takes connections")
	}
}
