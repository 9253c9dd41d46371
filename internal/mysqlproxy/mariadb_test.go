package mysqlproxy_test

import (
	"crypto/sha1"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

// nativeHash is what MariaDB keeps of a password.
func nativeHash(password string) string {
	once := sha1.Sum([]byte(password))
	twice := sha1.Sum(once[:])
	return fmt.Sprintf("*%X", twice)
}

func TestEitherOfTwoPasswordsOfMariaDBLogsIn(t *testing.T) {
	onMariaDB(t, func(t *testing.T, f *fixture) {
		// When the first does not match, the server asks again for the second, with another challenge.
		_, err := f.server.Admin().ExecContext(t.Context(),
			"ALTER USER ?@'%' IDENTIFIED VIA mysql_native_password USING ? OR mysql_native_password USING ?",
			f.user, nativeHash("new"), nativeHash(f.password))
		if err != nil {
			t.Fatal(err)
		}
		for _, password := range []string{"new", f.password} {
			conn := f.mustConnect(t, func(c *mysql.Config) { c.Passwd = password })
			if err := conn.PingContext(t.Context()); err != nil {
				t.Error(err)
			}
		}
		_, err = f.connect(t, func(c *mysql.Config) { c.Passwd = "wrong" })
		wantError(t, err, 1045)

		var kinds []mysqlproxy.Kind
		for _, call := range f.proxy.Calls() {
			kinds = append(kinds, call.Kind)
		}
		if want := []mysqlproxy.Kind{mysqlproxy.Login, mysqlproxy.Ping, mysqlproxy.Login, mysqlproxy.Ping, mysqlproxy.Login}; !slices.Equal(kinds, want) {
			t.Errorf("calls %v, want %v: a login is one call, however often the server asks", kinds, want)
		}
	})
}

func TestPasswordsAndHashesOfMariaDBStayOutOfCalls(t *testing.T) {
	onMariaDB(t, func(t *testing.T, f *fixture) {
		user, _ := mysqltest.UniqueUserOn(t, f.server)
		// MariaDB asks for UPDATE where another user's password is set with SET PASSWORD, for CREATE USER where it is altered.
		admin := newFixtureOn(t, f.server, "CREATE USER ON *.*", "UPDATE ON mysql.*")
		conn := admin.mustConnect(t)
		const password = `s3cr'et\`
		hash := nativeHash(password)
		for _, s := range []struct {
			sql  string
			args []any
			want string
		}{
			{"SELECT GET_LOCK(?, 5)", []any{"rotate " + user}, "SELECT GET_LOCK('…', 5)"},
			{"ALTER USER ?@? IDENTIFIED VIA mysql_native_password USING ? OR mysql_native_password USING ?", []any{user, "%", hash, hash},
				"ALTER USER '…'@'…' IDENTIFIED VIA mysql_native_password USING '…' OR mysql_native_password USING '…'"},
			{"ALTER USER ?@? IDENTIFIED VIA mysql_native_password USING PASSWORD(?)", []any{user, "%", password},
				"ALTER USER '…'@'…' IDENTIFIED VIA mysql_native_password USING PASSWORD('…')"},
			{"ALTER USER ?@? IDENTIFIED BY PASSWORD ?", []any{user, "%", hash}, "ALTER USER '…'@'…' IDENTIFIED BY PASSWORD '…'"},
			{"SET PASSWORD FOR ?@? = PASSWORD(?)", []any{user, "%", password}, "SET PASSWORD FOR '…'@'…' = PASSWORD('…')"},
			{"SET PASSWORD FOR ?@? = ?", []any{user, "%", hash}, "SET PASSWORD FOR '…'@'…' = '…'"},
			{"SET STATEMENT lock_wait_timeout = 5 FOR ALTER USER ?@? IDENTIFIED BY ?", []any{user, "%", password},
				"SET STATEMENT lock_wait_timeout = 5 FOR ALTER USER '…'@'…' IDENTIFIED BY '…'"},
			{"SELECT RELEASE_ALL_LOCKS()", nil, "SELECT RELEASE_ALL_LOCKS()"},
		} {
			if _, err := conn.ExecContext(t.Context(), s.sql, s.args...); err != nil {
				t.Errorf("%s: %v", s.want, err)
			}
			calls := admin.proxy.Calls()
			if got := calls[len(calls)-1].Text; got != s.want {
				t.Errorf("got  %s\nwant %s", got, s.want)
			}
		}

		if err := f.server.Login(t.Context(), user, password, ""); err != nil {
			t.Errorf("the statements did not do what they say: %v", err)
		}
		for _, call := range admin.proxy.Calls() {
			for _, secret := range []string{"s3cr", strings.Trim(hash, "*")} {
				if strings.Contains(call.Text, secret) {
					t.Errorf("a call shows a secret value: %s", call.Text)
				}
			}
		}
	})
}
