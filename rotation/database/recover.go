package database

import (
	"context"
	"errors"
	"fmt"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/rds"
)

// errAlreadySet says that the pending password is the one that is accepted.
var errAlreadySet = errors.New("an earlier attempt has already set the password")

// refused is what Set does when the server refuses the current password. By the
// ways that keep it, this is not of our doing, and Set ends. An account that
// accepts one password may have been given the pending one. And a master user
// whose password nobody knows can be helped by the RDS API, if that is wanted.
//
// This is the one place where up to three wrong passwords are tried in one
// step: the current, the pending and the previous one.
//
// It returns a session that is logged in with the current password, or
// errAlreadySet.
func (k *Kind) refused(ctx context.Context, c credential.Change, current, pending account, denied error) (*session, error) {
	denied = fmt.Errorf("log in with the AWSCURRENT password: %w", denied)
	byAPI := errors.New("this function may not ask RDS")
	var m master
	if k.config.RDS != nil {
		m = k.askRDS(ctx, current)
		byAPI = m.problem(true)
	}
	recoverable := byAPI == nil && k.config.Recovery
	if !recoverable && !k.triesPending(byAPI) {
		return nil, k.withRemedy(denied, byAPI)
	}
	if byAPI == nil && m.db.PasswordPending {
		c.Log.Info("RDS has a pending change of the password, after which another password may be accepted")
		if err := k.config.RDS.Await(ctx, m.db, c.Log); err != nil {
			return nil, fmt.Errorf("%w; wait for the change that RDS has pending: %w", denied, err)
		}
	}
	switch outcome, err := k.probeLogin(ctx, pending); {
	case outcome == credential.Accepted && k.triesPending(byAPI):
		c.Log.Info("an earlier attempt has already set the password")
		return nil, errAlreadySet
	case outcome == credential.Accepted:
		return nil, fmt.Errorf("%w; the server accepts the AWSPENDING password, which DATABASE_WAY=%s cannot have caused: find out who changed it, and store the accepted one as AWSCURRENT", denied, k.config.Way)
	case outcome != credential.Denied:
		return nil, fmt.Errorf("%w; log in with the AWSPENDING password: %w", denied, err)
	case !recoverable:
		return nil, k.withRemedy(fmt.Errorf("%w; the AWSPENDING password is wrong too", denied), byAPI)
	}
	tried, err := k.tryPrevious(ctx, c, current, pending)
	if err != nil {
		return nil, fmt.Errorf("%w; %w", denied, err)
	}
	return k.recover(ctx, c, current, m.db, tried)
}

// triesPending reports whether a rotation of this account can leave it with only the pending
// password. problem is why RDS cannot set its password.
func (k *Kind) triesPending(problem error) bool {
	switch setting, err := parseWay(k.config.Way); {
	case err != nil || setting.dual():
		return false
	case setting == auto:
		return problem == nil
	default:
		return true
	}
}

// withRemedy names the setting that would help, if one would.
func (k *Kind) withRemedy(err, problem error) error {
	if problem != nil || k.config.Recovery {
		return err
	}
	return fmt.Errorf("%w; if nobody knows the password any more: this is the master user, so with DATABASE_RECOVERY=true the function has RDS set the password in AWSCURRENT", err)
}

// tryPrevious fails unless the server refuses the password of AWSPREVIOUS, or there is none. It
// returns what was tried, in words.
func (k *Kind) tryPrevious(ctx context.Context, c credential.Change, current, pending account) (tried string, err error) {
	tried = "those of AWSCURRENT and AWSPENDING"
	if c.Previous == nil {
		return tried, nil
	}
	d, ok, err := c.Previous(ctx)
	if err != nil {
		return "", fmt.Errorf("read AWSPREVIOUS: %w", err)
	}
	if !ok {
		return tried, nil
	}
	previous, err := k.read(d)
	if err != nil || previous.user != current.user {
		return tried, nil //nolint:nilerr // a version without a login of this account has no password to try
	}
	previous = previous.at(current)
	if previous.password == current.password || previous.password == pending.password {
		return tried, nil
	}
	switch outcome, err := k.probeLogin(ctx, previous); outcome {
	case credential.Denied:
		return "those of AWSCURRENT, AWSPENDING and AWSPREVIOUS", nil
	case credential.Accepted:
		return "", errors.New("the server accepts the AWSPREVIOUS password: make that version AWSCURRENT again (aws secretsmanager update-secret-version-stage), and start a new rotation")
	default:
		return "", fmt.Errorf("log in with the AWSPREVIOUS password: %w", err)
	}
}

// recover has RDS set the current version's password, and proves it.
func (k *Kind) recover(ctx context.Context, c credential.Change, current account, db rds.Database, tried string) (*session, error) {
	if c.Confirm != nil {
		if err := c.Confirm(ctx); err != nil {
			return nil, err
		}
	}
	if err := k.config.RDS.SetMasterPassword(ctx, db, current.password, c.Log); err != nil {
		return nil, fmt.Errorf("the server refuses all known passwords (%s); set the AWSCURRENT password with the RDS API: %w", tried, err)
	}
	if err := k.config.RDS.Await(ctx, db, c.Log); err != nil {
		return nil, fmt.Errorf("RDS was asked to set the AWSCURRENT password, and the next attempt continues from there: %w", err)
	}
	own, err := k.login(ctx, current, "")
	if err != nil {
		return nil, fmt.Errorf("RDS was asked to set the AWSCURRENT password, and the next attempt continues from there: %w", err)
	}
	c.Log.Error("recovered: the server refused every known password, so RDS was asked to set the one in AWSCURRENT, which is accepted now: find out who changed it",
		"alarm", "recovered", "refused", tried, "database", db.Identifier, "user", current.user)
	return own, nil
}
