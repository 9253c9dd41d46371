package smtpserver

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	stdsmtp "net/smtp"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const (
	user     = "AKIAIOSFODNN7EXAMPLE"
	password = "the-password"
)

func startServer(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Accept == nil {
		o.Accept = func(u, p string) bool { return u == user && p == password }
	}
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// verified are the settings of a client that trusts the CA file and nothing else.
func verified(t *testing.T, s *Server) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in the CA file")
	}
	return &tls.Config{RootCAs: roots, ServerName: s.Host(), MinVersion: tls.VersionTLS12}
}

func addr(s *Server, port int) string { return net.JoinHostPort(s.Host(), strconv.Itoa(port)) }

// connect returns a client under TLS, by one port or the other.
func connect(t *testing.T, s *Server, implicit bool) (*smtp.Client, error) {
	t.Helper()
	var c *smtp.Client
	var err error
	if implicit {
		c, err = smtp.DialTLS(addr(s, s.TLSPort()), verified(t, s))
	} else {
		c, err = smtp.DialStartTLS(addr(s, s.Port()), verified(t, s))
	}
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func mustConnect(t *testing.T, s *Server) *smtp.Client {
	t.Helper()
	c, err := connect(t, s, false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mechanism(name, password string) sasl.Client {
	if name == sasl.Login {
		return sasl.NewLoginClient(user, password)
	}
	return sasl.NewPlainClient("", user, password)
}

// wantReply checks that an error is a reply of the server.
func wantReply(t *testing.T, err error, reply string) {
	t.Helper()
	var got *smtp.SMTPError
	if !errors.As(err, &got) || fmt.Sprintf("%d %s", got.Code, got.Message) != reply {
		t.Errorf("got %v, want %q", err, reply)
	}
}

func TestEachPortAndMechanismLogsInAndSends(t *testing.T) {
	t.Parallel()
	for _, implicit := range []bool{false, true} {
		for _, name := range []string{sasl.Plain, sasl.Login} {
			t.Run(fmt.Sprint(name, ", implicit TLS ", implicit), func(t *testing.T) {
				t.Parallel()
				s := startServer(t, Options{})
				c, err := connect(t, s, implicit)
				if err != nil {
					t.Fatal(err)
				}
				if !c.SupportsAuth(name) {
					t.Errorf("%s is not offered", name)
				}
				wantReply(t, c.Auth(mechanism(name, "wrong")), AuthenticationInvalid)
				wantReply(t, c.Mail("from@example.com", nil), AuthenticationRequired)
				if err := c.Auth(mechanism(name, password)); err != nil {
					t.Fatal(err)
				}
				text := "Subject: hello\r\n\r\n.a line with a dot\r\n"
				if err := c.SendMail("from@example.com", []string{"one@example.org", "two@example.org"}, strings.NewReader(text)); err != nil {
					t.Fatal(err)
				}
				if err := c.Quit(); err != nil {
					t.Error(err)
				}
				if got, want := s.Logins(), []Login{{user, false}, {user, true}}; !slices.Equal(got, want) {
					t.Errorf("logins: %v", got)
				}
				messages := s.Messages()
				if len(messages) != 1 {
					t.Fatalf("%d messages", len(messages))
				}
				m := messages[0]
				if m.Username != user || m.From != "from@example.com" || !slices.Equal(m.To, []string{"one@example.org", "two@example.org"}) ||
					m.Data != strings.ReplaceAll(text, "\r\n", "\n") {
					t.Errorf("%+v", m)
				}
			})
		}
	}
}

func TestTheStandardLibrarysClientLogsIn(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{})
	c, err := stdsmtp.Dial(addr(s, s.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(verified(t, s)); err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(stdsmtp.PlainAuth("", user, password, s.Host())); err != nil {
		t.Error(err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	var verbs []string
	for _, command := range s.Commands() {
		verbs = append(verbs, command.Verb)
	}
	if want := []string{"EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"}; !slices.Equal(verbs, want) {
		t.Errorf("commands: %q", verbs)
	}
}

func TestAnotherCAsClientIsNotServed(t *testing.T) {
	t.Parallel()
	s, other := startServer(t, Options{}), startServer(t, Options{})
	if _, err := smtp.DialTLS(addr(s, s.TLSPort()), verified(t, other)); err == nil {
		t.Error("the certificate passed")
	}
}

// dialogue plays the client's lines and returns the replies, each with its lines joined by "|".
func dialogue(t *testing.T, conn net.Conn, lines ...string) (replies []string) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(2 * time.Minute)) // for what never comes: a busy machine takes seconds
	text := textproto.NewConn(conn)
	for n := range len(lines) + 1 {
		if n > 0 {
			text.PrintfLine("%s", lines[n-1])
		}
		code, message, err := text.ReadResponse(0)
		if err != nil {
			t.Fatalf("after %d lines: %v", n, err)
		}
		replies = append(replies, fmt.Sprint(code, " ", strings.ReplaceAll(message, "\n", "|")))
	}
	return replies[1:]
}

func TestDialogueBeforeTLS(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{})
	conn, err := net.Dial("tcp", addr(s, s.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got := dialogue(t, conn, "STARTTLS", "EHLO client", "AUTH PLAIN AHUAcA==", "MAIL FROM:<a@example.com>", "NOOP", "QUIT")
	want := []string{
		badSequence, "250 email-smtp.amazonaws.com|8BITMIME|SIZE 10485760|STARTTLS|Ok",
		StartTLSFirst, StartTLSFirst, "250 Ok", "221 Bye",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if len(s.Logins()) != 0 {
		t.Error("the password was looked at")
	}
}

func TestDialogueUnderTLS(t *testing.T) {
	t.Parallel()
	const hello = "250 email-smtp.amazonaws.com|8BITMIME|SIZE 10485760|AUTH PLAIN LOGIN|Ok"
	// AKIAIOSFODNN7EXAMPLE and the-password, and NUL, user, NUL, password.
	const name64, password64 = "QUtJQUlPU0ZPRE5ON0VYQU1QTEU=", "dGhlLXBhc3N3b3Jk"
	const plain64 = "AEFLSUFJT1NGT0ROTjdFWEFNUExFAHRoZS1wYXNzd29yZA=="
	const askName, askPassword, in = "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 Authentication successful."
	for name, c := range map[string]struct{ lines, replies []string }{
		"LOGIN, step by step":         {[]string{"AUTH LOGIN", name64, password64}, []string{askName, askPassword, in}},
		"LOGIN, with the name":        {[]string{"auth login " + name64, password64}, []string{askPassword, in}},
		"LOGIN, refused":              {[]string{"AUTH LOGIN", name64, name64, "NOOP"}, []string{askName, askPassword, AuthenticationInvalid, ok}},
		"LOGIN, cancelled":            {[]string{"AUTH LOGIN", name64, "*", "NOOP"}, []string{askName, askPassword, "501 Authentication cancelled", ok}},
		"LOGIN, not base64":           {[]string{"AUTH LOGIN", "§"}, []string{askName, "501 Invalid base64 data"}},
		"PLAIN, at once":              {[]string{"AUTH PLAIN " + plain64}, []string{in}},
		"PLAIN, after the challenge":  {[]string{"AUTH PLAIN", plain64}, []string{"334 ", in}},
		"PLAIN, empty":                {[]string{"AUTH PLAIN ="}, []string{"501 Invalid authentication data"}},
		"logging in twice":            {[]string{"AUTH PLAIN " + plain64, "AUTH PLAIN " + plain64}, []string{in, badSequence}},
		"another mechanism":           {[]string{"AUTH CRAM-MD5"}, []string{"504 Unrecognized authentication type"}},
		"STARTTLS again":              {[]string{"STARTTLS"}, []string{badSequence}},
		"a command that is not there": {[]string{"VRFY a"}, []string{"502 Unrecognized command"}},
		"an empty sender": {
			[]string{"AUTH PLAIN " + plain64, "MAIL FROM:<>", "MAIL FROM:<>", "RSET", "MAIL FROM:<>"}, []string{in, ok, badSequence, ok, ok},
		},
		"a mail without its parts": {
			[]string{"AUTH PLAIN " + plain64, "RCPT TO:<a@b>", "DATA", "MAIL FROM:a@b", "MAIL TO:<a@b>", "MAIL FROM:<a@b> SIZE=1", "DATA", "RCPT TO:<>"},
			[]string{in, badSequence, badSequence, "501 Invalid MAIL FROM address provided", "501 Invalid MAIL FROM address provided", ok, badSequence, "501 Invalid RCPT TO address provided"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, Options{})
			conn, err := tls.Dial("tcp", addr(s, s.TLSPort()), verified(t, s))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			got := dialogue(t, conn, append([]string{"EHLO client"}, c.lines...)...)
			if want := append([]string{hello}, c.replies...); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestWhatIsSentBeforeTheHandshakeIsForgotten(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{})
	conn, err := net.Dial("tcp", addr(s, s.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// In one packet, as whoever sits in between would slip it in.
	if got := dialogue(t, conn, "EHLO client", "STARTTLS\r\nEHLO intruder"); !strings.HasPrefix(got[1], "220") {
		t.Fatalf("got %q", got)
	}
	secured := textproto.NewConn(tls.Client(conn, verified(t, s)))
	secured.PrintfLine("NOOP")
	if reply, err := secured.ReadLine(); err != nil || reply != ok {
		t.Errorf("%q, %v", reply, err)
	}
}

func TestOnlyTheMechanismsOfTheOptionsAreOffered(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{Mechanisms: []string{sasl.Login}})
	c := mustConnect(t, s)
	if c.SupportsAuth(sasl.Plain) || !c.SupportsAuth(sasl.Login) {
		t.Error("offered are others")
	}
	wantReply(t, c.Auth(mechanism(sasl.Plain, password)), "504 Unrecognized authentication type")
	if err := c.Auth(mechanism(sasl.Login, password)); err != nil {
		t.Error(err)
	}
	if _, err := Start(Options{Mechanisms: []string{"CRAM-MD5"}}); err == nil {
		t.Error("it starts with a mechanism that it does not have")
	}
}

func TestWhoMayNotSendIsToldWhenTheMailIsThere(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{Region: "eu-west-1", Denied: func(name string) string {
		if name != user {
			return ""
		}
		return "arn:aws:iam::123456789012:user/smtp"
	}})
	c := mustConnect(t, s)
	if err := c.Auth(mechanism(sasl.Plain, password)); err != nil {
		t.Fatal(err)
	}
	err := c.SendMail("from@example.com", []string{"to@example.org"}, strings.NewReader("\r\n"))
	wantReply(t, err, "554 Access denied: User `arn:aws:iam::123456789012:user/smtp' is not authorized to perform `ses:SendRawEmail' "+
		"on resource `arn:aws:ses:eu-west-1:123456789012:identity/example.com'")
	if len(s.Messages()) != 0 {
		t.Error("the message was kept")
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
}

func TestAMessageThatIsTooLong(t *testing.T) {
	t.Parallel()
	const most = 10_000
	s := startServer(t, Options{MaxMessage: most})
	c := mustConnect(t, s)
	if size, ok := c.MaxMessageSize(); !ok || size != most {
		t.Errorf("the limit that EHLO tells is %d", size)
	}
	if err := c.Auth(mechanism(sasl.Plain, password)); err != nil {
		t.Fatal(err)
	}
	line := append(bytes.Repeat([]byte("x"), 998), "\r\n"...)
	err := c.SendMail("from@example.com", []string{"to@example.org"}, bytes.NewReader(bytes.Repeat(line, most/len(line)+1)))
	wantReply(t, err, "552 Message is too long.")
	if len(s.Messages()) != 0 {
		t.Error("the message was kept")
	}
}

// send goes through all commands and returns the first error.
func send(t *testing.T, s *Server) error {
	t.Helper()
	c, err := connect(t, s, false)
	if err != nil {
		return err
	}
	if err := c.Auth(mechanism(sasl.Plain, password)); err != nil {
		return err
	}
	if err := c.SendMail("from@example.com", []string{"to@example.org"}, strings.NewReader("\r\n")); err != nil {
		return err
	}
	return c.Quit()
}

func TestAConnectionEndsAtAnyCommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verb   string
		nth    int64
		before string // logins and messages when the command was not carried out
		after  string // and when it was
	}{
		{"EHLO", 1, "0 0", "0 0"},
		{"STARTTLS", 1, "0 0", "0 0"},
		{"EHLO", 2, "0 0", "0 0"},
		{"AUTH", 1, "0 0", "1 0"},
		{"MAIL", 1, "1 0", "1 0"},
		{"RCPT", 1, "1 0", "1 0"},
		{"DATA", 1, "1 0", "1 1"},
		{"QUIT", 1, "1 1", "1 1"},
	} {
		for name, fault := range map[string]struct {
			Fault
			want string
		}{
			"before":  {Fault{Drop: true}, c.before},
			"after":   {Fault{LoseReply: true}, c.after},
			"refused": {Fault{Refuse: TemporaryFailure}, c.before},
		} {
			t.Run(fmt.Sprint(c.verb, " ", c.nth, " ", name), func(t *testing.T) {
				t.Parallel()
				s := startServer(t, Options{})
				var seen, carriedOut atomic.Int64
				s.Intercept(func(command Command) Fault {
					if command.Verb != c.verb || seen.Add(1) != c.nth {
						return Fault{}
					}
					f := fault.Fault
					f.After = func() { carriedOut.Add(1) }
					return f
				})
				err := send(t, s)
				if fault.Refuse != "" && c.verb != "EHLO" {
					wantReply(t, err, TemporaryFailure)
				}
				if err == nil {
					t.Error("nothing failed")
				}
				if fault.Refuse == "" && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(err.Error(), "reset") {
					t.Errorf("the connection did not end: %v", err)
				}
				if got := fmt.Sprint(len(s.Logins()), " ", len(s.Messages())); got != fault.want {
					t.Errorf("logins and messages: %s, want %s", got, fault.want)
				}
				if want := map[bool]int64{true: 1}[fault.LoseReply]; carriedOut.Load() != want {
					t.Errorf("After ran %d times", carriedOut.Load())
				}

				// The next one passes: the fault was for one command.
				s.Intercept(nil)
				if err := send(t, s); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestCloseEndsConnectionsAndRemovesTheFiles(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{})
	c := mustConnect(t, s)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := c.Noop(); err == nil {
		t.Error("the connection is still there")
	}
	if _, err := os.Stat(s.CAFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the CA's file: %v", err)
	}
}
