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

// API is the part of Secrets Manager's API that is used. A client of the SDK has it.
type API interface {
	ReadAPI
	WriteAPI
}

// Config is what [Open] needs.
type Config struct {
	API   API
	ARN   string
	Clock Clock // this machine's

	// ReadPause is the time after the first read that may lag behind a write. Five more
	// reads follow, and each pause is twice the one before.
	ReadPause time.Duration

	// Second is the time after an answer of AWS's until the second is surely over that it
	// told: a second, but in tests.
	Second time.Duration

	// Learn is told each document before it is returned, or sent, so that the secret
	// values in it can be kept out of what is written elsewhere. nil: nobody is.
	Learn func(document.Document)
}

// Open returns what reads and writes a secret, and the clock that its replies tell. It
// calls nothing.
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

// The staging labels that Secrets Manager itself gives out.
const (
	Current  = "AWSCURRENT"
	Pending  = "AWSPENDING"
	Previous = "AWSPREVIOUS"
)

// Labels are a secret's staging labels, by the id of the version that has them. A label
// is on one version at most.
type Labels map[string][]string

// Version is the id of the version that has a label; "" where none has.
func (l Labels) Version(label string) string {
	for id, labels := range l {
		if slices.Contains(labels, label) {
			return id
		}
	}
	return ""
}

// labelled are the versions that have a label. Secrets Manager tells of no others.
func (l Labels) labelled() map[string]bool {
	versions := map[string]bool{}
	for id, labels := range l {
		if len(labels) > 0 {
			versions[id] = true
		}
	}
	return versions
}

// Metadata is what DescribeSecret tells of a secret.
type Metadata struct {
	At              time.Time // by AWS's clock, which tells whole seconds
	OwningService   string    // the service of AWS's that rotates it; "": none does
	RotationEnabled bool
	Schedule        Schedule
	Labels          Labels            // of versions that have any
	Tags            map[string]string // of the secret
}

// A Schedule is what Secrets Manager tells of a secret's schedule, in its own words.
type Schedule struct {
	Expression string    // rate(…) or cron(…); "": the schedule is in Days, or there is none
	Days       int64     // between two rotations; 0: see Expression
	Window     string    // its length, as in 3h; "": as long as is usual for the expression
	Last, Next time.Time // when it was rotated last, and is at the latest; zero: never
}

// A Version is one that has a value.
type Version struct {
	ID      string
	Labels  []string // when it was read
	Created time.Time
	Doc     document.Document
}

// knowledge is what an invocation knows of a secret.
type knowledge struct {
	// metadata is as it was described last, with the labels that this invocation has
	// moved since; nil: it has to be described. It is fresh until this invocation does
	// anything else, which may take long.
	metadata *Metadata
	fresh    bool

	// expected are the labels as this invocation knew them last. surprises are the readings
	// that told of other ones.
	expected  Labels
	surprises int

	// versions are those that were read. A version's value never changes.
	versions map[string]Version
}
