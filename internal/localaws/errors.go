package localaws

import (
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

func invalidRequest(message string) *Error {
	return &Error{Code: "InvalidRequestException", Message: message}
}

func invalidParameter(format string, a ...any) *Error {
	return &Error{Code: "InvalidParameterException", Message: fmt.Sprintf(format, a...)}
}

func notFound(format string, a ...any) *Error {
	return &Error{Code: "ResourceNotFoundException", Message: fmt.Sprintf(format, a...)}
}

// validation is the answer of the layer in front of every JSON service, which checks a request against its model.
func validation(value, member, constraint string) *Error {
	return &Error{
		Code: "ValidationException",
		Message: fmt.Sprintf("1 validation error detected: Value%s at '%s' failed to satisfy constraint: Member must %s",
			value, member, constraint),
	}
}

// checkLength holds a member to its bounds in the service's model.
func checkLength(member, value string, least, most int) error {
	quoted := " '" + value + "'"
	switch n := utf8.RuneCountInString(value); {
	case n < least:
		return validation(quoted, member, fmt.Sprintf("have length greater than or equal to %d", least))
	case n > most:
		return validation(quoted, member, fmt.Sprintf("have length less than or equal to %d", most))
	}
	return nil
}

// checkOptional is checkLength for a member that may be left out.
func checkOptional(member, value string, least, most int) error {
	if value == "" {
		return nil
	}
	return checkLength(member, value, least, most)
}

// required answers for a member that the model requires and the request lacks.
func required(member string) *Error { return validation(" null", member, "not be null") }
