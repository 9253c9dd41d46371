package explore

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/scrub"
)

// A Disturbance is what comes between two calls, or goes wrong with one.
type Disturbance uint8

// The disturbances.
const (
	none Disturbance = iota

	Switch // to the other invocation

	// Faults of the call that is about to be made.
	Fails
	KilledBefore
	KilledAfter
	ReplyLost
	AskedAgain   // the reply is lost, and the SDK makes the call again
	LateByACall  // no reply, and it takes effect after another call
	LateAtItsEnd // the same, when the invocation has ended
	LateAtTheEnd // the same, when both have
	Stale        // a read that lags behind the latest write
	LockLost     // the server has lost the lock that the invocation holds

	// Actions from outside.
	Edit
	EditValue
	MoveBack
	MoveToPending
	OldDocument
	TakePendingOff
	Abandon
	Release
	Emergency
	Deployment
	TaskStarts
	TaskStops
	TaskRestarts
	ServerRestored
	KeyDeleted
	MinutePasses
	DayPasses // and ends the invocations that are under way
	Unhealthy
	Unclear
	ServiceDeleted
	ScaledToZero

	disturbances
)

var disturbanceNames = [disturbances]string{
	Switch: "switch",
	Fails:  "fails", KilledBefore: "killed-before", KilledAfter: "killed-after", ReplyLost: "reply-lost", AskedAgain: "asked-again",
	LateByACall: "late-by-a-call", LateAtItsEnd: "late-at-its-end", LateAtTheEnd: "late-at-the-end", Stale: "stale", LockLost: "lock-lost",
	Edit: "edit", EditValue: "edit-value", MoveBack: "move-back", MoveToPending: "move-to-pending", OldDocument: "old-document",
	TakePendingOff: "take-pending-off", Abandon: "abandon", Release: "release", Emergency: "emergency",
	Deployment: "deployment", TaskStarts: "task-starts", TaskStops: "task-stops", TaskRestarts: "task-restarts", ServerRestored: "server-restored", KeyDeleted: "key-deleted",
	MinutePasses: "minute", DayPasses: "day", Unhealthy: "unhealthy", Unclear: "unclear",
	ServiceDeleted: "service-deleted", ScaledToZero: "scaled-to-zero",
}

func (d Disturbance) String() string { return disturbanceNames[d] }

// outside tells that it is something done from outside, and not to a call.
func (d Disturbance) outside() bool { return d >= Edit }

// options are what may come now.
func (w *world) options() (list []Disturbance) {
	if !w.finished() {
		v := &w.pair[w.turn]
		c := v.at.call
		if !w.pair[1-w.turn].ended {
			list = append(list, Switch)
		}
		list = append(list, Fails, KilledBefore)
		if c.write {
			list = append(list, KilledAfter, ReplyLost, LateByACall, LateAtItsEnd, LateAtTheEnd)
		}
		if c.write && c.aws {
			list = append(list, AskedAgain)
		}
		if c.reads && w.current != nil {
			list = append(list, Stale)
		}
		if w.holdsLock(v) {
			list = append(list, LockLost)
		}
	}
	for d := Edit; d < disturbances; d++ {
		if !slices.Contains(w.scenario.Without, d) && w.possible(d) {
			list = append(list, d)
		}
	}
	return list
}

// possible tells whether an action from outside can be done now, and changes anything.
func (w *world) possible(d Disturbance) bool {
	current, pending, previous := w.labelled(0, "AWSCURRENT"), w.labelled(0, "AWSPENDING"), w.labelled(0, "AWSPREVIOUS")
	switch d {
	case MoveBack, OldDocument:
		return previous != nil && previous.text != "" && previous.text != current.text
	case MoveToPending:
		return pending != nil && pending.text != "" && pending.id != current.id
	case TakePendingOff, Abandon:
		return pending != nil && pending.id != current.id
	case Emergency:
		return pending == nil || pending.id == current.id
	case Deployment, TaskRestarts:
		return len(w.services) > 0
	case TaskStarts:
		return len(w.services) > 0 && !w.services[0].failed && !w.services[0].missing && w.services[0].desired > 0 && w.indexOfTask(0, false) < 0
	case ServiceDeleted:
		return w.scenario.Fleet && !w.services[0].missing
	case ScaledToZero:
		return w.scenario.Fleet && w.services[0].desired > 0
	case TaskStops:
		return len(w.services) > 0 && w.indexOfTask(0, false) >= 0 && w.indexOfTask(0, true) >= 0
	case ServerRestored:
		for i := range w.accounts {
			if w.isServer(i) && !slices.EqualFunc(w.accounts[i].values, w.backup[i].values, func(a, b held) bool { return a.text == b.text }) {
				return true
			}
		}
		return false
	case KeyDeleted:
		return w.keyInUse() >= 0
	case Unhealthy, Unclear:
		return w.scenario.Health && w.ill == well
	}
	return true
}

