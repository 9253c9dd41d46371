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

	// InUse looks back to Overlap.Since, watches for a time from the call on, and
	// tells what both have shown of the old value's use: logins with it or, once it
	// is quarantined, logins that were refused. A watch of 0 only looks back. It
	// returns at the first sign of use.
	InUse(ctx context.Context, o Overlap, watch time.Duration) (Use, error)

	// Quarantine makes the target refuse the old value, in a way that Restore
	// can undo. The current one stays accepted at every moment. It may try the old
	// value, so that a repetition may cost a refused login: what has been done is
	// repeated only if an invocation may have been cut off.
	Quarantine(ctx context.Context, o Overlap) error

	// Restore makes the target accept the old value again, beside the current
	// one.
	Restore(ctx context.Context, o Overlap) error

	// Retire removes the old value for good. It returns nil only if it has seen
	// the target refuse it.
	Retire(ctx context.Context, o Overlap) error
}

// Use is what is known of an old value's use.
type Use struct {
	// Seen tells what used the old value, with the client's address where that is
	// known: "2 logins of 'mautic' with the old password from 10.0.3.7". "":
	// nothing was seen.
	Seen string

	// From are the addresses that Seen names, at most three.
	From []string

	// Told: the target tells which value a login used, so that to have seen nothing
	// before the quarantine means something. Where it does not, the quarantine itself
	// has to show the use, by logins that are refused. Once quarantined, it is as it
	// was before.
	Told bool

	// Gap is why the time since Overlap.Since was not wholly observed, and what an
	// operator can do about it. "": it was.
	Gap string
}

// A Baseline is what the counters of a target said when a quarantine began. A
// target that does not tell which value a login used is judged by how much more
// it refuses from then on.
type Baseline struct {
	Refused int64     // logins refused since the server started
	Server  string    // identifies the server: up to 6 characters of [0-9a-z]
	Up      time.Time // when it started, by AWS's clock, in whole seconds
}

// A Swapper is a Retirer whose target, for some settings or accounts, accepts one
// value at a time after all. Its old value is refused from Set on.
type Swapper interface {
	// Swaps tells whether that is so of this overlap.
	Swaps(ctx context.Context, o Overlap) (bool, error)
}

// A Baseliner is a kind whose target may not tell which value a login used. The
// engine takes the baseline right before Quarantine, and hands it to every later
// InUse as Overlap.Before.
type Baseliner interface {
	// Baseline reads the target's counters. The zero Baseline: the target tells of
	// use by itself, so that there is nothing to compare.
	Baseline(ctx context.Context, o Overlap) (Baseline, error)
}

// A Revoker is a kind under whose value something lasting is issued: sessions,
// tokens, connections. In an emergency they are ended.
type Revoker interface {
	// Revoke ends what was issued under the old value, and tells what that was:
	// "3 connections of mautic". It may be called any number of times.
	Revoke(ctx context.Context, o Overlap) (what string, err error)
}
