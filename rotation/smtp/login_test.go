package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mautic-rotation/internal/smtpserver"
	"mautic-rotation/rotation/credential"
)

// closedPort is one where nobody listens.
func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// lineServer is one that says the same to every line, whatever it is. What it
// was told is in heard.
type lineServer struct {
	port int

	mu    sync.Mutex
	heard string
}

func startLineServer(t *testing.T, greeting, reply string) *lineServer {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &lineServer{port: l.Addr().(*net.TCPAddr).Port}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, greeting)
			for in := bufio.NewScanner(conn); reply != "" && in.Scan(); {
				s.mu.Lock()
				s.heard += in.Text() + "\n"
				s.mu.Unlock()
				fmt.Fprint(conn, reply)
			}
			conn.Close()
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return s
}

func TestALoginIsTriedByEitherTLSAndEitherMechanism(t *testing.T) {
	t.Parallel()
	for _, implicit := range []bool{false, true} {
		for _, mechanism := range []string{"PLAIN", "LOGIN"} {
			t.Run(fmt.Sprint(mechanism, ", TLS at once: ", implicit), func(t *testing.T) {
				f := newFixture(t, func(s *setup) { s.smtp.Mechanisms = []string{mechanism} })
				port := f.server.Port()
				if implicit {
					port = f.server.TLSPort()
					f.kind.implicitTLS = append(f.kind.implicitTLS, port)
				}
				f.expect(credential.Accepted, f.documentAt(port, f.first.ID, smtpserver.Password(f.first.Secret, region)))
				var verbs []string
				for _, c := range f.server.Commands() {
					verbs = append(verbs, c.Verb)
				}
				want := []string{"EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"}
				if implicit {
					want = []string{"EHLO", "AUTH", "QUIT"}
				}
				if !slices.Equal(verbs, want) {
					t.Errorf("said %q", verbs)
				}
				f.expect(credential.Denied, f.documentAt(port, f.first.ID, smtpserver.Password(f.first.Secret, "us-east-1")))
			})
		}
	}
}

func TestNoCredentialIsSentInTheClear(t *testing.T) {
	f := newFixture(t)
	plain := startLineServer(t, "220 mail\r\n", "250-mail\r\n250 AUTH PLAIN LOGIN\r\n")
	d := f.documentAt(plain.port, f.first.ID, "the-password")
	outcome, err := f.kind.Probe(f.ctx, d)
	f.needs(err, "does not offer STARTTLS", "587", "465")
	plain.mu.Lock()
	defer plain.mu.Unlock()
	if outcome != credential.Unknown || strings.Contains(plain.heard, "AUTH") {
		t.Errorf("%s; the server heard %q", outcome, plain.heard)
	}
}

func TestAServerIsVerified(t *testing.T) {
	f := newFixture(t)
	f.kind.config.Roots = x509.NewCertPool() // of somebody else
	outcome, err := f.kind.Probe(f.ctx, f.documents[0])
	f.needs(err, "not signed by a trusted root", "SMTP_CA_FILE")
	if outcome != credential.Unknown || len(f.server.Logins()) > 0 {
		t.Errorf("%s, after %d logins", outcome, len(f.server.Logins()))
	}
	at := endpoint{host: "mail.example.com", port: 587}
	for want, err := range map[string]error{
		"not for that name":      &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: at.host}},
		"is not valid":           &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}},
		"cannot establish TLS":   &net.OpError{Op: "remote error", Err: tls.AlertError(40)},
		"be resolved":            &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: at.host, IsNotFound: true}},
		"accepts the connection": &net.OpError{Op: "read", Err: context.DeadlineExceeded},
		"gave an answer that is": errors.New("short response: the-password"),
	} {
		if got := f.kind.explainReply(err, at, "log in").Error(); !strings.Contains(got, want) || strings.Contains(got, "the-password") {
			t.Errorf("want %q: %s", want, got)
		}
	}
}

func TestWhatCannotBeReachedSaysNothingOfTheCredential(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		port    int
		outcome credential.Outcome
		want    string
	}{
		"nobody listens":          {closedPort(t), credential.Unreachable, "security group"},
		"closed at once":          {startLineServer(t, "", "").port, credential.Unreachable, "closed the connection"},
		"TLS at once on the port": {f.server.TLSPort(), credential.Unreachable, "implicit TLS"},
		"no SMTP":                 {startLineServer(t, "welcome\r\n", "x").port, credential.Unknown, "not SMTP"},
		"not served":              {startLineServer(t, "421 Too many\r\n", "").port, credential.Unreachable, "421"},
		"refused":                 {startLineServer(t, "554 No\r\n", "").port, credential.Unknown, "554"},
	} {
		limit := time.Minute
		if c.port == f.server.TLSPort() {
			limit = 2 * time.Second // which it takes: each side waits for the other
		}
		ctx, cancel := context.WithTimeout(f.ctx, limit)
		outcome, err := f.kind.Probe(ctx, f.documentAt(c.port, f.first.ID, "p"))
		cancel()
		if outcome != c.outcome {
			t.Errorf("%s: %s, %v", name, outcome, err)
		}
		f.needs(err, c.want, "127.0.0.1")
	}
	f.kind.implicitTLS = []int{f.server.Port()}
	outcome, err := f.kind.Probe(f.ctx, f.documents[0])
	if outcome != credential.Unknown {
		t.Errorf("STARTTLS on the port: %s", outcome)
	}
	f.needs(err, "does not use implicit TLS")
}

