package smtpserver

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/textproto"
	"strings"
)

// Replies that have several causes.
const (
	ok          = "250 Ok"
	badSequence = "503 Bad sequence of commands"
)

// defaultMaxMessage is SES's limit for a message by SMTP, as its EHLO says.
const defaultMaxMessage = 10485760

// A session is a connection and how far its dialogue is.
type session struct {
	srv    *Server
	number int
	conn   net.Conn
	text   *textproto.Conn

	secure, greeted bool
	username        string // "" until it has logged in

	// The mail that is being sent. Its sender may be empty, so that opened tells whether there was a MAIL.
	opened bool
	from   string
	to     []string
}

func newSession(s *Server, number int, conn net.Conn) *session {
	return &session{srv: s, number: number, conn: conn, text: textproto.NewConn(conn)}
}

// serve carries out one command after the other, until the client quits, goes away, or a fault says so.
func (c *session) serve(secure bool) {
	if secure && !c.startTLS() {
		return
	}
	c.say("220 email-smtp.amazonaws.com ESMTP SimpleEmailService-loopback")
	for {
		line, err := c.text.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		verb = strings.ToUpper(verb)
		fault := c.srv.faultFor(Command{Conn: c.number, Verb: verb, Username: c.username})
		if fault.Drop {
			return
		}
		if fault.Refuse != "" {
			c.say(fault.Refuse)
			continue
		}
		reply := c.carryOut(verb, strings.TrimSpace(rest))
		if reply == "" {
			return
		}
		if fault.After != nil {
			fault.After()
		}
		if fault.LoseReply {
			return
		}
		c.say(reply)
		switch {
		case verb == "QUIT":
			c.conn.Close() // in the way of TLS, if there is any
			return
		case verb == "STARTTLS" && strings.HasPrefix(reply, "220"):
			if !c.startTLS() {
				return
			}
		}
	}
}

// say sends a reply. Whether it arrives shows when the next command is read.
func (c *session) say(reply string) { _ = c.text.PrintfLine("%s", reply) }

// carryOut does what a command asks for and returns the reply, "" when the client has gone away.
func (c *session) carryOut(verb, rest string) string {
	switch verb {
	case "EHLO", "HELO":
		return c.hello(verb)
	case "STARTTLS":
		if c.secure || !c.greeted {
			return badSequence
		}
		return "220 Ready to start TLS"
	case "AUTH":
		return c.auth(rest)
	case "MAIL":
		return c.mail(rest)
	case "RCPT":
		return c.rcpt(rest)
	case "DATA":
		return c.data()
	case "RSET":
		c.reset()
		return ok
	case "NOOP":
		return ok
	case "QUIT":
		return "221 Bye"
	default:
		return "502 Unrecognized command"
	}
}

func (c *session) hello(verb string) string {
	c.greeted = true
	c.reset()
	lines := []string{"email-smtp.amazonaws.com"}
	if verb == "EHLO" {
		lines = append(lines, "8BITMIME", fmt.Sprint("SIZE ", c.srv.options.MaxMessage))
		if c.secure {
			lines = append(lines, "AUTH "+strings.Join(c.srv.options.Mechanisms, " "))
		} else {
			lines = append(lines, "STARTTLS")
		}
		lines = append(lines, "Ok")
	}
	last := len(lines) - 1
	var reply strings.Builder
	for _, line := range lines[:last] {
		reply.WriteString("250-" + line + "\r\n")
	}
	return reply.String() + "250 " + lines[last]
}

// startTLS begins the session anew under TLS. What the client has sent before is forgotten, with what it sent too early.
func (c *session) startTLS() bool {
	conn := tls.Server(c.conn, c.srv.tls.Server)
	if conn.Handshake() != nil {
		return false
	}
	*c = *newSession(c.srv, c.number, conn)
	c.secure = true
	return true
}

func (c *session) reset() { c.opened, c.from, c.to = false, "", nil }

func (c *session) mail(rest string) string {
	from, valid := address(rest, "FROM:")
	switch {
	case !c.secure:
		return StartTLSFirst
	case c.username == "":
		return AuthenticationRequired
	case c.opened:
		return badSequence
	case !valid:
		return "501 Invalid MAIL FROM address provided"
	}
	c.opened, c.from = true, from
	return ok
}

func (c *session) rcpt(rest string) string {
	to, valid := address(rest, "TO:")
	switch {
	case !c.opened:
		return badSequence
	case !valid || to == "":
		return "501 Invalid RCPT TO address provided"
	}
	c.to = append(c.to, to)
	return ok
}

// address reads the argument of MAIL and RCPT: "FROM:<a@example.com> SIZE=1".
func address(argument, prefix string) (found string, valid bool) {
	if len(argument) < len(prefix) || !strings.EqualFold(argument[:len(prefix)], prefix) {
		return "", false
	}
	path, valid := strings.CutPrefix(strings.TrimSpace(argument[len(prefix):]), "<")
	found, _, closed := strings.Cut(path, ">")
	return found, valid && closed
}

func (c *session) data() string {
	if len(c.to) == 0 {
		return badSequence
	}
	defer c.reset()
	c.say("354 End data with <CR><LF>.<CR><LF>")
	text, err := c.text.ReadDotBytes()
	if err != nil {
		return ""
	}
	if len(text) > c.srv.options.MaxMessage {
		return "552 Message is too long."
	}
	if refusal := c.srv.denied(c.username, c.from); refusal != "" {
		return refusal
	}
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.srv.messages = append(c.srv.messages, Message{Username: c.username, From: c.from, To: c.to, Data: string(text)})
	return ok + " " + rand.Text()
}

// denied is the refusal of a sender who may not send, "" for all others.
func (s *Server) denied(username, from string) string {
	if s.options.Denied == nil {
		return ""
	}
	user := s.options.Denied(username)
	if user == "" {
		return ""
	}
	account := ""
	if parts := strings.Split(user, ":"); len(parts) > 4 {
		account = parts[4]
	}
	_, domain, _ := strings.Cut(from, "@")
	return fmt.Sprintf("554 Access denied: User `%s' is not authorized to perform `ses:SendRawEmail' on resource `arn:aws:ses:%s:%s:identity/%s'",
		user, s.options.Region, account, domain)
}
