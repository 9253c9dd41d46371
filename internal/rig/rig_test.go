package rig

import (
	"context"
	"crypto/sha1"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/go-sql-driver/mysql"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

// settingFile is the environment variable that makes the test program a
// function: one that does nothing but write what it is told of the
// administrator to that file.
const settingFile = "RIG_TEST_SETTING_FILE"

func TestMain(m *testing.M) {
	if file := os.Getenv(environmentFile); file != "" {
		writeEnvironment(file)
	}
	if file := os.Getenv(settingFile); file != "" {
		if err := os.WriteFile(file, []byte(os.Getenv("DATABASE_ADMIN_SECRET_ARN")), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	mysqltest.Main(m)
}

func newRig(t *testing.T, o Options) *Rig {
	t.Helper()
	// Not the real function: the rig itself is tested.
	o.Binary = os.Args[0]
	r, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// adminSetting is what the rig's function is told of the administrator.
func adminSetting(t *testing.T, r *Rig) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "setting")
	if err := r.Reconfigure(map[string]string{settingFile: file}); err != nil {
		t.Fatal(err)
	}
	_ = r.Invoke([]byte("{}")) // it ends without an answer
	arn, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(arn)
}

func TestAdministratorHasASecretThatTheFunctionKnows(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		r := newRig(t, Options{MySQL: server, AdminSecret: true})

		name := AdminSecretName
		out, err := r.Secrets.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: &name})
		if err != nil {
			t.Fatal(err)
		}
		if *out.ARN != r.AdminSecretARN {
			t.Errorf("the secret is %s, the rig says %s", *out.ARN, r.AdminSecretARN)
		}
		type layout struct {
			Engine, Host       string
			Port               int
			Username, Password string
		}
		var got layout
		if err := json.Unmarshal([]byte(*out.SecretString), &got); err != nil {
			t.Fatal(err)
		}
		engine := "mysql"
		if server.IsMariaDB() {
			engine = "mariadb"
		}
		if want := (layout{engine, server.Host(), server.Port(), r.AdminUser, r.AdminPassword}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		if err := server.Login(t.Context(), got.Username, got.Password, "mysql"); err != nil {
			t.Error(err)
		}

		if arn := adminSetting(t, r); arn != r.AdminSecretARN {
			t.Errorf("the function is told %q, want %q", arn, r.AdminSecretARN)
		}
	})
}

func TestWithoutAnAdminSecretThereIsNoAdministrator(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{MySQL: mysqltest.Shared(t)})
	if r.AdminUser != "" || r.AdminPassword != "" || r.AdminSecretARN != "" {
		t.Errorf("administrator %q with secret %q", r.AdminUser, r.AdminSecretARN)
	}
	if arn := adminSetting(t, r); arn != "" {
		t.Errorf("the function is told of %s", arn)
	}
}

func TestAdministratorGivesTheAccountASecondPassword(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		r := newRig(t, Options{MySQL: server, AdminSecret: true})
		admin := open(t, server, r.AdminUser, r.AdminPassword)
		statement, args := "ALTER USER ?@'%' IDENTIFIED BY ? RETAIN CURRENT PASSWORD", []any{r.User, "new"}
		if server.IsMariaDB() {
			statement = "ALTER USER ?@'%' IDENTIFIED VIA mysql_native_password USING ? OR mysql_native_password USING ?"
			args = []any{r.User, nativeHash("new"), nativeHash(r.Password)}
		}
		if _, err := admin.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
		for _, password := range []string{"new", r.Password} {
			if err := r.Login(t.Context(), password); err != nil {
				t.Error(err)
			}
		}

		// What it reads before: the accounts of that name, and what they hold.
		var accounts int
		if err := admin.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM mysql.user WHERE User = ?", r.User).Scan(&accounts); err != nil || accounts != 1 {
			t.Errorf("%d accounts, %v", accounts, err)
		}
		if _, err := admin.ExecContext(t.Context(), "SHOW CREATE USER ?@'%'", r.User); err != nil {
			t.Error(err)
		}
	})
}

