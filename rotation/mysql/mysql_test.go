package mysql_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/mysql"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// onBoth runs a test on MySQL and on MariaDB.
func onBoth(t *testing.T, test func(t *testing.T, login mysql.Login)) {
	t.Helper()
	t.Parallel()
	for name, shared := range map[string]func(testing.TB) *mysqlserver.Server{"MySQL": mysqltest.Shared, "MariaDB": mysqltest.SharedMariaDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := shared(t)
			user, password := mysqltest.UniqueUserOn(t, server)
			test(t, mysql.Login{User: user, Password: password, Address: server.Addr(), TLS: server.TLSConfig(), ServerName: server.Host()})
		})
	}
}

func connect(t *testing.T, l mysql.Login) *mysql.Session {
	t.Helper()
	db, err := mysql.Open(l)
	if err != nil {
		t.Fatal(err)
	}
	s, err := mysql.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestALockKeepsOtherSessionsOutUntilItsSessionIsClosed(t *testing.T) {
	onBoth(t, func(t *testing.T, login mysql.Login) {
		one, other := connect(t, login), connect(t, login)
		name := mysql.LockName("set", login.User+"@%")
		for range 2 { // a session may take its own lock again
			if ok, err := one.TryLock(t.Context(), name, 0); err != nil || !ok {
				t.Fatalf("got %v, %v", ok, err)
			}
		}
		if ok, err := other.TryLock(t.Context(), name, 0); err != nil || ok {
			t.Fatalf("while it is held: got %v, %v", ok, err)
		}
		if ok, err := other.TryLock(t.Context(), mysql.LockName("end", login.User+"@%"), 0); err != nil || !ok {
			t.Fatalf("for another purpose: got %v, %v", ok, err)
		}
		one.Close()
		if ok, err := other.TryLock(t.Context(), name, 0); err != nil || !ok {
			t.Errorf("after it was closed: got %v, %v", ok, err)
		}
	})
}

// The server ends a connection a moment after the client has: without a release, some of
// these would find the lock taken.
func TestALockIsFreeAsSoonAsItsSessionIsClosed(t *testing.T) {
	onBoth(t, func(t *testing.T, login mysql.Login) {
		name := mysql.LockName("set", login.User+"@%")
		for i := range 50 {
			one, next := connect(t, login), connect(t, login)
			if ok, err := one.TryLock(t.Context(), name, 0); err != nil || !ok {
				t.Fatalf("round %d: got %v, %v", i, ok, err)
			}
			one.Close()
			if ok, err := next.TryLock(t.Context(), name, 0); err != nil || !ok {
				t.Fatalf("round %d, after the lock's session was closed: got %v, %v", i, ok, err)
			}
			next.Close()
		}
	})
}

func TestASessionsWaitsAreBoundedAtTheServer(t *testing.T) {
	onBoth(t, func(t *testing.T, login mysql.Login) {
		s := connect(t, login)
		if err := s.BoundWaits(t.Context()); err != nil {
			t.Fatal(err)
		}
		var rows, tables, idle int
		if err := s.Row(t.Context(), "SELECT @@innodb_lock_wait_timeout, @@lock_wait_timeout, @@wait_timeout", nil, &rows, &tables, &idle); err != nil {
			t.Fatal(err)
		}
		if rows != mysql.LockWait || tables != mysql.LockWait || idle != mysql.IdleLimit {
			t.Errorf("got %d, %d and %d", rows, tables, idle)
		}
		if mysql.LockWait*time.Second >= mysql.StatementTimeout {
			t.Error("the client would give up before the server says why")
		}
	})
}

func TestEveryStatementOfASessionUsesTheSameConnection(t *testing.T) {
	onBoth(t, func(t *testing.T, login mysql.Login) {
		s := connect(t, login)
		if err := s.Exec(t.Context(), "SET @mark = ?", "it's \\ \"marked\""); err != nil {
			t.Fatal(err)
		}
		found, err := s.Texts(t.Context(), "SELECT @mark UNION ALL SELECT ?", "second")
		if err != nil || strings.Join(found, "|") != "it's \\ \"marked\"|second" {
			t.Errorf("got %q, %v", found, err)
		}
		stop := errors.New("enough")
		err = s.Rows(t.Context(), "SELECT 1", nil, func(func(...any) error) error { return stop })
		if !errors.Is(err, stop) {
			t.Errorf("an error of the caller's: got %v", err)
		}
	})
}

func TestAWrongPasswordIsDeniedAndPlaintextIsNotFallenBackTo(t *testing.T) {
	onBoth(t, func(t *testing.T, login mysql.Login) {
		wrong := login
		wrong.Password = "wrong"
		db, err := mysql.Open(wrong)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mysql.Connect(t.Context(), db); !mysql.Is(err, mysql.AccessDenied) || strings.Contains(err.Error(), login.Password) {
			t.Errorf("got %v", err)
		}
		if err := db.Ping(); err == nil {
			t.Error("the pool is still open")
		}
		another := login
		another.ServerName = "db.example.com"
		if db, err = mysql.Open(another); err != nil {
			t.Fatal(err)
		}
		if _, err := mysql.Connect(t.Context(), db); err == nil || !strings.Contains(err.Error(), "db.example.com") {
			t.Errorf("with a certificate that is for another name: got %v", err)
		}
	})
}

func TestAnErrorIsKnownByItsNumberWithTheServersTextOrWithout(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&driver.MySQLError{Number: mysql.NotCurrentPassword, Message: "text"},
		mysql.Number(mysql.NotCurrentPassword),
		fmt.Errorf("set it: %w", mysql.Number(mysql.NotCurrentPassword)),
	} {
		if !mysql.Is(err, mysql.NotCurrentPassword) || mysql.Is(err, mysql.NoPrivilege) {
			t.Errorf("%v is not known", err)
		}
	}
	if _, ok := mysql.NumberOf(io.EOF); ok || mysql.Is(nil, 0) {
		t.Error("what is no error of the server's has a number")
	}
}

func TestALocksNameFitsAndIsOfOneAccount(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("u", 80) + "@" + strings.Repeat("h", 255)
	name := mysql.LockName(strings.Repeat("p", 15), long)
	if len(name) > 64 || name == mysql.LockName(strings.Repeat("p", 15), long+"x") {
		t.Errorf("%d characters: %s", len(name), name)
	}
}
