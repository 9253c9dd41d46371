package credential

import (
	"context"
	"time"
)

// A Retirer is a kind whose target accepts two values at a time, so that an old
// one has to be taken out of service. Every method may be called any number of
// times for one overlap.
type Retirer interface {
	// MinOverlap is how long an old value is accepted at least, from the
	// redeploy on, for what uses it may not be a task of the services. 0: until
	// no task uses it any more.
	MinOverlap() time.Duration

	// Exclusive keeps other invocations from ending the same overlap until
	// release is called: what one of them does to find out and to prove would
	// look to another like use of the old value. It does not wait: ok is false
	// if another invocation holds the lock.
	Exclusive(ctx context.Context, o Overlap) (release func(), ok bool, err error)

	// InUse watches for a time, and then tells what it has seen of the old
	// value's use: logins with it, or logins that were refused. "" if it has
	// seen nothing.
	InUse(ctx context.Context, o Overlap, watch time.Duration) (evidence string, err error)

	// Quarantine makes the target refuse the old value, in a way that Restore
	// can undo. The current one stays accepted at every moment.
	Quarantine(ctx context.Context, o Overlap) error

	// Restore makes the target accept the old value again, beside the current
	// one.
	Restore(ctx context.Context, o Overlap) error

	// Retire removes the old value for good. It returns nil only if it has seen
	// the target refuse it.
	Retire(ctx context.Context, o Overlap) error
}

// A Revoker is a kind under whose value something lasting is issued: sessions,
// tokens, connections. In an emergency they are ended.
type Revoker interface {
	// Revoke ends what was issued under the old value, and tells what that was:
	// "3 connections of mautic". It may be called any number of times.
	Revoke(ctx context.Context, o Overlap) (what string, err error)
}
