package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/rds"
)

func TestWhereTheServerIsComesFromTheDocumentThenFromSettingsThenFromRDS(t *testing.T) {
	f := newFixture(t)
	api := f.atRDS()
	api.db.Host, api.db.Port, api.db.Name = "rds.example", 3307, "rdsname"
	rdsAsked := 0
	for _, tc := range []struct {
		name     string
		document string
		config   Config
		want     string // host:port/name, and where to connect
		asked    bool
		err      string
	}{
		{name: "the document", document: `"host":"doc","port":3308,"dbname":"docname","dbInstanceIdentifier":"db-1"`, config: Config{Host: "set", Port: 1, Name: "setname"}, want: "doc:3308/docname doc:3308"},
		{name: "settings", document: `"dbInstanceIdentifier":"db-1"`, config: Config{Host: "set", Port: 3309, Name: "setname"}, want: "set:3309/setname set:3309"},
		{name: "the default port", document: `"host":"doc"`, want: "doc:3306/ doc:3306"},
		{name: "RDS, by the document's instance", document: `"dbInstanceIdentifier":"db-1"`, want: "rds.example:3307/rdsname rds.example:3307", asked: true},
		{name: "RDS, by the document's cluster", document: `"dbClusterIdentifier":"db-1","dbInstanceIdentifier":"member"`, want: "rds.example:3307/rdsname rds.example:3307", asked: true},
		{name: "RDS, by the setting", document: `"dbInstanceIdentifier":"other"`, config: Config{Instance: "db-1"}, want: "rds.example:3307/rdsname rds.example:3307", asked: true},
		{name: "RDS tells the host alone", document: `"dbInstanceIdentifier":"db-1","port":3308,"dbname":"docname"`, want: "rds.example:3308/docname rds.example:3308", asked: true},
		{name: "RDS knows no such instance", document: `"dbInstanceIdentifier":"other"`, asked: true, err: `ask RDS for the host of other, since neither the secret nor DATABASE_HOST names it: no instance "other"`},
		{name: "nobody knows", document: `"port":3306`, err: "no database host: add field /host to the secret, or set DATABASE_HOST"},
		{name: "an endpoint beside the document's host", document: `"host":"proxy","port":3308`, config: Config{Endpoint: "direct"}, want: "proxy:3308/ direct:3308"},
		{name: "an endpoint with a port", document: `"host":"proxy","port":3308`, config: Config{Endpoint: "direct:3310"}, want: "proxy:3308/ direct:3310"},
		{name: "an endpoint for want of a host", document: `"dbInstanceIdentifier":"db-1"`, config: Config{Endpoint: "direct"}, want: "direct:3306/ direct:3306"},
		{name: "a name that is null", document: `"host":"doc","port":null,"dbname":null`, config: Config{Name: "setname"}, want: "doc:3306/setname doc:3306"},
		{name: "a host with its port", document: `"host":"db.example.com:3306"`, err: `field /host is "db.example.com:3306": write the host only, and the port in a field of its own (or DATABASE_PORT)`},
		{name: "a setting with its port", document: `"port":3306`, config: Config{Host: "db:3306"}, err: `DATABASE_HOST is "db:3306": write the host only`},
		{name: "an address of IPv6 with its port", document: `"host":"[::1]:3306"`, err: `write the host only`},
		{name: "an address of IPv6 in brackets", document: `"host":"[::1]"`, err: `field /host is "[::1]": write an IPv6 address without brackets`},
		{name: "a URL", document: `"host":"mysql://db.example.com/mautic"`, err: "that is not a host: write only its name or address"},
		{name: "a link-local address of IPv6", document: `"host":"fe80::1%eth0"`, want: "[fe80::1%eth0]:3306/ [fe80::1%eth0]:3306"},
		{name: "an address of IPv6", document: `"host":"::1"`, want: "[::1]:3306/ [::1]:3306"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := api.called("Named")
			tc.config.RDS = api
			a, err := New(tc.config).account(t.Context(), parse(t, `{"username":"u","password":"p",`+tc.document+`}`))
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %v, want %q", err, tc.err)
				}
			} else {
				address, _ := a.dial()
				if got := a.address() + "/" + a.name + " " + address; got != tc.want || err != nil {
					t.Errorf("got %s (%v), want %s", got, err, tc.want)
				}
			}
			if asked := api.called("Named") > before; asked != tc.asked {
				t.Errorf("RDS was asked: %v", asked)
			}
			if tc.asked {
				rdsAsked++
			}
		})
	}
	if rdsAsked == 0 {
		t.Error("no case asks RDS")
	}
}

