package mysql

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

const (
	// ConnectTimeout is for the connection alone.
	ConnectTimeout = 5 * time.Second

	// StatementTimeout is above LockWait, so that the server gives up first and
	// says why.
	StatementTimeout = 15 * time.Second

	// LockWait bounds how long a statement waits for another one's locks, in
	// seconds, and so how late one can be applied whose client has died. The
	// servers' default for InnoDB's locks is 50 s, and for those on accounts and
	// tables (lock_wait_timeout) a day or a year.
	LockWait = 5

	// IdleLimit is how long the server keeps a connection that it hears nothing
	// of, in seconds: longer than any watch. Its default of 8 hours is too long
	// for the locks of a function that was killed.
	IdleLimit = 900
)

// A Login is who logs in where.
type Login struct {
	User, Password string
	Address        string // "host:port"
	Database       string // may be empty: a password can be right and the database refused (1044)

	// TLS is how the server is verified, for ServerName; nil means plaintext. In
	// plaintext the driver proves the password by a hash, or encrypts it with a
	// key that the server hands out. It never sends it in clear, whatever the
	// server asks for, and never falls back from TLS.
	TLS        *tls.Config
	ServerName string
}

// Open makes a pool that logs in so, when it is first used. The driver puts
// arguments into the text of statements, quoted for the connection's SQL mode:
// ALTER USER cannot be prepared (1064).
func Open(l Login) (*sql.DB, error) {
	config := driver.NewConfig()
	config.User, config.Passwd = l.User, l.Password
	config.Net, config.Addr, config.DBName = "tcp", l.Address, l.Database
	if l.TLS != nil {
		config.TLS = l.TLS.Clone()
		config.TLS.ServerName = l.ServerName
	}
	config.AllowCleartextPasswords, config.AllowOldPasswords, config.AllowFallbackToPlaintext = false, false, false
	config.Timeout = ConnectTimeout
	config.ReadTimeout, config.WriteTimeout = StatementTimeout, StatementTimeout
	config.InterpolateParams = true
	config.ConnectionAttributes = "program_name:mautic-rotation"
	config.Logger = &driver.NopLogger{} // errors are returned; nothing goes to stderr
	connector, err := driver.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("the parameters of the login: %w", err)
	}
	return sql.OpenDB(connector), nil
}

// A Session is one connection: what is set on it, and the locks that it holds,
// are of every statement, and none of them moves to another connection unnoticed.
// No statement takes longer than StatementTimeout.
type Session struct {
	db   *sql.DB
	conn *sql.Conn

	locked bool // it has taken a lock
}

// Connect logs in. It makes one attempt, whatever happens: a certificate error
// that is tried again and again has the server block this host (1129). The
// session owns the pool from then on, and closes it, if it cannot connect too.
func Connect(ctx context.Context, db *sql.DB) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, err
	}
	return &Session{db: db, conn: conn}, nil
}

// releaseTime is for releasing locks. The server releases them anyway, a moment after the
// connection has ended.
const releaseTime = time.Second

// Close releases the session's locks, and ends the connection. Without the first, whoever
// asks for a lock right after could be told that it is taken. (MariaDB has the statement from
// 10.5.2 on; before, the end of the connection has to do.)
func (s *Session) Close() {
	if s.locked {
		ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
		_, _ = s.conn.ExecContext(ctx, "DO RELEASE_ALL_LOCKS()")
		cancel()
	}
	s.conn.Close()
	s.db.Close()
}

// BoundWaits makes a statement that waits for a lock fail with 1205 soon, and the
// server give up a lost connection.
func (s *Session) BoundWaits(ctx context.Context) error {
	return s.Exec(ctx, fmt.Sprintf("SET SESSION innodb_lock_wait_timeout = %d, lock_wait_timeout = %d, wait_timeout = %d", LockWait, LockWait, IdleLimit))
}

// Exec runs a statement. It does not tell how many rows it has changed: the
// server may count those that it has found instead (clientFoundRows), so whoever
// needs to know reads back.
func (s *Session) Exec(ctx context.Context, statement string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	_, err := s.conn.ExecContext(ctx, statement, args...)
	return err
}

// Row reads one row; sql.ErrNoRows if there is none.
func (s *Session) Row(ctx context.Context, query string, args []any, into ...any) error {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	return s.conn.QueryRowContext(ctx, query, args...).Scan(into...)
}

// Rows calls each for each row.
func (s *Session) Rows(ctx context.Context, query string, args []any, each func(scan func(...any) error) error) error {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Texts reads one column.
func (s *Session) Texts(ctx context.Context, query string, args ...any) (found []string, err error) {
	err = s.Rows(ctx, query, args, func(scan func(...any) error) error {
		var text string
		err := scan(&text)
		found = append(found, text)
		return err
	})
	return found, err
}

// TryLock takes a lock at the server, and waits for some seconds at most. The
// lock belongs to the connection: it ends with it, but not before a statement
// that the server still executes for a client that has died. false: another
// session has it.
func (s *Session) TryLock(ctx context.Context, name string, wait int) (bool, error) {
	var got *int // NULL when the server could not tell
	err := s.Row(ctx, "SELECT GET_LOCK(?, ?)", []any{name, wait}, &got)
	if err != nil || got == nil || *got != 1 {
		return false, err
	}
	s.locked = true
	return true, nil
}

// LockName names a lock by its purpose and by what it is on. Names hold for the
// whole server, and have at most 64 characters, so what it is on is hashed. A
// purpose has at most 15.
func LockName(purpose, identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return "mautic-rotation/" + purpose + "/" + hex.EncodeToString(sum[:16])
}
