package secret

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// retry says how long to repeat a read that may only lag behind a write: a number of attempts,
// with a pause between them that doubles each time.
type retry struct {
	attempts int
	pause    time.Duration
	clock    Clock
}

// readAttempts is how often such a read is tried.
const readAttempts = 6

// lagging marks an error that may only mean that a read lags behind a write.
type lagging struct{ error }

func (l lagging) Unwrap() error { return l.error }

// do calls read until it succeeds, or fails with an error that is not lagging.
func (r retry) do(ctx context.Context, read func() error) error {
	pause := r.pause
	for attempt := 1; ; attempt++ {
		err := read()
		var lags lagging
		if !errors.As(err, &lags) || attempt >= r.attempts {
			return err
		}
		if ended := r.clock.Wait(ctx, pause); ended != nil {
			return errors.Join(err, ended)
		}
		pause *= 2
	}
}

// IsMissing reports whether a version, a label or a version's value does not exist: Secrets
// Manager's ResourceNotFoundException, or the InvalidRequestException that it answers if the
// label is not on the version.
func IsMissing(err error) bool {
	var notFound *types.ResourceNotFoundException
	var invalid *types.InvalidRequestException
	return errors.As(err, &notFound) || errors.As(err, &invalid)
}
