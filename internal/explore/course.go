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

// mostCalls bounds a history: one that has more does not end.
const mostCalls = 20000

// begins has the pair begin.
func (w *world) begin() {
	w.step, w.since, w.turn = 0, 0, 0
	for i := range w.pair {
		w.pair[i] = invocation{id: i + 1, name: w.scenario.Pair[i].Name}
	}
	w.hasTurn(0)
}

// hasTurn gives an invocation its turn.
func (w *world) hasTurn(i int) {
	w.turn = i
	v := &w.pair[i]
	w.active = v
	w.enter(v, w.scenario.Pair[i].do)
	w.afterwards()
}

// afterwards gives the turn away if whoever has it has ended.
func (w *world) afterwards() {
	if v := &w.pair[w.turn]; v.ended {
		w.active = nil
		w.applyLate(func(l late) bool { return l.due == atItsEnd && l.by == v.id })
		if !w.pair[1-w.turn].ended {
			w.hasTurn(1 - w.turn)
		}
	}
}

// finished tells that both invocations have ended.
func (w *world) finished() bool { return w.pair[0].ended && w.pair[1].ended }

// arrives counts a step and judges the world, where somebody is about to make a call, or
// both invocations have ended.
func (w *world) arrives() {
	w.step++
	w.counts()
	w.judge()
}

func (w *world) counts() {
	w.calls++
	if w.since++; w.since > mostCalls {
		w.violated("the history does not end")
	}
}

// proceeds goes on from a step with what comes there: the call that is about to be made,
// or what disturbs it.
func (w *world) proceeds(d Disturbance) {
	v := &w.pair[w.turn]
	switch {
	case d.outside():
		w.quiet++
		w.do(d)
		w.quiet--
		w.afterwards()
	case d == Switch:
		w.tell("%4d %s stops before %s", w.step, v.name, v.at.call.what)
		w.hasTurn(1 - w.turn)
	default:
		w.active = v
		w.goesOn(v, d)
		w.afterwards()
	}
}

func (w *world) judge() {
	if w.over {
		return
	}
	if broken := w.violation(); broken != "" {
		w.violated("%s", hidden(broken))
		w.tell("     VIOLATION: %s", w.broken)
	}
}

// atOnce runs an invocation to its end.
func (w *world) atOnce(name string, do act) error {
	w.state.runs++
	v := &invocation{id: 100 + w.state.runs, name: name}
	before := w.active
	w.active = v
	defer func() { w.active = before }()
	for w.enter(v, do); !v.ended; w.goesOn(v, none) {
		w.counts()
		w.judge()
		if w.over {
			w.kill(v)
			return errStopped
		}
	}
	return v.at.err
}

// mustRun runs an invocation at once; what it returns is told.
func (w *world) mustRun(name string, do act) {
	if err := w.atOnce(name, do); err != nil {
		w.tell("     %s: %s", name, hidden(err.Error()))
	}
}

func step(secret int, step rotation.Step, token string) act {
	return act{fmt.Sprint(step, " ", secret, " ", token), token, func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error {
		return w.engine.Rotate(ctx, rotation.Event{Step: step, SecretID: w.arns[secret], Token: token}, log, secrets)
	}}
}

func reconcile(secret int) act {
	return act{fmt.Sprint("reconcile ", secret), "", func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error {
		_, err := w.engine.Reconcile(ctx, w.arns[secret], log, secrets)
		return err
	}}
}

func reconcileOnEvent(secret int) act {
	return act{fmt.Sprint("reconcile on an event ", secret), "", func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error {
		_, err := w.engine.ReconcileOnEvent(ctx, w.arns[secret], log, secrets)
		return err
	}}
}

func reconcileOnMove(m move) act {
	return act{fmt.Sprint("reconcile after a move ", m.secret, " ", m.at), "", func(ctx context.Context, w *world, log *slog.Logger, secrets *scrub.Secrets) error {
		_, err := w.engine.ReconcileOnMove(ctx, w.arns[m.secret], m.at, "", log, secrets)
		return err
	}}
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
	err := w.register(secret, token)
	if err == nil {
		err = w.goThrough(secret, token, rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret)
	}
	if r := w.secrets.Rotation(w.arns[secret]); r != nil && err != nil {
		w.secrets.Conclude(r, err)
	}
	return err
}

var errStopped = errors.New("the history is over")

func (w *world) goThrough(secret int, token string, steps ...rotation.Step) error {
	for _, s := range steps {
		if err := w.atOnce(string(s), step(secret, s, token)); err != nil {
			return err
		}
		if w.over {
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
