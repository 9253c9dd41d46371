// Package smtpserver stands in for the SMTP endpoint of Amazon SES, on loopback, for tests and for the local demo.
//
//	server, err := smtpserver.Start(smtpserver.Options{Accept: smtpserver.AcceptKeys("eu-west-1", aws.KeyAccepts)})
//	if err != nil {
//		return err
//	}
//	defer server.Close()
//	… STARTTLS on server.Port(), TLS from the start on server.TLSPort(), both verified by server.CAFile() …
//
// It speaks as SES does and answers in its words: AUTH only under TLS, MAIL only after AUTH, 535 for a login that is not
// accepted, 554 for a sender who may not send. What it accepts it keeps, and delivers nowhere. A login is judged when it is
// made, and never again: a connection outlives its credentials.
//
// The dialogue is its own, and not a library's, so that a hook can come between any command and its reply: see
// [Options.Intercept].
package smtpserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/emersion/go-sasl"

	"mautic-rotation/internal/mysqlserver/loopbacktls"
)

// Options of a server. Accept is required.
type Options struct {
	// Accept says whether a user name and a password log in. It is called for every login, from several goroutines.
	Accept func(username, password string) bool

	// Mechanisms are the ways to log in that are offered. Nil means PLAIN and LOGIN, which are all there are.
	Mechanisms []string

	// Denied says who is behind a user name that may log in and may not send: the ARN of an IAM user, which the refusal
	// names. "" lets it send, and so does a nil Denied.
	Denied func(username string) (userARN string)

	// Region is where a refusal says that the sender's identity is. Default us-east-1.
	Region string

	// MaxMessage is how many bytes a message may have. Default SES's 10485760, which a test takes seconds to send.
	MaxMessage int

	// Intercept decides about every command; nil lets all pass. See [Server.Intercept] to change it.
	Intercept func(Command) Fault
}

// A Message is a mail that was accepted.
type Message struct {
	Username string // that logged in to send it
	From     string
	To       []string
	Data     string // header and body, with lines that end in \n
}

// A Login is an attempt to log in that came as far as a password.
type Login struct {
	Username string
	Accepted bool
}

// A Server is a running server. Its methods may be used concurrently.
type Server struct {
	options   Options
	dir       string
	tls       *loopbacktls.Config
	plain     net.Listener // which offers STARTTLS
	encrypted net.Listener
	sessions  sync.WaitGroup

	mu        sync.Mutex
	intercept func(Command) Fault
	closed    bool
	conns     map[net.Conn]bool
	count     int // of the connections so far
	commands  []Command
	logins    []Login
	messages  []Message
}

// Start starts a server on two ports of its own on 127.0.0.1.
func Start(o Options) (_ *Server, err error) {
	if o.Mechanisms == nil {
		o.Mechanisms = []string{sasl.Plain, sasl.Login}
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = defaultMaxMessage
	}
	for _, mechanism := range o.Mechanisms {
		if mechanism != sasl.Plain && mechanism != sasl.Login {
			return nil, fmt.Errorf("the SMTP server does not have the mechanism %q: take %s or %s", mechanism, sasl.Plain, sasl.Login)
		}
	}
	s := &Server{options: o, intercept: o.Intercept, conns: map[net.Conn]bool{}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("starting the SMTP server: %w", err), s.Close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "mautic-rotation-smtp-"); err != nil {
		return nil, err
	}
	if s.tls, err = loopbacktls.Write(filepath.Join(s.dir, "tls")); err != nil {
		return nil, err
	}
	if s.plain, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if s.encrypted, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.sessions.Go(func() { s.accept(s.plain, false) })
	s.sessions.Go(func() { s.accept(s.encrypted, true) })
	return s, nil
}

// accept serves the connections of a listener until it is closed.
func (s *Server) accept(l net.Listener, secure bool) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			conn.Close()
			return
		}
		s.conns[conn] = true
		s.count++
		c := newSession(s, s.count, conn)
		s.sessions.Go(func() {
			c.serve(secure)
			conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
		s.mu.Unlock()
	}
}

// Host returns the server's IP address, "127.0.0.1".
func (s *Server) Host() string { return "127.0.0.1" }

// Port returns the port that offers STARTTLS, as SES's 587 does.
func (s *Server) Port() int { return s.plain.Addr().(*net.TCPAddr).Port }

// TLSPort returns the port that has TLS from the start, as SES's 465 does.
func (s *Server) TLSPort() int { return s.encrypted.Addr().(*net.TCPAddr).Port }

// CAFile returns the path of the PEM file with the CA that signed the server's certificate. The certificate is good for
// 127.0.0.1, ::1 and localhost. The file goes away with the server.
func (s *Server) CAFile() string { return filepath.Join(s.dir, "tls", loopbacktls.CAFile) }

// TLSConfig returns the settings of a client that verifies the server's certificate.
func (s *Server) TLSConfig() *tls.Config { return s.tls.Client.Clone() }

// Messages returns the mails that were accepted so far.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Logins returns the attempts to log in so far.
func (s *Server) Logins() []Login {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.logins)
}

// Commands returns the commands so far, in the order in which they came in.
func (s *Server) Commands() []Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands)
}

// Close ends all connections, waits for the hooks to return, and removes the server's directory. It may be called more than
// once.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	for _, l := range []net.Listener{s.plain, s.encrypted} {
		if l != nil {
			l.Close()
		}
	}
	s.sessions.Wait()
	return os.RemoveAll(s.dir)
}
