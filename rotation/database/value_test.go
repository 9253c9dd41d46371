package database

import (
	"strings"
	"testing"

	"mautic-rotation/rotation/credential"
)

func TestTheValuesOfTwoVersionsAreTheSameIfTargetAndPasswordAre(t *testing.T) {
	t.Parallel()
	const base = `{"database_host":"db.example","database_port":3306,"database_user":"mautic","database_password":"p"}`
	for _, tc := range []struct {
		name, document string
		config         Config
		sameTarget     bool
		sameSecret     bool
	}{
		{"another password", `{"database_host":"db.example","database_user":"mautic","database_password":"q"}`, Config{}, true, false},
		{"the same password on another host", `{"database_host":"db2.example","database_user":"mautic","database_password":"p"}`, Config{}, false, true},
		{"another port", `{"database_host":"db.example","database_port":3307,"database_user":"mautic","database_password":"p"}`, Config{}, false, true},
		{"another user", `{"database_host":"db.example","database_user":"Mautic","database_password":"p"}`, Config{}, false, true},
		{"another database", `{"database_host":"db.example","database_user":"mautic","database_password":"p","database_name":"other"}`, Config{}, true, true},
		{"the port left out", `{"database_host":"db.example","database_user":"mautic","database_password":"p"}`, Config{}, true, true},
		{"the port as text", `{"database_host":"db.example","database_port":"3306","database_user":"mautic","database_password":"p"}`, Config{}, true, true},
		{"the host in capitals, with a dot", `{"database_host":"DB.example.","database_user":"mautic","database_password":"p"}`, Config{}, true, true},
		{"AWS's layout", `{"engine":"mysql","host":"db.example","port":3306,"username":"mautic","password":"p","dbInstanceIdentifier":"db-1"}`, Config{}, true, true},
		{"the settings", `{"database_password":"p"}`, Config{User: "mautic", Host: "db.example"}, true, true},
		{"other settings", `{"database_password":"p"}`, Config{User: "mautic", Host: "db2.example"}, false, true},
		{"the endpoint of the settings", `{"database_user":"mautic","database_password":"p"}`, Config{Endpoint: "db.example:3306"}, true, true},
		{"an endpoint beside the host", `{"database_host":"db.example","database_user":"mautic","database_password":"p"}`, Config{Endpoint: "proxy.example:1"}, true, true},
		{"RDS's name of the server", `{"username":"mautic","password":"p","dbInstanceIdentifier":"db-1"}`, Config{RDS: &fakeRDS{}}, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := valueOf(t, Config{}, base), valueOf(t, tc.config, tc.document)
			if (a.Target == b.Target) != tc.sameTarget || (a.Secret == b.Secret) != tc.sameSecret {
				t.Errorf("the targets are %q and %q, the secrets are the same: %v", a.Target, b.Target, a.Secret == b.Secret)
			}
		})
	}
}

func TestServersThatRDSNamesAreTheSameIfTheNamesAre(t *testing.T) {
	t.Parallel()
	target := func(fields string) string {
		return valueOf(t, Config{RDS: &fakeRDS{}}, `{"username":"u","password":"p",`+fields+`}`).Target
	}
	if a, b := target(`"dbInstanceIdentifier":"db-1"`), target(`"dbInstanceIdentifier":"DB-1"`); a != b {
		t.Errorf("got %q and %q", a, b)
	}
	if a, b := target(`"dbInstanceIdentifier":"db-1"`), target(`"dbInstanceIdentifier":"db-2"`); a == b {
		t.Errorf("both are %q", a)
	}
}

func TestAddressesThatAreWrittenInTwoWaysAreOneTarget(t *testing.T) {
	t.Parallel()
	target := func(host string) string {
		return valueOf(t, Config{Host: host}, `{"username":"u","password":"p"}`).Target
	}
	for a, b := range map[string]string{"::1": "0:0:0:0:0:0:0:1", "::ffff:10.0.0.1": "10.0.0.1", "2001:DB8::1": "2001:db8::1"} {
		if target(a) != target(b) {
			t.Errorf("%s is %q and %s is %q", a, target(a), b, target(b))
		}
	}
}

func TestADocumentWithoutADatabasePasswordHasNoValueAndOneThatCannotBeUsedIsAnError(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ document, err string }{
		{`{"site":"mautic"}`, ""},
		{`{"database_password":1}`, "not a string"},
		{`{"database_password":"","database_user":"u","database_host":"h"}`, "empty"},
		{`{"database_password":"p","database_user":"u"}`, "no database host"},
		{`{"database_password":"p","database_host":"h"}`, "no database user"},
		{`{"database_password":"p","database_user":"u","database_host":"h","database_port":0}`, "not a port"},
	} {
		v, found, err := New(Config{}).Value(parse(t, tc.document))
		if found || v != (credential.Value{}) {
			t.Errorf("%s: a value was found", tc.document)
		}
		if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("%s: got error %v, want %q", tc.document, err, tc.err)
		}
	}
}

func TestAnOverlapIsOfVersionsWithOneTargetHoweverTheyNameIt(t *testing.T) {
	t.Parallel()
	k := New(Config{})
	current := parse(t, `{"host":"db.example","port":3306,"username":"mautic","password":"new"}`)
	for _, tc := range []struct {
		old string
		ok  bool
	}{
		{`{"host":"DB.example","username":"mautic","password":"old"}`, true},
		{`{"host":"db.example","username":"mautic","password":"old","dbInstanceIdentifier":"db-1"}`, true},
		{`{"host":"db2.example","username":"mautic","password":"old"}`, false},
		{`{"host":"db.example","username":"other","password":"old"}`, false},
	} {
		_, old, err := k.overlap(t.Context(), credential.Overlap{Current: current, Old: parse(t, tc.old)})
		if (err == nil) != tc.ok {
			t.Errorf("%s: got %v", tc.old, err)
		}
		if tc.ok && (old.password != "old" || old.host != "db.example") {
			t.Errorf("%s: the old password is to be tried at the current version's host, and is at %s", tc.old, old)
		}
	}
}

func TestTheLocationOfMauticsTablesIsTheDatabaseWhoeverLogsIn(t *testing.T) {
	t.Parallel()
	location := func(document string) string {
		l, err := New(Config{}).Location(parse(t, document))
		if err != nil {
			t.Error(err)
		}
		return l
	}
	a := location(`{"host":"db.example","port":3306,"username":"mautic","password":"p","dbname":"mautic"}`)
	if b := location(`{"host":"DB.example","username":"other","password":"q","dbname":"mautic"}`); a != b {
		t.Errorf("got %q and %q", a, b)
	}
	for _, other := range []string{
		`{"host":"db.example","username":"mautic","password":"p","dbname":"Mautic"}`,
		`{"host":"db2.example","username":"mautic","password":"p","dbname":"mautic"}`,
	} {
		if b := location(other); a == b {
			t.Errorf("%s is at %q too", other, b)
		}
	}
	if l, err := New(Config{}).Location(parse(t, `{"password":"p"}`)); err == nil {
		t.Errorf("without a host and a user: got %q", l)
	}
}

func valueOf(t *testing.T, c Config, document string) credential.Value {
	t.Helper()
	v, found, err := New(c).Value(parse(t, document))
	if err != nil || !found {
		t.Fatalf("%v (found: %v)", err, found)
	}
	return v
}
