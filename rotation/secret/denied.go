package secret

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"
)

// explained adds a remedy to an error of Secrets Manager's if the function was denied a call. It
// unwraps to the original error.
func explained(err error) error {
	var api smithy.APIError
	if !IsDenied(err) || !errors.As(err, &api) {
		return err
	}
	remedy := "the function's role may call it as long as this function rotates the secret: deploy the stack again, and check whether the secret's own policy denies it"
	if strings.Contains(api.ErrorMessage(), "KMS") {
		remedy = "name the secret's key in the stack's parameter SecretKeyArns, and allow the function's role in the key's policy"
	}
	return fmt.Errorf("%w: %s", err, remedy)
}

// IsDenied reports whether the function was denied a call.
func IsDenied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "AccessDeniedException"
}
