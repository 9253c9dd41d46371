package credential

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"mautic-rotation/rotation/document"
)

// An Issuer is a kind whose target makes the values, and accepts them from then on. If a crash
// comes before a value is stored, no version stores it and the target still accepts it, so it has
// to be removed.
type Issuer interface {
	// Sweep removes from the target what the secret owns and none of its versions stores, and
	// returns what that was. It may be called any number of times, at any time.
	Sweep(ctx context.Context, o Ownership) (removed []string, err error)
}

// MaxIssued is the longest field, in bytes, that an Issuer may add: the engine makes sure that it
// fits before the target makes it. An IAM access key id has at most 128 characters.
const MaxIssued = 128

// Ownership tells an Issuer what at its target belongs to the secret.
type Ownership struct {
	// Owner is the secret's ARN. Whatever carries it as a tag belongs to the secret.
	Owner string

	// Stored reads the versions of the secret. What it does not return was not stored before the
	// call, so to find lost values, look at the target first.
	Stored func(ctx context.Context) (Stored, error)

	Log *slog.Logger
}

// Stored is what a secret stores.
type Stored struct {
	// Documents are the values of its versions that have a staging label.
	Documents []document.Document

	// Busy: a rotation is about to store another value, or was when it died. Anything at the
	// target younger than MaxInvocation may be about to be stored.
	Busy bool
}

// MaxInvocation is the longest that an invocation can take: Lambda's limit.
const MaxInvocation = 15 * time.Minute

// ErrLost says that a target does not have a pending value and never will. No retry can help, so
// the rotation is given up.
var ErrLost = errors.New("the target no longer has the value that was made for this rotation")
