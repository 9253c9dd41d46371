package mysqlproxy

import (
	"bytes"
	"errors"

	"github.com/go-sql-driver/mysql"
)

// A session is one client's connection, and the proxy's own to the server for it.
type session struct {
	proxy    *Proxy
	number   int
	client   wire
	upstream wire

	user     string
	status   uint16            // as the server last reported it
	prepared map[uint32]string // texts of prepared statements
}

// errClosed says that the session is over, by a fault or by the client's wish.
var errClosed = errors.New("session closed")

// run runs the session until one of the three, client, server or hook, ends it.
func (s *session) run() {
	hello, err := s.handshake()
	if err != nil {
		return
	}
	err = s.login(hello)
	for err == nil {
		err = s.command()
	}
}

// call has the hook decide on a call and acts on it. sequence is that of the call's last packet. ask puts the call to the server
// and returns its reply, as far as the client has not got it yet.
func (s *session) call(c Call, sequence byte, ask func() ([]packet, error)) error {
	c.Conn, c.User = s.number, s.user
	action := s.proxy.decide(c)
	if s.proxy.ctx.Err() != nil {
		return errClosed // while the hook waited
	}

	switch action.Fault {
	case Refuse:
		refusal := action.Error
		if refusal == nil {
			refusal = &mysql.MySQLError{Number: 1105, Message: "refused by the proxy"}
		}
		return s.client.write(newError(sequence+1, refusal))
	case Drop:
		return errClosed
	case Late:
		if c.Kind == Login {
			return errClosed
		}
		s.client.Close()
		select {
		case <-action.Release:
		case <-s.proxy.ctx.Done():
			return errClosed
		}
	}

	reply, err := ask()
	if action.After != nil {
		action.After(outcome(reply, err))
	}
	if err != nil {
		return err
	}
	if action.Fault == LoseReply || action.Fault == Late {
		return errClosed
	}
	return s.client.write(reply...)
}

// outcome tells what the server did: nil if it did what was asked.
func outcome(reply []packet, err error) error {
	if err != nil {
		return err
	}
	// An error ends a reply, also one that began as a list of rows.
	if last := reply[len(reply)-1]; last.is(errHeader) {
		return parseError(last)
	}
	return nil
}

// login relays the exchange that begins with the client's first packet under TLS.
func (s *session) login(hello packet) error {
	user, ok := loginUser(hello)
	if !ok {
		return errMalformed
	}
	s.user = user

	var final packet
	err := s.call(Call{Kind: Login}, hello.sequence(), func() ([]packet, error) {
		var err error
		final, err = s.authenticate(hello)
		return []packet{final}, err
	})
	if err != nil {
		return err
	}
	// No reply, if the hook refused it.
	if final == nil || final.is(errHeader) {
		return errClosed
	}
	s.status, err = okStatus(final)
	return err
}

// authenticate relays all of a login but the server's verdict, which it returns. The server may ask more than once, as MariaDB does
// for the second of two passwords. Nothing in it binds to the TLS connection, so it goes through whatever the plugin. (From 11.4
// MariaDB's verdict also vouches for its certificate, which matters to clients that have no other way to verify it.)
func (s *session) authenticate(fromClient packet) (packet, error) {
	for {
		err := s.upstream.write(fromClient)
		if err != nil {
			return nil, err
		}
		for {
			p, err := s.upstream.read()
			if err != nil {
				return nil, err
			}
			if p.is(okHeader) || p.is(errHeader) {
				return p, nil
			}
			err = s.client.write(p)
			if err != nil {
				return nil, err
			}
			// caching_sha2_password found the password in its cache: the verdict follows, the client has nothing to add.
			fastAuthenticated := bytes.Equal(p.payload(), []byte{authMoreHeader, 3})
			if !fastAuthenticated {
				break
			}
		}
		fromClient, err = s.client.read()
		if err != nil {
			return nil, err
		}
	}
}

// loginUser returns the user in the client's first packet under TLS.
func loginUser(hello packet) (string, bool) {
	const start = 4 + 4 + 1 + 23 // capabilities, largest packet, character set, reserved
	if len(hello.payload()) < start {
		return "", false
	}
	user, _, ok := bytes.Cut(hello.payload()[start:], []byte{0})
	return string(user), ok
}
