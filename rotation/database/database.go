// Package database rotates the password of a MySQL account, so that both the
// old and the new one are accepted from the moment it is set.
//
// It uses MySQL's dual passwords (8.0.14 and later) by a compare-and-swap: the
// account's own connection replaces the current password, named in the
// statement, by the pending one, and retains the current one as the secondary.
// MySQL refuses the statement when the password named is not the primary one
// (error 3891), so running it again, or late, or twice at once, takes away
// nothing.
//
//	kind := database.New(database.Config{Passwords: policy, CAFile: ""})
//
// Every connection uses TLS with the server's certificate verified; there is
// no fallback.
package database

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mautic-rotation/rotation"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/password"
)

// A Layout names the places in the document where a database's parameters
// stand. Only Password is a place that a rotation changes.
type Layout struct {
	Password, User, Host, Port, Name, Engine document.Pointer
}

// The layouts that are known: the runbook's, where a document holds much else,
// and that of the database secrets that AWS's console and rotation functions
// make. A document that has the first one's password has the first layout.
var (
	RunbookLayout = Layout{
		Password: "/database_password",
		User:     "/database_user",
		Host:     "/database_host",
		Port:     "/database_port",
		Name:     "/database_name",
	}
	AWSLayout = Layout{
		Password: "/password",
		User:     "/username",
		Host:     "/host",
		Port:     "/port",
		Name:     "/dbname",
		Engine:   "/engine",
	}
)

// DefaultPort is MySQL's.
const DefaultPort = 3306

// Config is what holds for all secrets of a function.
type Config struct {
	Passwords password.Policy

	// Layouts are tried in order; none means RunbookLayout, then AWSLayout.
	Layouts []Layout

	// User, Host, Port and Name are used where the document has none.
	User, Host, Name string
	Port             int

	// CAFile is a PEM file of the roots to verify the server's certificate
	// by. When empty, they are the RDS roots and the system's.
	CAFile string
}

// Kind is the credential kind "database". Use New.
type Kind struct {
	config Config
	tls    func() (*tls.Config, error)
}

var _ rotation.Kind = (*Kind)(nil)

// New returns the kind. It does nothing yet: neither roots are read nor
// connections made.
func New(c Config) *Kind {
	if len(c.Layouts) == 0 {
		c.Layouts = []Layout{RunbookLayout, AWSLayout}
	}
	if c.Port == 0 {
		c.Port = DefaultPort
	}
	return &Kind{config: c, tls: lazyTLSConfig(c.CAFile)}
}

// Name returns "database".
func (k *Kind) Name() string { return "database" }

// Fields returns the place of the password.
func (k *Kind) Fields(d document.Document) ([]document.Pointer, error) {
	layout, found, err := k.layout(d)
	if err != nil || !found {
		return nil, err
	}
	if _, err := d.Text(layout.Password); err != nil {
		return nil, err
	}
	return []document.Pointer{layout.Password}, nil
}

// Generate gives the document a new password.
func (k *Kind) Generate(_ context.Context, g rotation.Generation) (document.Document, error) {
	if _, err := k.account(g.Current); err != nil {
		return document.Document{}, err
	}
	layout, _, err := k.layout(g.Current)
	if err != nil {
		return document.Document{}, err
	}
	return g.Current.Replace(layout.Password, k.config.Passwords.Generate())
}

// NeedsRestart is true: tasks get the password when they start.
func (k *Kind) NeedsRestart() bool { return true }

func (k *Kind) layout(d document.Document) (layout Layout, found bool, err error) {
	for _, layout := range k.config.Layouts {
		found, err := d.Has(layout.Password)
		if err != nil || found {
			return layout, found, err
		}
	}
	return Layout{}, false, nil
}

// account is who logs in where, with which password.
type account struct {
	user, password string
	host           string
	port           int
	name           string // the database; may be empty
}

// place is what has to be the same in both versions of a change.
func (a account) place() account {
	a.password = ""
	return a
}

func (a account) address() string { return fmt.Sprintf("%s:%d", a.host, a.port) }

// account reads the document's account. All that is wrong with it is reported
// at once.
func (k *Kind) account(d document.Document) (account, error) {
	layout, found, err := k.layout(d)
	if err != nil {
		return account{}, err
	}
	if !found {
		return account{}, errors.New("the secret has no database password")
	}
	var faults []error
	text := func(p document.Pointer, fallback, setting string, required bool) string {
		value := ""
		if p != "" {
			value, err = d.Text(p)
			if err != nil && !errors.Is(err, document.ErrMissing) {
				faults = append(faults, err)
				return ""
			}
		}
		if value == "" {
			value = fallback
		}
		if value == "" && required {
			faults = append(faults, fmt.Errorf("no %s: add field %s to the secret, or set %s", strings.ToLower(strings.ReplaceAll(setting, "_", " ")), p, setting))
		}
		return value
	}
	a := account{
		user: text(layout.User, k.config.User, "DATABASE_USER", true),
		host: text(layout.Host, k.config.Host, "DATABASE_HOST", true),
		name: text(layout.Name, k.config.Name, "DATABASE_NAME", false),
		port: k.config.Port,
	}
	if engine := text(layout.Engine, "mysql", "", false); !slices.Contains(engines, engine) {
		faults = append(faults, fmt.Errorf("field %s is %q: this function rotates MySQL (%s)", layout.Engine, engine, strings.Join(engines, ", ")))
	}
	a.password, err = d.Text(layout.Password)
	switch {
	case err != nil:
		faults = append(faults, err)
	case a.password == "":
		faults = append(faults, fmt.Errorf("field %s is empty: store the account's present password there (MySQL cannot retain an empty one)", layout.Password))
	case strings.ContainsRune(a.password, 0):
		faults = append(faults, fmt.Errorf("field %s contains a NUL character, which MySQL takes in no password", layout.Password))
	}
	if layout.Port != "" {
		port, err := d.Integer(layout.Port)
		switch {
		case errors.Is(err, document.ErrMissing):
		case err != nil:
			faults = append(faults, err)
		case port < 1 || port > 65535:
			faults = append(faults, fmt.Errorf("field %s is %d, which is no port", layout.Port, port))
		default:
			a.port = port
		}
	}
	return a, errors.Join(faults...)
}

// engines are the values of AWS's field "engine" that speak MySQL's protocol.
var engines = []string{"mysql", "aurora-mysql", "aurora", "mariadb"}

// accounts reads both sides of a change, which may differ in the password
// alone.
func (k *Kind) accounts(c rotation.Change) (current, pending account, err error) {
	if current, err = k.account(c.Current); err != nil {
		return account{}, account{}, fmt.Errorf("AWSCURRENT: %w", err)
	}
	if pending, err = k.account(c.Pending); err != nil {
		return account{}, account{}, fmt.Errorf("AWSPENDING: %w", err)
	}
	if current.place() != pending.place() {
		return account{}, account{}, errors.New("AWSPENDING names another host, port, user or database than AWSCURRENT: a rotation changes the password alone; start a new rotation, which begins from AWSCURRENT")
	}
	return current, pending, nil
}
