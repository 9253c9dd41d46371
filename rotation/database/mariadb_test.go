package database

import (
	"slices"
	"strings"
	"testing"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

func TestHowAnAccountOfMariaDBLogsInIsReadFromItsDescription(t *testing.T) {
	const a, b = "*6FE2B845E049CDA9EFED8CFAF265CD29622FD852", "*68513038F26825D64592ACD3C7FE9C3985CD46ED"
	for shown, want := range map[string][]entry{
		"CREATE USER `u`@`%` IDENTIFIED BY PASSWORD '" + a + "'":                                                                             {{nativePlugin, a}},
		"CREATE USER `u`@`%` IDENTIFIED BY PASSWORD '" + a + "' REQUIRE SSL WITH MAX_USER_CONNECTIONS 5":                                     {{nativePlugin, a}},
		"CREATE USER \"u\"@\"%\" IDENTIFIED BY PASSWORD '" + a + "'":                                                                         {{nativePlugin, a}},
		"CREATE USER `u``@`@`10.%` IDENTIFIED BY PASSWORD '" + a + "'":                                                                       {{nativePlugin, a}},
		"CREATE USER `u' IDENTIFIED VIA x`@`%` IDENTIFIED BY PASSWORD '" + a + "'":                                                           {{nativePlugin, a}},
		"CREATE USER `u`@`%` IDENTIFIED VIA mysql_native_password USING '" + a + "' OR mysql_native_password USING '" + b + "' ACCOUNT LOCK": {{nativePlugin, a}, {nativePlugin, b}},
		"CREATE USER `u`@`%` IDENTIFIED VIA unix_socket OR mysql_native_password USING '" + a + "' REQUIRE NONE":                             {{"unix_socket", ""}, {nativePlugin, a}},
		"CREATE USER `u`@`%` IDENTIFIED VIA mysql_native_password USING '" + a + "' OR unix_socket":                                          {{nativePlugin, a}, {"unix_socket", ""}},
		"CREATE USER `u`@`%` IDENTIFIED VIA unix_socket REQUIRE SSL":                                                                         {{"unix_socket", ""}},
		"CREATE USER `u`@`%` IDENTIFIED VIA unix_socket":                                                                                     {{"unix_socket", ""}},
		"CREATE USER `u`@`%` IDENTIFIED VIA ed25519 USING 'vRq+ROSzhW4MwhdoPvlkL1fHkT0w6ZDDbTpVQwSNQ90'":                                     {{"ed25519", "vRq+ROSzhW4MwhdoPvlkL1fHkT0w6ZDDbTpVQwSNQ90"}},
		"CREATE USER `u`@`%` REQUIRE SSL":                                                                                                    nil,
		"CREATE USER `u`@`%`":                                                                                                                nil,
	} {
		if got, ok := parseEntries(shown); !ok || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", shown, got, ok, want)
		}
	}
	for _, unknown := range []string{"", "CREATE USER u@h", "CREATE ROLE `u`", "CREATE USER `u`@`%` IDENTIFIED BY PASSWORD '", "CREATE USER `u"} {
		if got, ok := parseEntries(unknown); ok {
			t.Errorf("%q: got %v", unknown, got)
		}
	}
}

