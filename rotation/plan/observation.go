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

	// Tick: the schedule woke this reconcile, so there will be others. A quarantine begins only
	// then.
	Tick bool

	// Moved: this invocation has rolled AWSCURRENT back, and begins the rollout of the old
	// values.
	Moved bool

	// Finishing: this is the step that has promoted AWSCURRENT, and begins its rollout.
	Finishing bool

	// Emergency: an emergency rotation made the version that is AWSCURRENT.
	Emergency bool

	// Rotating: AWSPENDING is on a version other than AWSCURRENT. Storing a version now would
	// make Secrets Manager abandon that rotation.
	Rotating bool

	// EmergencyPending: the rotation in progress is an emergency, and this invocation is none of
	// its steps.
	EmergencyPending bool

	// GaveUp: this invocation has given up a rotation, or follows an operator's abandon.
	GaveUp bool

	// Edited: AWSPENDING's version was not made from AWSCURRENT's present document.
	Edited bool

	// Left is a version that still has AWSPENDING although its rotation has ended: it was
	// promoted, and AWSCURRENT was then moved away from it. "": there is none.
	Left string

	// Torn are the versions, other than AWSPENDING's, with several ledger labels, whose state may
	// stay as it is.
	Torn []string

	// RotatingSince is when the rotation in progress began; zero: there is none. RotatingKinds
	// are the kinds that it changes.
	RotatingSince time.Time
	RotatingKinds []string

	// Looked: this observation looked at the services and the application, so Rollout.Services
	// and Health are up to date.
	Looked bool

	Rollout  Rollout
	Health   Health
	Ill      string // what the check saw, if not Healthy
	Kinds    []Kind
	Limits   Limits
	Adopting bool // the secret has no ledger label at all

	Others Others
}

// Others are the function's other secrets, which the same services read.
type Others struct {
	// Unseen: there are other secrets, and this observation did not read them. The fields below,
	// and Value.Elsewhere, may be out of date.
	Unseen bool

	// Unread is why one of them could not be read, so that it is unknown whether it stores a
	// value. "": all were read.
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
	// Rollout is how long the services have until every task is new and the application is
	// healthy. After that a promotion is rolled back. ECS's own bake time is added.
	Rollout time.Duration

	// Observe is how long to look for use of an old value between convergence and quarantine.
	Observe time.Duration

	// Watch is the minimum length of a quarantine.
	Watch time.Duration

	// Rotation is how long a rotation may take before it is given up.
	Rotation time.Duration

	// WithoutServices is how long a rollout takes if no services are set.
	WithoutServices time.Duration

	// Ill is the minimum time between two reconciles that find the application unhealthy before
	// that counts against a promotion.
	Ill time.Duration
}

// A Rollout is the ledger's rollout, and what ECS reports about it.
type Rollout struct {
	ledger.Rollout

	// On is the version whose label records the rollout.
	On string

	// Here: AWSCURRENT's own label records the rollout, so the rollout is about its values.
	Here bool

	// ChangedBy is when a value that tasks read at start changed after Rollout.Since without a
	// label recording it: an event reported a manual move of AWSCURRENT. Zero: none.
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

// A Kind is what was observed about one kind in a secret.
type Kind struct {
	Name       string
	Overlaps   bool // its target accepts an old value beside the new one
	Swaps      bool // it usually does, but for this change it accepts only one value
	Restarts   bool // what uses it reads it only at start
	MinOverlap time.Duration

	// Lost is why AWSCURRENT's value, or its target, cannot be compared with the ledger's values:
	// the field is missing, or the target has changed. "": it can be compared.
	Lost string

	// Route says whether a target that accepts one value can be given another now.
	Route Probe

	Wanted Value
	Old    []Value // the other live values; a value that several versions store is listed once

	// Unnoted is the value that AWSCURRENT's value has just replaced without a label: AWSCURRENT
	// was moved by hand to the pending version. Only Version and Probe are set; an empty Version
	// means that there is none.
	Unnoted Value
}

// A Value is one value of a kind, on all the versions that store it.
type Value struct {
	Version string       // the one with the newest entry, of those that store the value
	Entry   ledger.Entry // the newest; zero: no label names the value
	Also    []string     // the other versions that store it and have an entry
	Current bool         // AWSCURRENT has the newest entry itself
	Shared  bool         // the label with the entry also names a kind whose target accepts two values
	Pending bool         // its version is AWSPENDING, and that rotation is in progress

	Probe Probe
	Use   Use

	// Mine: this invocation quarantined it, and is watching it.
	Mine bool

	// Left: its version has AWSPREVIOUS, so it was AWSCURRENT, and AWSCURRENT was moved
	// away from it.
	Left bool

	// Elsewhere is the ARN of another secret whose AWSCURRENT stores the value; "": there is
	// none.
	Elsewhere string

	// SetFailed is why the wanted value could not be set again; "": nobody tried, or it worked.
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

// Use is what a watch has shown about the use of an old value.
type Use struct {
	// Asked: this invocation looked for use, and the fields below are the result.
	Asked bool

	// Seen says who uses it; "": no use was seen.
	Seen string

	// Told: the target reports which value a login used, so use of an old value shows before its
	// quarantine. Otherwise only refused logins during the quarantine show it.
	Told bool

	// Covered is how long the watch has covered without a gap, up to now.
	Covered time.Duration
}