func TestEachAnswerOfTheServersHasItsRemedy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verb, reply string
		outcome     credential.Outcome
		tries       bool // again
		want        []string
	}{
		{"AUTH", "535 5.7.8 Authentication Credentials Invalid the-echo", credential.Denied, true, []string{"535 5.7.8", "region"}},
		{"AUTH", "454 4.7.0 Temporary authentication failure the-echo", credential.Unreachable, true, []string{"454 4.7.0", "temporary authentication failure"}},
		{"AUTH", "530 Must issue a STARTTLS command first the-echo", credential.Unknown, false, []string{"530", "SMTP_PORT"}},
		{"AUTH", "504 Unrecognized the-echo", credential.Unknown, false, []string{"504", "SES documentation"}},
		{"EHLO", "421 4.4.5 the-echo", credential.Unreachable, true, []string{"421 4.4.5"}},
		{"MAIL", "530 Authentication required the-echo", credential.Unknown, false, []string{"530"}},
		{"MAIL", "501 Invalid MAIL FROM address provided the-echo", credential.Unknown, false, []string{"SMTP_TEST_FROM (mautic@example.com)"}},
		{"RCPT", "553 the-echo", credential.Unknown, false, []string{"SMTP_TEST_TO (success@simulator.amazonses.com)"}},
		{"DATA", "554 Access denied: User the-echo", credential.Unknown, false, []string{"ses:SendRawEmail", "IAM user mautic-smtp", "verify mautic@example.com", "region eu-west-1"}},
		{"DATA", "454 Throttling failure: Maximum sending rate exceeded. the-echo", credential.Unreachable, true, []string{"454"}},
		{"DATA", "552 the-echo", credential.Unknown, false, []string{"552"}},
	} {
		t.Run(c.verb+" "+c.reply[:3], func(t *testing.T) {
			f := newFixture(t, func(s *setup) {
				s.config.TestFrom, s.config.TestTo = "mautic@example.com", "success@simulator.amazonses.com"
			})
			change := f.rotated()
			refusals := 2 // and from then on none
			f.server.Intercept(func(cmd smtpserver.Command) smtpserver.Fault {
				if strings.Replace(cmd.Verb, "HELO", "EHLO", 1) != c.verb || refusals == 0 {
					return smtpserver.Fault{}
				}
				refusals-- // one connection at a time
				return smtpserver.Fault{Refuse: c.reply}
			})
			if c.tries {
				if err := f.kind.Test(f.ctx, change); err != nil || refusals > 0 {
					t.Errorf("it was not tried again: %v", err)
				}
			}
			refusals = 2
			f.kind.config.Propagation = time.Nanosecond
			err := f.kind.Test(f.ctx, change)
			f.needs(err, append(c.want, "127.0.0.1")...)
			if strings.Contains(err.Error(), "the-echo") || credential.OutcomeOf(err) != c.outcome || strings.Contains(err.Error(), "tried for") != c.tries {
				t.Errorf("the server's words are passed on, or it is not %s: %v", c.outcome, err)
			}
			f.kind.config.Propagation = time.Hour
			if refusals = 2; !c.tries {
				if err := f.kind.Test(f.ctx, change); err == nil {
					t.Error("it was tried again, though that is of no use")
				}
			}
		})
	}
}

func TestANewKeyIsWaitedForUntilItIsKnownEverywhere(t *testing.T) {
	f := newFixture(t)
	c := f.rotated()
	refusals := 3 // until what is new has spread
	f.server.Intercept(func(cmd smtpserver.Command) smtpserver.Fault {
		if cmd.Verb != "AUTH" || refusals == 0 {
			return smtpserver.Fault{}
		}
		refusals-- // one connection at a time
		return smtpserver.Fault{Refuse: smtpserver.AuthenticationInvalid}
	})
	f.expect(credential.Denied, c.Pending)
	if err := f.kind.Test(f.ctx, c); err != nil || refusals > 0 {
		t.Fatalf("%v, with %d refusals left", err, refusals)
	}
	f.expect(credential.Accepted, c.Pending)
	if len(f.server.Messages()) > 0 {
		t.Error("a message was sent, though no addresses are set")
	}
}

func TestTheWaitLeavesTheInvocationTimeToPutThingsBack(t *testing.T) {
	f := newFixture(t)
	f.kind.config.Propagation = time.Hour
	ctx, cancel := context.WithTimeout(f.ctx, reserve+100*time.Millisecond)
	defer cancel()
	err := f.kind.Test(ctx, f.change(f.documents[0], f.documentAt(f.server.Port(), "AKIANEVERTHERE", "p")))
	f.needs(err, "535")
	if ctx.Err() != nil {
		t.Error("no time is left")
	}
}

func TestATestMessageIsSentWithThePendingCredential(t *testing.T) {
	f := newFixture(t, func(s *setup) {
		s.config.TestFrom, s.config.TestTo = "mautic@example.com", "success@simulator.amazonses.com"
	})
	c := f.rotated()
	if err := f.kind.Test(f.ctx, c); err != nil {
		t.Fatal(err)
	}
	sent := f.server.Messages()
	if len(sent) != 1 || sent[0].Username != f.keyOf(c.Pending) || sent[0].From != "mautic@example.com" || !slices.Equal(sent[0].To, []string{"success@simulator.amazonses.com"}) {
		t.Fatalf("sent %d messages", len(sent))
	}
	for _, line := range []string{"From: <mautic@example.com>\n", "To: <success@simulator.amazonses.com>\n", "Date: ", "Subject: ", "\n\nThis message"} {
		if !strings.Contains(sent[0].Data, line) {
			t.Errorf("%q is not in %q", line, sent[0].Data)
		}
	}
}
