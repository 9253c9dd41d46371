// Package cli is the operator's program: its commands, and what they ask, do and show. Whatever they
// reach or are told (AWS, the clock, input and output) comes by an [Env], so that tests can give it.
package cli

import (
	"context"
	"io"
	"time"

	"mautic-rotation/internal/operator/cloud"
	"mautic-rotation/internal/operator/view"
	"mautic-rotation/rotation/report"
)

// An Env is what the program runs in.
type Env struct {
	Args          []string // without the program's name
	Getenv        func(string) string
	In            io.Reader
	Out, Messages io.Writer
	Asks          bool       // there is a person at In to answer a question
	Style         view.Style // of what Out takes
	Version       string

	// Now is the time, and Pause lets some of it pass, or fails as the context does.
	Now   func() time.Time
	Pause func(context.Context, time.Duration) error

	// Connect reaches AWS. A profile or region that is "" is the usual one.
	Connect func(ctx context.Context, profile, region string) (AWS, error)
}

// AWS is what the program uses of it, in one account and region.
type AWS struct {
	Region   string
	Ahead    func() time.Duration // by how much its clock is ahead of this machine's; nil: not at all
	Stacks   Stacks
	Function Function
	Secrets  Secrets
	Log      Log
	Trail    Trail
	Mail     Mail
}

// Stacks finds deployments. Find with "" finds the only one.
type Stacks interface {
	Find(ctx context.Context, name string) (cloud.Stack, error)
	All(ctx context.Context) ([]cloud.Stack, error)
}

// Function carries out actions. One that changes something is sent once.
type Function interface {
	Ask(ctx context.Context, function string, a cloud.Action) (report.Report, error)
}

// Secrets is Secrets Manager. All three do no harm if they are done twice; Rotate, with the same
// token.
type Secrets interface {
	Rotate(ctx context.Context, arn, token string) error
	Tag(ctx context.Context, arn, key, value string) error
	Untag(ctx context.Context, arn, key string) error
}

// Log is the function's.
type Log interface {
	Lines(ctx context.Context, group, pattern string, since time.Time) ([]cloud.Line, error)
	Changes(ctx context.Context, group string, from, to time.Time) (lines []cloud.Line, cut bool, err error)
}

// Trail tells who started rotations, by version.
type Trail interface {
	Rotations(ctx context.Context, from, to time.Time) (map[string]string, error)
}

// Mail is SES's account.
type Mail interface {
	Quota(context.Context) (cloud.Quota, error)
	Statistics(context.Context) (cloud.Statistics, error)
}

// Connect reaches AWS itself.
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
