package credential

import (
	"context"
	"time"
)

// A Retirer is a kind whose target accepts two values at a time, so that an old one has to be
// retired. Every method may be called any number of times for one overlap.
type Retirer interface {
	// MinOverlap is the minimum time, from the redeploy on, for which an old value stays
	// accepted, for users of it that are not tasks of the services. 0: until no task uses it any
	// more.
	MinOverlap() time.Duration

	// Exclusive keeps other invocations from ending the same overlap until release is called: the
	// logins that one invocation makes to find out and to prove something would look to another
	// like use of the old value. It does not wait: ok is false if another invocation holds the
	// lock.
	Exclusive(ctx context.Context, o Overlap) (release func(), ok bool, err error)

	// InUse looks back to Overlap.Since, watches for a time from now on, and returns what both
	// have shown of the old value's use: logins with it or, once it is quarantined, refused
	// logins. A watch of 0 only looks back. It returns at the first sign of use.
	InUse(ctx context.Context, o Overlap, watch time.Duration) (Use, error)

	// Quarantine makes the target refuse the old value in a way that Restore can undo. The
	// current one stays accepted at every moment. It may try the old value, so repeating it may
	// cost a refused login. The engine therefore repeats it only if an invocation may have been
	// cut off.
	Quarantine(ctx context.Context, o Overlap) error

	// Restore makes the target accept the old value again, beside the current one.
	Restore(ctx context.Context, o Overlap) error

	// Retire removes the old value for good. It returns nil only if it has seen the target refuse
	// the value.
	Retire(ctx context.Context, o Overlap) error
}

// Use is what is known about the use of an old value.
type Use struct {
	// Seen says what used the old value, with the client's address if it is known: "2 logins of
	// 'mautic' with the old password from 10.0.3.7". "": no use was seen.
	Seen string

	// From are the addresses in Seen, at most three.
	From []string

	// Told: the target reports which value a login used, so it means something if no use was seen
	// before the quarantine. Otherwise the quarantine itself has to show use, by refused logins.
	// During a quarantine it keeps its earlier value.
	Told bool

	// Gap is why the time since Overlap.Since was not fully observed, and what an operator can do
	// about it. "": it was.
	Gap string
}

// A Baseline is a target's counters from when a quarantine began. A target that does not report
// which value a login used is judged by how many more logins it refuses from then on.
type Baseline struct {
	Refused int64     // logins refused since the server started
	Server  string    // identifies the server: up to 6 characters of [0-9a-z]
	Up      time.Time // when it started, by AWS's clock, in whole seconds
}

// A Swapper is a Retirer whose target, with some settings or accounts, accepts only one value at
// a time after all. Its old value is refused from Set on.
type Swapper interface {
	// Swaps reports whether that is so for this overlap.
	Swaps(ctx context.Context, o Overlap) (bool, error)
}

// A Baseliner is a kind whose target may not report which value a login used. The engine takes
// the baseline just before Quarantine, and passes it to every later InUse as Overlap.Before.
type Baseliner interface {
	// Baseline reads the target's counters. The zero Baseline means that the target reports use
	// itself, so there is nothing to compare.
	Baseline(ctx context.Context, o Overlap) (Baseline, error)
}

// A Revoker is a kind under whose value something lasting is issued: sessions, tokens,
// connections. An emergency ends them.
type Revoker interface {
	// Revoke ends what was issued under the old value, and returns what that was: "3 connections
	// of mautic". It may be called any number of times.
	Revoke(ctx context.Context, o Overlap) (what string, err error)
}
