package database

import (
	"context"
	"fmt"

	"mautic-rotation/rotation"
	"mautic-rotation/rotation/document"
)

// Probe logs in once with the document's password, to no database.
func (k *Kind) Probe(ctx context.Context, d document.Document) (rotation.Outcome, error) {
	a, err := k.account(d)
	if err != nil {
		return rotation.Unknown, err
	}
	s, err := k.login(ctx, a, "")
	if err != nil {
		return outcomeOf(err), err
	}
	s.close()
	return rotation.Accepted, nil
}

// Test logs in with the pending password: first to no database, which tells a
// wrong password from a missing grant, then as the application does, to its
// database, where it runs a query.
func (k *Kind) Test(ctx context.Context, c rotation.Change) error {
	_, pending, err := k.accounts(c)
	if err != nil {
		return err
	}
	if outcome, err := k.Probe(ctx, c.Pending); outcome != rotation.Accepted {
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
	defer s.close()
	var one int
	if err := s.queryRow(ctx, "SELECT 1", nil, &one); err != nil {
		return explain(err, a)
	}
	return nil
}

// Preflight finds out with the current password alone whether a rotation would
// work. See rotation.Target.
func (k *Kind) Preflight(ctx context.Context, current document.Document) []rotation.Check {
	a, err := k.account(current)
	checks := []rotation.Check{{What: "the secret names user, host, port and password", Problem: err}}
	if err != nil {
		return checks
	}
	add := func(what string, problem error) {
		checks = append(checks, rotation.Check{What: what, Problem: problem})
	}
	s, err := k.login(ctx, a, "")
	add("log in to "+a.address()+" over verified TLS", err)
	if err != nil {
		return checks
	}
	defer s.close()
	found, err := s.identify(ctx)
	if err == nil {
		err = found.check()
	}
	add("the server has dual passwords, and the user one account", err)
	if err != nil {
		return checks
	}
	if !found.accountsKnown {
		checks = append(checks, rotation.Check{What: "list the user's accounts", Warning: fmt.Errorf("it may exist for other hosts too, where its password would stay: %s", grantToSeeAccounts)})
	}
	add("the user may keep its old password beside a new one, and the server takes the passwords made here", k.rehearse(ctx, s, a))
	add("the password history lets a rotation be undone", s.checkHistory(ctx))
	add("log in to database "+a.name+" and run a query", k.query(ctx, a))
	return checks
}

// rehearse runs the compare-and-swap with a password in REPLACE that cannot be
// the primary one: it is made up on the spot. MySQL looks at privilege and
// password policy first, and then answers 3891 without changing anything.
func (k *Kind) rehearse(ctx context.Context, s *session, a account) error {
	if err := s.boundWaits(ctx); err != nil {
		return err
	}
	neverSet, neverCurrent := a, a
	neverSet.password = k.config.Passwords.Generate()
	neverCurrent.password = k.config.Passwords.Generate()
	err := s.swap(ctx, neverCurrent, neverSet)
	if isNumber(err, errNotCurrentPassword) {
		return nil
	}
	return explain(err, a)
}

// checkHistory looks at the server's defaults for password reuse. An account
// can have its own, which only an administrator sees.
func (s *session) checkHistory(ctx context.Context) error {
	var history, interval int
	if err := s.queryRow(ctx, "SELECT @@GLOBAL.password_history, @@GLOBAL.password_reuse_interval", nil, &history, &interval); err != nil {
		return explain(err, s.a)
	}
	if history != 0 || interval != 0 {
		return fmt.Errorf("password_history is %d and password_reuse_interval is %d: a password that was used before cannot be set again, which closing or undoing a rotation needs: ALTER USER … PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY",
			history, interval)
	}
	return nil
}
