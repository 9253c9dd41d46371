package mysqlserver_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

func TestServerIsOfTheSeriesThatItWasStartedAs(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		t.Logf("%s at %s: %s", server.Version(), server.Addr(), server.Origin())
		if isMariaDB := strings.Contains(server.Version(), "MariaDB"); isMariaDB != server.IsMariaDB() {
			t.Errorf("version is %s", server.Version())
		}
		if strings.Contains(server.Origin(), " on PATH ") {
			return // asked for, or for want of the pinned one: of any series
		}
		if _, series, _ := strings.Cut(string(server.Series()), "-"); !strings.HasPrefix(server.Version(), series+".") {
			t.Errorf("%s is version %s", server.Series(), server.Version())
		}
	})
}

func TestAtLeastComparesTheServersVersion(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		var major, minor, patch int
		if _, err := fmt.Sscanf(server.Version(), "%d.%d.%d", &major, &minor, &patch); err != nil {
			t.Fatal(err)
		}
		for _, older := range [][]int{{major}, {major, minor}, {major, minor, patch}, {major - 1, minor + 1}} {
			if !server.AtLeast(older...) {
				t.Errorf("%s is said to be older than %v", server.Version(), older)
			}
		}
		for _, newer := range [][]int{{major + 1}, {major, minor + 1}, {major, minor, patch + 1}} {
			if server.AtLeast(newer...) {
				t.Errorf("%s is said to be at least %v", server.Version(), newer)
			}
		}
	})
}

func TestServerIsFetchedAndInitialisedOnce(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		// The shared one has been started, so all is in the cache.
		origin, err := mysqlserver.Fetch(t.Context(), server.Series(), func(message string) { t.Error(message) })
		if err != nil {
			t.Fatal(err)
		}
		if origin != server.Origin() {
			t.Errorf("the first is %s, the second %s", server.Origin(), origin)
		}
	})
}

func TestUsersLogInWithTheirPasswordOnly(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		user, password := mysqltest.UniqueUserOn(t, server)
		if err := server.Login(t.Context(), user, password, ""); err != nil {
			t.Error(err)
		}
		wantRefused(t, server.Login(t.Context(), user, "wrong", ""), 1045)
		wantRefused(t, server.Login(t.Context(), user, password, "mysql"), 1044)
	})
}

func TestRootHasAPassword(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		wantRefused(t, server.Login(t.Context(), "root", "", ""), 1045)

		// MariaDB counts its roles among the users, as the one called PUBLIC.
		rows, err := server.Admin().QueryContext(t.Context(), "SELECT CONCAT(user, '@', host) FROM mysql.user WHERE user IN ('root', '')")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var account string
			if err := rows.Scan(&account); err != nil {
				t.Fatal(err)
			}
			if account != "root@%" {
				t.Errorf("there is an account %s", account)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestHostileNamesAndPasswordsAreQuoted(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		user, password := `o'b"r\ien`+"`@", `'; DROP USER root -- \'"`
		if err := server.CreateUser(t.Context(), user, "%", password, "SELECT ON *.*"); err != nil {
			t.Fatal(err)
		}
		if err := server.Login(t.Context(), user, password, "mysql"); err != nil {
			t.Error(err)
		}
	})
}

func TestPlaintextLoginsAreRefused(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		user, password := mysqltest.UniqueUserOn(t, server)
		err := ping(t, server, user, password, nil)
		if server.IsMariaDB() && !server.AtLeast(11, 8) {
			// 10.11 does not say why, though the password is right.
			wantRefused(t, err, 1045)
			return
		}
		// ER_SECURE_TRANSPORT_REQUIRED, of MySQL, and of MariaDB 11.8.
		wantRefused(t, err, 3159)
	})
}

