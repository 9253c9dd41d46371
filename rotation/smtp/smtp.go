// Package smtp rotates the credential of Amazon SES's SMTP endpoint ("smtp"):
// the id of an access key of an IAM user, as the user name, and a password
// that is derived from the key's secret.
//
//	kind := smtp.New(smtp.Config{IAM: iam.NewFromConfig(cfg), User: "mautic-smtp"})
//
// IAM gives a user two access keys at most, and they take turns: a rotation
// makes the second one, and the first is deleted when nothing needs it any
// more. Both are accepted meanwhile.
//
// IAM tells a key's secret once, when it makes the key. A crash before the
// password is stored leaves a key that nobody can use and that blocks every
// later rotation. It is taken away where the user is known to be the secret's
// alone, which a tag of the user says: the key [OwnerTag], with the secret's
// ARN for its value. What carries no such tag is never touched.
//
// The secret of a key is stored nowhere, and like the password it is made known
// to the scrubber that the context carries (package scrub). Of what a server
// answers, only the codes are passed on.
package smtp

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// Layout are the places in the document. Username and Password are the kind's;
// Host and Port are only read.
type Layout struct {
	Username, Password document.Pointer
	Host, Port         document.Pointer
}

// RunbookLayout is the default.
var RunbookLayout = Layout{
	Username: "/email_configuration/smtp_username",
	Password: "/email_configuration/smtp_password",
	Host:     "/email_configuration/smtp_host",
	Port:     "/email_configuration/smtp_port",
}

const (
	// DefaultPort takes STARTTLS.
	DefaultPort = 587
	// DefaultPropagation is how long it takes, at most, until a new access
	// key is known everywhere. AWS gives no bound; seconds are usual.
	DefaultPropagation = 45 * time.Second
	// DefaultPause is before a second attempt.
	DefaultPause = 500 * time.Millisecond
)

// Config is what holds for all secrets of a function.
type Config struct {
	IAM API

	// User is the IAM user whose access keys take turns. It is required, and
	// lasts: the rotation makes keys, and no users.
	User string

	// Layout's empty fields mean those of RunbookLayout.
	Layout Layout

	// Host and Port are used where the document does not say. An empty Host
	// means SES's endpoint in Region, and 0 means DefaultPort. TLS begins at
	// once on the ports 465 and 2465, and by STARTTLS on all others.
	Host string
	Port int

	// Region is that of SES where the host's name does not tell. A password is
	// good in one region alone.
	Region string

	// Roots verify the server's certificate. Nil means the system's.
	Roots *x509.CertPool

	// TestFrom and TestTo are the addresses of a message that Test sends.
	// Empty: it logs in and sends none. success@simulator.amazonses.com takes
	// any.
	TestFrom, TestTo string

	// Propagation is how long a new key is waited for, and a deleted one to be
	// refused, as far as the context's deadline allows it. 0 means
	// DefaultPropagation.
	Propagation time.Duration

	// Pause is the time from the first attempt at what takes that long to the
	// second; it doubles from there on. 0 means DefaultPause.
	Pause time.Duration
}

// Kind is the credential kind "smtp". Use New.
type Kind struct {
	config Config

	implicitTLS []int // the ports where TLS begins at once
}

var (
	_ credential.Kind    = (*Kind)(nil)
	_ credential.Issuer  = (*Kind)(nil)
	_ credential.Retirer = (*Kind)(nil)
)

// New returns the kind. It makes no call yet.
func New(c Config) *Kind {
	c.Layout.Username = cmp.Or(c.Layout.Username, RunbookLayout.Username)
	c.Layout.Password = cmp.Or(c.Layout.Password, RunbookLayout.Password)
	c.Layout.Host = cmp.Or(c.Layout.Host, RunbookLayout.Host)
	c.Layout.Port = cmp.Or(c.Layout.Port, RunbookLayout.Port)
	c.Port = cmp.Or(c.Port, DefaultPort)
	c.Propagation = cmp.Or(c.Propagation, DefaultPropagation)
	c.Pause = cmp.Or(c.Pause, DefaultPause)
	return &Kind{config: c, implicitTLS: []int{465, 2465}}
}

// Name returns "smtp".
func (k *Kind) Name() string { return "smtp" }

// NeedsRestart is true: Mautic's tasks get the credential when they start.
func (k *Kind) NeedsRestart() bool { return true }

// Fields returns the places of the user name and the password. A document in
// which both are missing or empty sends no mail by SMTP.
func (k *Kind) Fields(d document.Document) ([]document.Pointer, error) {
	name, err := textOrNone(d, k.config.Layout.Username)
	if err != nil {
		return nil, err
	}
	password, err := textOrNone(d, k.config.Layout.Password)
	switch {
	case err != nil:
		return nil, err
	case name == "" && password == "":
		return nil, nil
	case name == "" || password == "":
		return nil, fmt.Errorf("of the fields %s and %s one is missing or empty: store both, or neither", k.config.Layout.Username, k.config.Layout.Password)
	}
	return []document.Pointer{k.config.Layout.Username, k.config.Layout.Password}, nil
}

// textOrNone returns the string at p, and "" where there is no such field.
func textOrNone(d document.Document, p document.Pointer) (string, error) {
	text, err := d.Text(p)
	if errors.Is(err, document.ErrMissing) {
		return "", nil
	}
	return text, err
}

// account is what a login takes.
type account struct {
	keyID    string // the user name
	password string
	at       endpoint
}

func (k *Kind) account(d document.Document) (c account, err error) {
	if c.keyID, err = d.Text(k.config.Layout.Username); err != nil {
		return account{}, err
	}
	if c.password, err = d.Text(k.config.Layout.Password); err != nil {
		return account{}, err
	}
	c.at, err = k.endpoint(d)
	return c, err
}

// accounts reads both sides of a change.
func (k *Kind) accounts(c credential.Change) (current, pending account, err error) {
	if current, err = k.account(c.Current); err != nil {
		return account{}, account{}, fmt.Errorf("AWSCURRENT: %w", err)
	}
	if pending, err = k.account(c.Pending); err != nil {
		return account{}, account{}, fmt.Errorf("AWSPENDING: %w", err)
	}
	return current, pending, nil
}

// short names an access key as the log does: its whole id is the user name of a
// credential, which does not belong there. It is enough to tell two keys apart.
func short(keyID string) string {
	if len(keyID) <= 8 {
		return "…"
	}
	return keyID[:4] + "…" + keyID[len(keyID)-4:]
}
