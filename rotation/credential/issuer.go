package credential

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"mautic-rotation/rotation/document"
)

// An Issuer is a kind whose target makes the values, and accepts them from then
// on. A crash between that and the storing of a value loses it: no version stores
// it, and the target accepts it all the same, so it has to be removed.
type Issuer interface {
	// Sweep removes from the target what the secret owns and none of its
	// versions stores, and tells what that was. It may be called any number of
	// times, at any time.
	Sweep(ctx context.Context, o Ownership) (removed []string, err error)
}

// MaxIssued is the most bytes that one field of an Issuer's may be given: the
// engine sees to it that they fit before the target makes them. An IAM access key's
// id has at most 128.
const MaxIssued = 128

// Ownership tells an Issuer what at its target is the secret's.
type Ownership struct {
	// Owner is the secret's ARN. What carries it as a tag belongs to the secret.
	Owner string

	// Stored reads the versions of the secret. What it does not return was not
	// stored before the call; so whoever looks for lost values looks at the
	// target first.
	Stored func(ctx context.Context) (Stored, error)

	Log *slog.Logger
}

// Stored is what a secret stores.
type Stored struct {
	// Documents are the values of its versions that have a staging label.
	Documents []document.Document

	// Busy: a rotation is about to store another one, or was when it died. What
	// is younger than MaxInvocation may be on its way there.
	Busy bool
}

// MaxInvocation is how long an invocation can take: Lambda's limit.
const MaxInvocation = 15 * time.Minute

// ErrLost tells that a target does not have a pending value and never will. No
// retry can help, so the rotation is given up.
var ErrLost = errors.New("the target no longer has the value that was made for this rotation")
