package database

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mautic-rotation/rotation/rds"
)

func TestChooseTakesWhatKeepsTheOldPasswordFirst(t *testing.T) {
	const (
		dual = 1 << iota
		old
		mariaDual
		mariaOld
		canBeDual = dual | mariaDual
		every     = canBeDual | old | mariaOld
	)
	servers := map[string]int{
		"9.7.4": dual, "8.4.3": dual, "8.0.35": dual, "8.0.14": dual,
		"8.0.36":                   dual, // RDS for MySQL
		"8.0.28":                   dual, // Aurora MySQL 3
		"8.0.mysql_aurora.3.04.0":  dual, // as AWS names it
		"8.0.13":                   old,
		"5.7.44-log":               old,
		"5.7.12":                   old, // Aurora MySQL 2
		"5.7.mysql_aurora.2.11.1":  old,
		"10.11.9-MariaDB-ubu2204":  mariaDual,
		"10.4.0-MariaDB":           mariaDual,
		"11.8.9-MariaDB-4":         mariaDual,
		"10.6.14-MariaDB-log":      mariaDual, // RDS for MariaDB
		"10.3.39-MariaDB":          mariaOld,
		"5.5.5-10.3.39-MariaDB-1:": mariaOld, // as some proxies have it
		"5.5.5-10.11.6-MariaDB":    mariaDual,
	}
	const (
		noRDS, notAsked, otherUser, masterUser, managed, elsewhere, fails = "none", "not asked", "another user", "master", "managed", "not at RDS", "fails"
	)
	for _, tc := range []struct {
		name    string
		servers int
		keeps   []bool
		admin   []bool
		rds     []string
		setting way
		want    way
		err     string // all in it, separated by |
	}{
		{name: "the account may keep its password", servers: canBeDual, keeps: yes, admin: both, rds: []string{noRDS, notAsked, masterUser, managed, fails}, setting: auto, want: self},
		{name: "it may not, and there is an administrator", servers: canBeDual, keeps: no, admin: yes, rds: []string{noRDS, notAsked, masterUser, managed, fails}, setting: auto, want: admin},
		{name: "it may not, and is the master user", servers: canBeDual, keeps: no, admin: no, rds: []string{masterUser}, setting: auto, want: byRDS},
		{name: "an old server's master user", servers: old | mariaOld, keeps: no, admin: both, rds: []string{masterUser}, setting: auto, want: byRDS},
		{name: "RDS is asked only now", servers: canBeDual, keeps: no, admin: no, rds: []string{notAsked}, setting: auto, err: errAskRDS.Error()},
		{name: "and for an old server", servers: old | mariaOld, keeps: no, admin: both, rds: []string{notAsked}, setting: auto, err: errAskRDS.Error()},

		{name: "MySQL without any", servers: dual, keeps: no, admin: no, rds: []string{noRDS, otherUser, elsewhere}, setting: auto, err: "GRANT APPLICATION_PASSWORD_ADMIN|DATABASE_ADMIN_SECRET_ARN|DATABASE_WAY=single|gap"},
		{name: "MariaDB without any", servers: mariaDual, keeps: no, admin: no, rds: []string{noRDS, otherUser, elsewhere}, setting: auto, err: "lacks CREATE USER|DATABASE_ADMIN_SECRET_ARN|DATABASE_WAY=single"},
		{name: "an old MySQL", servers: old, keeps: no, admin: both, rds: []string{noRDS, otherUser}, setting: auto, err: "upgrade the server to MySQL 8.0.14|DATABASE_WAY=single"},
		{name: "an old MariaDB", servers: mariaOld, keeps: no, admin: both, rds: []string{noRDS, otherUser}, setting: auto, err: "upgrade the server to MariaDB 10.4|DATABASE_WAY=single"},
		{name: "a managed master user", servers: every, keeps: no, admin: no, rds: []string{managed}, setting: auto, err: "aws rds modify-db-instance --db-instance-identifier db1 --rotate-master-user-password"},
		{name: "RDS cannot be asked", servers: every, keeps: no, admin: no, rds: []string{fails}, setting: auto, err: "RDS could not be asked: no permission"},

		{name: "self is set", servers: canBeDual, keeps: yes, admin: both, rds: []string{noRDS, notAsked, masterUser}, setting: self, want: self},
		{name: "self is set without the privilege", servers: dual, keeps: no, admin: both, rds: []string{noRDS, notAsked}, setting: self, err: "DATABASE_WAY=self is not possible|GRANT APPLICATION_PASSWORD_ADMIN"},
		{name: "self is set without the privilege on MariaDB", servers: mariaDual, keeps: no, admin: both, rds: []string{noRDS, notAsked}, setting: self, err: "DATABASE_WAY=self is not possible|CREATE USER"},
		{name: "self is set on an old MySQL", servers: old, keeps: no, admin: both, rds: []string{noRDS, notAsked}, setting: self, err: "DATABASE_WAY=self is not possible|8.0.14"},

		{name: "admin is set", servers: canBeDual, keeps: both, admin: yes, rds: []string{noRDS, notAsked, masterUser}, setting: admin, want: admin},
		{name: "admin is set without one", servers: canBeDual, keeps: both, admin: no, rds: []string{noRDS, notAsked}, setting: admin, err: "DATABASE_WAY=admin is not possible|DATABASE_ADMIN_SECRET_ARN"},
		{name: "admin is set on an old MariaDB", servers: mariaOld, keeps: no, admin: yes, rds: []string{noRDS, notAsked}, setting: admin, err: "DATABASE_WAY=admin is not possible|MariaDB 10.4"},

		{name: "rds is set", servers: every, keeps: both, admin: both, rds: []string{masterUser}, setting: byRDS, want: byRDS},
		{name: "rds is set and not asked", servers: every, keeps: both, admin: both, rds: []string{notAsked}, setting: byRDS, err: errAskRDS.Error()},
		{name: "rds is set for another user", servers: every, keeps: both, admin: both, rds: []string{otherUser}, setting: byRDS, err: "DATABASE_WAY=rds is not possible|not the master user of db1, which is root"},
		{name: "rds is set for a managed one", servers: every, keeps: both, admin: both, rds: []string{managed}, setting: byRDS, err: "--rotate-master-user-password"},
		{name: "rds is set elsewhere", servers: every, keeps: both, admin: both, rds: []string{elsewhere}, setting: byRDS, err: "RDS has no server at this host"},
		{name: "rds is set without RDS", servers: every, keeps: both, admin: both, rds: []string{noRDS}, setting: byRDS, err: "may not ask RDS"},

		{name: "single is set", servers: every, keeps: both, admin: both, rds: []string{noRDS, notAsked, masterUser}, setting: single, want: single},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tried := 0
			for version, kind := range servers {
				if kind&tc.servers == 0 {
					continue
				}
				for _, keeps := range tc.keeps {
					for _, hasAdmin := range tc.admin {
						for _, atRDS := range tc.rds {
							o := observed{server: server{version: version, account: "app@%"}, mayKeep: keeps, admin: hasAdmin, rds: atRDS != noRDS}
							o.master = map[string]*master{
								otherUser:  {found: true, db: rds.Database{Identifier: "db1", MasterUser: "root"}},
								masterUser: {found: true, user: true, db: rds.Database{Identifier: "db1"}},
								managed:    {found: true, user: true, db: rds.Database{Identifier: "db1", ManagedSecretARN: "arn"}},
								elsewhere:  {},
								fails:      {failure: errors.New("no permission")},
							}[atRDS]
							what := fmt.Sprintf("%s, keeps %v, administrator %v, RDS %s", version, keeps, hasAdmin, atRDS)
							checkChoice(t, what, o, tc.setting, tc.want, tc.err)
							tried++
						}
					}
				}
			}
			if tried == 0 {
				t.Error("nothing was tried")
			}
		})
	}
}

