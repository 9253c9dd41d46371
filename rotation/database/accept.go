package database

import (
	"context"
	"crypto/sha1" //nolint:gosec // G505: mysql_native_password is made of it
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
)

// acceptor changes an account by its name, with CREATE USER: the way admin, and
// self on MariaDB. All it does is one thing, accept: the account then accepts
// just these two passwords. That says what is to be, and not what is to change,
// so a repetition is harmless. There is no compare-and-swap in it (MySQL takes
// REPLACE for one's own account only, 3893); the lock, and the labels read
// under it, stand in for it.
//
//	set       accept(next, present)
//	take away accept(current)
//	restore   accept(current, old)
type acceptor struct{}

var _ keeper = acceptor{}

func (acceptor) set(ctx context.Context, t *turn, present, next account) error {
	return t.accept(ctx, next.password, present.password)
}

// takeAway is, on MySQL, what swapper.takeAway is. Of the user's accounts for other
// hosts nobody can tell which password is the primary one, so there the current one
// is made that first. It is so already, unless somebody has changed one of them
// alone.
func (acceptor) takeAway(ctx context.Context, t *turn, current, _ account) error {
	if t.server.mariadb() {
		return t.accept(ctx, current.password, current.password)
	}
	primary, err := t.own.isPrimary(ctx, current)
	if err != nil {
		return explain(err, current)
	}
	if !primary {
		err = t.alter(ctx, t.server.everyHost(), "IDENTIFIED BY ? RETAIN CURRENT PASSWORD", current.password)
	} else if others := t.server.everyHost(); t.server.several() {
		err = t.alter(ctx, others[:len(others)-1], "IDENTIFIED BY ?", current.password)
	}
	if err != nil {
		return err
	}
	return t.alter(ctx, t.server.everyHost(), "DISCARD OLD PASSWORD")
}

// restore first checks whether another rotation has set its password, which accept would evict.
// The labels cannot show that: restore also makes the current password accepted again after they
// have moved.
func (acceptor) restore(ctx context.Context, t *turn, current, old account) error {
	if t.server.mariadb() {
		present, err := t.own.entries(ctx)
		if err != nil {
			return err
		}
		for _, e := range present {
			if e.hash != nativeHash(current.password) && e.hash != nativeHash(old.password) {
				return errOtherPassword
			}
		}
		return t.accept(ctx, current.password, old.password)
	}
	primary, err := t.own.isPrimary(ctx, current)
	switch {
	case err != nil:
		return explain(err, current)
	case primary:
		return t.accept(ctx, current.password, old.password)
	}
	switch outcome, err := t.k.probeLogin(ctx, old); outcome {
	case credential.Accepted:
		return nil // both are, and in whichever order
	case credential.Denied:
		return errOtherPassword
	default:
		return fmt.Errorf("cannot tell which password is the primary one, so nothing was changed: %w", err)
	}
}

var errOtherPassword = errors.New("besides the current password, the account accepts one from another rotation. The old one would replace it, so nothing was changed; finish that rotation, or give it up, first")

// accept makes the account accept these two passwords, and no others. On
// MariaDB it is one statement. On MySQL it is two: make the secondary password
// primary, then make the primary one primary. Each moves what was primary into
// the second slot, and drops what was there:
//
//	before     after the first    after the second
//	(a, b)     (secondary, a)     (primary, secondary)
//
// The password in use has to be accepted at every moment. It is, when it is
// accepted before and one of these holds:
//
//   - It is the secondary one (set), in whichever slot it was. The first
//     statement makes it primary, and the second moves it to the second slot.
//   - It is the primary one, and in the first slot already (restore, which makes
//     sure of that). The first statement moves it to the second slot, and the
//     second one makes it primary again.
//
// When it is cut off between the two, the password in use is in one of the slots,
// and that is all that a repetition starts from. (Restore finds (old, current)
// then, and has nothing left to do.) In the other order it would go wrong: from
// (abandoned, current), the pending password first gives (pending, abandoned).
func (t *turn) accept(ctx context.Context, primary, secondary string) error {
	if t.server.mariadb() {
		return t.acceptEntries(ctx, primary, secondary)
	}
	for _, next := range []string{secondary, primary} {
		if err := t.alter(ctx, t.server.everyHost(), "IDENTIFIED BY ? RETAIN CURRENT PASSWORD", next); err != nil {
			return err
		}
	}
	return nil
}

// alter changes the user's accounts by name.
func (t *turn) alter(ctx context.Context, hosts []string, clause string, args ...any) error {
	statement, all := byName(t.server, hosts, clause, args...)
	return t.explainWriter(t.writer.execWithRoles(ctx, statement, all...))
}

// acceptEntries is accept on MariaDB, and checks that the entries exist. If the user exists for
// several hosts, a statement for all of them would not be atomic either, so the account that can
// be inspected comes last.
func (t *turn) acceptEntries(ctx context.Context, primary, secondary string) error {
	for _, host := range t.server.everyHost() {
		statement, args := entriesStatement(t.server, host, t.policy.plain(), primary, secondary)
		if err := t.writer.Exec(ctx, statement, args...); err != nil {
			if mysql.Is(err, mysql.UserOperationFailed) {
				return fmt.Errorf("%w%s", t.explainWriter(err), t.writer.warnings(ctx))
			}
			return t.explainWriter(err)
		}
	}
	present, err := t.own.entries(ctx)
	if err != nil {
		return err
	}
	var hashes []string
	for _, e := range present {
		hashes = append(hashes, e.hash)
	}
	for _, wanted := range []string{secondary, primary} {
		if !slices.Contains(hashes, nativeHash(wanted)) {
			return fmt.Errorf("%s reported success for the change of '%s', but the account does not have the entry: check whether another account of the same user was changed", t.server, t.server.account)
		}
	}
	return nil
}

// entriesStatement names the account: with CURRENT_USER() instead, MariaDB answers OK and changes
// nothing. It uses hashes, because MariaDB writes the whole statement to its general, slow and
// binary logs. If the server refuses hashes, plain sends the passwords.
func entriesStatement(s server, host string, plain bool, primary, secondary string) (statement string, args []any) {
	value, present := " USING ?", nativeHash
	if plain {
		value, present = " USING PASSWORD(?)", func(p string) string { return p }
	}
	statement, args = "ALTER USER ?@? IDENTIFIED VIA "+nativePlugin+value, []any{s.user(), host, present(primary)}
	if secondary != primary {
		statement += " OR " + nativePlugin + value
		args = append(args, present(secondary))
	}
	return statement, args
}

const nativePlugin = "mysql_native_password"

// nativeHash is what mysql_native_password stores for a password.
func nativeHash(password string) string {
	once := sha1.Sum([]byte(password)) //nolint:gosec // G401: the server's format
	twice := sha1.Sum(once[:])         //nolint:gosec // G401: the server's format
	return "*" + strings.ToUpper(hex.EncodeToString(twice[:]))
}
