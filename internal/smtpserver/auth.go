package smtpserver

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
)

var errRefused = errors.New("the credentials are refused")

// auth is the dialogue of RFC 4954.
func (c *session) auth(rest string) string {
	mechanism, initial, given := strings.Cut(rest, " ")
	mechanism = strings.ToUpper(mechanism)
	switch {
	case !c.secure:
		return StartTLSFirst
	case !c.greeted || c.username != "" || c.opened:
		return badSequence
	case !slices.Contains(c.srv.options.Mechanisms, mechanism):
		return "504 Unrecognized authentication type"
	}
	username := ""
	check := func(user, password string) error {
		if !c.srv.login(user, password) {
			return errRefused
		}
		username = user
		return nil
	}
	var server sasl.Server
	switch mechanism {
	case sasl.Plain:
		server = sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) })
	case sasl.Login:
		server = &loginServer{check: check}
	}

	var response []byte // nil until the client has given one
	for {
		if given {
			var err error
			if response, err = decode(initial); err != nil {
				return "501 Invalid base64 data"
			}
		}
		challenge, done, err := server.Next(response)
		switch {
		case errors.Is(err, errRefused):
			return AuthenticationInvalid
		case err != nil:
			return "501 Invalid authentication data"
		case done:
			c.username = username
			return "235 Authentication successful."
		}
		c.say("334 " + base64.StdEncoding.EncodeToString(challenge))
		initial, err = c.text.ReadLine()
		if err != nil {
			return ""
		}
		if initial == "*" {
			return "501 Authentication cancelled"
		}
		given = true
	}
}

// decode reads a response, for which "=" is an empty one.
func decode(response string) ([]byte, error) {
	if response == "=" {
		return []byte{}, nil
	}
	return base64.StdEncoding.DecodeString(response)
}

// login judges an attempt and keeps it.
func (s *Server) login(username, password string) bool {
	accepted := s.options.Accept(username, password)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins = append(s.logins, Login{Username: username, Accepted: accepted})
	return accepted
}

// loginServer is the mechanism LOGIN, which no RFC describes: two questions, in words that clients look for. The answer to
// the first may come with the command.
type loginServer struct {
	check    func(username, password string) error
	named    bool
	username string
}

// Next takes a response and asks the next question.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case !l.named:
		l.named, l.username = true, string(response)
		return []byte("Password:"), false, nil
	default:
		return nil, true, l.check(l.username, string(response))
	}
}
