// Package smtp rotates the credential of Amazon SES's SMTP endpoint ("smtp"):
// the id of an access key of an IAM user, as the user name, and a password
// that is derived from the key's secret.
//
//	kind := smtp.New(smtp.Config{IAM: iam.NewFromConfig(cfg), User: "mautic-smtp"})
//
// An IAM user can have two access keys, which alternate: a rotation creates the
// second one, and deletes the first when nothing needs it any more. Until then both
// are accepted.
//
// IAM reveals a key's secret once, when it creates the key. A crash before the
// password is stored leaves a key that nobody can use and that blocks every later
// rotation. The function deletes it if a tag says that the user belongs to this
// secret alone: the key [OwnerTag], with the secret's ARN as its value. It never
// touches the keys of a user without this tag.
//
// A key's secret is not stored anywhere. Like the password, it is registered with the
// scrubber in the context (package scrub). Of a server's replies, only the codes are
// passed on.
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

// Layout has the places in the document. Username and Password belong to the kind; Host and Port
// are only read.
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
	// DefaultPort uses STARTTLS.
	DefaultPort = 587
	// DefaultPropagation is the longest time until a new access key is known everywhere. AWS
	// gives no bound; seconds are usual.
	DefaultPropagation = 45 * time.Second
	// DefaultPause is the pause before a second attempt.
	DefaultPause = 500 * time.Millisecond
)

// Config applies to all secrets of a function.
type Config struct {
	IAM API

	// User is the IAM user whose access keys alternate. It is required, and permanent: the
	// rotation creates keys, not users.
	User string

	// Empty fields of Layout have the values of RunbookLayout.
	Layout Layout

	// Host and Port are used if the document does not say. An empty Host means SES's endpoint in
	// Region, and 0 means DefaultPort. The ports 465 and 2465 use implicit TLS, all others
	// STARTTLS.
	Host string
	Port int

	// Region is SES's region if the host's name does not contain it. A password works in one
	// region only.
	Region string

	// Roots verify the server's certificate; nil means the system's.
	Roots *x509.CertPool

	// TestFrom and TestTo are the addresses of a message that Test sends. If empty, Test logs in
	// and sends nothing. success@simulator.amazonses.com accepts any message.
	TestFrom, TestTo string

	// Propagation is how long to wait for a new key to be accepted, and for a deleted one to be
	// refused, as far as the context's deadline allows. 0 means DefaultPropagation.
	Propagation time.Duration

	// Pause is the pause after the first attempt at something that takes time to propagate; it
	// doubles from there on. 0 means DefaultPause.
	Pause time.Duration
}

// Kind is the credential kind "smtp". Use New.
type Kind struct {
	config Config

	implicitTLS []int // the ports with implicit TLS
}

var (
	_ credential.Kind    = (*Kind)(nil)
	_ credential.Issuer  = (*Kind)(nil)
	_ credential.Retirer = (*Kind)(nil)
)

// New returns the kind. It makes no call.
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

// Fields returns the places of the user name and the password. A document in which both are
// missing or empty does not send mail by SMTP.
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
		return nil, fmt.Errorf("one of the fields %s and %s is missing or empty: store both, or neither", k.config.Layout.Username, k.config.Layout.Password)
	}
	return []document.Pointer{k.config.Layout.Username, k.config.Layout.Password}, nil
}

// textOrNone returns the string at p, and "" if there is no such field.
func textOrNone(d document.Document, p document.Pointer) (string, error) {
	text, err := d.Text(p)
	if errors.Is(err, document.ErrMissing) {
		return "", nil
	}
	return text, err
}

// account is what a login needs.
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

// short abbreviates an access key id for the log: the whole id is the user name of a credential,
// which does not belong there. The rest is enough to tell two keys apart.
func short(keyID string) string {
	if len(keyID) <= 8 {
		return "…"
	}
	return keyID[:4] + "…" + keyID[len(keyID)-4:]
}
