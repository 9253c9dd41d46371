package secretsmanager

import "time"

// RotationEventName names what the rotation service reports, as CloudTrail does, with one addition.
type RotationEventName string

// Names of a [RotationEvent].
const (
	RotationStarted       RotationEventName = "RotationStarted"
	RotationSucceeded     RotationEventName = "RotationSucceeded"
	RotationFailed        RotationEventName = "RotationFailed" // after the last attempt
	RotationAbandoned     RotationEventName = "RotationAbandoned"
	TestRotationStarted   RotationEventName = "TestRotationStarted"
	TestRotationSucceeded RotationEventName = "TestRotationSucceeded"
	TestRotationFailed    RotationEventName = "TestRotationFailed"

	// RotationCancelled is not one of CloudTrail's: CancelRotateSecret stopped a rotation.
	RotationCancelled RotationEventName = "RotationCancelled"
)

// RotationEvent tells of the course of a rotation.
type RotationEvent struct {
	At     time.Time
	Name   RotationEventName
	Secret string // ARN
	Token  string
	Err    error // of RotationFailed and TestRotationFailed
}

// StepStarted and StepFinished frame the invocation of a rotation function for one step.
type StepStarted struct {
	At      time.Time
	Secret  string // ARN
	Token   string
	Step    string
	Attempt int // from 1; a retry of the whole rotation counts up
}

// StepFinished tells how a step ended. Err is nil or a [*StepError].
type StepFinished struct {
	At       time.Time
	Secret   string
	Token    string
	Step     string
	Attempt  int
	Duration time.Duration
	Err      error
}

// LabelUpdated tells that labels moved in a secret, as EventBridge's "Secret Label Updated" does: AWSCURRENT and custom
// labels count, AWSPENDING and AWSPREVIOUS do not.
type LabelUpdated struct {
	At       time.Time
	Secret   string // ARN
	Name     string
	Labels   []string
	Versions map[string]string // ids of the versions that the labels are on, by label; none of a label that was taken off
}

// When is the event's time.
func (e RotationEvent) When() time.Time { return e.At }

// When is the event's time.
func (e StepStarted) When() time.Time { return e.At }

// When is the event's time.
func (e StepFinished) When() time.Time { return e.At }

// When is the event's time.
func (e LabelUpdated) When() time.Time { return e.At }
