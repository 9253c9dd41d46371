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
	return &wire.Error{Code: "InvalidRequestException", Message: message}
}

func invalidParameter(format string, a ...any) *wire.Error {
	return &wire.Error{Code: "InvalidParameterException", Message: fmt.Sprintf(format, a...)}
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

// versionToken checks a ClientRequestToken, which becomes a version's id. SDKs send one; who does not gets one here.
func (c *Core) versionToken(token string) (string, error) {
	if token == "" {
		return c.env.Random.UUID(), nil
	}
	return token, wire.CheckLength("clientRequestToken", token, 32, 64)
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
