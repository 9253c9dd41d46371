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

// A Failure is a target's error, and what it says about the value that was tried. Its text is
// Problem and Remedy, never the cause's own text: a server's message may repeat what was sent to
// it.
type Failure struct {
	Outcome Outcome
	Problem string // what is wrong, with nothing secret in it
	Remedy  string // what an operator can do about it; empty if Problem says so
	Cause   error  // for errors.Is and errors.As; may be nil

	// Temporary: the same call may succeed in seconds.
	Temporary bool
}

// Failf makes a Failure whose text is the formatted message, including the text of an error
// wrapped with %w.
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

// OutcomeOf returns what an error says about the value that was tried: Accepted for nil, and
// Unknown for an error that wraps no Failure.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Accepted
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Outcome
	}
	return Unknown
}

// IsTemporary reports whether the same call may succeed within seconds.
func IsTemporary(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Temporary
}

// MayPass reports whether the same call may succeed within seconds, including when nobody
// answered, which may be short-lived. A target's answer is final, whatever wraps it: if asked
// again, a server would count one more wrong password.
func MayPass(err error) bool {
	found := false
	for f := range failures(err) {
		if found = true; !f.Temporary && f.Outcome != Unreachable {
			return false
		}
	}
	return found
}

// failures yields every Failure that an error wraps, at any depth.
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
