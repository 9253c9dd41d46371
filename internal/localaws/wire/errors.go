package wire

import (
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"
)

// Error is an error answer of an AWS service.
type Error struct {
	Code    string // such as ResourceNotFoundException
	Message string
	Status  int // HTTP status; 0 means 400
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// AsError gives errors that are not AWS's the shape of an internal failure.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: "InternalFailure", Message: err.Error(), Status: http.StatusInternalServerError}
}

// Throttled is the error of a service that is asked too often. SDKs retry it with a growing delay.
func Throttled() *Error {
	return &Error{Code: "ThrottlingException", Message: "Rate exceeded"}
}

// NotFound is how the JSON services say that something does not exist.
func NotFound(format string, a ...any) *Error {
	return &Error{Code: "ResourceNotFoundException", Message: fmt.Sprintf(format, a...)}
}

// Validation is the answer of the layer in front of every JSON service, which checks a request against its model.
func Validation(value, member, constraint string) *Error {
	return &Error{
		Code: "ValidationException",
		Message: fmt.Sprintf("1 validation error detected: Value%s at '%s' failed to satisfy constraint: Member must %s",
			value, member, constraint),
	}
}

// CheckLength holds a member to its bounds in the service's model.
func CheckLength(member, value string, least, most int) error {
	switch n := utf8.RuneCountInString(value); {
	case n < least:
		return Validation(" '"+value+"'", member, fmt.Sprintf("have length greater than or equal to %d", least))
	case n > most:
		return Validation(" '"+value+"'", member, fmt.Sprintf("have length less than or equal to %d", most))
	}
	return nil
}

// CheckOptional is CheckLength for a member that may be left out.
func CheckOptional(member, value string, least, most int) error {
	if value == "" {
		return nil
	}
	return CheckLength(member, value, least, most)
}

// Required answers for a member that the model requires and the request lacks.
func Required(member string) *Error { return Validation(" null", member, "not be null") }

// InvalidValue is how the Query services answer a parameter that is wrong by itself.
func InvalidValue(message string) *Error {
	return &Error{Code: "InvalidParameterValue", Message: message}
}
