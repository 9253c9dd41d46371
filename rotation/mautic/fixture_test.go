package mautic

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/syncbuf"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// fixture is a Mautic's database of its own on a shared server.
type fixture struct {
	t              *testing.T
	own            *mysqltest.Database
	server         *mysqlserver.Server
	database       string
	user, password string // who owns it
	prefix         string
	seed           mauticserver.Seed
	log            syncbuf.Buffer
}

// onEach runs a test on each pinned server, for each version of Mautic.
func onEach(t *testing.T, seed mauticserver.Seed, test func(f *fixture)) {
	t.Helper()
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		for _, version := range mauticserver.Versions() {
			as(t, version, server, seed, test)
		}
	})
}

// as runs a test for one version of Mautic.
func as(t *testing.T, version mauticserver.Version, server *mysqlserver.Server, seed mauticserver.Seed, test func(f *fixture)) {
	t.Helper()
	seed.Version = version
	t.Run("mautic-"+string(version), func(t *testing.T) {
		t.Parallel()
		test(newFixture(t, server, seed))
	})
}

// onEachMake is for tests that cut connections off at every call, which are most
// of what this package's tests cost. It leaves MariaDB 10.11 out: what matters
// there are transactions, and by those 10.11 is as MySQL is, and 11.8 is not, which
// has innodb_snapshot_isolation on. Each version of Mautic is on one of the servers:
// to the statements, they differ in columns that none of them names. The same
// statements are tried uncut on every server with every version.
func onEachMake(t *testing.T, test func(f *fixture)) {
	t.Helper()
	mysqltest.EachMake(t, func(t *testing.T, server *mysqlserver.Server) {
		version := mauticserver.Mautic70
		if server.Series().IsMariaDB() {
			version = mauticserver.Mautic51
		}
		as(t, version, server, mauticserver.Seed{}, test)
	})
}

// onMySQL is for what lies in HTTP rather than in SQL.
func onMySQL(t *testing.T, test func(f *fixture)) {
	t.Helper()
	mysqltest.NotInCheck(t)
	t.Parallel()
	for _, version := range mauticserver.Versions() {
		as(t, version, mysqltest.Shared(t), mauticserver.Seed{}, test)
	}
}

func newFixture(t *testing.T, server *mysqlserver.Server, seed mauticserver.Seed) *fixture {
	t.Helper()
	f := &fixture{t: t, server: server, prefix: "m_"}
	f.own = mysqltest.DatabaseOf(t, server, "mautic "+string(seed.Version), func(d *mysqltest.Database, isNew bool) (err error) {
		fill := mauticserver.Refill
		if isNew {
			fill = mauticserver.Schema
		}
		f.seed, err = fill(t.Context(), server.Admin(), d.Name, f.prefix, seed)
		return err
	})
	f.database, f.user, f.password = f.own.Name, f.own.User, f.own.Password
	return f
}

// dataOnly are the statements that leave a database as it was, but for its rows.
var dataOnly = regexp.MustCompile(`^(SELECT|INSERT|UPDATE|DELETE|REPLACE) `)

// Fields implements Database.
func (f *fixture) Where() string { return "/database_password" }

func (f *fixture) Fields(d document.Document) ([]document.Pointer, error) {
	return fieldsOf(d, "/database_password")
}

// Location implements Database.
func (f *fixture) Location(d document.Document) (string, error) {
	host, err := d.Text("/database_host")
	if errors.Is(err, document.ErrMissing) {
		return f.database, nil
	}
	return host + "/" + f.database, err
}

// Open implements Database.
func (f *fixture) Open(_ context.Context, d document.Document) (*sql.DB, error) {
	user, _ := d.Text("/database_user")
	password, err := d.Text("/database_password")
	if err != nil {
		return nil, err
	}
	return f.open(user, password)
}

func (f *fixture) open(user, password string) (*sql.DB, error) {
	// By the defaults of the driver: nothing may depend on interpolateParams
	// or clientFoundRows.
	return open(f.config(user, password))
}

func (f *fixture) config(user, password string) *mysql.Config {
	config := mysql.NewConfig()
	config.Net, config.Addr, config.TLS = "tcp", f.server.Addr(), f.server.TLSConfig()
	config.User, config.Passwd, config.DBName = user, password, f.database
	config.Logger = &mysql.NopLogger{}
	return config
}

func open(config *mysql.Config) (*sql.DB, error) {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// proxied is the same database behind a proxy.
type proxied struct {
	*fixture
	*mysqlproxy.Proxy
}

func (p proxied) Open(context.Context, document.Document) (*sql.DB, error) {
	config := p.config(p.user, p.password)
	config.Addr, config.TLS = p.Addr(), p.TLSConfig()
	config.InterpolateParams = true // one call for each statement instead of two
	return open(config)
}

func (f *fixture) access() Access { return Access{Database: f} }

// withMautic starts a Mautic for the database and returns access to both.
func (f *fixture) withMautic(o mauticserver.Options) Access {
	f.t.Helper()
	return Access{Database: f, URL: f.mautic(o).URL()}
}

// mautic starts a Mautic for the database.
func (f *fixture) mautic(o mauticserver.Options) *mauticserver.Server {
	f.t.Helper()
	if o.Open == nil {
		o.Open = func(_ context.Context, password string) (*sql.DB, error) { return f.open(f.user, password) }
	}
	o.Version, o.Password, o.Prefix = f.seed.Version, f.password, f.prefix
	server, err := mauticserver.Start(o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { server.Close() })
	return server
}

// doc is a document with the database's credentials and more members.
func (f *fixture) doc(members string) document.Document {
	f.t.Helper()
	return f.parse(fmt.Sprintf(`{"database_user": %q, "database_password": %q, %s}`, f.user, f.password, members))
}

func (f *fixture) parse(text string) document.Document {
	f.t.Helper()
	d, err := document.Parse(text)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

func (f *fixture) change(current, pending document.Document) credential.Change {
	return credential.Change{Current: current, Pending: pending, Confirm: func(context.Context) error { return nil }, Log: f.logger()}
}

func (f *fixture) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&f.log, nil)) }

