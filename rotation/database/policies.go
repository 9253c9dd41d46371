package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/mysql"
)

// Some of MySQL's password policies let a rotation begin and refuse the
// statement by which it is to end, or to be undone: the current password
// replaced by itself, or one that was used before. Without that statement the
// old password stays accepted for good, in an emergency too. So while such a
// policy is on, no rotation begins.

// policed tells whether there is such a statement. MariaDB has no such policies
// (see checkEntries for its plugins), and those of RDS's own statements are not
// known.
func (t *turn) policed() bool { return !t.server.mariadb() && t.way != byRDS }

// checkPolicies fails when a policy refuses what the turn's way needs after the
// promotion. Every account may read the policies.
func (t *turn) checkPolicies(ctx context.Context) error {
	if !t.policed() {
		return nil
	}
	return errors.Join(t.checkChangedCharacters(ctx), t.checkHistory(ctx))
}

// changedCharacters is the share of a new password's characters, in percent,
// that must not be the replaced one's. It is a variable of the component
// validate_password, and absent without it.
const changedCharacters = "validate_password.changed_characters_percentage"

// checkChangedCharacters looks for the policy by which MySQL refuses to replace a
// password by itself (4165). By the way self that is how an old password is
// taken away, and by the way admin how one is accepted again.
func (t *turn) checkChangedCharacters(ctx context.Context) error {
	if !t.way.dual() {
		return nil
	}
	percentage, err := t.own.number(ctx, changedCharacters)
	if err != nil || percentage == 0 {
		return err
	}
	return fmt.Errorf("%s is %d: the server refuses to replace a password by itself (MySQL error %d), without which an old password could not be taken away, or not be accepted again: SET GLOBAL %s = 0 (on RDS, in the parameter group)",
		changedCharacters, percentage, mysql.TooFewChanges, changedCharacters)
}

// checkHistory looks at the server's defaults for password reuse. An account can
// have limits of its own, which it sees in its description.
func (t *turn) checkHistory(ctx context.Context) error {
	history, err := t.own.number(ctx, "password_history")
	if err != nil {
		return err
	}
	interval, err := t.own.number(ctx, "password_reuse_interval")
	if err != nil {
		return err
	}
	shown, err := t.own.description(ctx)
	if err != nil {
		return err
	}
	history = ownLimit(shown, ownHistory, history)
	interval = ownLimit(shown, ownInterval, interval)
	if history != 0 || interval != 0 {
		return fmt.Errorf("password_history is %d and password_reuse_interval is %d: a password that was used before cannot be set again (MySQL error %d), which ending or undoing a rotation needs: ALTER USER … PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY",
			history, interval, mysql.PasswordReused)
	}
	return nil
}

// variable is one of the server's global variables; "" where it has none of that
// name. SHOW takes no privilege.
func (s *session) variable(ctx context.Context, name string) (value string, err error) {
	err = s.Row(ctx, "SHOW GLOBAL VARIABLES LIKE ?", []any{name}, &name, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, explain(err, s.a)
}

// number is variable for one that is a number; 0 where there is none.
func (s *session) number(ctx context.Context, name string) (int, error) {
	value, err := s.variable(ctx, name)
	if err != nil || value == "" {
		return 0, err
	}
	return strconv.Atoi(value)
}

// canEnd fails when a policy would keep a rotation of the document's account
// from ending. It is asked before a value is made, and so before anything is set.
// Whatever keeps it from finding out, Set will run into, and report.
func (k *Kind) canEnd(ctx context.Context, d document.Document) error {
	a, err := k.account(ctx, d)
	if err != nil {
		return nil // Set reports it
	}
	own, err := k.login(ctx, a, "")
	if err != nil {
		return nil // Set reports it, or recovers
	}
	t, err := k.begin(ctx, own, quiet)
	if err != nil {
		return nil // Set reports it
	}
	defer t.close()
	return t.checkPolicies(ctx)
}

// What MySQL's SHOW CREATE USER says of an account's own limits. DEFAULT, or
// nothing, is the server's.
var (
	ownHistory  = regexp.MustCompile(` PASSWORD HISTORY (\d+)`)
	ownInterval = regexp.MustCompile(` PASSWORD REUSE INTERVAL (\d+)`)
	ownFailures = regexp.MustCompile(` FAILED_LOGIN_ATTEMPTS (\d+)`)
)

func ownLimit(shown string, of *regexp.Regexp, otherwise int) int {
	if match := of.FindStringSubmatch(shown); match != nil {
		if n, err := strconv.Atoi(match[1]); err == nil {
			return n
		}
	}
	return otherwise
}

// description is what a server shows an account of itself, in MySQL without its
// hashes.
func (s *session) description(ctx context.Context) (shown string, err error) {
	err = s.Row(ctx, "SHOW CREATE USER CURRENT_USER()", nil, &shown)
	return shown, explain(err, s.a)
}
