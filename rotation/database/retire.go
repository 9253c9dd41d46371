package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mautic-rotation/rotation"
)

var _ rotation.Retirer = (*Kind)(nil)

// keepStatement is the take-away: it puts the current password into both
// slots, so that whatever else was in the second one is gone. It fails with
// 3891, and changes nothing, unless that password is the primary one. DISCARD
// OLD PASSWORD would have no such guard: between a look and the discarding,
// another rotation's set can have made the current password the second one.
const keepStatement = swapStatement // with the current password twice

// MinOverlap is none: what uses the password are the services' tasks.
func (k *Kind) MinOverlap() time.Duration { return 0 }

// Exclusive holds a lock at the server, for as long as the connection lives.
func (k *Kind) Exclusive(ctx context.Context, o rotation.Overlap) (release func(), ok bool, err error) {
	current, err := k.account(o.Current)
	if err != nil {
		return nil, false, err
	}
	s, err := k.login(ctx, current, "")
	if err != nil {
		return nil, false, fmt.Errorf("log in with the AWSCURRENT password: %w", err)
	}
	if err := s.boundWaits(ctx); err != nil {
		s.close()
		return nil, false, err
	}
	if ok, err = s.tryLock(ctx, "end", 0); err != nil || !ok {
		s.close()
		return nil, false, err
	}
	return s.close, true, nil
}

// Quarantine takes the old password out of the second slot. MySQL keeps open
// connections, and forgets the password: what can be undone is undone with the
// old version of the secret, which has it. See rotation.Retirer.
func (k *Kind) Quarantine(ctx context.Context, o rotation.Overlap) error {
	_, err := k.takeAway(ctx, o)
	return err
}

// Retire makes sure that the old password is gone, which on MySQL takes nothing
// beyond the quarantine, and tries it.
func (k *Kind) Retire(ctx context.Context, o rotation.Overlap) error {
	seenRefused, err := k.takeAway(ctx, o)
	if err != nil || seenRefused {
		return err
	}
	switch outcome, err := k.Probe(ctx, o.Old); outcome {
	case rotation.Denied:
		return nil
	case rotation.Accepted:
		return errors.New("the old password is still accepted after it was taken away")
	default:
		return fmt.Errorf("see the old password refused: %w", err)
	}
}

// takeAway makes the server refuse the old password. It tries it first: the
// second slot may hold something else, which then must stay. seenRefused tells
// that it was refused already, the one refused login that this costs. All of it
// happens under the account's lock, so no set of another rotation comes between.
func (k *Kind) takeAway(ctx context.Context, o rotation.Overlap) (seenRefused bool, err error) {
	current, old, err := k.overlap(o)
	if err != nil {
		return false, err
	}
	if current.password == old.password {
		return false, errors.New("the old password is the current one, which is not taken away")
	}
	s, err := k.lockedSession(ctx, current)
	if err != nil {
		return false, err
	}
	defer s.close()
	switch outcome, err := k.Probe(ctx, o.Old); outcome {
	case rotation.Denied:
		return true, nil
	case rotation.Accepted:
	default:
		return false, fmt.Errorf("find out whether the old password is accepted: %w", err)
	}
	// The compare-and-swap guards against another password, and not against
	// AWSCURRENT having been moved back to the old one.
	if err := o.Confirm(ctx); err != nil {
		return false, err
	}
	err = s.exec(ctx, keepStatement, current.password, current.password)
	if !isNumber(err, errNotCurrentPassword) {
		return false, explain(err, current)
	}
	// Both are accepted, so the old password is the primary one: of a rotation
	// that was given up, or rolled back.
	if err := s.exec(ctx, "ALTER USER USER() IDENTIFIED BY ? RETAIN CURRENT PASSWORD", current.password); err != nil {
		return false, explain(err, current)
	}
	return false, explain(s.exec(ctx, keepStatement, current.password, current.password), current)
}

// Restore puts the old password into the second slot again.
func (k *Kind) Restore(ctx context.Context, o rotation.Overlap) error {
	current, old, err := k.overlap(o)
	if err != nil || current.password == old.password {
		return err
	}
	s, err := k.lockedSession(ctx, current)
	if err != nil {
		return err
	}
	defer s.close()
	// The old one becomes primary and the current one secondary, then they
	// change places; both are accepted in between.
	err = s.exec(ctx, swapStatement, old.password, current.password)
	if err != nil && !isNumber(err, errNotCurrentPassword) {
		return explain(err, current)
	}
	if err := s.exec(ctx, swapStatement, current.password, old.password); err != nil {
		return fmt.Errorf("put the old password into the second slot: %w", explain(err, current))
	}
	return nil
}

