package mysqlserver_test

import (
	"testing"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

func TestStoredPasswordsAreThoseThatAnAccountAccepts(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		user, first := mysqltest.UniqueUserOn(t, server)
		wantStored(t, server, user, first)

		const second = "it's the second"
		if server.IsMariaDB() {
			change(t, server, "ALTER USER ? IDENTIFIED VIA mysql_native_password USING PASSWORD(?) OR mysql_native_password USING PASSWORD(?)", user, second, first)
		} else {
			change(t, server, "ALTER USER ? IDENTIFIED BY ? RETAIN CURRENT PASSWORD", user, second)
		}
		wantStored(t, server, user, second, first)

		change(t, server, "ALTER USER ? IDENTIFIED BY ?", user, "the third")
		if server.IsMariaDB() {
			wantStored(t, server, user, "the third")
		} else {
			wantStored(t, server, user, "the third", first) // only the primary one has changed
		}

		change(t, server, "DROP USER ?", user)
		wantStored(t, server, user)
	})
}

func change(t *testing.T, server *mysqlserver.Server, statement string, args ...any) {
	t.Helper()
	if _, err := server.Admin().ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// wantStored wants an account to accept these passwords, in any order.
func wantStored(t *testing.T, server *mysqlserver.Server, user string, passwords ...string) {
	t.Helper()
	stored, err := server.StoredPasswords(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	if len(stored) != len(passwords) {
		t.Errorf("%d passwords are stored, want %d", len(stored), len(passwords))
	}
	for _, one := range stored {
		matching := 0
		for _, password := range append(passwords, "another") {
			is, err := server.Is(t.Context(), one, password)
			if err != nil {
				t.Fatal(err)
			}
			if is && password == "another" {
				t.Error("a password is said to be stored that was never set")
			}
			if is {
				matching++
			}
		}
		if matching != 1 {
			t.Errorf("a stored password is %d of those that were set", matching)
		}
	}
}
