package database

import (
	"context"
	"fmt"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
)

var _ credential.Revoker = (*Kind)(nil)

// Revoke ends the account's connections, because the server keeps those that were opened with a
// retired password. It does not show which password a connection was opened with, so all of them
// end, except this function's own; an application connects again. Ending one's own account's
// connections needs no privilege.
func (k *Kind) Revoke(ctx context.Context, o credential.Overlap) (what string, err error) {
	current, err := k.account(ctx, o.Current)
	if err != nil {
		return "", err
	}
	s, err := k.login(ctx, current, "")
	if err != nil {
		return "", fmt.Errorf("log in with the AWSCURRENT password: %w", err)
	}
	defer s.Close()
	others, err := s.otherConnections(ctx)
	if err != nil {
		return "", err
	}
	ended := 0
	for _, id := range others {
		err := s.Exec(ctx, "KILL CONNECTION ?", id)
		if mysql.Is(err, mysql.NoSuchThread) {
			continue // it has ended by itself
		}
		if err != nil {
			return "", explain(err, current)
		}
		ended++
	}
	o.Log.Warn("ended the account's connections", "audit", "revoked", "connections", ended)
	return fmt.Sprintf("%d connections of %s", ended, current), nil
}

// otherConnections are those of the session's account, except its own and those that hold this
// function's locks.
func (s *session) otherConnections(ctx context.Context) (ids []uint64, err error) {
	err = s.Rows(ctx, `SELECT ID FROM information_schema.PROCESSLIST
		WHERE USER = ? AND ID <> CONNECTION_ID() AND ID <> COALESCE(IS_USED_LOCK(?), 0) AND ID <> COALESCE(IS_USED_LOCK(?), 0)`,
		[]any{s.a.user, mysql.LockName("set", s.a.user), mysql.LockName("end", s.a.user)}, func(scan func(...any) error) error {
			var id uint64
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	return ids, explain(err, s.a)
}