// lockedSession logs in with the current password and holds the account's lock.
func (k *Kind) lockedSession(ctx context.Context, current account) (*session, error) {
	s, err := k.login(ctx, current, "")
	if err != nil {
		return nil, fmt.Errorf("log in with the AWSCURRENT password: %w", err)
	}
	if err := s.lock(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// overlap reads both sides of an overlap. The old version may name another
// account or server, from before somebody edited the secret: then its password
// is not one that the current account could take away.
func (k *Kind) overlap(o rotation.Overlap) (current, old account, err error) {
	if current, err = k.account(o.Current); err != nil {
		return account{}, account{}, fmt.Errorf("AWSCURRENT: %w", err)
	}
	if old, err = k.account(o.Old); err != nil {
		return account{}, account{}, fmt.Errorf("the old version: %w", err)
	}
	if current.user != old.user || current.address() != old.address() {
		return account{}, account{}, fmt.Errorf("the old version is for %s, and AWSCURRENT for %s: take the old password away by hand (ALTER USER … DISCARD OLD PASSWORD), then remove its journal label", old, current)
	}
	return current, old, nil
}

// refusedAtRest is how many refused connections in one watch still count as
// the noise of a server that others probe too.
const refusedAtRest = 2

// InUse looks into the server's log for logins of the user by its second
// password and, after the quarantine, for refused ones: before it these are no
// use of the old password, which is accepted. Where it cannot look there, or
// the server does not log logins, there is nothing to be seen before the
// quarantine, and after it all connections that the server refuses count.
func (k *Kind) InUse(ctx context.Context, o rotation.Overlap, watch time.Duration) (string, error) {
	current, err := k.account(o.Current)
	if err != nil {
		return "", err
	}
	s, err := k.login(ctx, current, "")
	if err != nil {
		return "", err
	}
	defer s.close()
	if err := s.boundWaits(ctx); err != nil {
		return "", err
	}
	logged, err := s.logsLogins(ctx)
	if err != nil {
		return "", err
	}
	if !logged && !o.Quarantined {
		return "", nil // nothing shows a login that succeeds
	}
	before, err := s.refusedConnections(ctx)
	if err != nil {
		return "", err
	}
	select {
	case <-time.After(watch):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if logged {
		return s.loggedUse(ctx, current, watch, o.Quarantined)
	}
	after, err := s.refusedConnections(ctx)
	if err != nil {
		return "", err
	}
	if refused := after - before; refused > refusedAtRest {
		return fmt.Sprintf("the server refused %d connections within %s (of whomever: to tell, GRANT SELECT ON performance_schema.error_log to %s, and set log_error_verbosity to 3)", refused, watch, current), nil
	}
	return "", nil
}

// What the server logs of logins: by the second password, and refused ones. It
// takes log_error_verbosity=3.
const (
	logSecondPassword = "MY-013302"
	logAccessDenied   = "MY-010926"
)

// logsLogins tells whether the server logs what loggedUse looks for, and lets
// this account read it. A log that says nothing must not be taken for one in
// which there is nothing.
func (s *session) logsLogins(ctx context.Context) (bool, error) {
	var verbosity, readable int
	var suppressed string
	err := s.queryRow(ctx, "SELECT @@GLOBAL.log_error_verbosity, @@GLOBAL.log_error_suppression_list", nil, &verbosity, &suppressed)
	if err != nil {
		return false, explain(err, s.a)
	}
	if verbosity < 3 || strings.Contains(suppressed, "013302") || strings.Contains(suppressed, "010926") {
		return false, nil
	}
	err = s.queryRow(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM performance_schema.error_log LIMIT 1) AS one", nil, &readable)
	if isNumber(err, errTableDenied) || isNumber(err, errColumnDenied) {
		return false, nil
	}
	// The server logs its own start; where even that is missing, the table is
	// not being filled.
	return readable > 0, explain(err, s.a)
}

// loggedUse reads what the server has logged of the user within the last watch.
func (s *session) loggedUse(ctx context.Context, a account, watch time.Duration, quarantined bool) (string, error) {
	var second, refused int
	err := s.queryRow(ctx, `SELECT COALESCE(SUM(ERROR_CODE = ?), 0), COALESCE(SUM(ERROR_CODE = ?), 0)
		FROM performance_schema.error_log
		WHERE LOGGED > NOW(6) - INTERVAL ? MICROSECOND AND (INSTR(DATA, BINARY ?) > 0 OR INSTR(DATA, BINARY ?) > 0)`,
		[]any{logSecondPassword, logAccessDenied, watch.Microseconds(), "for user '" + a.user + "'@", "by user: '" + a.user + "'@"}, &second, &refused)
	switch {
	case err != nil:
		return "", explain(err, a)
	case second > 0:
		return fmt.Sprintf("%d logins of %s by its old password within %s", second, a, watch), nil
	case quarantined && refused > refusedAtRest:
		return fmt.Sprintf("%d refused logins of %s within %s", refused, a, watch), nil
	}
	return "", nil
}

func (s *session) refusedConnections(ctx context.Context) (int, error) {
	var name string
	var refused int
	err := s.queryRow(ctx, "SHOW GLOBAL STATUS LIKE 'Aborted_connects'", nil, &name, &refused)
	return refused, explain(err, s.a)
}
