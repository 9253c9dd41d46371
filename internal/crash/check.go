package crash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	localecs "mautic-rotation/internal/localaws/ecs"
	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// ledger collects violations.
type ledger struct {
	first func() // called at the first violation; may be nil

	mu         sync.Mutex
	violations []string
}

func (l *ledger) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violations = append(l.violations, fmt.Sprintf(format, args...))
	if l.first != nil {
		l.first()
	}
}

func (l *ledger) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.violations)
}

// snapshot is AWSCURRENT at a moment.
type snapshot struct {
	version  localsecretsmanager.VersionState
	password string
	doc      document.Document
	on       deployment
	at       time.Time // by AWS's clock
	taken    time.Time // by this machine's

	// edit has the fields that are edited by hand meanwhile.
	edit map[document.Pointer]string

	// fenced: AWSCURRENT may have been moved to a copy of its own document, because
	// another rotation was given up.
	fenced bool

	// mayLeaveOut: createSecret may leave out a kind, because it was told that the kind
	// cannot be rotated, or got no answer.
	mayLeaveOut bool
}

// leftOut tells whether a kind was left out properly: it still has its value, and the
// document says that it is as old as before.
func (s snapshot) leftOut(t target, current document.Document) bool {
	at := document.Pointer("/rotated_at/" + t.kind)
	was, errWas := s.doc.Text(at)
	is, errIs := current.Text(at)
	return s.mayLeaveOut && errWas == nil && errIs == nil && was == is
}

// keeps tells whether a task holds values of the snapshot since its start, so that it
// must be replaced. Mautic reads its own credentials anew each time.
func (s snapshot) keeps(task rig.TaskRecord) bool {
	switch s.on.only {
	case "":
		return task.Password == s.password
	case smtpTarget.kind:
		return task.Started.Before(s.taken) // the password that it reads does not change
	}
	return false
}

func look(r *rig.Rig, on deployment) (snapshot, error) {
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		return snapshot{}, err
	}
	current := state.Labelled("AWSCURRENT")
	password, ok := passwordOf(current)
	if !ok {
		return snapshot{}, errors.New("AWSCURRENT has no password")
	}
	doc, err := document.Parse(current.Value)
	return snapshot{version: current, password: password, doc: doc, on: on, at: r.AWS.Clock().Now(), taken: time.Now()}, err
}

// passwordOf returns a version's password, if it has one.
func passwordOf(v localsecretsmanager.VersionState) (string, bool) {
	doc, err := document.Parse(v.Value)
	if err != nil {
		return "", false // a version without a value
	}
	password, err := doc.Text(rig.PasswordPointer)
	return password, err == nil
}

// checkRedeployed: when Secrets Manager reports that a rotation has succeeded, each
// service has a deployment from after the promotion, without any reconcile.
func checkRedeployed(ctx context.Context, r *rig.Rig, before snapshot, promoted time.Time, found *ledger) {
	if !before.on.restarts() || promoted.IsZero() {
		return
	}
	out, err := r.AWS.ECS.DescribeServices(ctx, localecs.DescribeServicesInput{Cluster: rig.ClusterName, Services: r.Application().Services})
	if err != nil {
		found.note("%v", err)
		return
	}
	for _, service := range out.Services {
		if !slices.ContainsFunc(service.Deployments, func(d localecs.DeploymentDescription) bool { return !time.Time(d.CreatedAt).Before(promoted) }) {
			found.note("the rotation has succeeded, but service %s has had no deployment since the promotion", service.Name)
		}
	}
}

// A history is what has been AWSCURRENT since the watched part began.
type history struct {
	mu       sync.Mutex
	versions []string  // that were AWSCURRENT
	promoted time.Time // when AWSCURRENT was first seen with a different document, by AWS's clock
}

