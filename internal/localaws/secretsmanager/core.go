package secretsmanager

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Core is the state of Secrets Manager and its rules: secrets, versions, labels, and which rotations are under way. Each of
// its operations is one of AWS's, with typed input and output, and ends with a [*wire.Error] where AWS refuses. A Core starts
// no goroutine and waits for nothing, and with the same calls, clock and random bytes it answers the same, byte for byte.
//
// The lock is held for the time of a read or a write of the records, and never while a function is invoked or anything is
// waited for.
type Core struct {
	env   host.Env
	opts  Options
	hooks Hooks

	variants atomic.Pointer[Variants]

	mu      sync.Mutex
	records []*record
}

// Options of a Core.
type Options struct {
	// Variants switches between what AWS may do; see [Core.SetVariants] to change it later.
	Variants Variants

	// SecretSuffix is the six characters at the end of secrets' ARNs. By default they are random, as AWS's are; set, an
	// ARN is known before the secret exists.
	SecretSuffix string
}

// Hooks are what a Core tells to whoever runs rotations, and asks. They are called with the lock held, and so must not call
// the Core before they return. Each may be nil.
type Hooks struct {
	// MayInvoke tells whether a rotation function exists and its policy admits Secrets Manager, for a secret. If it is nil,
	// every function does.
	MayInvoke func(function, secretARN string) bool

	// Begun tells that a rotation is under way, whose steps are now to be invoked; see [Rotation].
	Begun func(*Rotation)

	// Scheduled tells when the next scheduled rotation of a secret is to start, by [Core.RotateOnSchedule]. The zero time
	// stands for never.
	Scheduled func(secretARN string, start time.Time)
}

// record is what there is of one secret.
type record struct {
	state    *secret
	accessed map[string]time.Time // by version's id, and by "" for the secret

	// For stale reads: the state before the latest write (nil if the secret is new), and how long it shows.
	before     *secret
	staleReads int
	staleUntil time.Time // real time

	rotation *Rotation // under way, or nil
}

// NewCore makes a Core without secrets.
func NewCore(env host.Env, o Options, hooks Hooks) *Core {
	c := &Core{env: env, opts: o, hooks: hooks}
	c.SetVariants(o.Variants)
	return c
}

// SetVariants changes the variants from now on.
func (c *Core) SetVariants(v Variants) { c.variants.Store(&v) }

// find returns the record of a secret by name, ARN, or partial ARN (without the hyphen and six characters at its end).
// The caller holds the lock.
func (c *Core) find(id string) (*record, error) {
	if id == "" {
		return nil, wire.Required("secretId")
	}
	if !strings.HasPrefix(id, "arn:") {
		if err := checkName(id); err != nil {
			return nil, err
		}
	}
	i := slices.IndexFunc(c.records, func(r *record) bool {
		s := r.state
		return id == s.name || id == s.arn || id == strings.TrimSuffix(s.arn, s.arn[len(s.arn)-7:])
	})
	if i < 0 {
		return nil, errNoSecret
	}
	return c.records[i], nil
}

// read returns a secret as a reader sees it, which with stale reads may be the state before the latest write.
func (c *Core) read(id string) (*secret, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(id)
	if err != nil {
		return nil, err
	}
	state := r.state
	switch {
	case r.staleReads > 0:
		r.staleReads--
		state = r.before
	case c.env.RealNow().Before(r.staleUntil):
		state = r.before
	}
	if state == nil {
		return nil, errNoSecret
	}
	return state, nil
}

// peek returns a secret as it is, for the services that look at it on their own.
func (c *Core) peek(id string) (*secret, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(id)
	if err != nil {
		return nil, false
	}
	return r.state, true
}

// update changes a secret by f, wholly or, on an error, not at all.
func (c *Core) update(id string, f func(*secret) error) (*secret, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.find(id)
	if err != nil {
		return nil, err
	}
	return c.change(r, f)
}

// change is update for a caller that holds the lock.
func (c *Core) change(r *record, f func(*secret) error) (*secret, error) {
	next := r.state.clone()
	if err := f(next); err != nil {
		return nil, err
	}
	return next, c.store(r, next)
}

// amend is change for what takes away, or leaves versions and labels alone, and so cannot break a limit.
func (c *Core) amend(r *record, f func(*secret)) {
	next := r.state.clone()
	f(next)
	if err := c.store(r, next); err != nil {
		panic(err)
	}
}

// store makes next the state of a secret. The caller holds the lock.
func (c *Core) store(r *record, next *secret) error {
	now, variants := c.env.Now(), c.variants.Load()
	if err := next.settle(now, variants.DeleteUnlabelled); err != nil {
		return err
	}
	before := r.state
	r.state = next
	if stale := variants.StaleReads; stale.on() {
		r.before = before
		r.staleReads = stale.Reads
		r.staleUntil = c.env.RealNow().Add(stale.For)
	}
	if before == nil {
		before = &secret{}
	}
	if labels := movedLabels(before, next); len(labels) > 0 {
		versions := map[string]string{}
		for _, label := range labels {
			if v := next.labelled(label); v != nil {
				versions[label] = v.id
			}
		}
		c.env.Emit(LabelUpdated{At: now, Secret: next.arn, Name: next.name, Labels: labels, Versions: versions})
	}
	return nil
}
