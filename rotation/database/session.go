package database

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/document"
)

const (
	connectTimeout = 5 * time.Second
	// statementTimeout is above lockWait, so that MySQL gives up first and
	// says why.
	statementTimeout = 15 * time.Second
	// lockWait bounds how long an ALTER USER waits for another one, and so
	// how late one can be applied whose client has died: the server's
	// lock_wait_timeout, in seconds. Its default is a day or a year.
	lockWait = 5
)

// session is one connection: what is set on it holds for every statement, and
// none of them moves to another connection unnoticed.
type session struct {
	db   *sql.DB
	conn *sql.Conn
	a    account
}

// Open logs in with the document's credentials, to its database, when what it
// returns is first used. It is for kinds whose credentials are in the tables
// there. The caller closes it.
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

// login opens a connection as the account, to no database: a password can be
// right and the database refused (1044). It makes one attempt, whatever
// happens: a certificate error that is tried again and again has the server
// block this host (1129).
func (k *Kind) login(ctx context.Context, a account, database string) (*session, error) {
	db, err := k.open(ctx, a, database)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, explain(err, a)
	}
	return &session{db: db, conn: conn, a: a}, nil
}

// open makes a pool that logs in as the account.
func (k *Kind) open(ctx context.Context, a account, database string) (*sql.DB, error) {
	scrub.FromContext(ctx).Add(a.password) // an administrator's is in no document of the engine's
	tlsConfig, err := k.tls()
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.User, config.Passwd = a.user, a.password
	address, host := a.dial()
	config.Net, config.Addr = "tcp", address
	config.DBName = database
	if tlsConfig != nil {
		config.TLS = tlsConfig.Clone()
		config.TLS.ServerName = host
	}
	// In plaintext, which takes a setting, the driver proves the password by
	// a hash or encrypts it with a key that the server hands out. It never
	// sends it in clear, whatever the server asks for.
	config.AllowCleartextPasswords, config.AllowOldPasswords, config.AllowFallbackToPlaintext = false, false, false
	config.Timeout = connectTimeout
	config.ReadTimeout, config.WriteTimeout = statementTimeout, statementTimeout
	config.InterpolateParams = true // ALTER USER cannot be prepared (1064)
	config.ConnectionAttributes = "program_name:mautic-rotation"
	config.Logger = &mysql.NopLogger{} // errors are returned; nothing goes to stderr
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("the parameters of the login: %w", err)
	}
	return sql.OpenDB(connector), nil
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

// execWithRoles is exec, with all roles of the user active if need be: on MySQL
// a privilege that comes from a role counts only while the role is active.
func (s *session) execWithRoles(ctx context.Context, statement string, args ...any) error {
	err := s.exec(ctx, statement, args...)
	if !isNumber(err, errNoPrivilege) {
		return err
	}
	if roleErr := s.exec(ctx, "SET ROLE ALL"); roleErr != nil { // MariaDB has no such statement
		return err
	}
	return s.exec(ctx, statement, args...)
}

func (s *session) queryRow(ctx context.Context, query string, args []any, into ...any) error {
	return s.conn.QueryRowContext(ctx, query, args...).Scan(into...)
}

// texts runs a query of one column.
func (s *session) texts(ctx context.Context, query string, args ...any) (found []string, err error) {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		found = append(found, text)
	}
	return found, rows.Err()
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

// lock keeps changes of an account's password apart, at the server. The lock
// belongs to the connection: it ends with it, but not before a statement that
// the server still executes for a client that has died.
func (s *session) lock(ctx context.Context, identity string) error {
	if err := s.boundWaits(ctx); err != nil {
		return err
	}
	got, err := s.tryLock(ctx, "set", identity, lockWait)
	if err != nil {
		return err
	}
	if !got {
		return fmt.Errorf("another change of the password of %s is under way and did not end within %d s: try again", identity, lockWait)
	}
	return nil
}

// tryLock takes a lock of an account's, waiting for some seconds at most. It
// is released when the connection ends. The name comes from the account that is
// changed, as CURRENT_USER() gives it, and not from who changes it: an
// administrator and the account itself keep out of each other's way.
func (s *session) tryLock(ctx context.Context, purpose, identity string, wait int) (bool, error) {
	var got *int // NULL when the server could not tell
	err := s.queryRow(ctx, "SELECT GET_LOCK(?, ?)", []any{lockName(purpose, identity), wait}, &got)
	if err != nil {
		return false, explain(err, s.a)
	}
	return got != nil && *got == 1, nil
}

// lockName has at most 64 characters, the most that servers take. An account's
// own name can have more.
func lockName(purpose, identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return "mautic-rotation/" + purpose + "/" + hex.EncodeToString(sum[:16])
}

// quiet is for what has been logged before, or is not to be.
var quiet = slog.New(slog.DiscardHandler)
