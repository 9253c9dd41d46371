package secret

import (
	"context"
	"errors"
	"fmt"
	"slices"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/rotation/document"
)

// A Writer stores versions and moves labels. After each write, what is known of the secret is no
// longer fresh.
type Writer struct {
	api   WriteAPI
	arn   string
	learn func(document.Document)
	clock *AWSClock
	known *knowledge
	read  *Reader // to read back
}

// A NewVersion is a version to be stored.
type NewVersion struct {
	ID     string // 32 to 64 characters
	Doc    document.Document
	Labels []string // all the labels that it gets

	// RotationToken proves that the caller acts for the rotation service. It is a
	// credential, and may be "".
	RotationToken string
}

// Put stores a version with its labels, in one call. It is idempotent. stored is false, and
// nothing has changed, if the version already exists with another value.
func (w *Writer) Put(ctx context.Context, v NewVersion) (stored bool, err error) {
	w.learn(v.Doc)
	value := v.Doc.Raw()
	in := &sm.PutSecretValueInput{SecretId: &w.arn, ClientRequestToken: &v.ID, SecretString: &value, VersionStages: v.Labels}
	if v.RotationToken != "" {
		in.RotationToken = &v.RotationToken
	}
	w.known.forget()
	_, err = w.api.PutSecretValue(ctx, in)
	var exists *types.ResourceExistsException
	if errors.As(err, &exists) {
		return false, nil
	}
	return err == nil, explained(err)
}

// MoveLabel puts a label on the version to, which may be "", and removes it from the version
// from, which may be "" if the label is new. It is idempotent. It fails, and changes nothing, if
// the label is neither on from nor on to.
func (w *Writer) MoveLabel(ctx context.Context, label, to, from string) error {
	in := &sm.UpdateSecretVersionStageInput{SecretId: &w.arn, VersionStage: &label}
	if to != "" {
		in.MoveToVersionId = &to
	}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	out, moveErr := w.api.UpdateSecretVersionStage(ctx, in)
	if moveErr == nil {
		w.clock.hear(out.ResultMetadata)
		w.known.moved(label, to, from)
		return nil
	}
	w.known.forget()
	// An error may hide a success.
	if m, err := w.read.Describe(ctx); err == nil && m.Labels.Version(label) == to {
		return nil
	}
	return fmt.Errorf("move the staging label %s: %w", label, moveErr)
}

// Relabel puts a label on a version, and then removes those that it replaces. The new one comes
// first, because a version without labels may be deleted; so a reader may see both in between. A
// label that is among the old ones stays, and is not written. If the new label is "", the old
// ones are only removed. It is idempotent.
func (w *Writer) Relabel(ctx context.Context, version, label string, old []string) error {
	if label != "" && !slices.Contains(old, label) {
		if err := w.MoveLabel(ctx, label, version, ""); err != nil {
			return err
		}
	}
	for _, replaced := range without(old, label) {
		if err := w.MoveLabel(ctx, replaced, "", version); err != nil {
			return err
		}
	}
	return nil
}

// MoveCurrent moves AWSCURRENT from the version from to the version to, and reads back that it is
// there. It fails if from no longer has AWSCURRENT, so an edit made in the meantime is not
// undone. moved says that this call certainly did it, not another invocation, and not a call
// whose reply was lost.
func (w *Writer) MoveCurrent(ctx context.Context, from, to string) (moved bool, err error) {
	w.known.forget()
	label := Current
	_, moveErr := w.api.UpdateSecretVersionStage(ctx, &sm.UpdateSecretVersionStageInput{
		SecretId:            &w.arn,
		VersionStage:        &label,
		MoveToVersionId:     &to,
		RemoveFromVersionId: &from,
	})
	if moveErr == nil {
		w.known.expected = afterMove(w.known.expected, label, to, from)
	}
	// When a reply is lost, the SDK retries, and is told that the label is not on from any more.
	readErr := w.read.retry.do(ctx, func() error {
		m, err := w.read.Describe(ctx)
		if err != nil {
			return err
		}
		at := m.Labels.Version(Current)
		if at == to {
			return nil
		}
		err = fmt.Errorf("AWSCURRENT is on version %s", at)
		if moveErr == nil {
			return lagging{err}
		}
		return err
	})
	switch {
	case readErr == nil:
		return moveErr == nil, nil
	case moveErr != nil:
		return false, fmt.Errorf("move AWSCURRENT to version %s: %w", to, errors.Join(moveErr, readErr))
	default:
		return false, fmt.Errorf("read back that AWSCURRENT has moved to version %s: %w", to, readErr)
	}
}
