package crash

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	awswire "mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/rig"
)

// wire sees each external call of the function, in order, and injects the trial's fault
// into one of them.
type wire struct {
	rig   *rig.Rig
	trial Trial

	// check is called after each call: between two calls nothing outside the function
	// changes.
	check func(moment string)

	// release lets a late call be applied; applied is closed once it has been.
	release, applied chan struct{}
	released         bool

	// handled is closed once the duplicate event has been handled.
	handled chan struct{}

	// over is closed once the invocation with the fault has ended.
	over chan struct{}

	mu    sync.Mutex
	calls []string
	hitAt time.Time // when the call with the fault was made, by AWS's clock
}

func newWire(r *rig.Rig, trial Trial) *wire {
	return &wire{
		rig: r, trial: trial,
		release: make(chan struct{}), applied: make(chan struct{}), handled: make(chan struct{}), over: make(chan struct{}),
	}
}

// next counts a call and returns its fault; "": none.
func (w *wire) next(name string) (moment string, fault Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, name)
	n := len(w.calls)
	switch {
	case n == w.trial.Call:
		w.hitAt = w.rig.AWS.Clock().Now()
		fault = w.trial.Fault
	case n > w.trial.Call && w.trial.Fault == Deadline && !isClosed(w.over):
		fault = Deadline
	case n == w.trial.Call+w.trial.Second.Later:
		fault = w.trial.Second.Fault
	}
	return fmt.Sprintf("call %d, %s", n, name), fault
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// onEvent notes the end of an invocation. Invocations are sequential, and their ends are
// reported a little late.
func (w *wire) onEvent(e host.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	finished, ok := e.(locallambda.InvocationFinished)
	if ok && !w.hitAt.IsZero() && finished.At.After(w.hitAt) && !isClosed(w.over) {
		close(w.over)
	}
}

// patience is how long a call waits for the duplicate event. It is less than the
// function's time limit for a call; a duplicate that takes longer waits for something
// that the first invocation holds.
const patience = 4 * time.Second

// repeat redelivers the event that the function is handling.
func (w *wire) repeat() {
	go func() {
		defer close(w.handled)
		_ = w.rig.AWS.Lambda.Redeliver(rig.FunctionName) // the function exists: it is making a call
	}()
	select {
	case <-w.handled:
	case <-time.After(patience):
	}
}

// waitHandled waits until the duplicate event has been handled.
func (w *wire) waitHandled(ctx context.Context) error {
	if w.trial.Fault != Duplicated || !w.reached() {
		return nil
	}
	select {
	case <-w.handled:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: the duplicate event was never handled", w.trial)
	}
}

func (w *wire) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// keptFromMaking tells whether the trial's fault was in createSecret and looks to the
// function as if a kind could not be rotated: a refusal, or no answer.
func (w *wire) keptFromMaking() bool {
	stored := slices.IndexFunc(w.seen(), func(call string) bool { return strings.Contains(call, "createSecret: PutSecretValue") })
	return (w.trial.Fault == ErrorBefore || w.trial.Fault == Deadline) && w.reached() && (stored < 0 || w.trial.Call <= stored)
}

// reached tells whether the trial's call has been made.
func (w *wire) reached() bool { return len(w.seen()) >= w.trial.Call }

// releaseLate lets a late call be applied, if it has been made, and waits until it has
// been.
func (w *wire) releaseLate(ctx context.Context) error {
	if w.trial.Fault != AppliedLate || !w.reached() || w.released {
		return nil
	}
	w.released = true
	close(w.release)
	select {
	case <-w.applied:
	case <-ctx.Done():
		return fmt.Errorf("%s: the late call was never applied", w.trial)
	}
	w.check("after the late call was applied")
	return nil
}

// neverLate is for a call that cannot be applied late but has the number of one that
// can, because this trial ran reconcile once more than the run that listed the calls.
func (w *wire) neverLate() { close(w.applied) }