// check: AWSPENDING is not on a version that was current earlier. Its rotation would be
// resumed, and block every other one.
func (h *history) check(moment string, r *rig.Rig, before snapshot, found *ledger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		found.note("%v", err)
		return
	}
	current, pending := state.Labelled("AWSCURRENT"), state.Labelled("AWSPENDING")
	if !slices.Contains(h.versions, current.ID) {
		h.versions = append(h.versions, current.ID)
	}
	if h.promoted.IsZero() && current.Value != before.version.Value {
		h.promoted = r.AWS.Clock().Now()
	}
	if before.edit != nil {
		return // an edit leaves AWSPENDING where it is, too
	}
	if pending.ID != current.ID && slices.Contains(h.versions, pending.ID) {
		found.note("%s: AWSPENDING is on a version that was AWSCURRENT and no longer is", moment)
	}
}

// promotedAt is when the document was seen to change; zero: never.
func (h *history) promotedAt() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.promoted
}

// checkRetired: a new password and a new value of each other kind are current, and no
// other values are accepted.
func checkRetired(ctx context.Context, r *rig.Rig, before snapshot, found *ledger) {
	checkPromoted(r, before, found)
	checkClosed(ctx, r, found)
	if remembered(r, found) {
		found.note("at the end: the schedule is held off, although a rotation by hand has converged")
	}
	for _, t := range before.on.targets {
		t.checkFinal(ctx, r, before, found)
	}
	for _, task := range r.Application().Records() {
		if task.Stopped.IsZero() && before.keeps(task) {
			found.note("at the end: a task with old values is still running")
		}
	}
}

// checkRolledBack: a new password was current, and no longer is.
func checkRolledBack(ctx context.Context, r *rig.Rig, before snapshot, found *ledger) {
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		found.note("%v", err)
		return
	}
	if bad, ok := passwordOf(state.Labelled("AWSPREVIOUS")); !ok || bad == before.password {
		found.note("AWSPREVIOUS is not on the version that was rolled back")
	}
	if !remembered(r, found) {
		found.note("no label records the rollback, which must hold off the schedule")
	}
	checkUnchanged(ctx, r, before, found)
}

// remembered tells whether the labels record a rollback of the database.
func remembered(r *rig.Rig, found *ledger) bool {
	entries, _, err := r.Ledger()
	if err != nil {
		found.note("%v", err)
	}
	return slices.ContainsFunc(entries, func(e rig.Entry) bool { return e.String() == "database=failed" })
}

// checkUnchanged: AWSCURRENT is unchanged byte for byte except for edits by hand, maybe
// under another version id, and no other password is accepted.
func checkUnchanged(ctx context.Context, r *rig.Rig, before snapshot, found *ledger) {
	now, err := look(r, before.on)
	if err != nil {
		found.note("%v", err)
		return
	}
	wanted := before.doc
	for at, text := range before.edit {
		if wanted, err = wanted.Put(at, text); err != nil {
			found.note("%v", err)
		}
	}
	if now.version.Value != wanted.Raw() {
		found.note("AWSCURRENT has changed: version %s has a different document from version %s", now.version.ID, before.version.ID)
	}
	checkClosed(ctx, r, found)
}

// checkHeld: a new password is current, and the one that the application is configured
// with is accepted too.
func checkHeld(ctx context.Context, r *rig.Rig, before snapshot, found *ledger) {
	checkPromoted(r, before, found)
	checkStillUsed(ctx, r, found)
}

// checkStillHeld: in addition, the rotation has changed nothing.
func checkStillHeld(ctx context.Context, r *rig.Rig, before snapshot, found *ledger) {
	if now, err := look(r, before.on); err != nil || now.password != before.password {
		found.note("the password was changed while an older one was held (%v)", err)
	}
	checkStillUsed(ctx, r, found)
}

func checkStillUsed(ctx context.Context, r *rig.Rig, found *ledger) {
	if held, err := journalSaysHeld(r); err != nil || !held {
		found.note("the journal does not say that the old password is held (%v)", err)
	}
	if err := r.Login(ctx, r.Password); err != nil {
		found.note("the old password is refused although it is still used: %v", err)
	}
	checkCurrent(ctx, r, found)
}

