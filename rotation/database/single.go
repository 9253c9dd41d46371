package database

import (
	"context"
	"errors"
	"fmt"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
)

// replaceStatement is MySQL's compare-and-swap without the old password kept.
// It takes no privilege, and leaves a second password alone.
const replaceStatement = "ALTER USER USER() IDENTIFIED BY ? REPLACE ?"

// singleChanger is the method single: the account replaces its own password, which needs no
// privilege.
type singleChanger struct{}

func (singleChanger) set(ctx context.Context, t *turn, present, next account) error {
	statement, args := singleStatement(t.server, t.policy.plain(), present.password, next.password)
	err := t.own.Exec(ctx, statement, args...)
	if mysql.Is(err, mysql.TooFewChanges) { // see session.swap
		err = t.own.Exec(ctx, "ALTER USER USER() IDENTIFIED BY ?", next.password)
	}
	if !mysql.Is(err, mysql.NotCurrentPassword) {
		return explain(err, present)
	}
	// The session that waited for the lock was logged in with a password that
	// is not the primary one any more.
	switch outcome, err := t.k.probeLogin(ctx, next); outcome {
	case credential.Accepted:
		t.log.Info("an earlier attempt has already set the password")
		return nil
	case credential.Denied:
		return errors.New("the account's primary password is not this version's, but that of a rotation with a different DATABASE_WAY that was given up, so nothing was changed: have an administrator run ALTER USER … IDENTIFIED BY the password in AWSCURRENT, or set DATABASE_WAY back")
	default:
		return fmt.Errorf("cannot tell which password is the primary one, so nothing was changed: %w", err)
	}
}

// singleStatement has no guard if the server knows no REPLACE: MySQL before 8.0.13, and MariaDB.
// There the lock is the only protection.
func singleStatement(s server, plain bool, present, next string) (statement string, args []any) {
	switch {
	case s.mariadb() && plain:
		return "SET PASSWORD = PASSWORD(?)", []any{next}
	case s.mariadb():
		return "SET PASSWORD = ?", []any{nativeHash(next)} // a hash, for the server's logs
	case atLeast(s.version, 8, 0, 13):
		return replaceStatement, []any{next, present}
	default:
		return "SET PASSWORD = ?", []any{next}
	}
}
