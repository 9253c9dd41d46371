package rds_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/localaws/host"
	localrds "mautic-rotation/internal/localaws/rds"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/rds"
)

const newPassword = "correct-horse-battery"

func TestAwaitIsNotFooledByADatabaseThatIsStillAvailable(t *testing.T) {
	t.Parallel()
	for _, identifier := range []string{"plain", "aurora", "multi-az"} {
		t.Run(identifier, func(t *testing.T) {
			f := start(t)
			// The order is carried out late enough to be seen pending, and not
			// before somebody has looked at the reset.
			master := localrds.MasterUser{LingerTime: 3 * time.Second, SetPassword: func(ctx context.Context, _, _ string) error {
				begun := len(f.Calls())
				_, err := f.WaitEvent(ctx, func(e host.Event) bool {
					call, ok := e.(wire.CallFinished)
					return ok && call.Call.Seq > begun
				})
				return err
			}}
			state := f.RDS.ClusterState
			switch identifier {
			case "plain":
				state = f.RDS.InstanceState
				f.create(localrds.DBInstance{Identifier: identifier, Master: master})
			case "aurora":
				f.create(localrds.DBCluster{Identifier: identifier, Master: master})
			case "multi-az":
				f.create(localrds.DBCluster{Identifier: identifier, Engine: "mysql", Master: master})
			}
			db := f.named(identifier)
			if err := f.SetMasterPassword(t.Context(), db, newPassword, f.logger()); err != nil {
				t.Fatal(err)
			}
			if db, err := f.Get(t.Context(), db); err != nil || !db.Available || !db.PasswordPending {
				t.Errorf("right after the order: %+v, %v", db, err)
			}
			if err := f.Await(t.Context(), db, f.logger()); err != nil {
				t.Fatal(err)
			}
			if got, err := state(identifier); err != nil || got != (localrds.DBState{Status: "available", PasswordsSet: 1}) {
				t.Errorf("it is %+v, %v", got, err)
			}
			for _, seen := range []string{"status=available pending=true", "status=resetting-master-credentials pending=true"} {
				if strings.Count(f.log.String(), seen) != 1 {
					t.Errorf("the log does not say once %q:\n%s", seen, f.log.String())
				}
			}
			for _, c := range f.Calls() {
				if strings.HasPrefix(c.Operation, "Modify") && !strings.Contains(c.Detail, "ApplyImmediately=true") {
					t.Errorf("%+v", c)
				}
			}
		})
	}
}

