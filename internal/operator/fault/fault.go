// Package fault has the errors of the operator's program: each has a remedy for the user, and an exit code for
// scripts.
//
//	return fault.New(fault.Usage, "no secret is named", "add --secret")
package fault

import (
	"errors"
	"strings"
)

// A Code is an exit code of the program.
type Code int

// The exit codes.
const (
	Fine      Code = 0
	Attention Code = 1 // something needs an operator: a problem was found, or a rotation failed
	Usage     Code = 2 // the command line is wrong, or a question was not answered with yes
	Unknown   Code = 3 // the answer is not known: no credentials, no stack, a denied call
)

// Codes says what each exit code means, in the order of the codes.
var Codes = []string{
	Fine:      "success: the command did what you asked, and nothing needs you",
	Attention: "something needs an operator: a check found a problem, a value is held, or a rotation failed",
	Usage:     "the command line is wrong, or a question was not answered with yes",
	Unknown:   "the answer is not known: no credentials, no such stack, a denied call, or you stopped following a rotation, which continues",
}

// An Error is what went wrong, and what to do about it.
type Error struct {
	Code   Code
	Text   string
	Remedy string // may be ""

	// Denied is the action that AWS denied, such as "lambda:InvokeFunction"; "" for other errors.
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

// Of returns the error as a fault. Any other error becomes one with the code Unknown.
func Of(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return &Error{Code: Unknown, Text: strings.TrimSpace(err.Error()), Cause: err}
}

// A Silent error has been shown already; only its exit code matters.
type Silent Code

func (s Silent) Error() string { return "" }

// CodeOf is the exit code for an error.
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
