package database

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/document"
)

func TestNoLoginFailsThroughRotationsByAnAdministrator(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		service := &inService{password: f.first}
		f.whileLoggingIn(service, func() {
			old := f.first
			for range 3 {
				current := f.config.Passwords.Generate()
				f.mustSet(old, current)
				f.mustSet(old, current)
				f.accepts(true, old, current)
				service.promote(current)
				overlap := f.overlap(current, old)
				f.mustQuarantine(current, old)
				f.accepts(false, old)
				for range 2 {
					if err := f.Restore(t.Context(), overlap); err != nil {
						t.Errorf("restore: %v", err)
					}
				}
				f.accepts(true, old, current)
				for range 2 {
					if err := f.Retire(t.Context(), overlap); err != nil {
						t.Errorf("retire: %v", err)
					}
				}
				f.accepts(false, old)
				f.accepts(true, current)
				old = current
			}
		})
		if !strings.Contains(f.log.String(), "way=admin") {
			t.Errorf("the log does not say by which way: %s", &f.log)
		}
	})
}

func TestAnAccountOfMariaDBWithCreateUserKeepsItsOwnOldPassword(t *testing.T) {
	onEachMariaDB(t, func(t *testing.T, f *fixture) {
		f.mustSet(f.first, abandonedPassword)
		f.mustSet(f.first, pendingPassword)
		f.accepts(true, f.first, pendingPassword)
		f.accepts(false, abandonedPassword)
		if err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first)); err != nil {
			t.Errorf("retire: %v", err)
		}
		f.accepts(false, f.first)
		f.accepts(true, pendingPassword)
		if !strings.Contains(f.log.String(), "way=self") {
			t.Errorf("the log does not say by which way: %s", &f.log)
		}
	}, createUser)
}

func TestAdministratorsMaySetManyTimesAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.fill(abandonedPassword, f.first)
		f.whileLoggingIn(&inService{password: f.first}, func() { f.setConcurrently(6, f.first, pendingPassword) })
		f.accepts(true, f.first, pendingPassword)
		f.accepts(false, abandonedPassword)
	})
}

func TestAnAdministratorChangesNothingOfAnAccountButItsPasswords(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		options := "REQUIRE SSL WITH MAX_USER_CONNECTIONS 50 MAX_QUERIES_PER_HOUR 100000 PASSWORD EXPIRE INTERVAL 90 DAY"
		if !f.onMariaDB() {
			options += " FAILED_LOGIN_ATTEMPTS 9 PASSWORD_LOCK_TIME 2 COMMENT 'kept'"
		}
		f.admin("ALTER USER ? "+options, f.user)
		before := f.restOfAccount()
		if !strings.Contains(before, "MAX_USER_CONNECTIONS 50") {
			t.Fatalf("the account is %s", before)
		}
		f.mustSet(f.first, pendingPassword)
		if after := f.restOfAccount(); after != before {
			t.Errorf("set: got %s, want %s", after, before)
		}
		f.mustQuarantine(pendingPassword, f.first)
		f.mustRestore()
		if after := f.restOfAccount(); after != before {
			t.Errorf("restore: got %s, want %s", after, before)
		}
	})
}

// restOfAccount is the account without how it logs in.
func (f *fixture) restOfAccount() string {
	f.t.Helper()
	var shown string
	if err := f.server.Admin().QueryRowContext(f.t.Context(), "SHOW CREATE USER ?", f.user).Scan(&shown); err != nil {
		f.t.Fatal(err)
	}
	return regexp.MustCompile(`IDENTIFIED .*? REQUIRE`).ReplaceAllString(strings.ReplaceAll(shown, "\n", ""), "REQUIRE")
}

func TestMariaDBsLogGetsNoPassword(t *testing.T) {
	mysqltest.EachMariaDB(t, logGetsNoPassword)
}