func TestAccountKeepsASecondPasswordItselfOnlyIfItMay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		options Options
		may     bool
	}{
		{"without an administrator", Options{}, true},
		{"with one", Options{AdminSecret: true}, false},
		{"with one, and the privilege nevertheless", Options{AdminSecret: true, Privileges: Privileges}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.options.MySQL = mysqltest.Shared(t)
			r := newRig(t, test.options)
			account := open(t, r.MySQL, r.User, r.Password)
			_, err := account.ExecContext(t.Context(), "ALTER USER USER() IDENTIFIED BY 'new' REPLACE ? RETAIN CURRENT PASSWORD", r.Password)
			if test.may && err != nil {
				t.Error(err)
			}
			if !test.may {
				wantRefused(t, err, 1227)
			}
		})
	}
}

func TestApplicationRunsOnEachServer(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		app := &Application{Services: []string{"web"}, Tasks: 1, Interval: 10 * time.Millisecond}
		r := newRig(t, Options{MySQL: server, AdminSecret: true, Application: app})
		if err := r.WaitSteady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if attempts, failures := app.Logins(); attempts == 0 || failures > 0 {
			t.Errorf("%d of %d logins failed: %v", failures, attempts, app.Records()[0].FirstFailure)
		}
	})
}

func TestNoLoginFailedLetsEachTaskLogInOnceMore(t *testing.T) {
	t.Parallel()
	app := &Application{Services: []string{"web", "cron"}, Tasks: 2, Interval: time.Hour}
	r := newRig(t, Options{MySQL: mysqltest.Shared(t), Application: app})
	before := app.Records()
	if err := app.NoLoginFailed(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, task := range app.Records() {
		if task.Logins <= before[i].Logins {
			t.Errorf("a task of %s has not logged in meanwhile", task.Service)
		}
	}
	// At once, and not at some login to come.
	if _, err := r.MySQL.Admin().ExecContext(t.Context(), "ALTER USER ?@'%' IDENTIFIED BY 'another'", r.User); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, app.NoLoginFailed(t.Context()), 1045)
}

// What two tasks with one password would each see at the server is the same.
func TestTasksShareALoginOnlyWithinARoundAndOnlyWithTheSamePassword(t *testing.T) {
	t.Parallel()
	app, logins := &Application{}, map[string]int{}
	login := func(password string) (time.Time, error) {
		return app.latestRound().login(password, func() error { logins[password]++; return errors.New(password) })
	}
	for range 2 {
		app.askForLogins()
		asked := time.Now()
		for _, password := range []string{"one", "one", "two"} {
			begun, err := login(password)
			if err == nil || err.Error() != password {
				t.Errorf("with %s: got %v", password, err)
			}
			if begun.Before(asked) {
				t.Errorf("the login with %s began %s before it was asked for", password, asked.Sub(begun))
			}
		}
	}
	if logins["one"] != 2 || logins["two"] != 2 {
		t.Errorf("there were %v, want 2 of each: one in each round", logins)
	}
}

