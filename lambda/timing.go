package main

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"

	"mautic-rotation/rotation"
)

// timing is how long the function waits where nothing tells it that the wait is
// over. Each field that is zero has the value that AWS and the targets need, and
// the function as it is deployed has the zero timing. Tests have a shorter one.
type timing struct {
	rotation.Pauses

	Watch   time.Duration // takes the place of WATCH_SECONDS
	Look    time.Duration // database.Config.LookPause
	SMTP    time.Duration // smtp.Config.Pause
	RDS     time.Duration // rds.Databases.Interval
	Backoff time.Duration // the longest pause between two attempts at a call to AWS

	HashCost int // takes the place of ADMIN_HASH_COST
}

// adjust puts the timing into settings.
func (t timing) adjust(s *settings) {
	if t.Watch > 0 {
		s.limits.Watch = t.Watch
	}
	if t.HashCost > 0 {
		s.mautic.hashCost = t.HashCost
	}
	s.database.LookPause, s.smtp.Pause = t.Look, t.SMTP
}

// retries are the options of the AWS SDK for the timing.
func (t timing) retries() (options []func(*config.LoadOptions) error) {
	if t.Backoff > 0 {
		options = append(options, config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = awsAttempts, t.Backoff })
		}))
	}
	return options
}
