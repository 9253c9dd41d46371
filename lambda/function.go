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

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
)

// function is what an execution environment keeps from one invocation to the
// next: clients and settings, and nothing of any secret.
type function struct {
	rotator *rotation.Rotator
	secrets []string // the ARNs of the secrets that the function serves
	logs    slog.Handler
}

// handle takes an event of any shape that the function accepts. Whatever goes
// out, by the log or as an error, is scrubbed of the secret values that the
// invocation has come to know.
func (f *function) handle(ctx context.Context, raw json.RawMessage) (err error) {
	var secrets scrub.Secrets
	log := slog.New(scrub.Handler(f.logs, &secrets))
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		log = log.With("requestId", lc.AwsRequestID)
	}
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic", "cause", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errors.New("the function has a defect, and its log has the stack; the AWSCURRENT value was not touched: secret values are not shown")
		}
		err = secrets.Error(err)
	}()
	event, err := parse(raw)
	if err == nil {
		err = f.serves(event.SecretID)
	}
	if err != nil {
		log.Error("refused the event", "error", err)
		return err
	}
	log = log.With("step", event.Step, "secret", event.SecretID, "version", event.Token)
	start := time.Now()
	if err := f.rotator.Rotate(ctx, event, log, &secrets); err != nil {
		log.Error("the step failed", "error", err, "milliseconds", time.Since(start).Milliseconds())
		return err
	}
	log.Info("the step succeeded", "milliseconds", time.Since(start).Milliseconds())
	return nil
}

// parse tells an event by its shape.
func parse(raw json.RawMessage) (rotation.Event, error) {
	var e events.SecretsManagerSecretRotationEvent
	if err := json.Unmarshal(raw, &e); err != nil || e.Step == "" {
		// The text of err would quote from the event.
		return rotation.Event{}, errors.New("unknown event: this function takes the events of Secrets Manager's rotation, which have Step, SecretId and ClientRequestToken; " +
			"start a rotation with `aws secretsmanager rotate-secret --secret-id …`")
	}
	return rotation.Event{
		Step:          rotation.Step(e.Step),
		SecretID:      e.SecretID,
		Token:         e.ClientRequestToken,
		RotationToken: e.RotationToken,
	}, nil
}

// serves refuses a secret of another deployment: the settings, its services
// among them, are not for that one.
func (f *function) serves(secretARN string) error {
	if slices.Contains(f.secrets, secretARN) {
		return nil
	}
	return fmt.Errorf("this function does not serve the secret %q: add its ARN to SECRET_ARNS (now %s)", secretARN, strings.Join(f.secrets, ","))
}
