package mysqlserver_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

// flavors runs a test on each flavor's shared server.
func flavors(t *testing.T, test func(t *testing.T, server *mysqlserver.Server)) {
	t.Parallel()
	t.Run("mysql", func(t *testing.T) {
		t.Parallel()
		test(t, mysqltest.Shared(t))
	})
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		test(t, mysqltest.SharedMariaDB(t))
	})
	t.Run("mariadb-10.11", func(t *testing.T) {
		t.Parallel()
		test(t, mysqltest.SharedMariaDB1011(t))
	})
}

func TestServerSaysWhatItIs(t *testing.T) {
	flavors(t, func(t *testing.T, server *mysqlserver.Server) {
		t.Logf("%s at %s: %s", server.Version(), server.Addr(), server.Origin())
		if wanted := strings.HasSuffix(t.Name(), "/"+string(server.Flavor())); !wanted {
			t.Errorf("flavor is %s", server.Flavor())
		}
		if isMariaDB := strings.Contains(server.Version(), "MariaDB"); isMariaDB != server.Flavor().IsMariaDB() {
			t.Errorf("version is %s", server.Version())
		}
		if server.Flavor() == mysqlserver.MariaDB1011 && !strings.HasPrefix(server.Version(), "10.11.") {
			t.Errorf("version is %s", server.Version())
		}
	})
}

func TestServerIsFetchedAndInitialisedOnce(t *testing.T) {
	flavors(t, func(t *testing.T, server *mysqlserver.Server) {
		// The shared one has been started, so all is in the cache.
		second := start(t, mysqlserver.Options{Flavor: server.Flavor(), Progress: func(message string) {
			if !strings.HasPrefix(server.Origin(), "container") { // which has no cache of ours
				t.Error(message)
			}
		}})
		if second.Origin() != server.Origin() {
			t.Errorf("the first is %s, the second %s", server.Origin(), second.Origin())
		}
	})
}

func TestUsersLogInWithTheirPasswordOnly(t *testing.T) {
	flavors(t, func(t *testing.T, server *mysqlserver.Server) {
		user, password := mysqltest.UniqueUserOn(t, server)
		if err := server.Login(t.Context(), user, password, ""); err != nil {
			t.Error(err)
		}
		wantRefused(t, server.Login(t.Context(), user, "wrong", ""), 1045)
		wantRefused(t, server.Login(t.Context(), user, password, "mysql"), 1044)
	})
}

func TestRootHasAPassword(t *testing.T) {
	flavors(t, func(t *testing.T, server *mysqlserver.Server) {
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
	flavors(t, func(t *testing.T, server *mysqlserver.Server) {
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
	flavors(t, func(t *testing.T, server *mysqlserver.Server) {
		user, password := mysqltest.UniqueUserOn(t, server)
		err := ping(t, server, user, password, nil)
		if server.Flavor() == mysqlserver.MariaDB1011 {
			// It does not say why, though the password is right.
			wantRefused(t, err, 1045)
			return
		}
		// MySQL's ER_SECURE_TRANSPORT_REQUIRED, which newer versions of MariaDB report too.
		wantRefused(t, err, 3159)
	})
}

func TestCertificateIsSignedByTheCAAndNothingElse(t *testing.T) {
	flavors(t, func(t *testing.T, server *mysqlserver.Server) {
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
	flavors(t, func(t *testing.T, server *mysqlserver.Server) {
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
	t.Parallel()
	for _, flavor := range []mysqlserver.Flavor{mysqlserver.MariaDB, mysqlserver.MariaDB1011} {
		t.Run(string(flavor), func(t *testing.T) {
			t.Parallel()
			// A server of its own, as the plugin has a say in every other test's passwords.
			server := start(t, mysqlserver.Options{Flavor: flavor})
			if _, err := server.Admin().ExecContext(t.Context(), "INSTALL SONAME 'simple_password_check'"); err != nil {
				t.Fatal(err)
			}
			err := server.CreateUser(t.Context(), "weak", "%", "weak")
			wantRefused(t, err, 1819)
		})
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	server := start(t, mysqlserver.Options{})
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
	mysqltest.Shared(t) // or skip
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
	for _, flavor := range []mysqlserver.Flavor{mysqlserver.MySQL, mysqlserver.MariaDB, mysqlserver.MariaDB1011} {
		b.Run(string(flavor), func(b *testing.B) {
			for b.Loop() {
				start(b, mysqlserver.Options{Flavor: flavor}).Close()
			}
		})
	}
}

// start starts a server of the test's own.
func start(tb testing.TB, o mysqlserver.Options) *mysqlserver.Server {
	tb.Helper()
	server, err := mysqlserver.Start(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { server.Close() })
	return server
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
