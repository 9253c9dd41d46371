package mysqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// startTimeout bounds the wait for the first login. A start takes about a second, but a container's image may have to be
// downloaded first.
const startTimeout = 5 * time.Minute

// errPortTaken says that another process took the chosen port before the server did.
var errPortTaken = errors.New("the chosen port was taken")

// CreateUser creates the account user@host and grants it privileges, each written as in a GRANT statement: "ALL ON mautic.*",
// "APPLICATION_PASSWORD_ADMIN ON *.*". Name, host and password may hold any characters; a privilege is taken as it is.
func (s *Server) CreateUser(ctx context.Context, user, host, password string, privileges ...string) error {
	// The driver puts the values into the statement itself (InterpolateParams): servers cannot prepare account statements.
	_, err := s.admin.ExecContext(ctx, "CREATE USER ?@? IDENTIFIED BY ?", user, host, password)
	if err != nil {
		return fmt.Errorf("creating user %s@%s: %w", user, host, err)
	}
	for _, privilege := range privileges {
		_, err := s.admin.ExecContext(ctx, "GRANT "+privilege+" TO ?@?", user, host)
		if err != nil {
			return fmt.Errorf("granting %s to %s@%s: %w", privilege, user, host, err)
		}
	}
	return nil
}

// Login makes one fresh login over verified TLS, and ends it. A refusal can be had with errors.As as a *mysql.MySQLError:
// number 1045 is a wrong password or an unknown user. database may be empty.
func (s *Server) Login(ctx context.Context, user, password, database string) error {
	db, err := s.Open(user, password, database)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.PingContext(ctx)
}

// Accepts makes one fresh login by the server's socket, which takes a fifth of Login's time, and ends it: for those who ask
// whether a password is accepted, and ask often. A server in a container has no socket here: there it is Login.
func (s *Server) Accepts(ctx context.Context, user, password, database string) error {
	if _, err := os.Stat(s.dir.socket()); err != nil {
		return s.Login(ctx, user, password, database)
	}
	config := mysql.NewConfig()
	config.Net, config.Addr = "unix", s.dir.socket()
	config.User, config.Passwd, config.DBName = user, password, database
	config.Logger = &mysql.NopLogger{} // as in Open
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	connection, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	return connection.Close()
}

// Open returns a pool that logs in as user, verifying the server.
func (s *Server) Open(user, password, database string) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.Net = "tcp"
	config.Addr = s.Addr()
	config.User = user
	config.Passwd = password
	config.DBName = database
	config.TLS = s.TLSConfig()
	config.InterpolateParams = true
	// The driver would write each refused connection to standard error, though it also returns it.
	config.Logger = &mysql.NopLogger{}

	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// awaitLogin waits until root can log in, or the server has died.
func (s *Server) awaitLogin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	admin, err := s.Open("root", s.rootPassword, "")
	if err != nil {
		return err
	}
	s.admin = admin

	// Nothing tells when a server listens, except trying.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := admin.QueryRowContext(ctx, "SELECT VERSION()").Scan(&s.version)
		// Another process may have taken the port, and may even answer: what counts is that this server still lives.
		if s.process.exited() {
			return s.diedEarly()
		}
		if err == nil {
			return nil
		}
		var refusal *mysql.MySQLError
		if errors.As(err, &refusal) {
			// It has root's password from its first moment, so this is another server, which took the port. This one is about to
			// notice.
			return s.awaitEnd(err)
		}
		select {
		case <-s.process.done:
			return s.diedEarly()
		case <-ctx.Done():
			return fmt.Errorf("waiting for its first login: %w (%w); its log ends:\n%s", err, ctx.Err(), tail(s.dir.log()))
		case <-tick.C:
		}
	}
}

// awaitEnd gives the server the time to end by itself, after root's login was refused: a busy machine takes seconds.
func (s *Server) awaitEnd(refusal error) error {
	select {
	case <-s.process.done:
		return s.diedEarly()
	case <-time.After(time.Minute):
		return fmt.Errorf("logging in as root: %w; its log ends:\n%s", refusal, tail(s.dir.log()))
	}
}

// diedEarly explains why the server ended before it accepted a login.
func (s *Server) diedEarly() error {
	// Not in its end alone: one that logs notes too has much to say about its shutdown.
	log, err := os.ReadFile(s.dir.log())
	if err != nil {
		return err
	}
	for _, sign := range []string{
		"Address already in use",    // mysqld and mariadbd
		"port is already allocated", // docker
		"address already in use",    // podman
	} {
		if strings.Contains(string(log), sign) {
			return errPortTaken
		}
	}
	return fmt.Errorf("it ended at once (%w); its log ends:\n%s", s.process.err, tail(s.dir.log()))
}

// tail returns the last lines of a log.
func tail(path string) string {
	const enough = 4096
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > enough {
		if _, err := f.Seek(-enough, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	if len(text) == 0 {
		return "(nothing)"
	}
	return strings.TrimSpace(string(text))
}
