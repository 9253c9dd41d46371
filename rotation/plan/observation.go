// Package plan decides. It is pure: from what was observed of a secret it tells
// what to do next, and why, and it changes nothing.
//
//	for _, action := range plan.Decide(observation) {
//		log.Info(action.Why, "kind", action.Kind, "do", action.Do)
//	}
//
// A reconcile observes, decides, and acts, and then begins again with a new
// observation, until nothing is left but to wait. So a decision never depends on
// what an action before it has brought about.
//
// For the four steps it decides two things more: [Guard] whether a step may act for its
// version at all, and [Select] which kinds a rotation changes, by a [Request] in words or by
// the [Schedule].
package plan

import (
	"time"

	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/rollout"
)

// An Observation is what a decision depends on.
type Observation struct {
	Now time.Time // by AWS's clock

	// Tick: the schedule woke this reconcile, so that others will come. Only then
	// a quarantine begins.
	Tick bool

	// Moved: this invocation has rolled AWSCURRENT back, and begins the rollout of that.
	Moved bool

	// Finishing: this is the step that has promoted AWSCURRENT, and begins its rollout.
	Finishing bool

	// Emergency: an emergency has made the version that is AWSCURRENT.
	Emergency bool

	// Rotating: AWSPENDING is on another version than AWSCURRENT. To store a version
	// would have Secrets Manager abandon that rotation.
	Rotating bool

	// Edited: the version that is AWSPENDING does not come of AWSCURRENT's document
	// any more.
	Edited bool

	// Left is a version that is AWSPENDING, though its rotation has ended: it was
	// promoted, and AWSCURRENT was moved away from it. "": none is.
	Left string

	// RotatingSince is when the rotation began that is under way; zero: none is.
	// RotatingKinds are the kinds that it changes.
	RotatingSince time.Time
	RotatingKinds []string

	// Looked: the services and the application were looked at, so that
	// Rollout.Services and Health tell of now.
	Looked bool

	Rollout  Rollout
	Health   Health
	Ill      string // what was seen, where it is not Healthy
	Kinds    []Kind
	Limits   Limits
	Adopting bool // the secret has no ledger label at all

	Others Others
}

// Others are the other secrets that the function serves. The same services read them.
type Others struct {
	// Unseen: there are some, and they were not looked at. What follows, and
	// Value.Elsewhere, tells of now only where they were.
	Unseen bool

	// Unread is why one of them could not be read: whether it stores a value is not
	// known. "": all were read.
	Unread string

	Rollouts []OtherRollout
}

// An OtherRollout is the last rollout of another secret.
type OtherRollout struct {
	Secret string // its ARN
	ledger.Rollout
}

// Limits bound how long things may take.
type Limits struct {
	// Rollout is how long the services may take until every task is new and the
	// application is healthy. Beyond it a promotion is rolled back. ECS's own
	// bake time comes on top.
	Rollout time.Duration

	// Observe is how long an old value's use is looked for after the rollout has
	// converged, before the value is quarantined.
	Observe time.Duration

	// Watch is how long a quarantine lasts at least.
	Watch time.Duration

	// Rotation is how long a rotation may be under way before it is given up.
	Rotation time.Duration

	// WithoutServices is how long the rollout takes where no services are set.
	WithoutServices time.Duration

	// Ill is how far apart two reconciles must be that find the application
	// unhealthy, before that counts against a promotion.
	Ill time.Duration
}

// A Rollout is the ledger's rollout, and what ECS tells of it.
type Rollout struct {
	ledger.Rollout

	// On is the version whose label tells of the rollout.
	On string

	// Here: AWSCURRENT's own label tells of the rollout, so its values are those that
	// the rollout is about.
	Here bool

	// ChangedBy is what changed a value that tasks read at start after
	// Rollout.Since, and that no label tells of: a manual move of AWSCURRENT, as
	// an event told it. Zero: nothing did.
	ChangedBy time.Time

	Services []rollout.Service // empty: none are set
}

// Health is what the application answers.
type Health string

// The answers. Only Unhealthy counts against a promotion.
const (
	Healthy     Health = "healthy"
	Unhealthy   Health = "unhealthy"    // 5xx, or no answer
	Unclear     Health = "unclear"      // it answers, but not as a healthy login page does: 403, 429, a redirect
	NotObserved Health = "not observed" // no URL is set
)

// A Kind is what was observed of one kind in a secret.
type Kind struct {
	Name       string
	Overlaps   bool // its target accepts an old value beside the new one
	Swaps      bool // it does so at times, and of this change it accepts one value alone
	Restarts   bool // what uses it reads it when it starts
	MinOverlap time.Duration

	// Lost is why AWSCURRENT's value, or its target, cannot be compared with the
	// ledger's values: the field is missing, or the target has changed. "" where it
	// can.
	Lost string

	// Route tells whether a target that accepts one value can be given another now.
	Route Probe

	Wanted Value
	Old    []Value // the other live values; a value that several versions store is listed once

	// Unnoted is the value that AWSCURRENT's has just replaced, where no label tells of it:
	// AWSCURRENT was moved by hand to the version that was pending. It has a Version and
	// a Probe alone; "" for the Version: there is none.
	Unnoted Value
}

// A Value is one value of a kind, on all the versions that store it.
type Value struct {
	Version string       // of those that store it, the one with the newest entry
	Entry   ledger.Entry // the newest; zero: no label names the value
	Also    []string     // the other versions that store it and have an entry
	Current bool         // AWSCURRENT has the newest entry itself
	Shared  bool         // the label that has the entry names a kind whose target accepts two values, too
	Pending bool         // its version is AWSPENDING, and its rotation under way

	Probe Probe
	Use   Use

	// Mine: this invocation has quarantined it, and watches it.
	Mine bool

	// Left: its version has AWSPREVIOUS, so it was AWSCURRENT, and AWSCURRENT was moved
	// away from it.
	Left bool

	// Elsewhere is the ARN of another secret whose AWSCURRENT stores it; "" where
	// none does.
	Elsewhere string

	// SetFailed is why the wanted value could not be set again; "" where that was
	// not tried.
	SetFailed string
}

// A Probe is the target's answer to a value.
type Probe string

// The answers. Only Denied means that the value is refused.
const (
	NotAsked Probe = ""
	Accepted Probe = "accepted"
	Denied   Probe = "denied"
	NoAnswer Probe = "no answer" // unreachable, locked, or unknown
)

// Use is what a watch has seen of an old value's use.
type Use struct {
	// Asked: this invocation has looked, and what follows is what it saw.
	Asked bool

	// Seen tells who uses it; "" where nothing does, as far as the watch saw.
	Seen string

	// Told: the target tells which value a login used, so that the use of an old
	// value is seen before its quarantine. Where it does not, the quarantine
	// itself shows it, by logins that are refused.
	Told bool

	// Covered is the time that the watch covered without a gap, up to now.
	Covered time.Duration
}
