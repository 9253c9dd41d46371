package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/rig"
)

// retries is how often the stand-in retries a failed rotation by itself.
const retries = 2

// lateTime is how long to retry reconcile runs while a late call blocks them, as one
// does that holds the account's lock on the server.
const lateTime = 8 * time.Second

// run sets up a deployment, prepares the scenario, and plays it with the trial's fault.
// It returns the calls of the watched part.
func (m *Matrix) run(ctx context.Context, scenario Scenario, trial Trial) (calls, violations []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	server := m.MySQL
	if server.IsMariaDB() {
		// There, use of an old password shows in the whole server's count of refused
		// connections, to which other trials add.
		if server, err = mysqlserver.Start(ctx, mysqlserver.Options{Series: m.MySQL.Series()}); err != nil {
			return nil, nil, err
		}
		defer func() { err = errors.Join(err, server.Close()) }()
	}
	proxy, err := mysqlproxy.Start(mysqlproxy.Options{Upstream: server.Addr(), UpstreamTLS: server.TLSConfig()})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, proxy.Close()) }()
	var log bytes.Buffer
	app := scenario.app()
	var pages pages
	options := rig.Options{
		MySQL: server, Binary: m.Binary, Logs: &log,
		DatabaseHost: proxy.Host(), DatabasePort: proxy.Port(), DatabaseCAFile: proxy.CAFile(),
		AWS:         localaws.Options{RotationRetries: retries},
		Timeout:     trial.timeout(),
		Application: app,
		AdminSecret: server.IsMariaDB(), // needed for dual passwords there
		Pages:       pages.wrap,
	}
	if scenario.on.options != nil {
		scenario.on.options(&options)
	}
	r, err := rig.New(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	closeRig := sync.OnceValue(r.Close)
	found := &ledger{}
	defer func() {
		err = errors.Join(err, closeRig()) // the log is complete after this
		if err != nil && len(found.all()) > 0 {
			err = fmt.Errorf("%w, after: %s", err, strings.Join(found.all(), "; "))
		}
		if m.LogDir != "" && (err != nil || len(found.all()) > 0) {
			err = errors.Join(err, m.keepLog(trial, log.Bytes()))
		}
	}()
	tagUser(options, r)
	if err := scenario.on.makeReady(ctx, r); err != nil {
		return nil, nil, fmt.Errorf("prepare the deployment of %s: %w", scenario.Name, err)
	}
	if err := scenario.prepare(ctx, r); err != nil {
		return nil, nil, fmt.Errorf("prepare the scenario %s: %w", scenario.Name, err)
	}

	loginsBefore, _ := app.Logins()
	if m.FirstOnly {
		found.first = cancel // cancels the rest, which would wait in vain
	}
	calls, err = watch(ctx, r, proxy, &pages, scenario, trial, found)
	if m.FirstOnly {
		checkLogins(app, scenario, loginsBefore, found)
		if violations := found.all(); len(violations) > 0 {
			return calls, violations[:1], nil
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if err := rotateOnceMore(ctx, r, scenario, found); err != nil {
		return nil, nil, err
	}
	if violations := found.all(); m.FirstOnly && len(violations) > 0 {
		return calls, violations[:1], nil
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err // what was found may be due to the cancellation
	}
	values, err := r.SecretValues()
	if err != nil {
		return nil, nil, err
	}
	leaks, err := r.Leaks(ctx, values)
	if err != nil {
		return nil, nil, err
	}
	if err := closeRig(); err != nil { // the log is complete now
		return nil, nil, err
	}
	for _, finding := range values.In(log.String()) {
		leaks = append(leaks, "the log: "+finding)
	}
	for _, finding := range leaks {
		found.note("leaked: %s", finding)
	}
	checkLogins(app, scenario, loginsBefore, found)
	return calls, found.all(), nil
}

// keepLog writes the function's log of a trial to LogDir.
func (m *Matrix) keepLog(trial Trial, log []byte) error {
	if err := os.MkdirAll(m.LogDir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.LogDir, strings.ReplaceAll(trial.String(), "/", "-")+".log"), log, 0o600)
}

// watch is the watched part of a trial.
func watch(ctx context.Context, r *rig.Rig, proxy *mysqlproxy.Proxy, pages *pages, scenario Scenario, trial Trial, found *ledger) (calls []string, err error) {
	before, err := look(r, scenario.on)
	if err != nil {
		return nil, err
	}
	before.fenced, before.edit = scenario.fenced, scenario.edit
	w := newWire(r, trial)
	defer r.AWS.Subscribe(w.onEvent)()
	var checkOld atomic.Bool
	checkOld.Store(true)
	accepted := live{known: map[mysqlserver.Stored]string{}}
	var past history
	w.check = func(moment string) {
		if err := accepted.check(ctx, r); err != nil {
			found.note("%s: %v", moment, err)
		}
		if !scenario.on.single {
			if err := r.CurrentLogsIn(ctx); err != nil {
				found.note("%s: %v", moment, err)
			}
		}
		past.check(moment, r, before, found)
		old := checkOld.Load()
		scenario.checkTargets(ctx, r, moment, before, old, found)
		if !old || scenario.on.single || scenario.emergency && !stillCurrent(r, before) {
			return
		}
		if err := r.Login(ctx, before.password); err != nil {
			found.note("%s: a value that a running task started with is refused: %v", moment, err)
		}
	}
	r.AWS.SecretsManager.SetVariants(trial.variants())
	r.AWS.Intercept(w.onAWS)
	proxy.SetHook(w.onSQL)
	pages.wire.Store(w)
	defer pages.wire.Store(nil)
	if r.SMTP != nil {
		r.SMTP.Intercept(w.onSMTP)
		defer r.SMTP.Intercept(nil)
	}
	defer r.AWS.Intercept(nil)
	defer proxy.SetHook(nil)
	defer r.AWS.SecretsManager.SetVariants(trial.variants()) // reads are no longer stale

	w.check("before it begins")
	failure := scenario.begin(ctx, r)
	if err := errors.Join(w.releaseLate(ctx), w.waitHandled(ctx)); err != nil {
		return nil, err
	}
	// Once it is promoted, reconcile finishes it.
	for left := trial.faults(); left > 0 && failure != nil && stillCurrent(r, before); left-- {
		r.AWS.SecretsManager.SetVariants(trial.variants())
		if failure = scenario.begin(ctx, r); failure != nil && left == 1 {
			found.note("the retry failed although nothing was in its way: %v", failure)
		}
	}
	before.mayLeaveOut = w.keptFromMaking()
	w.check("when it has begun")
	if failure == nil {
		checkRedeployed(ctx, r, before, past.promotedAt(), found)
	}

	// From here on the tasks' own logins show whether a task's password is accepted until
	// the task has stopped.
	checkOld.Store(scenario.end.keepsOld)
	if trial.Fault == AppliedLate && !w.reached() {
		soon, cancel := context.WithTimeout(ctx, lateTime)
		_ = scenario.end.settle(soon, r) // may be blocked until the late call is applied
		cancel()
		if err := w.releaseLate(ctx); err != nil {
			return nil, err
		}
	}
	if err := scenario.end.settle(ctx, r); err != nil {
		found.note("it does not finish: %v", err)
	}
	if err := w.waitHandled(ctx); err != nil {
		return nil, err
	}
	scenario.end.check(ctx, r, before, found)
	return w.seen(), nil
}

// rotateOnceMore checks that nothing is stuck: once the application works, the next
// rotation succeeds, or is refused for the scenario's reason.
func rotateOnceMore(ctx context.Context, r *rig.Rig, scenario Scenario, found *ledger) error {
	r.Application().Broken.Store(false)
	before, err := look(r, scenario.on)
	if err != nil {
		return err
	}
	next := &ledger{}
	switch err, refusal := rotate(ctx, r), scenario.next.refusal; {
	case refusal == "" && err != nil:
		next.note("%v", err)
	case refusal != "" && (err == nil || !strings.Contains(err.Error(), refusal)):
		next.note("it is not refused because %s: %v", refusal, err)
	}
	if err := scenario.next.settle(ctx, r); err != nil {
		next.note("it does not finish: %v", err)
	}
	scenario.next.check(ctx, r, before, next)
	for _, violation := range next.violations {
		found.note("the next rotation: %s", violation)
	}
	return nil
}
