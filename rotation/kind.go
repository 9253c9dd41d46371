package rotation

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"mautic-rotation/rotation/document"
)

// A Kind is one credential kind: where it stands in the document, how a new
// value is made, and the target that accepts it. A kind knows nothing of
// Secrets Manager, and keeps nothing from one call to the next.
type Kind interface {
	// Name is what operators call the kind: "database", "admin", "api",
	// "webhook" or "smtp".
	Name() string

	// Fields lists the places in d that hold this kind's credential: the
	// fields a rotation of it changes. None, and no error, when d has no
	// such credential. It fails when a field is there but cannot be used.
	Fields(d document.Document) ([]document.Pointer, error)

	// Generate returns the current document with new values in this kind's
	// fields, and every other byte as it was. It changes nothing at the target,
	// but for an Issuer's.
	Generate(ctx context.Context, g Generation) (document.Document, error)

	// NeedsRestart tells whether what uses the credential reads it only when it
	// starts, so that a redeploy has to follow.
	NeedsRestart() bool

	Target
}

// A Generation is what a new value is made from.
type Generation struct {
	Current document.Document

	Now  time.Time // by AWS's clock
	Last time.Time // when the kind was last rotated; zero: it is not known

	// Emergency: whatever is there may have leaked, what is meant for the next
	// rotation included.
	Emergency bool

	Ownership // for an Issuer
}

// An Issuer is a kind whose values are made by their target, and are accepted
// from then on: one can be lost between there and the secret. What no version
// holds is accepted all the same, and has to go.
type Issuer interface {
	// Sweep takes away from the target what the secret owns and none of its
	// versions holds, and tells what that was. It may be called any number of
	// times, at any time.
	Sweep(ctx context.Context, o Ownership) (removed []string, err error)
}

// Ownership tells an Issuer what at its target is the secret's.
type Ownership struct {
	// Owner is the secret's ARN. What carries it as a tag is this secret's own.
	Owner string

	// Held reads the versions of the secret. What Held does not return was not
	// stored before the call; so whoever looks for what is lost looks at the
	// target first.
	Held func(ctx context.Context) (Held, error)

	Log *slog.Logger
}

// Held is what a secret holds.
type Held struct {
	// Documents are the values of its versions that have a staging label.
	Documents []document.Document

	// Busy: a rotation is about to store another one, or was when it died. What
	// is younger than MaxInvocation may be on its way there.
	Busy bool
}

// MaxInvocation is how long an invocation can take: Lambda's limit.
const MaxInvocation = 15 * time.Minute

// ErrLost tells that a target does not have a pending value and never will. The
// rotation is given up then: no retry can mend it.
var ErrLost = errors.New("the value that was made for this rotation is gone at its target")

// A Target is the system that accepts a kind's credential.
type Target interface {
	// Set makes the target accept the pending value and go on accepting the
	// current one. It may be called any number of times for one change, at
	// the same time too, and after a call whose outcome is not known; once it
	// has returned nil, both values are accepted. When it fails, the current
	// value is accepted as before. It wraps ErrLost when there is no use in
	// calling it again.
	Set(ctx context.Context, c Change) error

	// PutBack makes sure that the target accepts the current value, and fails
	// unless it does. Where Set keeps both values that is a look and no more;
	// where it cannot, the current value takes the pending one's place. It may
	// be called any number of times.
	PutBack(ctx context.Context, c Change) error

	// Test uses the pending value for real, in the way the application does.
	// It changes nothing.
	Test(ctx context.Context, c Change) error

	// Probe asks whether the target accepts d's value, with one attempt. The
	// error says why the outcome is not Accepted, and what to do about it.
	Probe(ctx context.Context, d document.Document) (Outcome, error)

	// Preflight finds out whether a rotation from current would work, and
	// changes nothing.
	Preflight(ctx context.Context, current document.Document) []Check
}

// A Change is what one rotation does to one kind.
type Change struct {
	Current, Pending document.Document

	// Confirm reads the versions' labels again. It fails when Current is no
	// longer AWSCURRENT, or Pending no longer AWSPENDING. A target calls it
	// right before it writes, under whatever lock it has.
	Confirm func(ctx context.Context) error

	// Previous reads AWSPREVIOUS; false when there is no such version. It may
	// be nil. A target asks for it only when it refuses both other values.
	Previous func(ctx context.Context) (document.Document, bool, error)

	// Log is for what an operator should know of how the change was made.
	Log *slog.Logger
}

