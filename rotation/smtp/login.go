package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/smtp"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
)

// attemptTimeout bounds one login and all that follows it. SES answers within a second.
const attemptTimeout = 10 * time.Second

// What was being done when a login failed, for errors.
const (
	connecting = "connect"
	beginning  = "start TLS"
	loggingIn  = "log in"
	sending    = "send the test message"
)

// login logs in, calls then, if given, and quits. Only EHLO and STARTTLS are sent in the clear.
// The error comes from explain.
func (k *Kind) login(ctx context.Context, c account, then func(*smtp.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.at.String())
	if err != nil {
		return k.explainReply(err, c.at, connecting)
	}
	defer conn.Close()
	// Ends a pending read or write when the time is over, or the call is cancelled.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()

	client, err := k.secure(ctx, conn, c.at)
	if err != nil {
		return k.explainReply(err, c.at, beginning)
	}
	mechanism, err := choose(client, c)
	if err != nil {
		return err
	}
	if err := client.Auth(mechanism); err != nil {
		return k.explainReply(err, c.at, loggingIn)
	}
	if then != nil {
		if err := then(client); err != nil {
			return k.explainReply(err, c.at, sending)
		}
	}
	_ = client.Quit() // the login is proven, however QUIT goes
	return nil
}

// secure returns a client whose connection is encrypted, to a server whose certificate has the
// right name.
func (k *Kind) secure(ctx context.Context, conn net.Conn, at endpoint) (*smtp.Client, error) {
	config := &tls.Config{ServerName: at.host, RootCAs: k.config.Roots, MinVersion: tls.VersionTLS12}
	if slices.Contains(k.implicitTLS, at.port) {
		encrypted := tls.Client(conn, config)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		return smtp.NewClient(encrypted, at.host)
	}
	client, err := smtp.NewClient(conn, at.host)
	if err != nil {
		return nil, err
	}
	if err := client.Hello(helloName); err != nil {
		return nil, err
	}
	if offered, _ := client.Extension("STARTTLS"); !offered {
		return nil, errNoTLS
	}
	return client, client.StartTLS(config)
}

// helloName is the function's name in EHLO. It has no name that a server could look up.
const helloName = "localhost"

// errNoTLS: someone in between may have removed the offer.
var errNoTLS = errors.New("the server does not offer STARTTLS")

// choose picks how to log in: PLAIN, or LOGIN if that is the only one offered.
func choose(client *smtp.Client, c account) (smtp.Auth, error) {
	_, offered := client.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(offered))
	switch {
	case slices.Contains(mechanisms, "PLAIN"):
		return smtp.PlainAuth("", c.keyID, c.password, c.at.host), nil
	case slices.Contains(mechanisms, "LOGIN"):
		return &loginAuth{answers: []string{c.keyID, c.password}}, nil
	default:
		return nil, credential.Failf(credential.Unknown, "the SMTP server %s offers neither AUTH PLAIN nor AUTH LOGIN: is it SES's, and does SMTP_PORT accept logins?", c.at)
	}
}

// loginAuth is AUTH LOGIN: the server asks for the user name and then for the password, in words
// of its own.
type loginAuth struct{ answers []string }

func (a *loginAuth) Start(server *smtp.ServerInfo) (mechanism string, toServer []byte, err error) {
	if !server.TLS {
		return "", nil, errNoTLS
	}
	return "LOGIN", nil, nil
}

func (a *loginAuth) Next(_ []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	if len(a.answers) == 0 {
		return nil, errors.New("the server asks for more than a user name and a password")
	}
	answer := a.answers[0]
	a.answers = a.answers[1:]
	return []byte(answer), nil
}
