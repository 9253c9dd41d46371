package explore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
)

// At is a disturbance, and the step of the history at which it comes.
type At struct {
	Step int
	Disturbance
}

// A Script is a history: what disturbs it, in the order of the steps.
type Script []At

func (s Script) String() string {
	if len(s) == 0 {
		return "undisturbed"
	}
	parts := make([]string, len(s))
	for i, a := range s {
		parts[i] = fmt.Sprintf("%d %s", a.Step, a.Disturbance)
	}
	return strings.Join(parts, ", ")
}

// ParseScript reads what String writes.
func ParseScript(text string) (s Script, err error) {
	if text = strings.TrimSpace(text); text == "" || text == "undisturbed" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		fields := strings.Fields(part)
		if len(fields) != 2 {
			return nil, fmt.Errorf("%q is no step and disturbance, as in \"12 switch\"", part)
		}
		step, err := strconv.Atoi(fields[0])
		if err != nil {
			return nil, err
		}
		d := none
		for i, name := range disturbanceNames {
			if name == fields[1] {
				d = Disturbance(i)
			}
		}
		if d == none || len(s) > 0 && s[len(s)-1].Step >= step {
			return nil, fmt.Errorf("%q: no such disturbance, or not in the order of the steps", part)
		}
		s = append(s, At{step, d})
	}
	return s, nil
}

// A course is one history on its way.
type course struct {
	w      *world
	pair   [2]*invocation
	script Script
	next   int // of the script
	step   int // how often somebody was about to make a call
	left   int // disturbances that may follow those of the script

	// visit tells whether a state was reached before. Then the history ends, since
	// what follows was or is looked at from there.
	visit  func(state uint64) (before bool)
	points []point // after the script
	list   []Disturbance

	quiet  int // what runs now is not to be disturbed
	calls  int // in all
	over   bool
	pruned bool
	broken string
}

// point is where another disturbance may come.
type point struct {
	step        int
	first, last int // of list
}

func (k *course) other(v *invocation) *invocation {
	if k.pair[0] == v {
		return k.pair[1]
	}
	return k.pair[0]
}

func (k *course) violated(format string, args ...any) {
	if k.broken == "" {
		k.broken = fmt.Sprintf(format, args...)
	}
	k.over = true
}

// mostCalls bounds a history: one that has more does not end.
const mostCalls = 20000

// before is called when an invocation is about to make a call. It returns what
// goes wrong with that one.
func (k *course) before(v *invocation, c call) Disturbance {
	w := k.w
	for {
		k.calls++
		if k.calls > mostCalls {
			k.violated("the history does not end")
		}
		if !k.over {
			k.judge("before " + c.what)
		}
		if k.over {
			v.die()
		}
		if k.quiet > 0 {
			return none
		}
		k.step++
		d := k.disturbance()
		switch {
		case d == none:
			if k.passed(v, &c) {
				v.die()
			}
			return none
		case d == Switch:
			w.tell("%4d %s stops before %s", k.step, v.name, c.what)
			if !v.yield(struct{}{}) {
				v.die()
			}
			w.active = v
		case d.outside():
			k.outside(d)
			w.active = v
		default:
			return d
		}
	}
}

func (k *course) outside(d Disturbance) {
	k.quiet++
	k.w.do(d)
	k.quiet--
}

func (k *course) judge(when string) {
	if broken := k.w.violation(); broken != "" {
		k.violated("%s", hidden(broken))
		k.w.tell("     VIOLATION %s: %s", when, k.broken)
	}
}

// disturbance is what the script has for this step.
func (k *course) disturbance() Disturbance {
	if k.next < len(k.script) && k.script[k.next].Step == k.step {
		k.next++
		return k.script[k.next-1].Disturbance
	}
	return none
}

// passed takes note of a state, once the script is over, and of what may disturb
// it. It returns true if the history ends here.
func (k *course) passed(v *invocation, c *call) bool {
	if k.next < len(k.script) || k.visit == nil {
		return false
	}
	if k.visit(k.state(v)) {
		k.over, k.pruned = true, true
		return true
	}
	if k.left > 0 {
		first := len(k.list)
		k.list = k.w.options(k.list, v, c)
		k.points = append(k.points, point{k.step, first, len(k.list)})
	}
	return false
}