func TestCertificateIsSignedByTheCAAndNothingElse(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		user, password := mysqltest.UniqueUserOn(t, server)
		pem, err := os.ReadFile(server.CAFile())
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			t.Fatal("no certificate in the CA file")
		}
		for _, name := range []string{"127.0.0.1", "::1", "localhost"} {
			if err := ping(t, server, user, password, &tls.Config{RootCAs: roots, ServerName: name}); err != nil {
				t.Errorf("as %s: %v", name, err)
			}
		}

		var unknown x509.UnknownAuthorityError
		err = ping(t, server, user, password, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"})
		if !errors.As(err, &unknown) {
			t.Errorf("with another CA: %v", err)
		}
	})
}

func TestArgsReachTheServer(t *testing.T) {
	t.Parallel()
	var verbosity int
	err := mysqltest.Shared(t).Admin().QueryRowContext(t.Context(), "SELECT @@log_error_verbosity").Scan(&verbosity)
	if err != nil {
		t.Fatal(err)
	}
	if verbosity != 3 {
		t.Errorf("log_error_verbosity is %d", verbosity)
	}
}

func TestErrorLogCanBeRead(t *testing.T) {
	t.Parallel()
	var lines int
	err := mysqltest.Shared(t).Admin().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM performance_schema.error_log").Scan(&lines)
	if err != nil {
		t.Fatal(err)
	}
	if lines == 0 {
		t.Error("performance_schema.error_log is empty")
	}
}

func TestServersShareNoDirectoryForTemporaryFiles(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		if strings.HasPrefix(server.Origin(), "container") {
			return // which has all directories to itself
		}
		var got string
		if err := server.Admin().QueryRowContext(t.Context(), "SELECT @@tmpdir").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(filepath.Dir(filepath.Dir(server.CAFile())), "tmp"); got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
	})
}

func TestPluginsOfMariaDBCanBeInstalled(t *testing.T) {
	mysqltest.EachMariaDB(t, func(t *testing.T, shared *mysqlserver.Server) {
		// A server of its own, as the plugin has a say in every other test's passwords.
		server := mysqltest.Own(t, shared.Series())
		if _, err := server.Admin().ExecContext(t.Context(), "INSTALL SONAME 'simple_password_check'"); err != nil {
			t.Fatal(err)
		}
		err := server.CreateUser(t.Context(), "weak", "%", "weak")
		wantRefused(t, err, 1819)
	})
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	server := mysqltest.Own(t, mysqlserver.MySQL)
	dir := filepath.Dir(filepath.Dir(server.CAFile()))
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory: %v", err)
	}
	conn, err := net.Dial("tcp", server.Addr())
	if err == nil {
		conn.Close()
		t.Error("its port still answers")
	}
}

func TestServerThatDoesNotStartSaysWhy(t *testing.T) {
	t.Parallel()
	mysqltest.NotInCheck(t)
	server, err := mysqlserver.Start(t.Context(), mysqlserver.Options{Args: []string{"--no-such-option"}})
	if err == nil {
		server.Close()
		t.Fatal("it started")
	}
	if !strings.Contains(err.Error(), "unknown option '--no-such-option'") {
		t.Error(err)
	}
}

func BenchmarkStart(b *testing.B) {
	for _, series := range mysqlserver.Pinned() {
		b.Run(string(series), func(b *testing.B) {
			for b.Loop() {
				server, err := mysqlserver.Start(b.Context(), mysqlserver.Options{Series: series})
				if err != nil {
					b.Fatal(err)
				}
				server.Close()
			}
		})
	}
}

// ping logs in with a client of its own.
func ping(t *testing.T, server *mysqlserver.Server, user, password string, config *tls.Config) error {
	t.Helper()
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd, c.TLS = "tcp", server.Addr(), user, password, config
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connector.Connect(t.Context())
	if err != nil {
		return err
	}
	return conn.Close()
}

// wantRefused checks that the server answered with an error of that number.
func wantRefused(t *testing.T, err error, number uint16) {
	t.Helper()
	var refusal *mysql.MySQLError
	if !errors.As(err, &refusal) || refusal.Number != number {
		t.Errorf("got %v, want error %d", err, number)
	}
}
