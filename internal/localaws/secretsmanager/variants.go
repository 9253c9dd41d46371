package secretsmanager

import "time"

// Variants switches between behaviours of AWS that are undocumented, or documented and seen to differ. Code under test
// has to be right with each. The zero value is the likeliest.
type Variants struct {
	// PendingAfterSuccess: what becomes of AWSPENDING on the version that a rotation has made current. The API reference
	// allows it to stay.
	PendingAfterSuccess PendingAfterSuccess

	// TestRotationValue: what the temporary version of a test-only rotation (RotateImmediately=false) holds.
	TestRotationValue TestRotationValue

	// RotationTokenSent: the event of a step carries a RotationToken. AWS documents it for rotation across accounts and
	// with assumed roles.
	RotationTokenSent bool

	// NextRotationDate: when the date in DescribeSecret moves on to the next window.
	NextRotationDate NextRotationDate

	// RotateLateInWindow starts a scheduled rotation one minute before its window ends instead of when it begins. AWS
	// picks any time in the window.
	RotateLateInWindow bool

	// DeleteUnlabelled deletes a version as soon as it loses its last label. AWS may do so at any later time.
	DeleteUnlabelled bool

	// StaleReads makes reads of a secret lag behind writes.
	StaleReads StaleReads
}

// PendingAfterSuccess is a choice in [Variants].
type PendingAfterSuccess int

const (
	// PendingRemovedOnCompletion means that the rotation service removes the label after finishSecret succeeded.
	PendingRemovedOnCompletion PendingAfterSuccess = iota
	// PendingRemovedOnPromotion means that the call that moves AWSCURRENT to the pending version takes AWSPENDING off it.
	PendingRemovedOnPromotion
	// PendingStays means that the label stays on the version until the next rotation takes it.
	PendingStays
)

// TestRotationValue is a choice in [Variants].
type TestRotationValue int

const (
	// TestRotationNoValue means that the temporary version has no value.
	TestRotationNoValue TestRotationValue = iota
	// TestRotationCurrentValue means that the temporary version holds a copy of the current value.
	TestRotationCurrentValue
)

// NextRotationDate is a choice in [Variants].
type NextRotationDate int

const (
	// NextRotationDateOnSuccess means that the date moves on when a rotation has succeeded, and is in the past after failures.
	NextRotationDateOnSuccess NextRotationDate = iota
	// NextRotationDateOnStart means that the date moves on when a rotation starts.
	NextRotationDateOnStart
)

// StaleReads bounds how long DescribeSecret, GetSecretValue and ListSecretVersionIds go on showing a secret as it was
// before the latest write to it: for a number of reads, for a real time, or until both are over. A secret that has
// just been created is not found for as long.
type StaleReads struct {
	Reads int
	For   time.Duration
}

func (r StaleReads) on() bool { return r.Reads > 0 || r.For > 0 }
