package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	localrds "mautic-rotation/internal/localaws/rds"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
)

// Each way to change a database password, through the function as it is
// deployed. What each way does at the server is tested in package database.

// serverOf is a server for one test. MariaDB's is its own: who uses an old
// password shows there in a count of the whole server's refused connections.
func serverOf(t *testing.T, series mysqlserver.Series) *mysqlserver.Server {
	t.Helper()
	if series == mysqlserver.MySQL {
		return mysqltest.Shared(t)
	}
	server, err := mysqlserver.Start(t.Context(), mysqlserver.Options{Series: series})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// unprivileged is an account that may not keep its old password.
func unprivileged(o *rig.Options) { o.Privileges = []string{} }

func TestARotationByEachWayThatKeepsTheOldPasswordFailsNoLogin(t *testing.T) {
	for name, tc := range map[string]struct {
		series mysqlserver.Series
		admin  bool
		way    string
	}{
		"MySQL, by an administrator":         {mysqlserver.MySQL, true, "admin"},
		"MariaDB 11.8, by an administrator":  {mysqlserver.MariaDB, true, "admin"},
		"MariaDB 10.11, by an administrator": {mysqlserver.MariaDB1011, true, "admin"},
		"MariaDB 11.8, by itself":            {mysqlserver.MariaDB, false, "self"},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployApplication(t, &rig.Application{}, func(o *rig.Options) {
				o.MySQL, o.AdminSecret = serverOf(t, tc.series), tc.admin
				if !tc.admin {
					o.Privileges = []string{"CREATE USER ON *.*", "SELECT ON mysql.*"}
				}
			})
			d.enableRotation()
			for range 2 {
				old := d.password("AWSCURRENT")
				d.underLoad(func() { d.mustRotate() })
				d.accepts(true, old, d.password("AWSCURRENT"))
				d.mustSettle()
				d.accepts(true, d.password("AWSCURRENT"))
				d.accepts(false, old)
			}
			d.noLoginFailed()
			if !strings.Contains(d.log.String(), `"way":"`+tc.way+`"`) {
				t.Errorf("not by the way %s, or the log does not say so", tc.way)
			}
			if d.AdminPassword != "" && strings.Contains(d.log.String(), d.AdminPassword) {
				t.Error("the log holds the administrator's password")
			}
		})
	}
}

func TestARollbackWorksByEachWay(t *testing.T) {
	for name, options := range map[string]func(*testing.T, *rig.Options){
		"MariaDB, by an administrator": func(t *testing.T, o *rig.Options) {
			o.MySQL, o.AdminSecret = serverOf(t, mysqlserver.MariaDB), true
		},
		"MariaDB, singly": func(t *testing.T, o *rig.Options) {
			o.MySQL, o.Env = serverOf(t, mysqlserver.MariaDB), map[string]string{"DATABASE_WAY": "single"}
		},
		"MySQL, singly": func(_ *testing.T, o *rig.Options) {
			unprivileged(o)
			o.Env = map[string]string{"DATABASE_WAY": "single"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := &rig.Application{CircuitBreaker: true}
			d := deployApplication(t, app, func(o *rig.Options) { options(t, o) })
			app.Broken.Store(true)
			d.mustRotate()
			bad := d.password("AWSCURRENT")
			d.awaitFailedRollout(true)
			d.mustReconcile()
			if d.password("AWSCURRENT") != d.Password {
				t.Fatalf("not rolled back: %s", d.journal())
			}
			d.accepts(true, d.Password)
			d.mustSettle()
			d.accepts(false, bad)
			app.Broken.Store(false)
			d.mustRotate()
			d.mustSettle()
			d.accepts(true, d.password("AWSCURRENT"))
			d.accepts(false, d.Password)
		})
	}
}