// A Retirer is a kind whose target accepts two values at a time, so that an old
// one has to be taken out of service. Every method may be called any number of
// times for one overlap.
type Retirer interface {
	// MinOverlap is for how long an old value is accepted at least, from the
	// redeploy on: what uses it may not be a task of the services. 0: until no
	// task uses it any more.
	MinOverlap() time.Duration

	// Exclusive keeps other invocations from ending the same overlap until
	// release is called: what one of them does to find out and to prove would
	// look to another like somebody's use of the old value. ok is false, at
	// once, when another one is at it.
	Exclusive(ctx context.Context, o Overlap) (release func(), ok bool, err error)

	// InUse watches for a time, and then tells what it has seen of the old
	// value's use: logins with it, or logins that were refused. Nothing seen
	// is "".
	InUse(ctx context.Context, o Overlap, watch time.Duration) (evidence string, err error)

	// Quarantine makes the target refuse the old value, in a way that Restore
	// can undo. The current one stays accepted at every moment.
	Quarantine(ctx context.Context, o Overlap) error

	// Restore makes the target accept the old value again, beside the current.
	Restore(ctx context.Context, o Overlap) error

	// Retire removes the old value for good. It returns nil only when it has
	// seen the target refuse it.
	Retire(ctx context.Context, o Overlap) error
}

// A Revoker is a kind under whose value something lasting is issued: sessions,
// tokens, connections. In an emergency they are ended.
type Revoker interface {
	// Revoke ends what was issued under the old value, and tells what that was:
	// "3 connections of mautic". It may be called any number of times.
	Revoke(ctx context.Context, o Overlap) (what string, err error)
}

// An Overlap is a current value, and an old one that its target may accept too.
type Overlap struct {
	Current, Old document.Document

	// Confirm reads the labels again. It fails when Current is no longer
	// AWSCURRENT, or when a rotation has begun to set another value.
	Confirm func(ctx context.Context) error

	// Now is the time by AWS's clock, as its last reply before the call told it,
	// to the second.
	Now time.Time

	// Quarantined tells that the old value is refused by now, so that a login
	// which is refused may be somebody's who uses it.
	Quarantined bool

	Log *slog.Logger
}

// A Health tells whether the application works, as far as one can see from
// outside.
type Health interface {
	// Sick returns what is wrong, or "" when nothing is. It does not fail: an
	// application that cannot be asked is not well.
	Sick(ctx context.Context) string
}

// An Outcome is a target's answer to a probe. Only Denied means that the value
// is wrong.
type Outcome string

// The outcomes of a probe.
const (
	Accepted    Outcome = "accepted"
	Denied      Outcome = "denied"
	Unreachable Outcome = "unreachable" // no answer, or one that says nothing of the value
	Locked      Outcome = "locked"      // the account takes no login at all, right or wrong
	Unknown     Outcome = "unknown"
)

// A Check is one line of a preflight: what was looked at, and what is wrong,
// with the remedy. A Problem would make a rotation fail; a Warning would not.
type Check struct {
	What             string
	Problem, Warning error
}

// A Redeployer restarts what reads the secret when it starts.
type Redeployer interface {
	// Redeploy starts new tasks in place of the running ones, and returns
	// when that has begun. Whatever was created since then, by the clock of
	// whoever creates it, was created after the call. Calling it again starts
	// new tasks once more.
	Redeploy(ctx context.Context, log *slog.Logger) (since time.Time, err error)

	// Rollout tells how far that has come.
	Rollout(ctx context.Context, since time.Time) (Rollout, error)

	// Preflight finds out whether Redeploy would work, and whether what it
	// restarts reads the secret.
	Preflight(ctx context.Context, secretARN string) []Check
}

// A Rollout is how far the services have come with replacing what ran before a
// redeploy.
type Rollout struct {
	// Fresh: everything that runs, starts or still drains was created since
	// then. Nothing runs that has read the secret before, whatever has become
	// of the deployments.
	Fresh bool

	// Stale is why it is not Fresh, in words for a person: "service web: task
	// 1a2b3c4d, created 2026-03-01T12:00:00Z, still drains".
	Stale []string

	// Failed are the services whose rollout has failed since then, and why.
	// What a newer deployment has superseded has not failed. ECS gives up on
	// a deployment only with a circuit breaker or alarms.
	Failed []string

	// Steady: each service runs as many tasks as it is to, and deploys
	// nothing.
	Steady bool

	// Bake is for how long, by the services' own settings, a deployment runs old
	// and new tasks side by side before it stops the old ones.
	Bake time.Duration
}
