package database

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/mysql"
)

// canary is a password that has to stay where it is.
const canary = "canary-of-a-password"

// FuzzParseEntries reads MariaDB's descriptions of accounts, and one that is
// written here as MariaDB writes it: what was quoted is read back.
func FuzzParseEntries(f *testing.F) {
	f.Add("CREATE USER `u`@`%` IDENTIFIED VIA unix_socket OR mysql_native_password USING 'x' REQUIRE SSL", "u", "%", "*6FE2B845E049CDA9EFED8CFAF265CD29622FD852", "ed25519", uint8(2))
	f.Add("CREATE USER `u", "u``", "10.%`@`", "", "unix_socket", uint8(0))
	f.Add("CREATE USER \"u\"@\"%\" IDENTIFIED BY PASSWORD '", "it's \\ \" `", "h", "'' OR x USING ''", "OR", uint8(7))
	f.Add("CREATE USER `u`@`%` IDENTIFIED VIA ", "u` IDENTIFIED VIA x", "\xff", "\\", "a", uint8(3))
	f.Add("CREATE USER `u`@`%` IDENTIFIED VIA a USING 'b' OR", "", "", "USING", "USING", uint8(1))
	f.Fuzz(func(t *testing.T, shown, user, host, hash, plugin string, form uint8) {
		for i := range len(shown) {
			parseEntries(shown[:i]) // cut off anywhere
		}
		if got, ok := parseEntries(shown); ok {
			for _, e := range got {
				if !strings.Contains(shown, e.plugin) && e.plugin != nativePlugin || !strings.Contains(shown, e.hash) {
					t.Fatalf("%+v is not in it", e)
				}
			}
		}
		if plugin == "" || strings.ContainsAny(plugin, " '`\"\\") || strings.ContainsAny(hash, `'\`) {
			return // no server has such plugins, or hashes
		}
		quote := []string{"`", `"`}[form&1]
		quoted := func(s string) string { return quote + strings.ReplaceAll(s, quote, quote+quote) + quote }
		account := "CREATE USER " + quoted(user) + "@" + quoted(host)
		after := []string{"", " REQUIRE NONE", " REQUIRE SSL ACCOUNT LOCK", " WITH MAX_USER_CONNECTIONS 5"}[form>>1&3]
		for text, want := range map[string][]entry{
			account + after: nil,
			account + " IDENTIFIED BY PASSWORD '" + hash + "'" + after:                                               {{nativePlugin, hash}},
			account + " IDENTIFIED VIA " + plugin + " USING '" + hash + "'" + after:                                  {{plugin, hash}},
			account + " IDENTIFIED VIA " + plugin + after:                                                            {{plugin, ""}},
			account + " IDENTIFIED VIA " + plugin + " OR " + nativePlugin + " USING '" + hash + "'" + after:          {{plugin, ""}, {nativePlugin, hash}},
			account + " IDENTIFIED VIA " + nativePlugin + " USING '" + hash + "' OR " + plugin + " USING ''" + after: {{nativePlugin, hash}, {plugin, ""}},
		} {
			if got, ok := parseEntries(text); !ok || !slices.Equal(got, want) {
				t.Fatalf("%s: got %+v, %v, want %+v", text, got, ok, want)
			}
		}
	})
}

// FuzzStatements makes the statements that change a password. None holds one in
// its text, and to MariaDB none is sent but as a hash, unless it has to be.
func FuzzStatements(f *testing.F) {
	f.Add("8.0.36", "mautic@%", "x", "y", false)
	f.Add("10.11.9-MariaDB-1:10.11.9+maria~deb12", "a@b@%", "x", "x", false)
	f.Add("5.5.5-10.4.0-MariaDB", "@", "'; --", "", true)
	f.Add("8.0.mysql_aurora.3.04.0", "it's@10.%", "%s?", "\x00\xff", true)
	f.Fuzz(func(t *testing.T, version, login, a, b string, plain bool) {
		if !strings.Contains(login, "@") {
			return // identify refuses it
		}
		s := server{version: version, account: login}
		if s.user()+"@"+s.host() != login || strings.Contains(s.host(), "@") {
			t.Fatalf("%q is %q at %q", login, s.user(), s.host())
		}
		primary, secondary := canary+a, canary+b
		hidden := s.mariadb() && !plain
		check := func(what, statement string, args []any, shown []string) {
			t.Helper()
			if strings.Contains(statement, canary) {
				t.Fatalf("%s: the statement holds a password: %s", what, statement)
			}
			if strings.Count(statement, "?") != len(args) {
				t.Fatalf("%s: %d arguments for %s", what, len(args), statement)
			}
			for _, arg := range args {
				text, ok := arg.(string)
				if !ok || slices.Contains(shown, text) {
					continue
				}
				if hidden == (text == primary || text == secondary) || hidden && text != nativeHash(primary) && text != nativeHash(secondary) {
					t.Fatalf("%s on %q, plain %v: an argument is not what it should be", what, version, plain)
				}
			}
		}
		statement, args := singleStatement(s, plain, primary, secondary)
		check("single", statement, args, nil)
		if s.mariadb() {
			statement, args = entriesStatement(s, s.host(), plain, primary, secondary)
			check("two entries", statement, args, []string{s.user(), s.host()})
			if got := strings.Count(statement, nativePlugin); got != 2 && primary != secondary || got == 0 {
				t.Fatalf("%d entries: %s", got, statement)
			}
		}
		if hash := nativeHash(primary); len(hash) != 41 || hash[0] != '*' || strings.Trim(hash[1:], "0123456789ABCDEF") != "" || (hash == nativeHash(secondary)) != (primary == secondary) {
			t.Fatalf("a hash that MariaDB does not know: %q", hash)
		}
		for _, purpose := range []string{"set", "end"} {
			if name := mysql.LockName(purpose, login); len(name) > 64 || name == mysql.LockName(purpose, login+"x") {
				t.Fatalf("the lock %q", name)
			}
		}
	})
}

// FuzzVersion compares versions that a server could say, and any text.
func FuzzVersion(f *testing.F) {
	f.Add(uint8(8), uint8(0), uint8(14), "-commercial", "9.1")
	f.Add(uint8(10), uint8(4), uint8(0), "-MariaDB-log", "5.5.5-10.4.1-MariaDB")
	f.Add(uint8(8), uint8(0), uint8(23), ".mysql_aurora.3.04.0", "8.0.mysql_aurora.3.04.0")
	f.Add(uint8(0), uint8(0), uint8(0), "99999999999999999999", "99999999999999999999.\xff.-1")
	f.Fuzz(func(t *testing.T, major, minor, patch uint8, suffix, text string) {
		dotted := []int{int(major), int(minor), int(patch)}
		version := fmt.Sprintf("%d.%d.%d", major, minor, patch)
		if suffix != "" && strings.Trim(suffix[:1], "-+~. ") == "" {
			version += suffix
		}
		for _, wanted := range [][]int{{8, 0, 14}, {8, 0, 13}, {10, 4, 0}, {11, 6, 0}, {9, 1, 0}, dotted} {
			if got, want := atLeast(version, wanted...), slices.Compare(dotted, wanted) >= 0; got != want {
				t.Fatalf("%s is at least %v: %v", version, wanted, got)
			}
		}
		for _, v := range []string{version, text} {
			if atLeast(v, 8, 0, 14) && !atLeast(v, 8, 0, 13) || atLeast(v, 9) && !atLeast(v, 8, 255) {
				t.Fatalf("%q is newer and older", v)
			}
			s := server{version: v, account: "u@h"}
			_ = s.dual()
			if s.String() == "" || (s.brand() == "MariaDB") != s.mariadb() {
				t.Fatalf("%q is %s by %s", v, s, s.brand())
			}
		}
	})
}

// FuzzAccount reads accounts out of documents. The password that is read is the
// one in the document, and no error tells it.
func FuzzAccount(f *testing.F) {
	const whole = `"database_host":"h","database_port":3306,"database_name":"n","database_user":"u"`
	f.Add(whole, "x", false)
	f.Add(`"host":"h","port":"3306.0","engine":"postgres","username":["u"],"dbInstanceIdentifier":7`, "\x00", true)
	f.Add(`"username":"u","username":"v","host":""`, "\xff", true)
	f.Add(`"password":"y","database_password":"z"`, "", false)
	f.Add(`"database_port":-1e400,"database_user":{},"database_host":null`, "\\ud800", false)
	f.Fuzz(func(t *testing.T, rest, password string, byAWS bool) {
		if strings.Contains(rest, canary) {
			return
		}
		layout := RunbookLayout
		if byAWS {
			layout = AWSLayout
		}
		d, err := document.Parse("{" + rest + "}")
		if err == nil {
			d, err = d.Put(layout.Password, canary+password)
		}
		if err != nil {
			return
		}
		k := New(Config{})
		a, err := k.account(t.Context(), d)
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Fatalf("the error tells the password: %v", err)
			}
			return
		}
		if !strings.HasPrefix(a.password, canary) || a.user == "" || a.host == "" || a.port < 1 || a.port > 65535 {
			t.Fatalf("user %q, host %q, port %d, and a password of %d bytes", a.user, a.host, a.port, len(a.password))
		}
		if strings.Contains(a.String(), canary) || strings.Contains(a.place().String(), canary) || a.place().password != "" {
			t.Fatal("the account's name tells its password")
		}
		if fields, err := k.Fields(d); err != nil || len(fields) != 1 {
			t.Fatalf("its fields are %v, %v", fields, err)
		}
	})
}

// FuzzExplain explains errors of a server: what it says is not told for a number
// that is known, since that of 1064 echoes the statement.
func FuzzExplain(f *testing.F) {
	for number := range meanings {
		f.Add(number, "near 'x'", "u", "h")
	}
	f.Add(uint16(1290), "--strict-password-validation", "%s%d", "%!")
	f.Add(uint16(0), "", "", "")
	f.Fuzz(func(t *testing.T, number uint16, message, user, host string) {
		said := &driver.MySQLError{Number: number, Message: message + canary}
		a := account{user: user, password: canary, host: host, port: 3306}
		err := explain(fmt.Errorf("wrapped: %w", said), a)
		_, known := meanings[number]
		if told := strings.Contains(err.Error(), canary); told == known && !strings.Contains(user+host, canary) {
			t.Fatalf("%d is known: %v, and what the server says is told: %v", number, known, told)
		}
		if !strings.Contains(err.Error(), fmt.Sprint(number)) || strings.Contains(err.Error(), "%!") && !strings.Contains(user+host+message, "%!") {
			t.Fatalf("it is badly put: %v", err)
		}
		if !mysql.Is(err, number) || explain(err, account{user: "other"}).Error() != err.Error() || credential.OutcomeOf(err) == "" {
			t.Fatalf("what it is got lost: %v", err)
		}
		for _, limit := range []int{ownLimit(message, ownHistory, 7), ownLimit(message+" FAILED_LOGIN_ATTEMPTS 3", ownFailures, 7)} {
			if limit < 0 {
				t.Fatalf("a limit of %d in %q", limit, message)
			}
		}
	})
}
