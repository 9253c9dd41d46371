package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mautic-rotation/rotation"
)

// inTurn handles one secret after the other, each within its share of the time that is left, so
// that a secret whose target hangs does not keep the next one waiting. The next ones get what a
// secret does not use of its share.
//
// Some things take longer than a share and are not begun within one. If handle returns
// [rotation.ErrTooLittleTime] for a secret, it is handled again after the others, which usually
// leave nearly all of the time. mayWait tells handle that this will happen.
func inTurn(ctx context.Context, arns []string, handle func(ctx context.Context, arn string, mayWait bool) error) error {
	var faults []error
	var waiting []string
	for i, arn := range arns {
		mayWait := i < len(arns)-1 // the last one has no share after it
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
		"the secret's share of the invocation's time, %s, is over: find out what does not answer, or raise the function's timeout", share.Round(100*time.Millisecond)))
	defer cancel()
	return do(ctx)
}

// withCause adds to an error why its context ended, unless that is only that the invocation's
// time is over.
func withCause(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || errors.Is(cause, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}