// state is the world, what each invocation has called and been answered, and how
// many disturbances may follow.
func (k *course) state(v *invocation) uint64 {
	h := mixNumber(uint64(k.left)+1, 0)
	for _, one := range k.pair {
		switch {
		case one.ended:
			h = mixNumber(h, 1)
		case !one.begun:
			h = mixNumber(h, 2)
		default:
			h = mixNumber(mixNumber(h, 3), one.answers)
		}
		h = mixNumber(h, uint64(flags(one == v)))
	}
	return k.w.digestInto(h)
}

// run plays a history from a snapshot, without its end.
func (k *course) run(from snapshot) {
	w := k.w
	w.restore(from)
	w.checks = checker{}
	w.course = k
	for i, one := range w.scenario.Pair {
		k.pair[i] = w.start(i+1, one.Name, one.do)
	}
	defer func() {
		for _, v := range k.pair {
			if !v.ended {
				v.kill()
			}
		}
	}()
	for at := 0; ; {
		v := k.pair[at]
		v.turn()
		if k.over {
			return
		}
		if v.ended {
			w.applyLate(func(l late) bool { return l.due == atItsEnd && l.by == v.id })
		}
		other := k.other(v)
		if v.ended && other.ended {
			break
		}
		if !other.ended {
			at = 1 - at
		}
	}
	for !k.over {
		k.judge("when both have ended")
		k.step++
		d := k.disturbance()
		if d == none {
			if !k.over {
				k.passed(nil, nil)
			}
			return
		}
		k.outside(d)
	}
}

// mustRun runs an invocation at once; what it returns is told.
func (w *world) mustRun(name string, do act) {
	if err := w.atOnce(name, do); err != nil {
		w.tell("     %s: %s", name, hidden(err.Error()))
	}
}

func step(secret int, step rotation.Step, token string) act {
	return func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error {
		return w.engine.Rotate(ctx, rotation.Event{Step: step, SecretID: w.arns[secret], Token: token}, log, secrets)
	}
}

func reconcile(secret int) act {
	return func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error {
		return w.engine.Reconcile(ctx, w.arns[secret], log, secrets)
	}
}

func reconcileOnEvent(secret int) act {
	return func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error {
		return w.engine.ReconcileOnEvent(ctx, w.arns[secret], log, secrets)
	}
}

func reconcileOnMove(m move) act {
	return func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error {
		return w.engine.ReconcileOnMove(ctx, w.arns[m.secret], m.at, log, secrets)
	}
}

// register asks Secrets Manager for a rotation.
func (w *world) register(secret int, token string) error {
	before := w.secrets.Snapshot()
	_, err := w.secrets.RotateSecret(context.Background(), secretsmanager.RotateSecretInput{
		SecretID: w.arns[secret], ClientRequestToken: token, RotationLambdaARN: "arn:aws:lambda:us-east-1:123456789012:function:rotate",
	})
	w.wrote(before)
	return err
}

// rotate has Secrets Manager rotate a secret, or go on with a rotation, once.
func (w *world) rotate(secret int, token string) error {
	if err := w.register(secret, token); err != nil {
		return err
	}
	return w.goThrough(secret, token, rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret)
}

var errStopped = errors.New("the history is over")

func (w *world) goThrough(secret int, token string, steps ...rotation.Step) error {
	for _, s := range steps {
		if err := w.atOnce(string(s), step(secret, s, token)); err != nil {
			return err
		}
		if w.course.over {
			return errStopped
		}
	}
	if steps[len(steps)-1] != rotation.FinishSecret {
		return nil
	}
	return w.conclude(secret)
}

// conclude ends a rotation that has succeeded, as Secrets Manager does.
func (w *world) conclude(secret int) error {
	r := w.secrets.Rotation(w.arns[secret])
	if r == nil {
		return nil
	}
	before := w.secrets.Snapshot()
	err := w.secrets.Verify(r)
	w.secrets.Conclude(r, err)
	w.wrote(before)
	return err
}
