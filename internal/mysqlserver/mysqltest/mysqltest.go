// Package mysqltest gives tests a real server. All tests of a package share one, started when the first of them asks for it:
//
//	func TestMain(m *testing.M) { mysqltest.Main(m) }
//
//	func TestChangesAPassword(t *testing.T) {
//		t.Parallel()
//		server := mysqltest.Shared(t)
//		user, password := mysqltest.UniqueUser(t)
//		…
//	}
//
// Tests keep out of each other's way by using users, and databases, of their own.
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

// shared holds the servers of this process, by flavor.
var shared = map[mysqlserver.Flavor]*lazyServer{
	mysqlserver.MySQL:       {},
	mysqlserver.MariaDB:     {},
	mysqlserver.MariaDB1011: {},
}

type lazyServer struct {
	once   sync.Once
	server *mysqlserver.Server
	err    error
}

// Main runs a package's tests, ends the servers that they shared, and exits. Call it from TestMain.
//
// A package that has more to clean up passes a runner of its own around m.
func Main(m interface{ Run() int }) {
	code := m.Run()
	for flavor, lazy := range shared {
		if lazy.server == nil {
			continue
		}
		err := lazy.server.Close()
		if err != nil {
			fmt.Fprintf(os.Stderr, "ending the shared %s server: %v\n", flavor, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// Shared returns the process's MySQL server, which logs whatever it can (--log-error-verbosity=3), as the search for users of a
// second password needs it. Where no server can be had the test fails, saying what to install: a
// test that is passed over proves nothing.
func Shared(tb testing.TB) *mysqlserver.Server {
	tb.Helper()
	return get(tb, mysqlserver.MySQL, "--log-error-verbosity=3")
}

// SharedMariaDB is Shared for MariaDB.
func SharedMariaDB(tb testing.TB) *mysqlserver.Server {
	tb.Helper()
	return get(tb, mysqlserver.MariaDB)
}

// SharedMariaDB1011 is Shared for MariaDB 10.11.
func SharedMariaDB1011(tb testing.TB) *mysqlserver.Server {
	tb.Helper()
	return get(tb, mysqlserver.MariaDB1011)
}

func get(tb testing.TB, flavor mysqlserver.Flavor, args ...string) *mysqlserver.Server {
	tb.Helper()
	lazy := shared[flavor]
	lazy.once.Do(func() {
		// Not the test's context: the server outlives the test.
		lazy.server, lazy.err = mysqlserver.Start(context.Background(), mysqlserver.Options{
			Flavor:   flavor,
			Args:     args,
			Progress: func(message string) { fmt.Fprintln(os.Stderr, message) },
		})
	})
	if lazy.err != nil {
		tb.Fatal(lazy.err)
	}
	return lazy.server
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
