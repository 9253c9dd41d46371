package database

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	connectTimeout = 5 * time.Second
	// statementTimeout is above lockWait, so that MySQL gives up first and
	// says why.
	statementTimeout = 15 * time.Second
	// lockWait bounds how long an ALTER USER waits for another one, and so
	// how late one can be applied whose client has died: MySQL's
	// lock_wait_timeout, in seconds. Its default is a year.
	lockWait = 5
)

// session is one connection: what is set on it holds for every statement, and
// none of them moves to another connection unnoticed.
type session struct {
	db   *sql.DB
	conn *sql.Conn
	a    account
}

// login opens a connection as the account, to no database: a password can be
// right and the database refused (1044).
func (k *Kind) login(ctx context.Context, a account, database string) (*session, error) {
	tlsConfig, err := k.tls()
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.User, config.Passwd = a.user, a.password
	config.Net, config.Addr = "tcp", a.address()
	config.DBName = database
	config.TLS = tlsConfig.Clone()
	config.TLS.ServerName = a.host
	config.Timeout = connectTimeout
	config.ReadTimeout, config.WriteTimeout = statementTimeout, statementTimeout
	config.InterpolateParams = true // ALTER USER cannot be prepared (1064)
	config.ConnectionAttributes = "program_name:mautic-rotation"
	config.Logger = &mysql.NopLogger{} // errors are returned; nothing goes to stderr
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("the parameters of the login: %w", err)
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, explain(err, a)
	}
	return &session{db: db, conn: conn, a: a}, nil
}

func (s *session) close() {
	s.conn.Close()
	s.db.Close()
}

// exec runs a statement. Its arguments are put into the text by the driver,
// quoted for this connection's SQL mode.
func (s *session) exec(ctx context.Context, statement string, args ...any) error {
	_, err := s.conn.ExecContext(ctx, statement, args...)
	return err
}

func (s *session) queryRow(ctx context.Context, query string, args []any, into ...any) error {
	return s.conn.QueryRowContext(ctx, query, args...).Scan(into...)
}

// idleLimit is how long the server keeps a connection that it hears nothing of,
// in seconds: longer than any watch, and not the 8 hours of its default for the
// locks of a function that is gone without a word.
const idleLimit = 900

// boundWaits makes a statement that waits for a lock fail with 1205 soon, and
// the server give up a lost connection.
func (s *session) boundWaits(ctx context.Context) error {
	return explain(s.exec(ctx, "SET SESSION lock_wait_timeout = ?, wait_timeout = ?", lockWait, idleLimit), s.a)
}

// lock keeps changes of the account's password apart, at the server. The lock
// belongs to the connection: it ends with it, but not before a statement that
// the server still executes for a client that has died.
func (s *session) lock(ctx context.Context) error {
	if err := s.boundWaits(ctx); err != nil {
		return err
	}
	got, err := s.tryLock(ctx, "set", lockWait)
	if err != nil {
		return err
	}
	if !got {
		return fmt.Errorf("another change of the password of %s is under way and did not end within %d s: try again", s.a, lockWait)
	}
	return nil
}

// tryLock takes a lock of this account's, waiting for some seconds at most. It
// is released when the connection ends.
func (s *session) tryLock(ctx context.Context, purpose string, wait int) (bool, error) {
	var got *int // NULL when the server could not tell
	// A lock's name has at most 64 characters, an account's has more.
	err := s.queryRow(ctx, "SELECT GET_LOCK(CONCAT('mautic-rotation/', ?, '/', LEFT(SHA2(CURRENT_USER(), 256), 32)), ?)", []any{purpose, wait}, &got)
	if err != nil {
		return false, explain(err, s.a)
	}
	return got != nil && *got == 1, nil
}
