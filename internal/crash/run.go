package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// retries are how often the stand-in tries a failed rotation again by itself.
const retries = 2

// ledger collects what does not hold.
type ledger struct {
	mu         sync.Mutex
	violations []string
}

func (l *ledger) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violations = append(l.violations, fmt.Sprintf(format, args...))
}

// run makes a deployment, prepares the scenario, and rotates with the trial's
// fault. It returns the calls that the rotation made up to its first success.
func (m *Matrix) run(ctx context.Context, scenario Scenario, trial Trial) (calls, violations []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	proxy, err := mysqlproxy.Start(mysqlproxy.Options{Upstream: m.MySQL.Addr(), UpstreamTLS: m.MySQL.TLSConfig()})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, proxy.Close()) }()
	var log bytes.Buffer
	app := &rig.Application{Services: []string{"mautic-prod-service"}, Tasks: 1, Interval: 50 * time.Millisecond}
	r, err := rig.New(ctx, rig.Options{
		MySQL: m.MySQL, Binary: m.Binary, Logs: &log,
		DatabaseHost: proxy.Host(), DatabasePort: proxy.Port(), DatabaseCAFile: proxy.CAFile(),
		AWS:         localaws.Options{RotationRetries: retries},
		Application: app,
	})
	if err != nil {
		return nil, nil, err
	}
	closeRig := sync.OnceValue(r.Close)
	defer func() { err = errors.Join(err, closeRig()) }()
	if err := scenario.prepare(ctx, r); err != nil {
		return nil, nil, fmt.Errorf("prepare the scenario %s: %w", scenario.Name, err)
	}

	found := &ledger{}
	calls, err = m.rotateWithFault(ctx, r, proxy, trial, found)
	if err != nil {
		return nil, nil, err
	}
	state, err := r.AWS.Secret(r.SecretARN)
	if err != nil {
		return nil, nil, err
	}
	if err := closeRig(); err != nil { // the log is complete now
		return nil, nil, err
	}
	searchLog(log.String(), state, found)
	if attempts, failures := app.Logins(); failures > 0 {
		found.note("%d of %d logins of the application failed", failures, attempts)
	}
	return calls, found.violations, nil
}

func (m *Matrix) rotateWithFault(ctx context.Context, r *rig.Rig, proxy *mysqlproxy.Proxy, trial Trial, found *ledger) (calls []string, err error) {
	before, err := r.PasswordLabelled("AWSCURRENT")
	if err != nil {
		return nil, err
	}
	original, err := r.ValueLabelled("AWSCURRENT")
	if err != nil {
		return nil, err
	}
	w := &wire{rig: r, trial: trial, release: make(chan struct{}), applied: make(chan struct{})}
	w.check = func(moment string) {
		if err := r.CurrentLogsIn(ctx); err != nil {
			found.note("%s: %v", moment, err)
		}
		if err := r.Login(ctx, before); err != nil {
			found.note("%s: what a running task was started with is refused: %v", moment, err)
		}
	}
	r.AWS.Intercept(w.onAWS)
	proxy.SetHook(w.onSQL)

	token, failure := r.Rotate(ctx)
	calls = w.seen()
	if trial.Fault == AppliedLate && len(calls) >= trial.Call {
		close(w.release)
		select {
		case <-w.applied:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: the late call was never applied", trial)
		}
		w.check("after the late call was applied")
	}
	r.AWS.SetVariants(localaws.Variants{}) // the reads have caught up
	if failure != nil {
		found.settle(ctx, r, token)
	}
	w.check("at the end of the rotation")
	found.redeployed(ctx, r)
	found.promoted(r, token, before, original)

	// Nothing is stuck: the next rotation goes through. What a task was
	// started with before the last one need not be accepted after this.
	r.AWS.Intercept(nil)
	proxy.SetHook(nil)
	current, err := r.PasswordLabelled("AWSCURRENT")
	if err != nil {
		return nil, err
	}
	if _, err := r.Rotate(ctx); err != nil {
		found.note("the next rotation: %v", err)
	}
	if err := r.CurrentLogsIn(ctx); err != nil {
		found.note("after the next rotation: %v", err)
	}
	if err := r.Login(ctx, current); err != nil {
		found.note("after the next rotation: what a running task was started with is refused: %v", err)
	}
	return calls, nil
}

// settle does what an operator does about a rotation that has failed for good:
// asks for it again, which makes Secrets Manager take up the same version.
func (l *ledger) settle(ctx context.Context, r *rig.Rig, token string) {
	again, err := r.StartRotation(ctx)
	switch {
	case err == nil:
		token = again // the failed one left nothing pending
	case !strings.Contains(err.Error(), "will be reattempted"):
		l.note("rotate again: %v", err)
		return
	}
	if err := r.AWS.WaitRotation(ctx, r.SecretARN, token); err != nil {
		l.note("the rotation, tried again with nothing in its way: %v", err)
	}
}

// redeployed checks that whatever runs the application was started after the
// promotion.
func (l *ledger) redeployed(ctx context.Context, r *rig.Rig) {
	if err := r.WaitSteady(ctx); err != nil {
		l.note("the redeploy: %v", err)
	}
	current, err := r.PasswordLabelled("AWSCURRENT")
	if err != nil {
		l.note("%v", err)
		return
	}
	for _, task := range r.Application().Records() {
		if task.Stopped.IsZero() && task.Password != current {
			l.note("a task that was started with an older password goes on running: there was no redeploy after the promotion")
		}
	}
}

// promoted checks how the rotation has ended.
func (l *ledger) promoted(r *rig.Rig, token, before, original string) {
	state, err := r.AWS.Secret(r.SecretARN)
	if err != nil {
		l.note("%v", err)
		return
	}
	current := state.Labelled("AWSCURRENT")
	if current.ID != token {
		l.note("AWSCURRENT is version %s, not the one rotated to", current.ID)
	}
	if state.Labelled("AWSPREVIOUS").Value != original {
		l.note("AWSPREVIOUS is not what was current before")
	}
	old, errOld := document.Parse(original)
	now, errNow := document.Parse(current.Value)
	if errOld != nil || errNow != nil || !old.EqualOutside(now, []document.Pointer{rig.PasswordPointer}) {
		l.note("fields that the rotation does not own have changed")
	}
	if password, err := now.Text(rig.PasswordPointer); err != nil || password == before {
		l.note("the password has not changed")
	}
}

// searchLog looks for a password of any version in the function's log.
func searchLog(log string, state localaws.SecretState, found *ledger) {
	for _, version := range state.Versions {
		doc, err := document.Parse(version.Value)
		if err != nil {
			continue // a version without a value
		}
		if password, err := doc.Text(rig.PasswordPointer); err == nil && strings.Contains(log, password) {
			found.note("the log holds the password of version %s", version.ID)
		}
	}
}