// sql runs a statement as root. {table} is a table of Mautic's.
func (f *fixture) sql(statement string, args ...any) {
	f.t.Helper()
	if !dataOnly.MatchString(statement) {
		f.own.Altered.Store(true)
	}
	if _, err := f.server.Admin().ExecContext(context.Background(), f.named(statement), args...); err != nil {
		f.t.Fatal(err)
	}
}

// value reads one value as root.
func (f *fixture) value(query string, args ...any) string {
	f.t.Helper()
	var value sql.NullString
	if err := f.server.Admin().QueryRowContext(context.Background(), f.named(query), args...).Scan(&value); err != nil {
		f.t.Fatal(err)
	}
	return value.String
}

func (f *fixture) named(query string) string {
	return strings.NewReplacer("{", "`"+f.database+"`.`"+f.prefix, "}", "`").Replace(query)
}

// grantOnly leaves the database's user these privileges alone, each written as
// "SELECT ON {users}".
func (f *fixture) grantOnly(privileges ...string) {
	f.t.Helper()
	f.sql("REVOKE ALL PRIVILEGES, GRANT OPTION FROM ?@'%'", f.user)
	for _, privilege := range privileges {
		f.sql("GRANT "+privilege+" TO ?@'%'", f.user)
	}
}

// throughProxy returns access to the database through a proxy.
func (f *fixture) throughProxy() (*mysqlproxy.Proxy, Access) {
	f.t.Helper()
	proxy, err := mysqlproxy.Start(mysqlproxy.Options{Upstream: f.server.Addr(), UpstreamTLS: f.server.TLSConfig()})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { proxy.Close() })
	return proxy, Access{Database: proxied{f, proxy}}
}

// cutAtEveryCall runs act again and again, each time with another call to the
// server cut off, before it has acted and after, until act comes through
// uncut. prepare makes the same beginning each time; after a cut, check looks
// at what is left, then act has to come right in a second attempt, which may
// return nil only when it has looked itself.
func (f *fixture) cutAtEveryCall(proxy *mysqlproxy.Proxy, prepare func(), act func(context.Context) error, check func(when string)) {
	f.t.Helper()
	for _, fault := range []mysqlproxy.Fault{mysqlproxy.Drop, mysqlproxy.LoseReply} {
		for n := 1; ; n++ {
			prepare()
			var mu sync.Mutex
			calls, seen := 0, ""
			proxy.SetHook(func(_ context.Context, call mysqlproxy.Call) mysqlproxy.Action {
				mu.Lock()
				defer mu.Unlock()
				if calls++; calls != n {
					return mysqlproxy.Action{}
				}
				seen = fmt.Sprintf("%s %s", call.Kind, call.Text)
				return mysqlproxy.Action{Fault: fault}
			})
			err := act(f.t.Context())
			proxy.SetHook(nil)
			mu.Lock()
			cut := seen
			mu.Unlock()
			if cut == "" {
				if err != nil {
					f.t.Fatalf("uncut: %v", err)
				}
				if n < 5 {
					f.t.Fatalf("only %d calls were made: nothing was cut", n-1)
				}
				break
			}
			check(fmt.Sprintf("after a cut (fault %d) at call %d, %s", fault, n, cut))
			if err := act(f.t.Context()); err != nil {
				f.t.Fatalf("the second attempt, after a cut at %s: %v", cut, err)
			}
		}
	}
}

// needs fails unless err names all of these, and none of the secrets.
func (f *fixture) needs(err error, what ...string) {
	f.t.Helper()
	for _, w := range what {
		if err == nil || !strings.Contains(err.Error(), w) {
			f.t.Errorf("got error %v, want it to name %q", err, w)
		}
	}
	if err == nil {
		return
	}
	for _, secret := range []string{f.password, f.seed.AdminPassword, f.seed.ClientSecret, f.seed.HookSecret, "$2y$", "$2a$"} {
		if strings.Contains(err.Error(), secret) {
			f.t.Errorf("the error holds a secret: %v", err)
		}
	}
}

// problems joins what a preflight has found.
func problems(checks []credential.Check) (all string) {
	for _, check := range checks {
		if check.Problem != nil {
			all += check.What + ": " + check.Problem.Error() + "\n"
		}
	}
	return all
}

// answersInstead puts something in front of Mautic that answers some requests itself.
func answersInstead(status int, to func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if to(r) {
				http.Error(w, http.StatusText(status), status)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