func TestTasksLogInWhenTheFunctionMayHaveChangedTheirAccount(t *testing.T) {
	t.Parallel()
	app := &Application{Services: []string{"web"}, Tasks: 2, Interval: time.Hour, WithFunction: true}
	r := newRig(t, Options{MySQL: mysqltest.Shared(t), Application: app})
	r.AWS.Lambda.DeleteFunction(FunctionName) // one that does nothing takes its place
	_, err := r.AWS.Lambda.CreateFunction(locallambda.Function{
		Name: FunctionName, Handler: func(context.Context, []byte) ([]byte, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := app.Logins()
	if err := r.Reconcile(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(2 * time.Minute); ; {
		if after, failed := app.Logins(); after >= before+2 && failed == 0 {
			break
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			t.Fatalf("the tasks have not logged in after an invocation: %+v", app.Records())
		}
	}

	moved := wire.Call{Operation: "UpdateSecretVersionStage", Caller: wire.Caller{Function: FunctionName}}
	read, byHand := moved, moved
	read.Operation, byHand.Caller = "GetSecretValue", wire.Caller{}
	for what, test := range map[string]struct {
		event host.Event
		want  bool
	}{
		"the function has moved a label":   {wire.CallFinished{Call: moved}, true},
		"somebody has moved a label":       {wire.CallFinished{Call: byHand}, false},
		"the function has read a value":    {wire.CallFinished{Call: read}, false},
		"an invocation has ended":          {locallambda.InvocationFinished{}, true},
		"a process of the function begins": {locallambda.EnvironmentStarted{}, false},
	} {
		if got := mayFollowChange(test.event); got != test.want {
			t.Errorf("%s: tasks log in: %v, want %v", what, got, test.want)
		}
	}
}

func TestAnApplicationWithoutTasksHasNotBeenObserved(t *testing.T) {
	t.Parallel()
	app := &Application{}
	newRig(t, Options{MySQL: mysqltest.Shared(t), Application: app})
	if err := app.NoLoginFailed(t.Context()); err == nil {
		t.Error("no error, though no task has ever logged in")
	}
}

func TestATaskThatLingersLogsInUntilItIsLetGo(t *testing.T) {
	t.Parallel()
	linger := make(chan struct{})
	app := &Application{Services: []string{"web"}, Tasks: 1, Interval: 10 * time.Millisecond, Linger: linger, LastLogin: true}
	r := newRig(t, Options{MySQL: mysqltest.Shared(t), Application: app})
	redeploy(t, r)
	_, err := r.AWS.WaitEvent(t.Context(), func(e host.Event) bool {
		task, ok := e.(localecs.TaskChanged)
		return ok && task.Status == "STOPPING"
	})
	if err != nil {
		t.Fatal(err)
	}
	if old := app.Records()[0]; !old.Stopped.IsZero() {
		t.Error("the task has ended")
	}
	close(linger)
	if err := r.WaitSteady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if old := app.Records()[0]; old.Stopped.IsZero() || old.Logins < 2 {
		t.Errorf("the task has not ended, or made %d logins", old.Logins)
	}
}

func TestADeploymentOfASlowApplicationGoesOnUntilItIsSlowNoMore(t *testing.T) {
	t.Parallel()
	app := &Application{Services: []string{"web"}, Tasks: 1, Interval: 10 * time.Millisecond}
	r := newRig(t, Options{MySQL: mysqltest.Shared(t), Application: app})
	app.Slow.Store(true)
	redeploy(t, r)
	for len(app.Records()) < 2 { // the new task runs
		if err := app.awaitLogins(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.NoLoginFailed(t.Context()); err != nil { // and logs in
		t.Error(err)
	}
	if old := app.Records()[0]; !old.Stopped.IsZero() {
		t.Error("the old task has ended, though the new one is not healthy")
	}
	app.Slow.Store(false)
	if err := r.WaitSteady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if old := app.Records()[0]; old.Stopped.IsZero() {
		t.Error("the old task has not ended")
	}
}

func TestCloseDropsTheAccounts(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		r := newRig(t, Options{MySQL: server, AdminSecret: true})
		if err := r.Login(t.Context(), r.Password); err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, server.Login(t.Context(), r.User, r.Password, ""), 1045)
		wantRefused(t, server.Login(t.Context(), r.AdminUser, r.AdminPassword, ""), 1045)
	})
}

// open returns a pool of connections of a user.
func open(t *testing.T, server *mysqlserver.Server, user, password string) *sql.DB {
	t.Helper()
	c := mysql.NewConfig()
	c.Net, c.Addr, c.TLS = "tcp", server.Addr(), server.TLSConfig()
	c.User, c.Passwd, c.InterpolateParams = user, password, true
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

// nativeHash is what MariaDB keeps of a password.
func nativeHash(password string) string {
	once := sha1.Sum([]byte(password))
	twice := sha1.Sum(once[:])
	return fmt.Sprintf("*%X", twice)
}

// wantRefused checks that the server answered with an error of that number.
func wantRefused(t *testing.T, err error, number uint16) {
	t.Helper()
	var refusal *mysql.MySQLError
	if !errors.As(err, &refusal) || refusal.Number != number {
		t.Errorf("got %v, want error %d", err, number)
	}
}
