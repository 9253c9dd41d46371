package database

import (
	"context"
	"fmt"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// Probe logs in once with the document's password, to no database.
func (k *Kind) Probe(ctx context.Context, d document.Document) (credential.Outcome, error) {
	a, err := k.account(ctx, d)
	if err != nil {
		return credential.Unknown, err
	}
	return k.probeLogin(ctx, a)
}

// Test logs in with the pending password: first to no database, which tells a wrong password from
// a missing grant, then as the application does, to its database, where it runs a query.
func (k *Kind) Test(ctx context.Context, c credential.Change) error {
	_, pending, err := k.accounts(ctx, c)
	if err != nil {
		return err
	}
	if outcome, err := k.probeLogin(ctx, pending); outcome != credential.Accepted {
		return fmt.Errorf("log in with the AWSPENDING password: %w", err)
	}
	return k.query(ctx, pending)
}

// query does what the application does first: log in to its database and ask
// something.
func (k *Kind) query(ctx context.Context, a account) error {
	s, err := k.login(ctx, a, a.name)
	if err != nil {
		return err
	}
	defer s.Close()
	var one int
	if err := s.Row(ctx, "SELECT 1", nil, &one); err != nil {
		return explain(err, a)
	}
	return nil
}
