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
	// ConnectTimeout bounds connecting alone.
	ConnectTimeout = 5 * time.Second

	// StatementTimeout is longer than LockWait, so that the server gives up first and says why.
	StatementTimeout = 15 * time.Second

	// LockWait bounds how long a statement waits for locks, in seconds, and so how late a
	// statement can take effect after its client has died. The servers' default is 50 s for
	// InnoDB's locks, and a day or a year for those on accounts and tables (lock_wait_timeout).
	LockWait = 5

	// IdleLimit is how long the server keeps an idle connection, in seconds: longer than any
	// watch. The default of 8 hours is too long for the locks of a function that was killed.
	IdleLimit = 900
)

// A Login says who logs in where.
type Login struct {
	User, Password string
	Address        string // "host:port"
	Database       string // may be empty: the password can be right and the database refused (1044)

	// TLS is how the server, as ServerName, is verified; nil means plaintext. Even then the
	// driver proves the password with a hash, or encrypts it with a key from the server. It never
	// sends the password in the clear, whatever the server asks for, and never falls back from
	// TLS.
	TLS        *tls.Config
	ServerName string
}

// Open makes a pool that logs in when it is first used. The driver interpolates arguments into
// statements, quoted for the connection's SQL mode, because ALTER USER cannot be prepared (1064).
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

// A Session is a single connection. Its settings and locks apply to every statement, and no
// statement silently moves to another connection. No statement takes longer than
// StatementTimeout.
type Session struct {
	db   *sql.DB
	conn *sql.Conn

	locked bool // it has taken a lock
}

// Connect logs in. It makes one attempt only: a certificate error that is repeated makes the
// server block this host (1129). The session owns the pool from then on, and closes it even if it
// cannot connect.
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

// releaseTime bounds releasing locks. The server releases them anyway, soon after the connection
// has ended.
const releaseTime = time.Second

// Close releases the session's locks, and ends the connection. Without an explicit release,
// whoever asks for a lock right after could be told that it is taken. (MariaDB has the statement
// since 10.5.2; before, ending the connection has to do.)
func (s *Session) Close() {
	if s.locked {
		ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
		_, _ = s.conn.ExecContext(ctx, "DO RELEASE_ALL_LOCKS()")
		cancel()
	}
	s.conn.Close()
	s.db.Close()
}

// BoundWaits makes a statement that waits for a lock fail soon with 1205, and makes the server
// drop a lost connection.
func (s *Session) BoundWaits(ctx context.Context) error {
	return s.Exec(ctx, fmt.Sprintf("SET SESSION innodb_lock_wait_timeout = %d, lock_wait_timeout = %d, wait_timeout = %d", LockWait, LockWait, IdleLimit))
}

// Exec runs a statement. It does not return how many rows it has changed: the server may count
// those that it found instead (clientFoundRows), so callers who need to know read back.
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

// TryLock takes a lock at the server, and waits for some seconds at most. The lock belongs to the
// connection and ends with it, but not before a statement that the server is still executing for
// a client that has died. false: another session has it.
func (s *Session) TryLock(ctx context.Context, name string, wait int) (bool, error) {
	var got *int // NULL if the server could not tell
	err := s.Row(ctx, "SELECT GET_LOCK(?, ?)", []any{name, wait}, &got)
	if err != nil || got == nil || *got != 1 {
		return false, err
	}
	s.locked = true
	return true, nil
}

// LockName names a lock by its purpose and what it is on. Names are global to the server and have
// at most 64 characters, so what the lock is on is hashed. A purpose has at most 15.
func LockName(purpose, identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return "mautic-rotation/" + purpose + "/" + hex.EncodeToString(sum[:16])
}