var yes, no, both = []bool{true}, []bool{false}, []bool{true, false}

func checkChoice(t *testing.T, what string, o observed, setting, want way, wantError string) {
	t.Helper()
	got, why, err := choose(o, setting)
	if got != want || (why == "") != (want == "") {
		t.Errorf("%s: got %q, %q, want %q (%v)", what, got, why, want, err)
	}
	if (err == nil) != (wantError == "") {
		t.Errorf("%s: got %v, want %q", what, err, wantError)
		return
	}
	for _, part := range strings.Split(wantError, "|") {
		if err != nil && !strings.Contains(err.Error(), part) {
			t.Errorf("%s: got %v, want %q in it", what, err, part)
		}
	}
}

func TestTheCommandForAManagedClusterNamesTheCluster(t *testing.T) {
	m := master{found: true, user: true, db: rds.Database{Identifier: "c1", Cluster: true, ManagedSecretARN: "arn"}}
	want := "aws rds modify-db-cluster --db-cluster-identifier c1 --rotate-master-user-password"
	if err := m.problem(true); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
}

func TestSettingsThatAreNotKnownAreNamed(t *testing.T) {
	for _, good := range []string{"", "auto", "self", "admin", "rds", "single"} {
		if err := ParseWay(good); err != nil {
			t.Errorf("way %q: %v", good, err)
		}
	}
	for _, good := range []string{"", "VERIFY_IDENTITY", "VERIFY_CA", "DISABLED"} {
		if err := ParseTLS(good); err != nil {
			t.Errorf("TLS %q: %v", good, err)
		}
	}
	if err := ParseWay("Self"); err == nil || !strings.Contains(err.Error(), "auto, self, admin, rds, single") {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"preferred", "verify_ca", "true", "skip-verify"} {
		if err := ParseTLS(bad); err == nil || !strings.Contains(err.Error(), "VERIFY_IDENTITY, VERIFY_CA, DISABLED") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	f := newFixture(t, dualPrivilege)
	f.configure(func(c *Config) { c.Way = "other" })
	if err := f.Set(t.Context(), f.change(f.first, pendingPassword)); err == nil || !strings.Contains(err.Error(), "DATABASE_WAY") {
		t.Errorf("got %v", err)
	}
	f.configure(func(c *Config) { c.Way, c.TLS = "", "preferred" })
	if err := f.Set(t.Context(), f.change(f.first, pendingPassword)); err == nil || !strings.Contains(err.Error(), "DATABASE_TLS") {
		t.Errorf("got %v", err)
	}
	f.accepts(true, f.first)
	f.accepts(false, pendingPassword)
}