// keyInUse is the account that an access key of AWSCURRENT belongs to, and that has
// another one, so that a promotion can be taken back; -1: there is none.
func (w *world) keyInUse() int {
	current := w.labelled(0, "AWSCURRENT")
	for i, value := range current.values {
		if a := &w.accounts[i]; current.secret == 0 && !w.isServer(i) && a.accepts(value) && len(a.values) == quota {
			return i
		}
	}
	return -1
}

// rollsOut tells that AWSCURRENT's label has a rollout that has not converged.
func (w *world) rollsOut() bool {
	return slices.ContainsFunc(w.labelled(0, "AWSCURRENT").labels, func(l string) bool {
		return strings.Contains(l, ";rollout=") && !strings.Contains(l, ",converged=")
	})
}

// isServer tells that an account is one of a server that can be restored.
func (w *world) isServer(account int) bool {
	_, keys := w.kinds[account%len(w.kinds)].(*issuer)
	return !keys
}

// do does what comes from outside. The secret is the first one.
func (w *world) do(d Disturbance) {
	w.tell("     — %s", d)
	current := w.labelled(0, "AWSCURRENT")
	switch d {
	case Edit:
		w.made++
		site := fmt.Sprintf("mautic-%d", w.made)
		w.put(0, strings.Replace(current.text, `"site": "`+current.site+`"`, `"site": "`+site+`"`, 1))
		w.setSite(0, site)
	case EditValue:
		w.made++
		value := fmt.Sprintf("%smistyped-%d", mark, w.made)
		w.put(0, strings.Replace(current.text, `"`+current.values[0]+`"`, `"`+value+`"`, 1))
	case OldDocument:
		previous := w.labelled(0, "AWSPREVIOUS")
		site := previous.site
		w.put(0, previous.text)
		w.setSite(0, site)
	case MoveBack:
		w.moveTo(current, w.labelled(0, "AWSPREVIOUS"))
	case MoveToPending:
		w.moveTo(current, w.labelled(0, "AWSPENDING"))
	case TakePendingOff:
		w.update("AWSPENDING", w.labelled(0, "AWSPENDING").id, "")
	case Abandon:
		w.mustRun("abandon", abandon())
		return
	case Release:
		w.lagging = "" // an operator corrects what uses an old value before
		open := w.rollsOut()
		w.mustRun("release", release(0))
		w.byHand = w.byHand || open && !w.rollsOut() // the rollout is over, as the operator says
		return
	case Emergency:
		w.leak()
		if err := w.rotate(0, w.nextToken("emergency.")); err != nil {
			w.tell("     the emergency: %s", hidden(err.Error()))
		}
		return
	case Deployment:
		w.deploy(0)
	case TaskStarts:
		w.taskStarts(0)
	case TaskStops:
		w.taskStops(0)
	case TaskRestarts:
		w.taskRestarts(0)
	case ServerRestored:
		for i := range w.accounts {
			if w.isServer(i) {
				w.forgets(i)
				for _, v := range w.backup[i].values {
					if !w.accounts[i].accepts(v.text) {
						w.lose(v.text)
					}
				}
				w.accounts[i].values, w.accounts[i].locks = slices.Clone(w.backup[i].values), [2]int{}
			}
		}
		w.provedInVain()
	case KeyDeleted:
		at := w.keyInUse()
		w.accounts[at].remove(current.values[at%len(w.kinds)])
		w.provedInVain()
	case MinutePasses:
		w.now = w.now.Add(time.Minute)
	case DayPasses:
		w.timesOut()
		w.applyLate(func(late) bool { return true }) // no call is late by a day
		w.now = w.now.Add(25 * time.Hour)
	case Unhealthy:
		w.ill = unhealthy
	case Unclear:
		w.ill = unclear
	case ServiceDeleted:
		w.scale(0, 0)
		w.services[0].missing = true
	case ScaledToZero:
		w.scale(0, 0)
	default:
		panic("no such action: " + d.String())
	}
	moved := d == MoveBack || d == OldDocument || d == MoveToPending
	w.byHand = w.byHand || moved || d == EditValue
	w.excuse(moved)
}

