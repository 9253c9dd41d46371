package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/report"
)

// function is what an execution environment keeps from one invocation to the next: clients and
// settings, and nothing about any secret.
type function struct {
	rotator *rotation.Rotator
	secrets []string // the ARNs of the secrets that the function serves
	logs    slog.Handler
	metrics metrics
}

// RotationError is the form in which an error leaves the function: Lambda reports the name of
// this type as errorType, and the text as errorMessage.
type RotationError string

func (e RotationError) Error() string { return string(e) }

// handle handles any event that the function accepts. It returns nothing for a step, and a
// [report.Report] for an action. All output (log, error, answer) is scrubbed of the secret values
// that the invocation has read or made.
func (f *function) handle(ctx context.Context, raw json.RawMessage) (reply any, err error) {
	var secrets scrub.Secrets
	ctx = scrub.NewContext(ctx, &secrets)
	var collected answers
	log := slog.New(scrub.Handler(collected.handler(f.logs), &secrets, identifiers...))
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		log = log.With("requestId", lc.AwsRequestID)
	}
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic", "cause", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errors.New("the function has a defect: its log has the stack, without secret values")
		}
		if err != nil {
			reply, err = nil, RotationError(secrets.Text(err.Error()))
		}
	}()
	req, err := parse(raw)
	if err == nil {
		err = allowed(ctx, req)
	}
	if err != nil {
		log.Error("refused the event", "error", err)
		return nil, err
	}
	if req.action != "" {
		err := f.do(ctx, req, log, &secrets, &collected)
		return collected.report(req.action, time.Now(), &secrets), err
	}
	if err := f.serves(req.step.SecretID); err != nil {
		log.Error("refused the event", "error", err)
		return nil, err
	}
	log = log.With("step", req.step.Step, "secret", req.step.SecretID, "version", req.step.Token)
	start := time.Now()
	err = f.rotator.Rotate(ctx, req.step, log, &secrets)
	f.ended(log, req.step.SecretID, string(req.step.Step), start, err)
	return nil, err
}

// do carries out an action for one secret or for all, and collects the answers.
func (f *function) do(ctx context.Context, req request, log *slog.Logger, secrets *scrub.Secrets, collected *answers) error {
	arns := f.secrets
	if req.secret != "" {
		if err := f.serves(req.secret); err != nil {
			log.Error("refused the event", "error", err)
			return err
		}
		arns = []string{req.secret}
	}
	act := map[action]func(context.Context, string, *slog.Logger, *scrub.Secrets) (report.Secret, error){
		actionReconcile: f.rotator.Reconcile,
		actionAbandon:   f.rotator.Abandon,
		actionRelease:   f.rotator.Release,
		actionRollBack:  f.rotator.RollBack,
		actionStatus:    looking(f.rotator.Status),
		actionPreflight: looking(f.rotator.Preflight),
		actionVerify:    looking(f.rotator.Verify),
	}[req.action]
	switch {
	case !req.moved.IsZero():
		act = func(ctx context.Context, arn string, log *slog.Logger, secrets *scrub.Secrets) (report.Secret, error) {
			return f.rotator.ReconcileOnMove(ctx, arn, req.moved, req.movedTo, log, secrets)
		}
	case req.event:
		act = f.rotator.ReconcileOnEvent
	}
	return inTurn(ctx, arns, func(ctx context.Context, arn string, mayWait bool) error {
		log := log.With("action", req.action, "secret", arn)
		collected.begin(arn)
		start := time.Now()
		found, err := act(ctx, arn, log, secrets)
		collected.end(found)
		err = withCause(ctx, err)
		if mayWait && errors.Is(err, rotation.ErrTooLittleTime) {
			log.Info("continues after the other secrets", "why", err)
			return err
		}
		f.ended(log, arn, string(req.action), start, err)
		if err != nil && slices.Contains(orders, req.action) && collected.failed(arn, err) {
			err = nil
		}
		if req.tick {
			if err := f.rotator.MeasureAge(ctx, arn, log, secrets); err != nil {
				log.Warn("not measured", "error", err)
			}
		}
		return err
	})
}

// readAlias is the function's read-only alias: whoever may invoke only this alias cannot change
// anything.
const readAlias = "read"

// allowed refuses changes if the function was invoked through its read alias.
func allowed(ctx context.Context, req request) error {
	lc, ok := lambdacontext.FromContext(ctx)
	if !ok || qualifier(lc.InvokedFunctionArn) != readAlias || slices.Contains(looks, req.action) {
		return nil
	}
	what := "the action " + string(req.action)
	switch {
	case req.event, req.tick:
		what = "an event of EventBridge's"
	case req.action == "":
		what = "a step of a rotation"
	}
	return fmt.Errorf("the alias %s accepts only the actions %s, %s and %s, which change nothing, and not %s: invoke the function itself for that",
		readAlias, looks[0], looks[1], looks[2], what)
}

// qualifier is the version or the alias in a function's ARN; "" if there is none.
func qualifier(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) == 8 {
		return parts[7]
	}
	return ""
}

// looking is a read-only action. What it cannot see is in its answer, and it continues with the
// next secret.
func looking(look func(context.Context, string, *slog.Logger, *scrub.Secrets) report.Secret) func(context.Context, string, *slog.Logger, *scrub.Secrets) (report.Secret, error) {
	return func(ctx context.Context, arn string, log *slog.Logger, secrets *scrub.Secrets) (report.Secret, error) {
		found := look(ctx, arn, log, secrets)
		if found.Error != "" {
			log.Warn("not everything could be read", "error", found.Error)
		}
		return found, nil
	}
}

// ended logs and measures how a step or an action ended, and how long it took.
func (f *function) ended(log *slog.Logger, secretARN, what string, start time.Time, err error) {
	took := time.Since(start).Milliseconds()
	if err != nil {
		log.Error(what+" failed", "error", err, "milliseconds", took)
	} else {
		log.Info(what+" succeeded", "milliseconds", took)
	}
	f.metrics.step(secretARN, what, took, err != nil)
}

// serves refuses a secret of another deployment: the settings, including the services, are not
// meant for it.
func (f *function) serves(secretARN string) error {
	if slices.Contains(f.secrets, secretARN) {
		return nil
	}
	return fmt.Errorf("this function does not serve the secret %q: add its ARN to SECRET_ARNS (now %s)", secretARN, strings.Join(f.secrets, ","))
}
