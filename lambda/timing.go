package main

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"

	"mautic-rotation/rotation"
)

// timing is how long the function waits if nothing shows that the wait is over. A field that is
// zero has the value that AWS and the targets need, and the deployed function has the zero
// timing. Tests use a shorter one.
type timing struct {
	rotation.Pauses

	Watch   time.Duration // overrides WATCH_SECONDS
	Look    time.Duration // database.Config.LookPause
	SMTP    time.Duration // smtp.Config.Pause
	RDS     time.Duration // rds.Databases.Interval
	Backoff time.Duration // the longest pause between two attempts at an AWS call

	HashCost int // overrides ADMIN_HASH_COST
}

// adjust applies the timing to settings.
func (t timing) adjust(s *settings) {
	if t.Watch > 0 {
		s.limits.Watch = t.Watch
	}
	if t.HashCost > 0 {
		s.mautic.hashCost = t.HashCost
	}
	s.database.LookPause, s.smtp.Pause = t.Look, t.SMTP
}

// retries are the AWS SDK options for the timing.
func (t timing) retries() (options []func(*config.LoadOptions) error) {
	if t.Backoff > 0 {
		options = append(options, config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = awsAttempts, t.Backoff })
		}))
	}
	return options
}