func TestAHashIsWhatMariaDBMakesOfThePassword(t *testing.T) {
	onEachMariaDB(t, func(t *testing.T, f *fixture) {
		for _, password := range []string{f.first, "täglich ☕", `it's "quoted" \`} {
			var want string
			if err := f.server.Admin().QueryRowContext(t.Context(), "SELECT PASSWORD(?)", password).Scan(&want); err != nil {
				t.Fatal(err)
			}
			if got := nativeHash(password); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
}

func TestASetByAnAdministratorTakesPasswordsAndNamesOfAnyCharacters(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		for _, user := range []string{`it's`, `say "x"`, `back\slash`, "at@home", "d'Östé", "tick`s"} {
			f.user = user
			f.admin("CREATE USER IF NOT EXISTS ? IDENTIFIED BY ?", user, f.first) // the driver may send it again
			t.Cleanup(func() { f.server.Admin().Exec("DROP USER ?", user) })
			current := f.first
			for _, next := range []string{`it's "quoted"`, `back\slash\`, `'; DROP USER x; --`, "täglich ☕", "%s ? %d", "a b\tc\nd"} {
				f.mustSet(current, next)
				f.accepts(true, current, next)
				current = next
			}
		}
	})
}

func TestWhereAServerRefusesHashesThePasswordsAreSentAndItIsSaid(t *testing.T) {
	onEachMariaDB(t, refusedHashes)
}

func refusedHashes(t *testing.T, f *fixture) {
	f.withAdmin()
	// The statement itself, on a server that would take either.
	statement, args := entriesStatement(server{account: f.user + "@%"}, "%", true, pendingPassword, f.first)
	f.admin(statement, args...)
	f.accepts(true, f.first, pendingPassword)
	if strings.Contains(statement, pendingPassword) || !strings.Contains(statement, "USING PASSWORD(?) OR") {
		t.Errorf("got %s", statement)
	}
	for _, tc := range []struct {
		policy policy
		plain  bool
	}{
		{policy{}, false},
		{policy{strict: true}, false},
		{policy{plugins: []string{"simple_password_check"}}, false},
		{policy{strict: true, plugins: []string{"simple_password_check"}}, true},
	} {
		if got := tc.policy.plain(); got != tc.plain {
			t.Errorf("%+v: got %v", tc.policy, got)
		}
	}
	own, err := f.login(t.Context(), f.account(f.first), "")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if got, err := own.policy(t.Context()); err != nil || !got.strict || len(got.plugins) > 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPluginsThatCheckPasswordsAreHeeded(t *testing.T) {
	mysqltest.EachMariaDB(t, pluginsAreHeeded)
}

func pluginsAreHeeded(t *testing.T, shared *mysqlserver.Server) {
	// A server of its own: a plugin is there for all accounts.
	f := newFixtureOn(t, mysqltest.Own(t, shared.Series()))
	f.withAdmin()
	f.first = f.config.Passwords.Generate()
	f.fill(f.first, "")
	f.install("simple_password_check")
	f.mustSet(f.first, pendingPassword)
	f.accepts(true, f.first, pendingPassword)
	if !strings.Contains(f.log.String(), "refuse hashes, so the passwords themselves are sent") {
		t.Errorf("the log does not say it: %s", &f.log)
	}
	if said := f.preflight(pendingPassword); !strings.Contains(said, "keep passwords out of the server's logs: WARNING: ") {
		t.Errorf("the preflight says %s", said)
	}
	f.mustQuarantine(pendingPassword, f.first)
	f.accepts(false, f.first)
	f.says(f.Set(t.Context(), f.change(pendingPassword, "weak")), "error 1396", "simple_password_check")
	f.accepts(true, pendingPassword)

	f.configure(func(c *Config) { c.Way = "single" })
	f.mustSet(pendingPassword, f.first)
	f.says(f.Set(t.Context(), f.change(f.first, "weak")), "MySQL error 1819")
	f.accepts(true, f.first)

	f.configure(func(c *Config) { c.Way = "" })
	if f.server.AtLeast(10, 7) { // the first with the plugin
		f.install("password_reuse_check")
		f.says(f.Set(t.Context(), f.change(f.first, pendingPassword)), "the server's plugin password_reuse_check refuses a password that was used before", "nothing was changed")
		f.accepts(true, f.first)
		f.accepts(false, pendingPassword)
	}

	f.install("auth_ed25519")
	f.admin("ALTER USER ? IDENTIFIED VIA mysql_native_password USING PASSWORD(?) OR ed25519 USING PASSWORD(?)", f.user, abandonedPassword, "Other-0123456789")
	f.says(f.Set(t.Context(), f.change(abandonedPassword, pendingPassword)), "can log in with ed25519")

	if f.server.AtLeast(11, 6) { // the first with the plugin
		f.install("auth_parsec")
		f.admin("ALTER USER ? IDENTIFIED VIA parsec USING PASSWORD(?)", f.user, unrelatedPassword)
		f.says(f.Set(t.Context(), f.change(unrelatedPassword, pendingPassword)), "with an authentication plugin that this function does not support")
	}
}

// install installs a plugin's library. Where the libraries are depends on where
// the server comes from, so the server is asked if one is not there.
func (f *fixture) install(name string) {
	f.t.Helper()
	_, err := f.server.Admin().ExecContext(f.t.Context(), "INSTALL SONAME ?", name)
	if err == nil {
		return
	}
	var dir string
	if err := f.server.Admin().QueryRowContext(f.t.Context(), "SELECT @@plugin_dir").Scan(&dir); err != nil {
		f.t.Fatal(err)
	}
	f.t.Fatalf("%v: install what has %s.so in %s (on Debian, the package mariadb-server), for %s", err, name, dir, f.server.Origin())
}