// checkPromoted: a new document is current, in which only the rotated values changed.
// AWSPREVIOUS has the old document, or the same one as AWSCURRENT if that was moved to
// a copy of its own document since.
func checkPromoted(r *rig.Rig, before snapshot, found *ledger) {
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		found.note("%v", err)
		return
	}
	current := state.Labelled("AWSCURRENT")
	if current.Value == before.version.Value {
		found.note("no new document was promoted")
	}
	if password, ok := passwordOf(current); !ok || (password == before.password) != (before.on.only != "") {
		found.note("the password is rotated and has not changed, or is not rotated and has changed")
	}
	switch previous := state.Labelled("AWSPREVIOUS"); {
	case before.edit != nil: // it is on what was promoted
	case previous.Value == before.version.Value:
	case previous.Value == current.Value && before.fenced:
	default:
		found.note("AWSPREVIOUS is not what was current before")
	}
	old, errOld := document.Parse(before.version.Value)
	now, errNow := document.Parse(current.Value)
	for at, text := range before.edit {
		if errOld == nil {
			old, errOld = old.Put(at, text)
		}
	}
	if errOld != nil || errNow != nil || !old.EqualOutside(now, before.on.owned()) {
		found.note("fields that the rotation does not own have changed")
	}
}

// checkClosed: nothing is open, and only current values are accepted.
func checkClosed(ctx context.Context, r *rig.Rig, found *ledger) {
	if journal, err := r.Journal(); err != nil || len(journal) > 0 {
		found.note("still open in the journal: %v (%v)", journal, err)
	}
	current := checkCurrent(ctx, r, found)
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		found.note("%v", err)
		return
	}
	for _, version := range state.Versions {
		if password, ok := passwordOf(version); ok && password != current {
			found.refused(ctx, r, version.ID, password)
		}
	}
	running := 0
	for _, task := range r.Application().Records() {
		switch {
		case !task.Stopped.IsZero():
		case task.Password != current:
			found.note("a task that started with a password other than AWSCURRENT's is still running")
		default:
			running++
		}
	}
	if running == 0 {
		found.note("the application is not running")
	}
}

// refused checks that a password is denied. Any other error proves nothing.
func (l *ledger) refused(ctx context.Context, r *rig.Rig, version, password string) {
	const accessDenied = 1045
	var answer *mysql.MySQLError
	switch err := r.Login(ctx, password); {
	case err == nil:
		l.note("the password of version %s is still accepted", version)
	case !errors.As(err, &answer) || answer.Number != accessDenied:
		l.note("it is not known whether the password of version %s is refused: %v", version, err)
	}
}

// checkCurrent checks what must hold for AWSCURRENT at every end, and returns its
// password.
func checkCurrent(ctx context.Context, r *rig.Rig, found *ledger) string {
	steady, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := r.WaitSteady(steady); err != nil {
		found.note("the services do not come up: %v", err)
	}
	if err := r.CurrentLogsIn(ctx); err != nil {
		found.note("at the end: %v", err)
	}
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		found.note("%v", err)
		return ""
	}
	if pending := state.Labelled("AWSPENDING"); pending.ID != "" && !slices.Contains(pending.Labels, "AWSCURRENT") {
		found.note("AWSPENDING is left on version %s, which is not current", pending.ID)
	}
	password, _ := passwordOf(state.Labelled("AWSCURRENT"))
	return password
}

// checkLogins checks that none of the application's logins has failed, where none may,
// and that it has logged in at all since the watched part began.
func checkLogins(app *rig.Application, scenario Scenario, before int, found *ledger) {
	attempts, failures := app.Logins()
	if failures > 0 && !scenario.refusesTasks() {
		found.note("%d of %d logins by the application failed", failures, attempts)
	}
	if attempts == before {
		found.note("the application has not logged in since the rotation began")
	}
}
