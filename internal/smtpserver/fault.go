package smtpserver

// Replies of SES that a test may want, for [Fault.Refuse] or to compare with.
const (
	AuthenticationInvalid  = "535 Authentication Credentials Invalid"
	AuthenticationRequired = "530 Authentication required"
	TemporaryFailure       = "454 Temporary authentication failure"
	StartTLSFirst          = "530 Must issue a STARTTLS command first"
)

// A Command is one that a client sent. It holds no password.
type Command struct {
	Conn     int    // the number of the connection, from 1 in the order in which they were made
	Verb     string // in capitals: EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, QUIT …
	Username string // who is logged in, "" before
}

// A Fault says what goes wrong with a command, of which AUTH and DATA comprise what follows up to the last reply. The zero
// Fault leaves it alone. Of Drop, Refuse and LoseReply one is taken, in this order.
type Fault struct {
	// Drop closes the connection; the command is not carried out.
	Drop bool

	// Refuse is a reply, with its code, that is given instead of carrying the command out.
	Refuse string

	// LoseReply closes the connection when the command has been carried out and the client is about to learn of it. For
	// STARTTLS, that is before the handshake.
	LoseReply bool

	// After, if it is not nil, runs when the command has been carried out, before the last reply to it.
	After func()
}

// Intercept lets f decide about every command from now on; nil ends interception. It is called just before the command is
// carried out, by several connections at once, and may block, which holds up its connection only.
func (s *Server) Intercept(f func(Command) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = f
}

// faultFor records a command and asks what goes wrong with it.
func (s *Server) faultFor(c Command) Fault {
	s.mu.Lock()
	s.commands = append(s.commands, c)
	f := s.intercept
	s.mu.Unlock()
	if f == nil {
		return Fault{}
	}
	return f(c)
}