func logGetsNoPassword(t *testing.T, server *mysqlserver.Server) {
	f := newFixtureOn(t, server)
	f.withAdmin()
	f.admin("SET GLOBAL log_output = 'TABLE', general_log = ON")
	t.Cleanup(func() { f.server.Admin().Exec("SET GLOBAL general_log = OFF") })
	f.mustSet(f.first, pendingPassword)
	f.configure(func(c *Config) { c.Way = "single" })
	f.fill(f.first, "")
	f.mustSet(f.first, abandonedPassword)
	var hashes, passwords int
	err := f.server.Admin().QueryRowContext(t.Context(), `SELECT SUM(INSTR(argument, ?) > 0 OR INSTR(argument, ?) > 0),
		SUM(INSTR(argument, ?) > 0 OR INSTR(argument, ?) > 0) FROM mysql.general_log WHERE command_type = 'Query' AND argument NOT LIKE '%INSTR%'`,
		nativeHash(pendingPassword), nativeHash(abandonedPassword), pendingPassword, abandonedPassword).Scan(&hashes, &passwords)
	if err != nil {
		t.Fatal(err)
	}
	if hashes < 2 || passwords != 0 {
		t.Errorf("%d statements have a hash, %d a password", hashes, passwords)
	}
}

func TestTheAdministratorsSecretMayItselfBeInRotation(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		user, password := mysqltest.UniqueUserOn(t, f.server, createUser)
		f.configure(func(c *Config) { c.Admin = f.adminSecret(user, "outdated", password) })
		f.mustSet(f.first, pendingPassword)
		f.accepts(true, f.first, pendingPassword)
	})
}

func TestAnAdministratorWhoCannotIsNamedAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		prepare func(*fixture)
		want    string
	}{
		{"two outdated passwords", func(f *fixture) {
			f.configure(func(c *Config) { c.Admin = f.adminSecret("nobody", "one", "two", "three") })
		}, "log in as the administrator of DATABASE_ADMIN_SECRET_ARN: MySQL error 1045: the password of 'nobody'"},
		{"no privilege", func(f *fixture) { f.withAdmin("SELECT ON mysql.*") }, "error 1227: the user that changes 'USER@%' lacks the privilege: GRANT CREATE USER ON *.* to it"},
		{"no value", func(f *fixture) {
			f.configure(func(c *Config) { c.Admin = f.adminSecret("nobody") })
		}, "the secret of DATABASE_ADMIN_SECRET_ARN has no value"},
		{"no password", func(f *fixture) {
			f.configure(func(c *Config) {
				c.Admin = func(context.Context) ([]document.Document, error) {
					return []document.Document{parse(f.t, `{"username":"a"}`)}, nil
				}
			})
		}, "has no password: add fields /username and /password"},
		{"no user", func(f *fixture) {
			f.configure(func(c *Config) {
				c.Admin = func(context.Context) ([]document.Document, error) {
					return []document.Document{parse(f.t, `{"database_password":"a"}`)}, nil
				}
			})
		}, "field /database_user: missing"},
		{"a secret that cannot be read", func(f *fixture) {
			f.configure(func(c *Config) {
				c.Admin = func(context.Context) ([]document.Document, error) { return nil, errors.New("access denied") }
			})
		}, "read the secret of DATABASE_ADMIN_SECRET_ARN: access denied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, f *fixture) {
				tc.prepare(f)
				want := strings.ReplaceAll(tc.want, "USER@", f.user+"@")
				if err := f.Set(t.Context(), f.change(f.first, pendingPassword)); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got  %v\nwant %s", err, want)
				}
				f.accepts(true, f.first)
				f.accepts(false, pendingPassword)
			})
		})
	}
}

func TestAnAccountThatCanLogInByOtherMeansIsNotChanged(t *testing.T) {
	onEachMariaDB(t, func(t *testing.T, f *fixture) {
		f.withAdmin()
		f.admin("ALTER USER ? IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD(?)", f.user, f.first)
		for _, way := range []string{"", "single"} {
			f.configure(func(c *Config) { c.Way = way })
			err := f.Set(t.Context(), f.change(f.first, pendingPassword))
			if err == nil || !strings.Contains(err.Error(), "can log in with unix_socket, which a change of its password would remove") {
				t.Errorf("way %q: got %v", way, err)
			}
			f.accepts(true, f.first)
			f.accepts(false, pendingPassword)
		}
	})
}

func TestTheAccountsOwnWayAndTheAdministratorsHoldTheSameLock(t *testing.T) {
	onEach(t, sameLock)
}

