package rotation

import (
	"fmt"
)

// A Step is one of the four steps that Secrets Manager's rotation service invokes, in this order.
// After a failure it starts again from the first, with the same token.
type Step string

// The four steps.
const (
	CreateSecret Step = "createSecret"
	SetSecret    Step = "setSecret"
	TestSecret   Step = "testSecret"
	FinishSecret Step = "finishSecret"
)

// An Event is what the rotation service sends with each invocation.
type Event struct {
	Step     Step
	SecretID string // the secret's ARN

	// Token is the ClientRequestToken: the id of the version to rotate to.
	Token string

	// RotationToken proves to PutSecretValue that the caller acts for the
	// rotation service. It is a credential, and may be empty.
	RotationToken string
}

// Validate returns the first thing in the event that the rotation service would not send.
func (e Event) Validate() error {
	switch e.Step {
	case CreateSecret, SetSecret, TestSecret, FinishSecret:
	default:
		return fmt.Errorf("unknown step %q: the steps are %s, %s, %s and %s", e.Step, CreateSecret, SetSecret, TestSecret, FinishSecret)
	}
	if e.SecretID == "" {
		return fmt.Errorf("the event of step %s names no SecretId", e.Step)
	}
	if n := len(e.Token); n < 32 || n > 64 {
		return fmt.Errorf("the event's ClientRequestToken has %d characters: it is a version's id, of 32 to 64", n)
	}
	return nil
}