// deployRDS is a deployment whose account is the master user of an RDS instance.
func deployRDS(t *testing.T, options ...func(*rig.Options)) *deployment {
	t.Helper()
	options = append([]func(*rig.Options){unprivileged, func(o *rig.Options) {
		o.Env = map[string]string{"DATABASE_RDS": "true"}
		o.AWS.RotationRetries = -1
	}}, options...)
	d := deploy(t, options...)
	err := d.AWS.RDS.CreateDBInstance(localrds.DBInstance{
		Identifier: "mautic-prod-database", Engine: "mysql", Endpoint: d.MySQL.Host(), Port: d.MySQL.Port(),
		Master: d.master(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// master is the deployment's account as RDS's master user.
func (d *deployment) master() localrds.MasterUser {
	return localrds.MasterUser{
		Name: d.User, LingerTime: 100 * time.Millisecond, ResettingTime: 100 * time.Millisecond,
		SetPassword: func(ctx context.Context, user, password string) error {
			_, err := d.MySQL.Admin().ExecContext(ctx, "ALTER USER ?@'%' IDENTIFIED BY ?", user, password)
			return err
		},
	}
}

func TestAMasterUsersPasswordIsSetByRDS(t *testing.T) {
	d := deployRDS(t)
	d.mustRotate()
	d.accepts(true, d.password("AWSCURRENT"))
	d.accepts(false, d.Password)
	d.mustSettle()
	if !strings.Contains(d.log.String(), `"way":"rds"`) || !strings.Contains(d.log.String(), "each of their new logins fails") {
		t.Error("the log does not say which way, and at what price")
	}
	state, err := d.AWS.RDS.InstanceState("mautic-prod-database")
	if err != nil || state.PasswordsSet != 1 {
		t.Errorf("RDS has set %d passwords, %v", state.PasswordsSet, err)
	}
}

func TestAStepThatIsCutOffWhileRDSAppliesThePasswordIsMadeGood(t *testing.T) {
	d := deployRDS(t, func(o *rig.Options) { o.AWS.RotationRetries = 2 })
	killed := false
	d.AWS.Intercept(func(c wire.Call) (fault wire.Fault) {
		if c.Operation == "ModifyDBInstance" && !killed {
			killed, fault.KillAfter = true, true
		}
		return fault
	})
	d.mustRotate()
	d.mustSettle()
	d.accepts(true, d.password("AWSCURRENT"))
	d.accepts(false, d.Password)
}

func TestWhereEveryPasswordIsRefusedTheMasterUserIsRecoveredOnRequestAlone(t *testing.T) {
	for _, recovery := range []bool{false, true} {
		t.Run(fmt.Sprint(recovery), func(t *testing.T) {
			d := deployRDS(t, func(o *rig.Options) {
				if recovery {
					o.Env["DATABASE_RECOVERY"] = "true"
				}
			})
			if _, err := d.MySQL.Admin().ExecContext(t.Context(), "ALTER USER ?@'%' IDENTIFIED BY 'nobody knows it'", d.User); err != nil {
				t.Fatal(err)
			}
			_, err := d.Rotate(t.Context())
			if !recovery {
				wantError(t, err, "is wrong", "DATABASE_RECOVERY=true")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(d.log.String(), `"alarm":"recovered"`) {
				t.Error("the log does not raise the alarm")
			}
			d.mustSettle()
			d.accepts(true, d.password("AWSCURRENT"))
		})
	}
}

func TestWithoutAnyWayTheErrorNamesTheRemedies(t *testing.T) {
	d := deploy(t, unprivileged, func(o *rig.Options) {
		o.MySQL = serverOf(t, mysqlserver.MariaDB)
		o.AWS.RotationRetries = -1
	})
	_, err := d.Rotate(t.Context())
	wantError(t, err, "DATABASE_ADMIN_SECRET_ARN", "DATABASE_WAY=single")
	d.accepts(true, d.Password)
}

func TestInAnEmergencyOpenConnectionsEndAndTheOldPasswordIsRefusedAtOnce(t *testing.T) {
	for _, series := range []mysqlserver.Series{mysqlserver.MySQL, mysqlserver.MariaDB} {
		t.Run(string(series), func(t *testing.T) {
			d := deployApplication(t, &rig.Application{}, func(o *rig.Options) {
				o.MySQL, o.AdminSecret = serverOf(t, series), true
			})
			open, err := d.MySQL.Open(d.User, d.Password, d.Database)
			if err != nil {
				t.Fatal(err)
			}
			defer open.Close()
			conn, err := open.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			d.enableRotation()
			if err := d.rotateWith("emergency.only.database.3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"); err != nil {
				t.Fatal(err)
			}
			d.accepts(false, d.Password)
			d.accepts(true, d.password("AWSCURRENT"))
			if err := conn.PingContext(t.Context()); err == nil {
				t.Error("a connection that was opened with the old password is still there")
			}
			d.mustSettle()
			for _, want := range []string{"emergency: database rotated", "connections of '" + d.User, "everything runs with the new value"} {
				if !strings.Contains(d.log.String(), want) {
					t.Errorf("the log does not say %q", want)
				}
			}
		})
	}
}
