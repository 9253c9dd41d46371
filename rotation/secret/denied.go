package secret

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"
)

// explained adds to an error of Secrets Manager's what to do about it, where the function was denied a call. It
// unwraps to what it was.
func explained(err error) error {
	var api smithy.APIError
	if !IsDenied(err) || !errors.As(err, &api) {
		return err
	}
	remedy := "the function's role may call it while this function is the one that rotates the secret: deploy the stack again, and see whether the secret's own policy denies it"
	if strings.Contains(api.ErrorMessage(), "KMS") {
		remedy = "name the secret's key in the stack's parameter SecretKeyArns, and let the key's policy allow the function's role"
	}
	return fmt.Errorf("%w: %s", err, remedy)
}

// IsDenied tells that the function was denied a call.
func IsDenied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "AccessDeniedException"
}