// onAWS decides the fate of a call to AWS.
func (w *wire) onAWS(c awswire.Call) awswire.Fault {
	if c.Caller.Function == "" {
		return awswire.Fault{} // the trial's own
	}
	name := fmt.Sprintf("aws %s: %s", cmp.Or(c.Caller.Step, "reconcile"), c.Operation)
	if c.Detail != "" {
		name += " " + w.labelled(c.Detail)
	}
	moment, wanted := w.next(name)
	fault := awswire.Fault{After: func() { w.check("after " + moment) }}
	switch wanted {
	case ErrorBefore:
		fault.Error = &awswire.Error{Code: "AccessDeniedException", Message: "injected", Status: 400}
	case Throttled:
		fault.Error = awswire.Throttled()
	case KilledBefore:
		fault.KillBefore = true
	case KilledAfter:
		fault.KillAfter = true
	case ReplyLost:
		fault.LoseReply = true
	case AppliedLate:
		fault.Late = w.release
		after := fault.After
		fault.After = func() {
			after()
			close(w.applied)
		}
	case StaleReads:
		v := w.trial.variants()
		v.StaleReads = localsecretsmanager.StaleReads{Reads: 2}
		w.rig.AWS.SecretsManager.SetVariants(v)
	case Duplicated:
		fault.Before = w.repeat
	case Deadline:
		after := fault.After
		fault.LoseReply, fault.After = true, func() {
			after()
			<-w.over
		}
	}
	return fault
}

// onSQL decides the fate of a login or a statement.
func (w *wire) onSQL(_ context.Context, c mysqlproxy.Call) mysqlproxy.Action {
	name := "mysql " + string(c.Kind)
	if c.Text != "" {
		name += ": " + c.Text
	}
	moment, wanted := w.next(name)
	action := mysqlproxy.Action{After: func(error) { w.check("after " + moment) }}
	switch wanted {
	case ErrorBefore:
		action.Fault = mysqlproxy.Refuse
	case KilledBefore:
		w.kill()
		action.Fault = mysqlproxy.Drop
	case KilledAfter:
		action.Fault = mysqlproxy.LoseReply
		after := action.After
		action.After = func(err error) {
			after(err)
			w.kill()
		}
	case ReplyLost:
		action.Fault = mysqlproxy.LoseReply
	case AppliedLate:
		if c.Kind == mysqlproxy.Login {
			w.neverLate()
			break
		}
		action.Fault, action.Release = mysqlproxy.Late, w.release
		after := action.After
		action.After = func(err error) {
			after(err)
			close(w.applied)
		}
	case Duplicated:
		w.repeat()
	case Deadline:
		action.Fault = mysqlproxy.LoseReply
		after := action.After
		action.After = func(err error) {
			after(err)
			<-w.over
		}
	}
	return action
}

// labelled replaces version ids by what the versions are, and removes times and the ids
// of tasks and keys, so that a call has the same name in every trial.
func (w *wire) labelled(detail string) string {
	detail = changing.ReplaceAllString(detail, "")
	state, err := w.rig.AWS.SecretsManager.State(w.rig.SecretARN)
	if err != nil {
		return detail
	}
	for _, version := range state.Versions {
		detail = strings.ReplaceAll(detail, version.ID, what(version.Labels))
	}
	return detail
}

// changing matches what differs between trials in a call: in labels, the hashes of
// version ids, the numbers of entries, baselines and times; elsewhere the ids of tasks,
// keys and requests' values.
var changing = regexp.MustCompile(`(?:;[0-9a-f]{8}|\.[0-9]+(?:@[0-9TZ]+)?(?:~[0-9a-z.]+)?|=?[0-9]{8}T[0-9]{6}Z)\b| tasks=.*|AccessKeyId=[^ ]* ?|ClientRequestToken=[^ ]* ?`)

// what describes the version with these labels.
func what(labels []string) string {
	for _, label := range labels {
		if name, ok := strings.CutPrefix(label, "AWS"); ok {
			return strings.ToLower(name)
		}
	}
	for _, label := range labels {
		if entries, ok := strings.CutPrefix(changing.ReplaceAllString(label, ""), "rotation;2;"); ok {
			return entries
		}
	}
	return "unlabelled"
}

func (w *wire) kill() { w.rig.AWS.Lambda.KillEnvironments(rig.FunctionName) }
