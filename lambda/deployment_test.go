package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mautic-rotation/internal/leak"
	"mautic-rotation/internal/localaws"
	localrds "mautic-rotation/internal/localaws/rds"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
	"mautic-rotation/internal/syncbuf"
)

// deployment is a rig that is searched for secret values in wrong places, and
// for data races of the function, when the test ends.
type deployment struct {
	*rig.Rig
	t   *testing.T
	log *syncbuf.Buffer // the function's
}

// deploy makes a deployment without an application.
func deploy(t *testing.T, options ...func(*rig.Options)) *deployment {
	t.Helper()
	t.Parallel()
	d := &deployment{t: t, log: &syncbuf.Buffer{}}
	o := rig.Options{MySQL: mysqltest.Shared(t), Logs: d.log, AWS: localaws.Options{RotationRetries: 2}}
	for _, option := range options {
		option(&o)
	}
	var err error
	if o.Binary == asShipped {
		o.Binary, err = shippedBuild()
	} else {
		setEnv(&o, timingVariable, cmp.Or(o.Env[timingVariable], quick.String()))
		o.Binary, err = os.Executable()
	}
	if err != nil {
		t.Fatal(err)
	}
	if d.Rig, err = rig.New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.end)
	return d
}

// end closes the deployment, and searches what the function has left and told.
func (d *deployment) end() {
	values := d.nothingLeaked()
	if err := d.Close(); err != nil {
		d.t.Error(err)
	}
	for _, finding := range values.In(d.log.String()) { // which is complete now
		d.t.Errorf("leaked: %s", finding)
	}
	if strings.Contains(d.log.String(), "DATA RACE") {
		d.t.Error("the function has a data race")
	}
	if d.t.Failed() {
		d.t.Logf("the function's log:\n%s", d.log)
	}
}

// nothingLeaked searches what the function leaves or shows outside its log for
// each value that its secrets hold or have held, and returns these.
func (d *deployment) nothingLeaked() *leak.Values {
	d.t.Helper()
	values, err := d.SecretValues()
	if err != nil {
		d.t.Error(err)
		return &leak.Values{}
	}
	leaks, err := d.Leaks(context.Background(), values) // a cleanup's: the test's context has ended
	if err != nil {
		d.t.Error(err)
	}
	for _, finding := range leaks {
		d.t.Errorf("leaked: %s", finding)
	}
	return values
}

// Options of a deployment.

// asShipped is in place of the path of what `make build` makes.
const asShipped = "the build that is shipped"

// shipped deploys the build that is shipped. Its tests are those of what the
// build flags, the start of a process or the real pauses might change:
//
//   - a whole rotation, until the old password is refused: TestARotationEndsWithTheOldPasswordRefused
//   - the search for leaks, which looks at the process: TestTheSearchFindsAValueThatIsPlanted
//   - the log: TestTheLogIsJSONThatTellsWhichRequestStepSecretAndVersion
//   - the start, and what it says of wrong settings: TestFaultsOfTheSettingsReachWhoeverRotates
//   - a process that is killed: TestSetSecretThatDiesAroundItsChangeIsMadeGood
//   - an invocation's deadline: TestNoChangeBeginsWhenTheDeadlineIsNear
//   - the pauses between two reads, two questions for health and two attempts
//     at a call to AWS: TestATestOnlyRotationIsAPreflight,
//     TestNothingIsSetWhileTheApplicationIsNotHealthy, TestACallThatAWSThrottlesIsTriedAgain
func shipped(o *rig.Options) { o.Binary = asShipped }

// setEnv gives the function one more setting.
func setEnv(o *rig.Options, name, value string) {
	env := map[string]string{}
	maps.Copy(env, o.Env)
	env[name] = value
	o.Env = env
}

// timed gives the function a timing of its own.
func timed(t timing) func(*rig.Options) {
	return func(o *rig.Options) { setEnv(o, timingVariable, t.String()) }
}

// neverRetried lets Secrets Manager try a rotation once.
func neverRetried(o *rig.Options) { o.AWS.RotationRetries = -1 }

// unprivileged is an account that may not keep its old password.
func unprivileged(o *rig.Options) { o.Privileges = []string{} }

// deployApplication is deploy, with an application in ECS.
func deployApplication(t *testing.T, app *rig.Application, options ...func(*rig.Options)) *deployment {
	t.Helper()
	if app.Services == nil {
		app.Services = []string{"mautic-prod-web", "mautic-prod-worker"}
	}
	// Each task logs in once more before it ends: nothing but that shows how a
	// login would have gone then.
	app.Tasks, app.Interval, app.WithFunction, app.LastLogin = 2, 2*time.Second, true, true
	return deploy(t, append(options, func(o *rig.Options) { o.Application = app })...)
}

// deployRDS is a deployment whose account is the master user of an RDS instance.
func deployRDS(t *testing.T, options ...func(*rig.Options)) *deployment {
	t.Helper()
	options = append([]func(*rig.Options){unprivileged, neverRetried, func(o *rig.Options) { setEnv(o, "DATABASE_RDS", "true") }}, options...)
	d := deploy(t, options...)
	err := d.AWS.RDS.CreateDBInstance(localrds.DBInstance{
		Identifier: instanceID, Engine: "mysql", Endpoint: d.MySQL.Host(), Port: d.MySQL.Port(), Master: d.master(),
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

// serverOf is a server for one test. MariaDB's is its own: who uses an old
// password shows there in a count of the whole server's refused connections.
func serverOf(t *testing.T, series mysqlserver.Series) *mysqlserver.Server {
	t.Helper()
	if series == mysqlserver.MySQL {
		return mysqltest.Shared(t)
	}
	return exclusive.lend(t, mysqlserver.Options{Series: series})
}

// silentServer is a MySQL server of the test's own that logs no logins.
func silentServer(t *testing.T) *mysqlserver.Server {
	t.Helper()
	return exclusive.lend(t, mysqlserver.Options{Args: []string{"--log-error-verbosity=2"}})
}

// exclusive are the servers that one test at a time has, for what concerns a
// server as a whole.
var exclusive servers

// servers are lent to one test after another: to start one costs more processor
// time than most tests do.
type servers struct {
	mu    sync.Mutex
	slots map[string]chan *mysqlserver.Server // by the servers' options; nil is one that has not been started
	all   []*mysqlserver.Server
}

// alike is how many servers there may be with the same options.
const alike = 2

// lend waits for a server that no other test has, and starts it if need be. It
// is the test's until its end.
func (s *servers) lend(t *testing.T, o mysqlserver.Options) *mysqlserver.Server {
	t.Helper()
	slots := s.slotsOf(fmt.Sprint(o.Series, o.Args))
	server := <-slots
	t.Cleanup(func() { slots <- server })
	if server != nil {
		return server
	}
	var err error
	if server, err = mysqlserver.Start(context.Background(), o); err != nil { // it outlives the test
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, server)
	return server
}

func (s *servers) slotsOf(options string) chan *mysqlserver.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots == nil {
		s.slots = map[string]chan *mysqlserver.Server{}
	}
	if s.slots[options] == nil {
		s.slots[options] = make(chan *mysqlserver.Server, alike)
		for range alike {
			s.slots[options] <- nil
		}
	}
	return s.slots[options]
}

// close ends all of them.
func (s *servers) close() error {
	var faults []error
	for _, server := range s.all {
		faults = append(faults, server.Close())
	}
	return errors.Join(faults...)
}
