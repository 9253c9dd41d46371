package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mautic-rotation/rotation"
)

// inTurn handles one secret after the other, each within its share of the time
// that is left: a secret whose target hangs must not keep the next one from being
// handled. What a secret does not need of its share is the next ones'.
//
// Some things take longer than a share and are not begun within one. A secret of
// which handle returns [rotation.ErrTooLittleTime] is handled once more after the
// others, which mostly leave nearly all of the time. mayWait tells handle that this
// will be.
func inTurn(ctx context.Context, arns []string, handle func(ctx context.Context, arn string, mayWait bool) error) error {
	var faults []error
	var waiting []string
	for i, arn := range arns {
		mayWait := i < len(arns)-1 // the last one's share is all that is left
		err := inShare(ctx, len(arns)-i, func(ctx context.Context) error { return handle(ctx, arn, mayWait) })
		if mayWait && errors.Is(err, rotation.ErrTooLittleTime) {
			waiting = append(waiting, arn)
			continue
		}
		faults = append(faults, err)
	}
	for i, arn := range waiting {
		faults = append(faults, inShare(ctx, len(waiting)-i, func(ctx context.Context) error { return handle(ctx, arn, false) }))
	}
	return errors.Join(faults...)
}

// inShare gives do an equal share, among so many, of the time until the deadline.
func inShare(ctx context.Context, among int, do func(context.Context) error) error {
	deadline, ok := ctx.Deadline()
	if !ok || among < 2 {
		return do(ctx)
	}
	share := time.Until(deadline) / time.Duration(among)
	ctx, cancel := context.WithTimeoutCause(ctx, share, fmt.Errorf(
		"the secret's share of the invocation's time, %s, is over: see what does not answer, or raise the function's timeout", share.Round(100*time.Millisecond)))
	defer cancel()
	return do(ctx)
}

// withCause adds to an error why its context was ended, if that is not only that
// the invocation's time is over.
func withCause(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || errors.Is(cause, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}
