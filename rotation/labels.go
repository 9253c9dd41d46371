package rotation

import (
	"context"

	"mautic-rotation/rotation/ledger"
)

// What the engine writes into the ledger.

// writePage replaces a version's ledger label. It writes the new label first, and then removes
// those that the page was read from, because a version without labels may be deleted. A reader in
// between finds both, and takes the newer entries of each. No invocation removes a label that it
// has not read.
//
// The page has to differ from what was read: if a version has two labels, the older one may say
// the same as both together, and the invocation that wrote the other is about to remove it.
func (r *run) writePage(ctx context.Context, p ledger.Page) error {
	label := ""
	if !p.Empty() {
		var err error
		if label, err = p.Label(); err != nil {
			return err
		}
	}
	return r.write.Relabel(ctx, p.Version, label, p.Labels)
}

// writeEntry writes one kind's entry of a version, or removes it if the state is "". It removes
// entries on other versions that store the same value: one entry describes a value.
func (r *run) writeEntry(ctx context.Context, s *sight, kind, version string, state ledger.State) error {
	page := s.pageOf(version)
	if state == "" {
		page = page.Without(kind)
	} else {
		page = page.With(kind, state, s.m.At)
	}
	if err := r.writePage(ctx, page); err != nil {
		return err
	}
	return r.dropOthers(ctx, s, kind, version)
}

// dropOthers removes a kind's entries from the other versions that store the same value.
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
