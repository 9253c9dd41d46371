// Package mysqltest gives tests real servers. All tests of a package share one of each series, started when the first of them asks
// for it:
//
//	func TestMain(m *testing.M) { mysqltest.Main(m) }
//
//	func TestChangesAPassword(t *testing.T) {
//		mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
//			user, password := mysqltest.UniqueUserOn(t, server)
//			…
//		})
//	}
//
// Tests keep out of each other's way by using users, and databases, of their own. With go test -short, every test that asks for a
// server is skipped.
package mysqltest

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"mautic-rotation/internal/mysqlserver"
)

// shared holds the servers of this process, by series.
var shared = func() map[mysqlserver.Series]*lazyServer {
	all := map[mysqlserver.Series]*lazyServer{}
	for _, series := range mysqlserver.Pinned() {
		all[series] = &lazyServer{}
	}
	return all
}()

// lent holds the servers that Borrow lends, by series.
var lent = func() map[mysqlserver.Series]*lazyServer {
	all := map[mysqlserver.Series]*lazyServer{}
	for _, series := range mysqlserver.Pinned() {
		all[series] = &lazyServer{}
	}
	return all
}()

type lazyServer struct {
	lending sync.Mutex // of a lent one: held while a test has it
	once    sync.Once
	server  *mysqlserver.Server
	err     error
}

// Main runs a package's tests, ends the servers that they shared, and exits. Call it from TestMain.
//
// A package that has more to clean up passes a runner of its own around m.
func Main(m interface{ Run() int }) {
	code := m.Run()
	for _, servers := range []map[mysqlserver.Series]*lazyServer{shared, lent} {
		for series, lazy := range servers {
			if lazy.server == nil {
				continue
			}
			err := lazy.server.Close()
			if err != nil {
				fmt.Fprintf(os.Stderr, "ending the server %s: %v\n", series, err)
				code = max(code, 1)
			}
		}
	}
	os.Exit(code)
}

// NotInCheck skips a test with go test -short, which is how make check leaves out what needs a server or builds an executable.
func NotInCheck(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("make check leaves this out; make test runs it")
	}
}

// On returns the process's server of a series. A MySQL logs whatever it can (--log-error-verbosity=3), as the search for users of a
// second password needs it. Where no server can be had the test fails, saying what to install: a test that is passed over proves
// nothing.
func On(tb testing.TB, series mysqlserver.Series) *mysqlserver.Server {
	tb.Helper()
	NotInCheck(tb)
	lazy := shared[series]
	if lazy == nil {
		tb.Fatalf("no series %q is pinned", series)
	}
	lazy.once.Do(func() {
		// Not the test's context: the server outlives the test.
		lazy.server, lazy.err = mysqlserver.Start(context.Background(), options(series, logsAll(series)...))
	})
	if lazy.err != nil {
		tb.Fatal(lazy.err)
	}
	return lazy.server
}

func options(series mysqlserver.Series, args ...string) mysqlserver.Options {
	return mysqlserver.Options{
		Series:   series,
		Args:     args,
		Progress: func(message string) { fmt.Fprintln(os.Stderr, message) },
	}
}

func logsAll(series mysqlserver.Series) []string {
	if series.IsMariaDB() {
		return nil
	}
	return []string{"--log-error-verbosity=3"}
}

// Shared is On for the series that stands for MySQL.
func Shared(tb testing.TB) *mysqlserver.Server {
	tb.Helper()
	return On(tb, mysqlserver.MySQL)
}

// SharedMariaDB is On for the series that stands for MariaDB.
func SharedMariaDB(tb testing.TB) *mysqlserver.Server {
	tb.Helper()
	return On(tb, mysqlserver.MariaDB)
}

// Each runs a test on the shared server of every pinned series, each in a subtest that has the series' name. It makes t and the
// subtests parallel.
func Each(t *testing.T, test func(t *testing.T, server *mysqlserver.Server)) {
	t.Helper()
	each(t, test, func(mysqlserver.Series) bool { return true })
}

// EachMariaDB is Each for MariaDB's series alone.
func EachMariaDB(t *testing.T, test func(t *testing.T, server *mysqlserver.Server)) {
	t.Helper()
	each(t, test, mysqlserver.Series.IsMariaDB)
}

func each(t *testing.T, test func(t *testing.T, server *mysqlserver.Server), wanted func(mysqlserver.Series) bool) {
	t.Helper()
	NotInCheck(t)
	t.Parallel()
	for _, series := range mysqlserver.Pinned() {
		if !wanted(series) {
			continue
		}
		t.Run(string(series), func(t *testing.T) {
			t.Parallel()
			test(t, On(t, series))
		})
	}
}

// EachMake is Each for one series of each make, MySQL and MariaDB.
func EachMake(t *testing.T, test func(t *testing.T, server *mysqlserver.Server)) {
	t.Helper()
	each(t, test, func(series mysqlserver.Series) bool {
		return series == mysqlserver.MySQL || series == mysqlserver.MariaDB
	})
}

// Borrow lends a test a server that no other test uses meanwhile, for settings of the whole server. It is the same one for all
// borrowers, one after another, as a start costs more than most of these tests: whoever changes a setting has a cleanup set it
// back, which runs before the next has the server. What cannot be set back takes a server of its Own.
func Borrow(tb testing.TB, series mysqlserver.Series) *mysqlserver.Server {
	tb.Helper()
	NotInCheck(tb)
	lazy := lent[series]
	if lazy == nil {
		tb.Fatalf("no series %q is pinned", series)
	}
	lazy.lending.Lock()
	tb.Cleanup(lazy.lending.Unlock) // the first to be registered, so the last to run
	lazy.once.Do(func() {
		lazy.server, lazy.err = mysqlserver.Start(context.Background(), options(series))
	})
	if lazy.err != nil {
		tb.Fatal(lazy.err)
	}
	return lazy.server
}

// Own starts a server of the test's own, which it may put out of order, with further arguments. It ends with the test.
func Own(tb testing.TB, series mysqlserver.Series, args ...string) *mysqlserver.Server {
	tb.Helper()
	NotInCheck(tb)
	server, err := mysqlserver.Start(tb.Context(), options(series, args...))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		err := server.Close()
		if err != nil {
			tb.Errorf("ending a server: %v", err)
		}
	})
	return server
}

// UniqueUser makes a user on the shared MySQL server, with a name and a password of its own and the privileges (see
// [mysqlserver.Server.CreateUser]), who may log in from anywhere. The user is dropped when the test ends.
func UniqueUser(tb testing.TB, privileges ...string) (user, password string) {
	tb.Helper()
	return UniqueUserOn(tb, Shared(tb), privileges...)
}

// UniqueUserOn is UniqueUser on any server.
func UniqueUserOn(tb testing.TB, server *mysqlserver.Server, privileges ...string) (user, password string) {
	tb.Helper()
	// MySQL takes 32 characters, MariaDB more; rand.Text gives 26.
	user, password = "u_"+strings.ToLower(rand.Text()[:12]), rand.Text()
	err := server.CreateUser(context.Background(), user, "%", password, privileges...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_, err := server.Admin().ExecContext(context.Background(), "DROP USER IF EXISTS ?@'%'", user)
		if err != nil {
			tb.Errorf("dropping user %s: %v", user, err)
		}
	})
	return user, password
}
