package secretsmanager

import (
	"fmt"
	"strings"

	"mautic-rotation/internal/localaws/wire"
)

var (
	errNoSecret = wire.NotFound("Secrets Manager can't find the specified secret.")
	errDeleted  = invalidRequest("You can't perform this operation on the secret because it was marked for deletion.")
)

func invalidRequest(message string) *wire.Error {
	return &wire.Error{Code: invalidRequestCode, Message: message}
}

func invalidParameter(format string, a ...any) *wire.Error {
	return &wire.Error{Code: invalidParameterCode, Message: fmt.Sprintf(format, a...)}
}

// newValue checks the two members that give a value: one of them is needed, and not both.
func newValue(text *string, binary []byte) (value, error) {
	size := len(binary)
	if text != nil {
		size = len(*text)
	}
	switch {
	case text != nil && binary != nil:
		return value{}, invalidParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	case text == nil && binary == nil:
		return value{}, invalidParameter("You must provide either SecretString or SecretBinary.")
	case size == 0:
		return value{}, wire.Validation("", valueMember(text), "have length greater than or equal to 1")
	case size > maxValue:
		return value{}, wire.Validation("", valueMember(text), "have length less than or equal to 65536")
	}
	return value{text, binary}, nil
}

func valueMember(text *string) string {
	if text != nil {
		return "secretString"
	}
	return "secretBinary"
}

// checkToken checks a ClientRequestToken, which becomes a version's id. SDKs and the CLI make one up where their caller gives
// none. A request without is refused; the code of the error is RotateSecret's own.
func checkToken(token, missing string) error {
	if token == "" {
		return &wire.Error{Code: missing, Message: "You must provide a ClientRequestToken value. We recommend a UUID-type value."}
	}
	return wire.CheckLength("clientRequestToken", token, 32, 64)
}

const (
	invalidRequestCode   = "InvalidRequestException"
	invalidParameterCode = "InvalidParameterException"
)

// checkName refuses a name with characters that no name has.
func checkName(name string) error {
	if strings.ContainsFunc(name, notInName) {
		return &wire.Error{
			Code:    "ValidationException",
			Message: "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
		}
	}
	return nil
}

func notInName(r rune) bool {
	return !strings.ContainsRune("-/_+=.@!", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// writable refuses changes to a secret that is marked for deletion, and to a replica.
func (s *secret) writable() error {
	if !s.deletion.IsZero() {
		return errDeleted
	}
	if region := strings.Split(s.arn, ":")[3]; s.primaryRegion != "" && s.primaryRegion != region {
		return invalidParameter("Operation not permitted on a replica secret. Call must be made in primary secret's region.")
	}
	return nil
}
