package database

import (
	"strings"
	"testing"

	"mautic-rotation/rotation/document"
)

func TestPreflightNamesWhatIsMissingAndChangesNothing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name                 string
		privileges           []string
		prepare              func(*fixture)
		doc                  func(*fixture) document.Document
		problem, wantWarning string
	}{
		{name: "nothing is missing", privileges: []string{dualPrivilege, "SELECT (User, Host) ON mysql.user", logPrivilege}},
		{name: "CREATE USER will do as well", privileges: []string{"CREATE USER ON *.*", "SELECT (User, Host) ON mysql.user", logPrivilege}},
		{name: "accounts cannot be listed", privileges: []string{dualPrivilege, logPrivilege}, wantWarning: grantToSeeAccounts},
		{name: "the log cannot be read", privileges: []string{dualPrivilege, "SELECT (User, Host) ON mysql.user"}, wantWarning: "may not read the server's log: GRANT SELECT ON performance_schema.error_log to it"},
		{name: "no privilege", privileges: []string{"SELECT (User, Host) ON mysql.user"}, problem: "GRANT APPLICATION_PASSWORD_ADMIN"},
		{
			name: "the secret has an old password", privileges: []string{dualPrivilege},
			doc:     func(f *fixture) document.Document { return f.doc("outdated") },
			problem: "MySQL error 1045",
		},
		{
			name: "the secret lacks the user",
			doc: func(f *fixture) document.Document {
				return parse(f.t, strings.Replace(f.doc(f.first).Raw(), "username", "someone", 1))
			},
			problem: "no database user: add field /username to the secret, or set DATABASE_USER",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, tc.privileges...)
			doc := f.doc(f.first)
			if tc.doc != nil {
				doc = tc.doc(f)
			}
			// Both slots in use, as in the overlap of an earlier rotation.
			f.admin("ALTER USER ? IDENTIFIED BY ? RETAIN CURRENT PASSWORD", f.user, pendingPassword)
			if tc.doc == nil {
				doc = f.doc(pendingPassword)
			}
			var problem string
			var warnings []string
			for _, check := range f.Preflight(t.Context(), doc) {
				if check.Problem != nil {
					problem = check.Problem.Error()
				}
				if check.Warning != nil {
					warnings = append(warnings, check.Warning.Error())
				}
			}
			if (problem == "") != (tc.problem == "") || !strings.Contains(problem, tc.problem) {
				t.Errorf("got problem %q, want %q", problem, tc.problem)
			}
			switch warned := strings.Join(warnings, "; "); {
			case tc.wantWarning != "" && (len(warnings) != 1 || !strings.Contains(warned, tc.wantWarning)):
				t.Errorf("got warnings %q, want %q", warned, tc.wantWarning)
			case tc.wantWarning == "" && tc.problem == "" && warned != "":
				t.Errorf("got warnings %q", warned)
			}
			f.accepts(true, f.first, pendingPassword)
		})
	}
}

func TestThePreflightSaysByWhichWayAndWhatItCosts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		mariadb bool // on MariaDB, and not on MySQL
		prepare func(*fixture)
		wants   []string
		ok      bool
	}{
		{name: "self", ok: true, prepare: func(f *fixture) {
			f.admin("GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO ?", f.user)
		}, wants: []string{"(DATABASE_WAY self): MySQL ", "the server accepts the passwords made here"}},
		{name: "self on MariaDB", ok: true, mariadb: true, prepare: func(f *fixture) {
			f.admin("GRANT CREATE USER ON *.* TO ?", f.user)
		}, wants: []string{"(DATABASE_WAY self): ", "the account has CREATE USER"}},
		{name: "admin", ok: true, prepare: func(f *fixture) { f.withAdmin() },
			wants: []string{"(DATABASE_WAY admin): there is an administrator's secret", "may change the account\n"}},
		{name: "admin on MariaDB", ok: true, mariadb: true, prepare: func(f *fixture) { f.withAdmin() },
			wants: []string{"(DATABASE_WAY admin): ", "may change the account\n"}},
		{name: "an administrator without the privilege", prepare: func(f *fixture) { f.withAdmin("SELECT ON mysql.*") },
			wants: []string{"may change the account: PROBLEM: MySQL error 1227"}},
		{name: "an administrator without the privilege on MariaDB", mariadb: true, prepare: func(f *fixture) { f.withAdmin("SELECT ON mysql.*") },
			wants: []string{"may change the account: PROBLEM: MariaDB error 1227"}},
		{name: "rds", ok: true, prepare: func(f *fixture) { f.atRDS() },
			wants: []string{"(DATABASE_WAY rds): ", "WARNING: the account accepts only one password: from the change of the password until"}},
		{name: "rds that is busy", prepare: func(f *fixture) { f.atRDS().db.Available = false },
			wants: []string{"RDS accepts a change of the password now: PROBLEM: db-1 is not available"}},
		{name: "single", ok: true, prepare: func(f *fixture) { f.configure(func(c *Config) { c.Way = "single" }) },
			wants: []string{"(DATABASE_WAY single): DATABASE_WAY says so", "WARNING: the account accepts only one password"}},
		{name: "single on MariaDB", ok: true, mariadb: true, prepare: func(f *fixture) { f.configure(func(c *Config) { c.Way = "single" }) },
			wants: []string{"(DATABASE_WAY single): DATABASE_WAY says so", "WARNING: the account accepts only one password"}},
		{name: "no way", wants: []string{"choose a way to change the password: PROBLEM: there is no way", "GRANT APPLICATION_PASSWORD_ADMIN", "DATABASE_WAY=single"}},
		{name: "no way on MariaDB", mariadb: true, wants: []string{"choose a way to change the password: PROBLEM: there is no way", "DATABASE_ADMIN_SECRET_ARN"}},
		{name: "a login that is refused locks the account", prepare: func(f *fixture) {
			f.withAdmin()
			f.admin("ALTER USER ? FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME 1", f.user)
		}, wants: []string{"PROBLEM: 1 refused logins in a row lock the account", "ALTER USER … FAILED_LOGIN_ATTEMPTS 5"}},
	} {
		test := func(t *testing.T, f *fixture) {
			if tc.prepare != nil {
				tc.prepare(f)
			}
			f.fillBoth()
			said := f.preflight(f.first)
			for _, want := range tc.wants {
				if !strings.Contains(said, want) {
					t.Errorf("got %s\nwant %q in it", said, want)
				}
			}
			if strings.Contains(said, "PROBLEM") == tc.ok {
				t.Errorf("got %s", said)
			}
			f.accepts(true, f.first)
			if !strings.Contains(tc.name, "single") { // which does not go with two
				f.accepts(true, pendingPassword)
			}
		}
		t.Run(tc.name, func(t *testing.T) {
			if tc.mariadb {
				onEachMariaDB(t, test)
			} else {
				test(t, newFixture(t))
			}
		})
	}
}

// fillBoth puts the account in the middle of another rotation's overlap. One
// that takes a single password cannot be.
func (f *fixture) fillBoth() {
	f.t.Helper()
	if f.config.Way == "single" {
		return
	}
	f.fill(f.first, pendingPassword)
}