// forgets takes note of a value of AWSCURRENT's that an account loses as its server is restored.
func (w *world) forgets(account int) {
	value := w.labelled(account/len(w.kinds), "AWSCURRENT").values[account%len(w.kinds)]
	accepted := slices.ContainsFunc(w.backup[account].values, func(v held) bool { return v.text == value })
	if w.accounts[account].accepts(value) && !accepted && !slices.Contains(w.unset, value) {
		w.unset = append(slices.Clip(w.unset), value)
	}
}

func (w *world) setSite(secret int, site string) {
	w.sites = slices.Clone(w.sites)
	w.sites[secret] = site
}

// put stores a text as AWSCURRENT, as the console does.
func (w *world) put(secret int, text string) {
	before := w.secrets.Snapshot()
	_, err := w.secrets.PutSecretValue(context.Background(), secretsmanager.PutSecretValueInput{
		SecretID: w.arns[secret], ClientRequestToken: w.nextToken(""), SecretString: &text,
	})
	w.wrote(before)
	if err != nil {
		w.tell("     refused: %v", err)
	}
}

func (w *world) moveTo(from, to *version) {
	site := to.site
	if w.update("AWSCURRENT", from.id, to.id) {
		w.setSite(0, site)
	}
}

// update moves a label of a secret's version: the first one's that has the version.
func (w *world) update(label, from, to string) bool {
	at := 0
	for secret := range w.arns {
		if slices.ContainsFunc(w.versions(secret), func(v version) bool { return v.id == from || v.id == to }) {
			at = secret
			break
		}
	}
	before := w.secrets.Snapshot()
	_, err := w.secrets.UpdateSecretVersionStage(context.Background(), secretsmanager.UpdateSecretVersionStageInput{
		SecretID: w.arns[at], VersionStage: label, RemoveFromVersionID: from, MoveToVersionID: to,
	})
	w.wrote(before)
	if err != nil {
		w.tell("     refused: %v", err)
	}
	return err == nil
}

// listener hears what the engine logs, and tells it.
type listener struct {
	w     *world
	attrs string
}

func (l *listener) Enabled(context.Context, slog.Level) bool { return true }

func (l *listener) Handle(_ context.Context, r slog.Record) error {
	l.hears(r.Message)
	text, kind, of := r.Message+l.attrs, "", ""
	r.Attrs(func(a slog.Attr) bool {
		if told := l.read(a); told != "" {
			text += told
		}
		switch a.Key {
		case "kind":
			kind = a.Value.String()
		case "of":
			of = a.Value.String()
		}
		return true
	})
	if message := r.Message; isClaim(message) {
		l.w.running.does(func(w *world, _ *invocation) { w.claimed(message, kind, of) })
	}
	if l.w.trace != nil {
		l.w.running.does(func(w *world, v *invocation) { w.tell("       %s %s: %s", r.Level, v.name, hidden(text)) })
	}
	return nil
}

// hears looks for secret values in what the engine says.
func (l *listener) hears(text string) { l.w.running.says(text) }

// says has the world hear a text, if there is a secret value in it.
func (r *run) says(text string) {
	if strings.Contains(text, mark) {
		r.does(func(w *world, _ *invocation) { w.heard(text) })
	}
}

func (l *listener) read(a slog.Attr) string {
	value := ""
	switch a.Value.Kind() {
	case slog.KindString:
		value = a.Value.String()
		l.hears(value)
	case slog.KindAny:
		value = fmt.Sprint(a.Value.Any())
		l.hears(value)
	default:
		if l.w.trace != nil {
			value = a.Value.String()
		}
	}
	if l.w.trace == nil {
		return ""
	}
	return " " + a.Key + "=" + value
}

func (l *listener) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := &listener{w: l.w, attrs: l.attrs}
	for _, a := range attrs {
		next.attrs += l.read(a)
	}
	return next
}

func (l *listener) WithGroup(string) slog.Handler { return l }

var _ slog.Handler = (*listener)(nil)

func abandon() act {
	return act{"abandon", "", func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error {
		_, err := w.engine.Abandon(ctx, w.arns[0], log, secrets)
		return err
	}}
}

func rollBack() act {
	return act{rollBackAsked, "", func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error {
		_, err := w.engine.RollBack(ctx, w.arns[0], log, secrets)
		return err
	}}
}

// rollBackAsked is the name of what an operator asks for.
const rollBackAsked = "roll-back"

// released begins the name of an operator's release.
const released = "release "

func release(secret int) act {
	return act{fmt.Sprint(released, secret), "", func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error {
		_, err := w.engine.Release(ctx, w.arns[secret], log, secrets)
		return err
	}}
}
