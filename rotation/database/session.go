package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/mysql"
)

// session is one connection of an account.
type session struct {
	*mysql.Session
	a account
}

// Open logs in with the document's credentials, to its database, when the result is first used.
// It is for kinds whose credentials are in the tables there. The caller closes it.
func (k *Kind) Open(ctx context.Context, d document.Document) (*sql.DB, error) {
	a, err := k.account(ctx, d)
	if err != nil {
		return nil, err
	}
	if a.name == "" {
		return nil, errors.New("no database name: add it to the secret, or set DATABASE_NAME")
	}
	return k.open(ctx, a, a.name)
}

// login opens a connection as the account, to no database: the password can be right and the
// database refused (1044). It makes one attempt.
func (k *Kind) login(ctx context.Context, a account, database string) (*session, error) {
	db, err := k.open(ctx, a, database)
	if err != nil {
		return nil, err
	}
	s, err := mysql.Connect(ctx, db)
	if err != nil {
		return nil, explain(err, a)
	}
	return &session{s, a}, nil
}

// open makes a pool that logs in as the account.
func (k *Kind) open(ctx context.Context, a account, database string) (*sql.DB, error) {
	scrub.FromContext(ctx).Add(a.password) // an administrator's is in no document of the engine's
	tlsConfig, err := k.tls()
	if err != nil {
		return nil, err
	}
	address, host := a.dial()
	return mysql.Open(mysql.Login{User: a.user, Password: a.password, Address: address, Database: database, TLS: tlsConfig, ServerName: host})
}

// execWithRoles is Exec, with all of the user's roles active if necessary: on MySQL a privilege
// from a role counts only while the role is active.
func (s *session) execWithRoles(ctx context.Context, statement string, args ...any) error {
	err := s.Exec(ctx, statement, args...)
	if !mysql.Is(err, mysql.NoPrivilege) {
		return err
	}
	if roleErr := s.Exec(ctx, "SET ROLE ALL"); roleErr != nil { // MariaDB has no such statement
		return err
	}
	return s.Exec(ctx, statement, args...)
}

// boundWaits is BoundWaits, explained.
func (s *session) boundWaits(ctx context.Context) error {
	return explain(s.BoundWaits(ctx), s.a)
}

// lock keeps changes of a user's password apart, at the server, until the session is closed.
func (s *session) lock(ctx context.Context, user string) error {
	if err := s.boundWaits(ctx); err != nil {
		return err
	}
	got, err := s.tryLock(ctx, "set", user, mysql.LockWait)
	if err != nil {
		return err
	}
	if !got {
		return &credential.Failure{
			Outcome: credential.Unknown, Temporary: true,
			Problem: fmt.Sprintf("another change of the password of %s is in progress and did not end within %d s", user, mysql.LockWait), Remedy: "try again",
		}
	}
	return nil
}

// tryLock takes a lock on a user, waiting for some seconds at most. It is released when the
// connection ends. Its name comes from the user who is changed, not from who changes it, so that
// an administrator and the account itself, and logins that match different accounts of one user,
// exclude each other.
func (s *session) tryLock(ctx context.Context, purpose, user string, wait int) (bool, error) {
	got, err := s.TryLock(ctx, mysql.LockName(purpose, user), wait)
	return got, explain(err, s.a)
}

// quiet is for what has been logged before, or is not to be.
var quiet = slog.New(slog.DiscardHandler)
