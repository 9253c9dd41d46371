package rotation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/ledger"
)

// writePage replaces a version's ledger label: the new one is written first and
// those that the page was read from come off then, for a version whose last label
// goes may be deleted. Whoever comes between the two finds both, and takes the
// newer entries of each. Nobody removes a label that he has not read.
//
// The page has to differ from what was read: where a version has two labels, the older
// one may say the same as both together, and whoever wrote the other is about to
// remove it.
func (r *run) writePage(ctx context.Context, p ledger.Page) error {
	if p.Empty() {
		return r.takeOff(ctx, p.Version, p.Labels)
	}
	label, err := p.Label()
	if err != nil {
		return err
	}
	if !slices.Contains(p.Labels, label) {
		if err := r.moveLabel(ctx, label, p.Version, ""); err != nil {
			return err
		}
	}
	return r.takeOff(ctx, p.Version, slices.DeleteFunc(slices.Clone(p.Labels), func(l string) bool { return l == label }))
}

func (r *run) takeOff(ctx context.Context, version string, labels []string) error {
	for _, label := range labels {
		if err := r.moveLabel(ctx, label, "", version); err != nil {
			return err
		}
	}
	return nil
}

// writeEntry writes one kind's entry of a version, or removes it where the state
// is "". What other versions that store the same value say of it goes: one entry
// tells of a value.
func (r *run) writeEntry(ctx context.Context, s *sight, kind, version string, state ledger.State) error {
	page := s.pageOf(version)
	if state == "" {
		page = page.Without(kind)
	} else {
		page = page.With(kind, state, s.m.now)
	}
	if err := r.writePage(ctx, page); err != nil {
		return err
	}
	return r.dropOthers(ctx, s, kind, version)
}

// dropOthers removes a kind's entries of the versions that store the same value as
// this one.
func (r *run) dropOthers(ctx context.Context, s *sight, kind, version string) error {
	for _, other := range s.stores[place{kind, version}] {
		if other == version {
			continue
		}
		if err := r.writePage(ctx, s.pageOf(other).Without(kind)); err != nil {
			return err
		}
	}
	return nil
}

// derived is the id of a version that the function stores beside a rotation, so
// that a retry after a crash finds it again.
func derived(what string, ids ...string) string {
	sum := sha256.New()
	fmt.Fprint(sum, what)
	for _, id := range ids {
		fmt.Fprintf(sum, "\x00%s", id)
	}
	h := sum.Sum(nil)
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// store stores a document as a version with a ledger label and no other. It is
// idempotent for the version's id.
func (r *run) store(ctx context.Context, d document.Document, page ledger.Page) error {
	label, err := page.Label()
	if err != nil {
		return err
	}
	value := d.Raw()
	r.unknown()
	_, err = r.api.PutSecretValue(ctx, &sm.PutSecretValueInput{
		SecretId: &r.event.SecretID, ClientRequestToken: &page.Version, SecretString: &value, VersionStages: []string{label},
	})
	var exists *types.ResourceExistsException
	if errors.As(err, &exists) {
		return fmt.Errorf("version %s is there already with another value: try again", page.Version)
	}
	if err != nil {
		return fmt.Errorf("store a version to make current: %w", err)
	}
	return nil
}