func TestARotationWithoutAHostFindsTheServerByRDS(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.atRDS()
	doc := func(password string) document.Document {
		return parse(t, fmt.Sprintf(`{"username":%q,"password":%q,"dbInstanceIdentifier":"db-1"}`, f.user, password))
	}
	change := f.change(f.first, pendingPassword)
	change.Current, change.Pending = doc(f.first), doc(pendingPassword)
	if err := f.Set(t.Context(), change); err != nil {
		t.Fatalf("set: %v", err)
	}
	if err := f.Test(t.Context(), change); err != nil {
		t.Errorf("test: %v", err)
	}
	overlap := credential.Overlap{Current: doc(pendingPassword), Old: doc(f.first), Confirm: change.Confirm, Log: change.Log}
	if err := f.Retire(t.Context(), overlap); err != nil {
		t.Errorf("retire: %v", err)
	}
	f.accepts(true, pendingPassword)
	f.accepts(false, f.first)
	overlap.Old = f.doc(f.first)
	if err := f.Retire(t.Context(), overlap); err == nil || !strings.Contains(err.Error(), "the old version is for") {
		t.Errorf("got %v", err)
	}
}

func TestAnAccountNamedByCurrentUserIsSplitAtTheLastAt(t *testing.T) {
	t.Parallel()
	s := server{account: "at@home@10.%"}
	if s.user() != "at@home" || s.host() != "10.%" {
		t.Errorf("got %s, %s", s.user(), s.host())
	}
	t.Run("on servers", func(t *testing.T) {
		onEach(t, func(t *testing.T, f *fixture) {
			// The account that the administrator changes is the one that the
			// application's login matches.
			name := "at@" + f.user
			f.admin("CREATE USER ?@'127.0.0.%' IDENTIFIED BY ?", name, f.first)
			t.Cleanup(func() { f.server.Admin().Exec("DROP USER ?@'127.0.0.%'", name) })
			f.user, f.overTCP = name, true
			f.mustSet(f.first, pendingPassword)
			f.accepts(true, f.first, pendingPassword)
			f.mustQuarantine(pendingPassword, f.first)
			f.accepts(false, f.first)
		})
	})
}

func TestAVersionThatCannotBeReadIsNamed(t *testing.T) {
	f := newFixtureOn(t, mysqltest.Shared(t))
	bad := parse(t, `{"username":"u"}`)
	change := f.change(f.first, pendingPassword)
	change.Pending = bad
	if err := f.Set(t.Context(), change); err == nil || !strings.Contains(err.Error(), "AWSPENDING: the secret has no database password") {
		t.Errorf("got %v", err)
	}
	overlap := f.overlap(f.first, pendingPassword)
	overlap.Old = bad
	if err := f.Retire(t.Context(), overlap); err == nil || !strings.Contains(err.Error(), "the old version: the secret has no database password") {
		t.Errorf("got %v", err)
	}
	f.configure(func(c *Config) { c.RDS, c.Instance = failingRDS{}, "db-1" })
	change.Pending, change.Current = parse(t, `{"username":"u","password":"b"}`), parse(t, `{"username":"u","password":"a"}`)
	if err := f.PutBack(t.Context(), change); err == nil || !strings.Contains(err.Error(), "ask RDS for the host of db-1") {
		t.Errorf("got %v", err)
	}
}

// failingRDS answers nothing.
type failingRDS struct{ RDS }

func (failingRDS) Named(context.Context, string) (db rds.Database, err error) {
	return db, errors.New("AccessDenied")
}
