// Package fault is how the operator's program fails: an error that a person can do something
// about, and the exit code that a script can.
//
//	return fault.New(fault.Usage, "no secret is named", "add --secret")
package fault

import (
	"errors"
	"strings"
)

// A Code is what the program exits with.
type Code int

// The exit codes.
const (
	Fine      Code = 0
	Attention Code = 1 // something needs a person: a problem was found, or a rotation failed
	Usage     Code = 2 // the command line is wrong, or a question was not answered
	Unknown   Code = 3 // it could not be found out: no credentials, no stack, a denied call
)

// Codes says what each exit code means, in the order of the codes.
var Codes = []string{
	Fine:      "all is well, and what was asked for is done",
	Attention: "something needs a person: a check found a problem, a value is held, a rotation failed",
	Usage:     "the command line is wrong, or a question was answered with no",
	Unknown:   "it could not be found out: no credentials, no such stack, a denied call, or you stopped following a rotation, which goes on",
}

// An Error is what went wrong, and what to do about it.
type Error struct {
	Code   Code
	Text   string
	Remedy string // "": there is none

	// Denied is the action that AWS refused: "lambda:InvokeFunction". "": it was something else.
	Denied string

	Cause error
}

// New is an error without a cause.
func New(code Code, text, remedy string) *Error {
	return &Error{Code: code, Text: text, Remedy: remedy}
}

func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Text
	}
	return e.Text + ": " + e.Remedy
}

func (e *Error) Unwrap() error { return e.Cause }

// Of is the error as a fault. One that is none yet is one of finding out.
func Of(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return &Error{Code: Unknown, Text: strings.TrimSpace(err.Error()), Cause: err}
}

// A Silent error has been shown already; only its code is left to tell.
type Silent Code

func (s Silent) Error() string { return "" }

// CodeOf is what to exit with.
func CodeOf(err error) Code {
	var silent Silent
	switch {
	case err == nil:
		return Fine
	case errors.As(err, &silent):
		return Code(silent)
	default:
		return Of(err).Code
	}
}
