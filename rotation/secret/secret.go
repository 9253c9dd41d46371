// Package secret reads and writes one secret of Secrets Manager: its versions, and
// their staging labels. It decides nothing.
//
//	read, write, aws := secret.Open(secret.Config{API: client, ARN: arn, Clock: clock})
//	described, err := read.Describe(ctx)
//	current, err := read.Current(ctx, described.Labels.Version(secret.Current))
//	err = write.MoveLabel(ctx, "mine", current.ID, "")
//
// The three that [Open] returns are for one secret and one invocation: a [Reader],
// a [Writer], and AWS's clock. They share what that invocation knows, so a write is seen
// by the next read. They are not for several goroutines at once.
//
// Secrets Manager's reads are eventually consistent. What is missing may only lag behind
// a write, so where a step relies on one before it the read is repeated for some seconds.
// A write is never repeated here: an error of it may hide a success, since the SDK asks
// again when a reply is lost, and is then told that there is nothing left to do. So the
// secret is read back before a write is said to have failed.
package secret

import (
	"context"
	"slices"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/rotation/document"
)

// ReadAPI is what a [Reader] calls.
type ReadAPI interface {
	DescribeSecret(context.Context, *sm.DescribeSecretInput, ...func(*sm.Options)) (*sm.DescribeSecretOutput, error)
	GetSecretValue(context.Context, *sm.GetSecretValueInput, ...func(*sm.Options)) (*sm.GetSecretValueOutput, error)
}

// WriteAPI is what a [Writer] calls.
type WriteAPI interface {
	PutSecretValue(context.Context, *sm.PutSecretValueInput, ...func(*sm.Options)) (*sm.PutSecretValueOutput, error)
	UpdateSecretVersionStage(context.Context, *sm.UpdateSecretVersionStageInput, ...func(*sm.Options)) (*sm.UpdateSecretVersionStageOutput, error)
}

// API is the part of Secrets Manager's API that this package uses. The SDK's client implements
// it.
type API interface {
	ReadAPI
	WriteAPI
}

// Config is what [Open] needs.
type Config struct {
	API   API
	ARN   string
	Clock Clock // this machine's clock

	// ReadPause is the pause after the first read that may lag behind a write. Up to five more
	// reads follow, with pauses that double.
	ReadPause time.Duration

	// Second is how long to wait after a reply of AWS's until the second that it stated is
	// certainly over: one second, except in tests.
	Second time.Duration

	// Learn receives each document before it is returned or sent, so that the secret values in it
	// can be kept out of logs and errors. It may be nil.
	Learn func(document.Document)
}

// Open returns what reads and writes a secret, and the clock in its replies. It makes no call.
func Open(c Config) (*Reader, *Writer, *AWSClock) {
	if c.Learn == nil {
		c.Learn = func(document.Document) {}
	}
	clock := &AWSClock{machine: c.Clock, second: c.Second}
	known := &knowledge{versions: map[string]Version{}}
	read := &Reader{
		api: c.API, arn: c.ARN, learn: c.Learn, clock: clock, known: known,
		retry: retry{attempts: readAttempts, pause: c.ReadPause, clock: c.Clock},
	}
	return read, &Writer{api: c.API, arn: c.ARN, learn: c.Learn, clock: clock, known: known, read: read}, clock
}

// Secrets Manager's own staging labels.
const (
	Current  = "AWSCURRENT"
	Pending  = "AWSPENDING"
	Previous = "AWSPREVIOUS"
)

// Labels are a secret's staging labels, by version id. A label is on one version at most.
type Labels map[string][]string

// Version returns the id of the version that has a label; "" if none has.
func (l Labels) Version(label string) string {
	for id, labels := range l {
		if slices.Contains(labels, label) {
			return id
		}
	}
	return ""
}

// labelled returns the versions that have a label. Secrets Manager lists no others.
func (l Labels) labelled() map[string]bool {
	versions := map[string]bool{}
	for id, labels := range l {
		if len(labels) > 0 {
			versions[id] = true
		}
	}
	return versions
}

// Metadata is what DescribeSecret returns about a secret.
type Metadata struct {
	At              time.Time // by AWS's clock, in whole seconds
	OwningService   string    // the AWS service that rotates it; "": none does
	RotationEnabled bool
	Schedule        Schedule
	Labels          Labels            // of versions that have any
	Tags            map[string]string // of the secret
}

// A Schedule is a secret's rotation schedule, in Secrets Manager's terms.
type Schedule struct {
	Expression string    // rate(…) or cron(…); "": the schedule is in Days, or there is none
	Days       int64     // between two rotations; 0: see Expression
	Window     string    // its length, such as 3h; "": the default for the expression
	Last, Next time.Time // when it was last rotated, and the latest time of the next rotation; zero: never
}

// A Version is a version that has a value.
type Version struct {
	ID      string
	Labels  []string // as of when it was read
	Created time.Time
	Doc     document.Document
}

// knowledge is what an invocation knows about a secret.
type knowledge struct {
	// metadata is from the last describe, with the labels that this invocation has moved since;
	// nil: the secret must be described. It is fresh until this invocation does anything else,
	// which may take long.
	metadata *Metadata
	fresh    bool

	// expected are the labels as this invocation last knew them. surprises counts the readings
	// that found others.
	expected  Labels
	surprises int

	// versions are those that were read. A version's value never changes.
	versions map[string]Version
}
