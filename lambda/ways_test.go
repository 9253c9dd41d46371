package main

import (
	"fmt"
	"testing"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/rig"
)

// Each way to change a database password, through the function as it is
// deployed. What each way does at the server is tested in package database.

func TestARotationByEachWayThatKeepsTheOldPasswordFailsNoLogin(t *testing.T) {
	t.Parallel()
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
			d.mustPreflight()
			for range 2 {
				old := d.password("AWSCURRENT")
				d.underLoad(func() { d.mustRotate() })
				d.accepts(true, old, d.password("AWSCURRENT"))
				d.mustSettle()
				d.accepts(true, d.password("AWSCURRENT"))
				d.accepts(false, old)
			}
			d.noLoginFailed()
			d.logSays(`"way":"` + tc.way + `"`)
		})
	}
}

func TestARollbackWorksByEachWay(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]func(*testing.T, *rig.Options){
		"MariaDB, by an administrator": func(t *testing.T, o *rig.Options) {
			o.MySQL, o.AdminSecret = serverOf(t, mysqlserver.MariaDB), true
		},
		"MariaDB, singly": func(t *testing.T, o *rig.Options) {
			o.MySQL = serverOf(t, mysqlserver.MariaDB)
			setEnv(o, "DATABASE_WAY", "single")
		},
		"MySQL, singly": func(_ *testing.T, o *rig.Options) {
			unprivileged(o)
			setEnv(o, "DATABASE_WAY", "single")
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := brokenApplication()
			d := deployApplication(t, app, func(o *rig.Options) { options(t, o) })
			d.mustRotate()
			bad := d.password("AWSCURRENT")
			d.awaitFailedRollouts()
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

func TestAMasterUsersPasswordIsSetByRDS(t *testing.T) {
	d := deployRDS(t)
	d.mustRotate()
	d.accepts(true, d.password("AWSCURRENT"))
	d.accepts(false, d.Password)
	d.mustSettle()
	d.logSays(`"way":"rds"`, "all their new logins fail") // the way, and its price
	state, err := d.AWS.RDS.InstanceState(instanceID)
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
	t.Parallel()
	for _, recovery := range []bool{false, true} {
		t.Run(fmt.Sprint(recovery), func(t *testing.T) {
			d := deployRDS(t, func(o *rig.Options) {
				if recovery {
					setEnv(o, "DATABASE_RECOVERY", "true")
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
			d.logSays(`"alarm":"recovered"`)
			d.mustSettle()
			d.accepts(true, d.password("AWSCURRENT"))
		})
	}
}

func TestWithoutAnyWayTheErrorNamesTheRemedies(t *testing.T) {
	d := deploy(t, unprivileged, neverRetried, func(o *rig.Options) { o.MySQL = serverOf(t, mysqlserver.MariaDB) })
	_, err := d.Rotate(t.Context())
	wantError(t, err, "DATABASE_ADMIN_SECRET_ARN", "DATABASE_WAY=single")
	d.accepts(true, d.Password)
}

func TestInAnEmergencyOpenConnectionsEndAndTheOldPasswordIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
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
			d.mustPreflight()
			if err := d.rotateWith("emergency.only.database.3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"); err != nil {
				t.Fatal(err)
			}
			d.accepts(false, d.Password)
			d.accepts(true, d.password("AWSCURRENT"))
			if err := conn.PingContext(t.Context()); err == nil {
				t.Error("a connection that was opened with the old password is still there")
			}
			d.mustSettle()
			d.logSays("emergency: database rotated", "connections of '"+d.User, "every task runs with the new value")
		})
	}
}
