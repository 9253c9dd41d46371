package database

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

func TestProbeTellsAWrongPasswordFromEverythingElse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		prepare   func(*fixture)
		doc       func(*fixture) document.Document
		want      credential.Outcome
		wantError string
	}{
		{name: "the right password", want: credential.Accepted},
		{
			name: "a wrong password", want: credential.Denied,
			doc:       func(f *fixture) document.Document { return f.doc("wrong") },
			wantError: "MySQL error 1045",
		},
		{
			name: "an unknown user", want: credential.Denied,
			doc: func(f *fixture) document.Document {
				return parse(f.t, strings.Replace(f.doc(f.first).Raw(), f.user, "nobody_here", 1))
			},
			wantError: "MySQL error 1045",
		},
		{
			name: "an account locked by hand", want: credential.Locked,
			prepare:   func(f *fixture) { f.admin("ALTER USER ? ACCOUNT LOCK", f.user) },
			wantError: "is locked",
		},
		{
			name: "an account locked after failed logins", want: credential.Locked,
			prepare: func(f *fixture) {
				f.admin("ALTER USER ? FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME 1", f.user)
				f.accepts(false, "wrong")
			},
			wantError: "MySQL error 3955",
		},
		{
			name: "an expired password", want: credential.Locked,
			prepare:   func(f *fixture) { f.admin("ALTER USER ? PASSWORD EXPIRE", f.user) },
			wantError: "has expired",
		},
		{
			name: "an account that has used up its connections", want: credential.Unreachable,
			prepare: func(f *fixture) {
				f.admin("ALTER USER ? WITH MAX_CONNECTIONS_PER_HOUR 1", f.user)
				f.accepts(true, f.first)
			},
			wantError: "MySQL error 1226",
		},
		{
			name: "a port where nothing listens", want: credential.Unreachable,
			doc: func(f *fixture) document.Document {
				return parse(f.t, strings.Replace(f.doc(f.first).Raw(), strconv.Itoa(f.server.Port()), closedPort(f.t), 1))
			},
			wantError: "cannot be reached",
		},
		{
			name: "a host name that does not resolve", want: credential.Unreachable,
			doc: func(f *fixture) document.Document {
				return parse(f.t, strings.Replace(f.doc(f.first).Raw(), "127.0.0.1", "no-such-host.invalid", 1))
			},
			wantError: "no-such-host.invalid",
		},
		{
			name: "a server with roots that are not trusted", want: credential.Unreachable,
			prepare:   func(f *fixture) { f.Kind = newKind(f.t, "") }, // the RDS roots
			wantError: "set DATABASE_CA_FILE",
		},
		{
			name: "roots that cannot be read", want: credential.Unknown,
			prepare:   func(f *fixture) { f.Kind = newKind(f.t, "no-such-file") },
			wantError: "DATABASE_CA_FILE",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			if tc.prepare != nil {
				tc.prepare(f)
			}
			doc := f.doc(f.first)
			if tc.doc != nil {
				doc = tc.doc(f)
			}
			got, err := f.Probe(t.Context(), doc)
			if got != tc.want {
				t.Errorf("got %s, want %s (%v)", got, tc.want, err)
			}
			if (err == nil) != (tc.wantError == "") || err != nil && !strings.Contains(err.Error(), tc.wantError) {
				t.Errorf("got error %v, want %q in it", err, tc.wantError)
			}
		})
	}
}

func closedPort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

func withDatabase(d document.Document, name string, t *testing.T) document.Document {
	return parse(t, strings.TrimSuffix(d.Raw(), "}")+`,"dbname":"`+name+`"}`)
}

func TestTestLogsInAsTheApplicationDoes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, database, grant, password, wantError string
	}{
		{name: "to no database"},
		{name: "to its database", database: "OWN", grant: "SELECT ON OWN.*"},
		{name: "to one it has no access to", database: "OWN", wantError: "GRANT it, or correct the database's name"},
		{name: "to one that does not exist", database: "OWN_not", grant: "ALL ON *.*", wantError: "there is no such database"},
		{name: "with a password that was not set", password: "never-set", wantError: "log in with the AWSPENDING password: MySQL error 1045"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, f *fixture) {
				own := strings.NewReplacer("OWN", f.user+"_db")
				f.admin(own.Replace("CREATE DATABASE OWN"))
				t.Cleanup(func() { f.server.Admin().Exec(own.Replace("DROP DATABASE OWN")) })
				if tc.grant != "" {
					f.admin("GRANT "+own.Replace(tc.grant)+" TO ?", f.user)
				}
				f.mustSet(f.first, pendingPassword)
				change := f.change(f.first, pendingPassword)
				if tc.password != "" {
					change = f.change(f.first, tc.password)
				}
				if tc.database != "" {
					change.Current = withDatabase(change.Current, own.Replace(tc.database), t)
					change.Pending = withDatabase(change.Pending, own.Replace(tc.database), t)
				}
				err := f.Test(t.Context(), change)
				if (err == nil) != (tc.wantError == "") || err != nil && !strings.Contains(err.Error(), tc.wantError) {
					t.Errorf("got %v, want %q", err, tc.wantError)
				}
			})
		})
	}
}

func TestAtLeastComparesVersionsAsNumbers(t *testing.T) {
	for version, want := range map[string]bool{
		"8.0.14": true, "8.0.36": true, "8.4.3": true, "9.7.4": true, "10.0.0": true, "8.0.36-28": true,
		"8.0.mysql_aurora.3.04.0": false, "8.0.13": false, "8.0.9": false, "5.7.44-log": false, "": false,
	} {
		if got := atLeast(version, 8, 0, 14); got != want {
			t.Errorf("%s: got %v", version, got)
		}
	}
}
