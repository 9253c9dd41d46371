package credential

import (
	"errors"
	"fmt"
	"iter"
)

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

// A Failure is an error of a target, with what it says of the value that was
// tried. Its text is Problem and Remedy, and never the cause's own: a server's
// message may repeat what was sent to it.
type Failure struct {
	Outcome Outcome
	Problem string // what is wrong, with nothing secret in it
	Remedy  string // what an operator can do about it; empty if Problem says so
	Cause   error  // for errors.Is and errors.As; may be nil

	// Temporary: the same call may succeed in seconds.
	Temporary bool
}

// Failf makes a Failure whose text is all that format says, the text of what it
// wraps with %w included.
func Failf(outcome Outcome, format string, args ...any) *Failure {
	err := fmt.Errorf(format, args...)
	return &Failure{Outcome: outcome, Problem: err.Error(), Cause: err}
}

// Error is the problem and its remedy.
func (f *Failure) Error() string {
	if f.Remedy == "" {
		return f.Problem
	}
	return f.Problem + ": " + f.Remedy
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// OutcomeOf is what an error says of the value that was tried: Accepted for nil,
// and Unknown for an error without a Failure in it.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Accepted
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Outcome
	}
	return Unknown
}

// IsTemporary tells whether the same call may succeed in seconds.
func IsTemporary(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Temporary
}

// MayPass tells whether the same call may succeed in seconds, or nobody has
// answered, which may be so for no longer. An answer stays what it is, whoever
// wraps it: asked again, a server would count one more wrong password.
func MayPass(err error) bool {
	found := false
	for f := range failures(err) {
		if found = true; !f.Temporary && f.Outcome != Unreachable {
			return false
		}
	}
	return found
}

// failures are all that an error wraps, however deep.
func failures(err error) iter.Seq[*Failure] {
	return func(yield func(*Failure) bool) { walk(err, yield) }
}

func walk(err error, yield func(*Failure) bool) bool {
	if f, ok := err.(*Failure); ok && !yield(f) { //nolint:errorlint // each error of the tree is looked at by itself
		return false
	}
	switch wrapper := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		return walk(wrapper.Unwrap(), yield)
	case interface{ Unwrap() []error }:
		for _, wrapped := range wrapper.Unwrap() {
			if !walk(wrapped, yield) {
				return false
			}
		}
	}
	return true
}
