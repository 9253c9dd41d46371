// Package cli is the operator's program: its commands, and what they ask, do and show. Everything they
// depend on (AWS, the clock, input and output) is in an [Env], so that tests can replace it.
package cli

import (
	"context"
	"io"
	"time"

	"mautic-rotation/internal/operator/cloud"
	"mautic-rotation/internal/operator/view"
	"mautic-rotation/rotation/report"
)

// An Env is the program's environment.
type Env struct {
	Args          []string // without the program's name
	Getenv        func(string) string
	In            io.Reader
	Out, Messages io.Writer
	Asks          bool       // In is a terminal, where a person can answer a question
	Style         view.Style // for Out
	Version       string

	// Now returns the time. Pause waits, or returns the context's error when that ends first.
	Now   func() time.Time
	Pause func(context.Context, time.Duration) error

	// Connect connects to AWS. A profile or region of "" means the default one.
	Connect func(ctx context.Context, profile, region string) (AWS, error)
}

// AWS is what the program uses in one account and region.
type AWS struct {
	Region   string
	Ahead    func() time.Duration // how far its clock is ahead of this machine's; nil: not at all
	Stacks   Stacks
	Function Function
	Secrets  Secrets
	Log      Log
	Trail    Trail
	Mail     Mail
}

// Stacks finds deployments. Find with "" returns the only one.
type Stacks interface {
	Find(ctx context.Context, name string) (cloud.Stack, error)
	All(ctx context.Context) ([]cloud.Stack, error)
}

// Function carries out actions. One that changes something is sent only once.
type Function interface {
	Ask(ctx context.Context, function string, a cloud.Action) (report.Report, error)
}

// Secrets is Secrets Manager. All three methods are idempotent; Rotate for the same token.
type Secrets interface {
	Rotate(ctx context.Context, arn, token string) error
	Tag(ctx context.Context, arn, key, value string) error
	Untag(ctx context.Context, arn, key string) error
}

// Log is the function's log.
type Log interface {
	Lines(ctx context.Context, group, pattern string, since time.Time) ([]cloud.Line, error)
	Changes(ctx context.Context, group string, from, to time.Time) (lines []cloud.Line, cut bool, err error)
}

// Trail finds out who started rotations, by version.
type Trail interface {
	Rotations(ctx context.Context, from, to time.Time) (map[string]string, error)
}

// Mail is the account's use of SES.
type Mail interface {
	Quota(context.Context) (cloud.Quota, error)
	Statistics(context.Context) (cloud.Statistics, error)
}

// Connect connects to the real AWS.
func Connect(pause func(context.Context, time.Duration) error) func(ctx context.Context, profile, region string) (AWS, error) {
	return func(ctx context.Context, profile, region string) (AWS, error) {
		var clock cloud.Clock
		c, err := cloud.Load(ctx, profile, region, &clock)
		if err != nil {
			return AWS{}, err
		}
		return AWS{
			Region: c.Region, Ahead: clock.Ahead,
			Stacks: cloud.NewStacks(c), Function: cloud.NewFunction(c), Secrets: cloud.NewSecrets(c),
			Log: cloud.NewLog(c, pause), Trail: cloud.NewTrail(c), Mail: cloud.NewMail(c),
		}, nil
	}
}