func sameLock(t *testing.T, f *fixture) {
	f.configure(func(c *Config) { c.Way = "admin" })
	own := f.lockedSession(f.first)
	defer own.Close()
	change := f.change(f.first, pendingPassword)
	confirmed := make(chan struct{})
	change.Confirm = func(context.Context) error { close(confirmed); return nil }
	result := make(chan error, 1)
	go func() { result <- f.Set(t.Context(), change) }()
	f.awaitWaiter()
	select {
	case <-confirmed:
		t.Error("the labels were confirmed before the lock was held")
	default:
	}
	own.Close()
	if err := <-result; err != nil {
		t.Errorf("set: %v", err)
	}
	<-confirmed
	f.accepts(true, f.first, pendingPassword)
}

func TestAnAdministratorsStatementThatTheServerRunsLateComesBeforeTheNextChange(t *testing.T) {
	onEach(t, lateStatement)
}

func lateStatement(t *testing.T, f *fixture) {
	proxy := f.throughProxy()
	var once sync.Once
	release := make(chan struct{})
	proxy.SetHook(func(_ context.Context, call mysqlproxy.Call) (action mysqlproxy.Action) {
		if strings.HasPrefix(call.Text, "ALTER USER '…'@") && strings.Contains(call.Text, "IDENTIFIED") { // not the rehearsal
			once.Do(func() { action = mysqlproxy.Action{Fault: mysqlproxy.Late, Release: release} })
		}
		return action
	})
	f.whileLoggingIn(&inService{password: f.first}, func() {
		if err := f.Set(t.Context(), f.change(f.first, abandonedPassword)); err == nil {
			t.Error("the client that died reports success")
		}
		result := make(chan error, 1)
		next := f.change(f.first, pendingPassword)
		go func() { result <- f.Set(t.Context(), next) }()
		f.awaitWaiter()
		close(release)
		if err := <-result; err != nil {
			t.Errorf("set: %v", err)
		}
	})
	f.accepts(true, f.first, pendingPassword)
	f.accepts(false, abandonedPassword)
}

func TestTheAdministratorsPasswordIsSentToNoServerThatOnlyTheApplicationsSecretNames(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		user, password := mysqltest.UniqueUserOn(t, f.server, createUser)
		secret := func(host string) func(context.Context) ([]document.Document, error) {
			d := parse(t, fmt.Sprintf(`{"username":%q,"password":%q%s}`, user, password, host))
			return func(context.Context) ([]document.Document, error) { return []document.Document{d}, nil }
		}
		api := f.atRDS()
		for name, tc := range map[string]struct {
			host      string // of the administrator's secret
			configure func(*Config)
			refused   string
		}{
			"neither names it":                     {refused: "so the administrator's password was not sent there: add field /host to that secret, or set DATABASE_HOST"},
			"its secret names another":             {host: `,"host":"db.example.com"`, refused: "is for db.example.com, and the secret that is rotated names 127.0.0.1"},
			"its secret names another port":        {host: `,"host":"127.0.0.1","port":1`, refused: "so the administrator's password was not sent there"},
			"a setting names another":              {configure: func(c *Config) { c.Host = "db.example.com" }, refused: "add field /host"},
			"its secret names it":                  {host: `,"host":"127.0.0.1"`},
			"a setting names it":                   {configure: func(c *Config) { c.Host = "127.0.0.1" }},
			"a setting names the endpoint":         {configure: func(c *Config) { c.Endpoint = f.server.Addr() }},
			"RDS has it under a setting's name":    {configure: func(c *Config) { c.RDS, c.Instance = api, "db-1" }},
			"RDS has it under its secret's name":   {host: `,"dbInstanceIdentifier":"db-1"`, configure: func(c *Config) { c.RDS = api }},
			"RDS does not know its secret's name":  {host: `,"dbInstanceIdentifier":"other"`, configure: func(c *Config) { c.RDS = api }, refused: "ask RDS for the host of other"},
			"RDS may not be asked about that name": {host: `,"dbInstanceIdentifier":"db-1"`, refused: "add field /host"},
		} {
			f.configure(func(c *Config) {
				c.Way, c.Admin, c.RDS, c.Host, c.Endpoint, c.Instance = "admin", secret(tc.host), nil, "", "", ""
				if tc.configure != nil {
					tc.configure(c)
				}
			})
			f.fill(f.first, "")
			err := f.Set(t.Context(), f.change(f.first, pendingPassword))
			if tc.refused == "" && err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if tc.refused != "" {
				f.says(err, tc.refused)
			}
			f.accepts(tc.refused == "", pendingPassword)
		}
	})
}