func TestThePasswordsRuleIsCheckedBeforeRDSIsAsked(t *testing.T) {
	f := start(t, localrds.DBInstance{Identifier: "plain"})
	for password, problem := range map[string]string{
		"":                       "of 0 characters: RDS accepts 8 to 41",
		"1234567":                "of 7 characters",
		strings.Repeat("x", 42):  "of 42 characters",
		"slash/here":             "a character that RDS does not accept",
		`quote"here`:             "a character that RDS does not accept",
		"at@here99":              "a character that RDS does not accept",
		"space here":             "a character that RDS does not accept",
		"newline\nhere":          "a character that RDS does not accept",
		"delete\x7fhere":         "a character that RDS does not accept",
		strings.Repeat("ü", 21):  "a character that RDS does not accept",
		"broken\xffencoding":     "a character that RDS does not accept",
		strings.Repeat("-", 8):   "",
		strings.Repeat("~", 41):  "",
		"!#$%&'()*+,.:;<=>?[]^_": "",
		"`{|}\\0aA":              "",
	} {
		before := len(f.Calls())
		err := f.SetMasterPassword(t.Context(), rds.Database{Identifier: "plain"}, password, f.logger())
		if problem == "" {
			if err != nil {
				t.Errorf("%q: %v", password, err)
				continue
			}
			if err := f.Await(t.Context(), rds.Database{Identifier: "plain"}, f.logger()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		wantError(t, err, problem, "nothing was changed")
		if password != "" && strings.Contains(err.Error(), password) || len(f.Calls()) != before {
			t.Errorf("%q: %v, after %d calls", password, err, len(f.Calls())-before)
		}
	}
	if strings.Contains(f.log.String(), strings.Repeat("-", 8)) {
		t.Errorf("a password is in the log: %s", f.log.String())
	}
}

func TestAPasswordThatRDSManagesIsLeftToRDS(t *testing.T) {
	master := localrds.MasterUser{ManagedSecretARN: "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1"}
	f := start(t, localrds.DBInstance{Identifier: "plain", Master: master}, localrds.DBCluster{Identifier: "aurora", Master: master})
	for identifier, command := range map[string]string{
		"plain":  "aws rds modify-db-instance --db-instance-identifier plain --rotate-master-user-password",
		"aurora": "aws rds modify-db-cluster --db-cluster-identifier aurora --rotate-master-user-password",
	} {
		err := f.SetMasterPassword(t.Context(), f.named(identifier), newPassword, f.logger())
		wantError(t, err, command, "nothing was changed", master.ManagedSecretARN)
	}
	if f.called("ModifyDBInstance")+f.called("ModifyDBCluster") != 0 {
		t.Error("RDS was asked to change it")
	}
}

func TestADatabaseThatIsNotAvailableIsLeftAlone(t *testing.T) {
	f := start(t, localrds.DBInstance{Identifier: "plain", Status: "backing-up"}, localrds.DBCluster{Identifier: "aurora", Status: "failing-over"})
	for identifier, status := range map[string]string{"plain": "backing-up", "aurora": "failing-over"} {
		stale := f.named(identifier)
		stale.Available = true
		err := f.SetMasterPassword(t.Context(), stale, newPassword, f.logger())
		wantError(t, err, identifier, `its status is "`+status+`"`, "nothing was changed; try again")
	}
	if f.called("ModifyDBInstance")+f.called("ModifyDBCluster") != 0 {
		t.Error("RDS was asked to change it")
	}
}

func TestADatabaseThatBecomesBusyMeanwhileIsTriedAgain(t *testing.T) {
	f := start(t, estate()...)
	f.Intercept(func(c wire.Call) wire.Fault {
		switch c.Operation {
		case "ModifyDBInstance":
			return wire.Fault{Error: &wire.Error{Code: "InvalidDBInstanceState", Message: "Database instance is not in available state."}}
		case "ModifyDBCluster":
			return wire.Fault{Error: &wire.Error{Code: "InvalidDBClusterStateFault", Message: "DB cluster is not available"}}
		}
		return wire.Fault{}
	})
	for _, db := range []rds.Database{plain, aurora} {
		err := f.SetMasterPassword(t.Context(), db, newPassword, f.logger())
		wantError(t, err, db.Identifier, "it is busy now", "try again", "available")
	}
}

func TestStorageThatIsOptimisedDoesNotHoldUpAChange(t *testing.T) {
	f := start(t, localrds.DBInstance{Identifier: "plain", Status: "storage-optimization"})
	db := f.named("plain")
	if err := f.SetMasterPassword(t.Context(), db, newPassword, f.logger()); err != nil {
		t.Fatal(err)
	}
	if err := f.Await(t.Context(), db, f.logger()); err != nil {
		t.Fatal(err)
	}
	if state, err := f.RDS.InstanceState("plain"); err != nil || state.PasswordsSet != 1 {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestAnOrderMayBeGivenAgain(t *testing.T) {
	f := start(t, localrds.DBInstance{Identifier: "plain", Master: localrds.MasterUser{LingerTime: time.Hour}})
	for range 2 {
		if err := f.SetMasterPassword(t.Context(), rds.Database{Identifier: "plain"}, newPassword, f.logger()); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(f.log.String(), "already pending") || strings.Contains(f.log.String(), newPassword) {
		t.Errorf("the log is %s", f.log.String())
	}
}

func TestAwaitLeavesItsCallerTheTimeToLogIn(t *testing.T) {
	f := start(t, localrds.DBInstance{Identifier: "plain", Master: localrds.MasterUser{LingerTime: time.Hour}}, localrds.DBInstance{Identifier: "idle"})
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	if err := f.Await(ctx, f.named("idle"), f.logger()); err != nil {
		t.Errorf("there is nothing to wait for: %v", err)
	}

	db := f.named("plain")
	if err := f.SetMasterPassword(ctx, db, newPassword, f.logger()); err != nil {
		t.Fatal(err)
	}
	before := f.called("DescribeDBInstances")
	err := f.Await(ctx, db, f.logger())
	wantError(t, err, "RDS instance plain", `status "available", pending: true`, "the next attempt continues from there", "raise the function's timeout")
	if n := f.called("DescribeDBInstances") - before; n != 1 || ctx.Err() != nil {
		t.Errorf("it looked %d times, and left %v", n, ctx.Err())
	}

	// 20 s and an interval are left for the first look, and less for a second.
	f.Interval = 100 * time.Millisecond
	enough, cancel := context.WithTimeout(t.Context(), 20*time.Second+150*time.Millisecond)
	defer cancel()
	wantError(t, f.Await(enough, db, f.logger()), "the next attempt continues from there")
}

// written calls a func whenever something is logged.
type written func()

func (f written) Write(b []byte) (int, error) { f(); return len(b), nil }

func TestAwaitEndsWithItsContext(t *testing.T) {
	f := start(t, localrds.DBInstance{Identifier: "plain", Status: "rebooting"})
	f.Interval = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("the caller has gone")
	log := slog.New(slog.NewTextHandler(written(func() { cancel(gone) }), nil))
	if err := f.Await(ctx, rds.Database{Identifier: "plain"}, log); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

func TestAnOrderChangesThePasswordAtARealServer(t *testing.T) {
	server := mysqltest.Shared(t)
	user, first := mysqltest.UniqueUser(t)
	f := start(t, localrds.DBInstance{
		Identifier: "plain", Endpoint: server.Host(), Port: server.Port(),
		Master: localrds.MasterUser{Name: user, SetPassword: func(ctx context.Context, user, password string) error {
			_, err := server.Admin().ExecContext(ctx, "ALTER USER ? IDENTIFIED BY ?", user, password)
			return err
		}},
	})
	db, found, err := f.AtHost(t.Context(), server.Host())
	if err != nil || !found || db.MasterUser != user || db.Port != server.Port() {
		t.Fatalf("%+v, %t, %v", db, found, err)
	}
	if err := f.SetMasterPassword(t.Context(), db, newPassword, f.logger()); err != nil {
		t.Fatal(err)
	}
	if err := f.Await(t.Context(), db, f.logger()); err != nil {
		t.Fatal(err)
	}
	if err := server.Login(t.Context(), user, newPassword, ""); err != nil {
		t.Error(err)
	}
	refusal, ok := errors.AsType[*mysql.MySQLError](server.Login(t.Context(), user, first, ""))
	if !ok || refusal.Number != 1045 {
		t.Errorf("the old password got %v", refusal)
	}
}
