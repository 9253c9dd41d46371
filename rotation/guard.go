package rotation

import (
	"context"
	"fmt"
	"slices"

	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/secret"
)

// What a step reads before it acts, and whether it may act.

// guard describes the secret, and decides whether the step may act. A missing version may only
// mean that reads lag behind the call that made it.
func (r *run) guard(ctx context.Context) (plan.Rotation, secret.Metadata, error) {
	m, err := r.read.DescribeWith(ctx, r.event.Token)
	if err != nil {
		return plan.Rotation{}, m, err
	}
	rotation := r.rotation(m)
	return rotation, m, plan.Guard(rotation)
}

// rotation is the guard's input.
func (r *run) rotation(m secret.Metadata) plan.Rotation {
	token := r.event.Token
	labels, labelled := m.Labels[token]
	// A label on another version that cannot be read is reported by whoever needs it.
	book, _ := ledger.Read(map[string][]string{token: labels})
	return plan.Rotation{
		Token: token, Labelled: labelled, Pending: slices.Contains(labels, secret.Pending), Page: book.Page(token),
		Current: m.Labels.Version(secret.Current), Enabled: m.RotationEnabled, Owner: m.OwningService,
	}
}

// confirm is credential.Change.Confirm.
func (r *run) confirm(ctx context.Context, currentID string) error {
	m, err := r.read.Describe(ctx)
	if err != nil {
		return err
	}
	rotation := r.rotation(m)
	if err := plan.Guard(rotation); err != nil {
		return err
	}
	if rotation.Current != currentID {
		return fmt.Errorf("AWSCURRENT has since moved to version %s: rotate again", rotation.Current)
	}
	return nil
}

// readBoth reads what setSecret and testSecret compare. If the token was promoted, both are the
// same version.
func (r *run) readBoth(ctx context.Context) (current, pending secret.Version, err error) {
	if current, err = r.read.Current(ctx, ""); err != nil {
		return secret.Version{}, secret.Version{}, err
	}
	if current.ID == r.event.Token {
		return current, current, nil
	}
	if pending, err = r.readPending(ctx); err != nil {
		return secret.Version{}, secret.Version{}, err
	}
	return current, pending, nil
}

// readPending reads the token's version, but only while it is AWSPENDING. A missing version may
// only mean that reads lag behind the step before; if it stays missing, the guard says why. If
// the guard finds nothing wrong, the version has no value, which secret.IsMissing reports.
func (r *run) readPending(ctx context.Context) (secret.Version, error) {
	v, err := r.read.Await(ctx, r.event.Token, secret.Pending)
	if secret.IsMissing(err) {
		if _, _, refused := r.guard(ctx); refused != nil {
			return secret.Version{}, refused
		}
		return secret.Version{}, fmt.Errorf("version %s has no value, since createSecret has not succeeded: %w", r.event.Token, err)
	}
	if err != nil {
		return secret.Version{}, fmt.Errorf("read the AWSPENDING version: %w", err)
	}
	return v, nil
}
