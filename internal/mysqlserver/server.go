// Package mysqlserver runs a real MySQL or MariaDB server on loopback, for tests and for the local demo.
//
//	server, err := mysqlserver.Start(ctx, mysqlserver.Options{})
//	if err != nil {
//		return err
//	}
//	defer server.Close()
//	err = server.CreateUser(ctx, "mautic", "%", password, "ALL ON mautic.*")
//
// Which versions there are is pinned (see [Pinned]), so that tests say the same on every machine. Nothing has to be installed: a
// server is fetched once from the Debian archive into the user's cache directory, else it is a container. One on PATH is used, with
// a warning, where neither can be had. The environment variable MYSQLSERVER=path asks for those on PATH, whatever their versions:
//
//	MYSQLSERVER=path make test
//
// The system itself is never changed. To have a newer release of the same series fetched, remove its directory from the cache
// (Origin says where it is). Every server is empty, has its own certificate and its own random root password, accepts TLS only, and
// dies with the process that started it. A MariaDB that was fetched has its plugins beside it, of which none is installed; a MySQL
// has those that are built in.
//
// Durability is switched off to make it fast. Never keep anything in it.
package mysqlserver

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"mautic-rotation/internal/mysqlserver/loopbacktls"
)

// Options say which server to start, and how. The zero value is a MySQL server.
type Options struct {
	// Series is the make of the server and its release series; empty means MySQL.
	Series Series

	// Progress is told what is about to take long (a download, an initialisation), in a sentence for people. It may be nil.
	Progress func(message string)

	// Args are further arguments for the server, such as "--log-error-verbosity=3". They come last, so they win.
	Args []string
}

// ErrUnavailable is matched by Start's error when there is no server on this machine and none can be fetched, as opposed to a
// server that does not start. The error names what was tried and what to install.
var ErrUnavailable = errors.New("no server to be had")

// A Server is a running server. Its methods may be used concurrently.
type Server struct {
	series       Series
	origin       string
	version      string
	port         int
	rootPassword string
	tls          *tls.Config
	admin        *sql.DB
	dir          *runDir
	process      *process

	closing  sync.Once
	closeErr error
}

// Start starts a server and returns once it accepts logins. The first start on a machine may have to fetch the server and to
// initialise a data directory, which takes ten seconds or more; later ones take about one.
//
// ctx bounds the start only: the server runs until Close, or until the process that started it ends, however it ends.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Series == "" {
		o.Series = MySQL
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	in, err := findSeries(ctx, o.Series, o.Progress)
	if err != nil {
		return nil, err
	}

	// A server cannot be told to take any free port and say which, so a port is chosen for it, and may be gone by the time it
	// binds.
	for range 4 {
		s, err := in.start(ctx, o)
		if errors.Is(err, errPortTaken) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("starting %s: %w", in.origin, err)
		}
		return s, nil
	}
	return nil, fmt.Errorf("starting %s: %w each time: see what takes ports on 127.0.0.1 so fast", in.origin, errPortTaken)
}

// Fetch fetches a server, unless it is there, prepares its data directory, and returns its origin (see [Server.Origin]). Later
// starts then take about a second. progress is as in [Options].
func Fetch(ctx context.Context, series Series, progress func(message string)) (origin string, err error) {
	in, err := findSeries(ctx, series, progress)
	if err != nil {
		return "", err
	}
	if in.engine != "" {
		return in.origin, nil
	}
	_, err = in.template(ctx, progress)
	if err != nil {
		return "", err
	}
	return in.origin, nil
}

func findSeries(ctx context.Context, series Series, progress func(string)) (*installation, error) {
	how, known := recipeOf(series)
	if !known {
		return nil, fmt.Errorf("unknown series %q: use one of %q", series, Pinned())
	}
	return find(ctx, how, progress)
}

// start makes one attempt at starting a server, in a directory and on a port of its own.
func (in *installation) start(ctx context.Context, o Options) (*Server, error) {
	dir, err := newRunDir()
	if err != nil {
		return nil, err
	}
	s := &Server{series: in.how.series, origin: in.origin, rootPassword: rand.Text(), dir: dir}
	err = s.start(ctx, in, o)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, in *installation, o Options) error {
	// The server could make its own certificate, but without a subject alternative name, which Go does not accept.
	certificate, err := loopbacktls.Write(s.dir.tls())
	if err != nil {
		return fmt.Errorf("making its certificate: %w", err)
	}
	s.tls = certificate.Client
	s.port, err = freePort()
	if err != nil {
		return err
	}
	p, err := in.serve(ctx, s, o)
	if err != nil {
		return err
	}
	err = p.start(s.dir.log())
	if err != nil {
		return err
	}
	s.process = p
	err = s.awaitLogin(ctx)
	if err != nil {
		return err
	}
	// It held the root password, which the server has read by now.
	os.Remove(s.dir.initFile())
	return nil
}

// freePort returns a port on 127.0.0.1 that nothing listens on at the moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Addr returns the server's address, "127.0.0.1:port".
func (s *Server) Addr() string { return net.JoinHostPort(s.Host(), strconv.Itoa(s.port)) }

// Host returns the server's IP address, "127.0.0.1".
func (s *Server) Host() string { return "127.0.0.1" }

// Port returns the server's port.
func (s *Server) Port() int { return s.port }

// CAFile returns the path of the PEM file with the CA that signed the server's certificate. The certificate is good for
// 127.0.0.1, ::1 and localhost. The file goes away with the server.
func (s *Server) CAFile() string { return filepath.Join(s.dir.tls(), loopbacktls.CAFile) }

// TLSConfig returns the settings of a client that verifies the server's certificate.
func (s *Server) TLSConfig() *tls.Config { return s.tls.Clone() }

// Admin returns root's connection pool. Do not close it; Close does.
func (s *Server) Admin() *sql.DB { return s.admin }

// Series returns the series that the server was started as. One on PATH may be of another: what a test expects of a server has to
// follow [Server.Version].
func (s *Server) Series() Series { return s.series }

// IsMariaDB tells whether the server is MariaDB.
func (s *Server) IsMariaDB() bool { return s.series.IsMariaDB() }

// AtLeast tells whether the server's version is that of these numbers, the most important first, or a later one.
func (s *Server) AtLeast(numbers ...int) bool {
	return slices.Compare(releaseOf(s.version), numbers) >= 0
}

// Version returns the server's version as its VERSION() says, such as "8.4.3" or "11.8.9-MariaDB".
func (s *Server) Version() string { return s.version }

// Origin says in one line, for people, which server this is and where it came from.
func (s *Server) Origin() string { return s.origin }

// Close ends the server and removes its directory. It may be called more than once.
func (s *Server) Close() error {
	s.closing.Do(func() {
		if s.admin != nil {
			s.admin.Close()
		}
		if s.process != nil {
			// A clean shutdown takes MySQL a second and a half, for data that is about to be deleted.
			s.process.kill()
		}
		s.closeErr = s.dir.remove()
	})
	return s.closeErr
}
