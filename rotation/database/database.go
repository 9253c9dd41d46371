// Package database rotates the password of a MySQL or MariaDB account.
//
//	kind := database.New(database.Config{Passwords: policy})
//
// There are four methods of changing a password. The choice is made each time, from
// what the server and the account's privileges allow, or set by Config.Way:
//
//   - self: the account changes its own password, and both the old and the new
//     one are accepted from then on. On MySQL (8.0.14 and later) by a
//     compare-and-swap: the statement names the current password, and is refused
//     (error 3891) unless that is the primary one, so running it again, or late,
//     or twice at once removes nothing. On MariaDB (10.4 and later) by two
//     entries in the account. See self.go.
//   - admin: an administrator's login changes it, with the same result. See
//     accept.go, which explains why no login fails on the way.
//   - rds: the RDS API sets a master user's password. The old one is refused
//     from some moment on.
//   - single: the account changes its own password, and the old one is refused
//     at once. Only on request.
//
// By default it uses the first of self, admin and rds that is possible. All of them
// hold the same lock at the server, named after the account, so that no two changes
// of one password overlap, whatever their methods.
//
// Every connection uses TLS with the server's certificate verified, unless
// Config.TLS says otherwise; there is no fallback.
package database

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/password"
)

// A Layout names the places in the document where a database's parameters
// stand. Only Password is a place that a rotation changes.
type Layout struct {
	Password, User, Host, Port, Name, Engine document.Pointer

	// Instance and Cluster are RDS's names of the server. With both, the
	// cluster is what is meant.
	Instance, Cluster document.Pointer
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
		Instance: "/dbInstanceIdentifier",
		Cluster:  "/dbClusterIdentifier",
	}
)

// DefaultPort is MySQL's and MariaDB's.
const DefaultPort = 3306

// Config is what holds for all secrets of a function.
type Config struct {
	Passwords password.Policy

	// Layouts are tried in order; none means RunbookLayout, then AWSLayout.
	Layouts []Layout

	// User, Host, Port and Name are used where the document has none. A host
	// that is still missing is asked of RDS, if Instance or the document names
	// the server; a port that is, is DefaultPort.
	User, Host, Name string
	Port             int

	// Instance is the identifier of the RDS instance or cluster; it wins over
	// the document's.
	Instance string

	// Endpoint, "host" or "host:port", is what this function connects to when
	// it cannot be what the document names. An RDS Proxy lets nobody in with a
	// password before that is AWSCURRENT: with one in the document, this is
	// the server's own endpoint.
	Endpoint string

	// Way is how the password is changed: "self", "admin", "rds" or "single"; "auto" or ""
	// chooses. See ParseWay.
	Way string

	// Admin returns the administrator's secret, in the order in which its
	// versions are to be tried: the current one and, while that secret is
	// itself being rotated, the pending one. Of each, user and password are
	// used, in one of the two layouts above. The server is the document's, which
	// the administrator's secret has to name too, unless Host, Endpoint or
	// Instance does. nil: there is no administrator.
	Admin func(ctx context.Context) ([]document.Document, error)

	// RDS is asked for a host that nothing else names, and for the master
	// user when no other way is possible; nil: never.
	RDS RDS

	// Recovery: when the server refuses AWSCURRENT's password, and those of
	// the versions beside it, set AWSCURRENT's by the RDS API. For a master
	// user only.
	Recovery bool

	// TLS is "VERIFY_IDENTITY", which "" means too, "VERIFY_CA" or
	// "DISABLED". See ParseTLS.
	TLS string

	// CAFile is a PEM file of the roots to verify the server's certificate
	// by. When empty, they are the RDS roots and the system's.
	CAFile string

	// LookPause is the time from one look at what the server says of the old
	// password's use to the next; 0 means DefaultLookPause.
	LookPause time.Duration
}

// DefaultLookPause is short, since after the quarantine whoever uses the old
// password is refused until that is seen.
const DefaultLookPause = 500 * time.Millisecond

// Kind is the credential kind "database". Use New.
type Kind struct {
	config Config
	tls    func() (*tls.Config, error)
}

var _ credential.Kind = (*Kind)(nil)

// New returns the kind. It neither reads roots nor connects yet. An unknown Way or TLS makes
// every method fail.
func New(c Config) *Kind {
	if len(c.Layouts) == 0 {
		c.Layouts = []Layout{RunbookLayout, AWSLayout}
	}
	return &Kind{config: c, tls: lazyTLSConfig(c.TLS, c.CAFile)}
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

// Generate gives the document a new password. It fails if the server would keep a rotation from
// being completed or undone.
func (k *Kind) Generate(ctx context.Context, g credential.Generation) (document.Document, error) {
	if _, err := k.read(g.Current); err != nil {
		return document.Document{}, err
	}
	next, err := k.rehearsed(ctx, g)
	if err != nil {
		return document.Document{}, fmt.Errorf("the rotation could not be completed or undone, so it does not begin: %w", err)
	}
	layout, _, err := k.layout(g.Current)
	if err != nil {
		return document.Document{}, err
	}
	return g.Current.Replace(layout.Password, next)
}

// NeedsRestart is true: tasks get the password when they start.
func (k *Kind) NeedsRestart() bool { return true }

func (k *Kind) layout(d document.Document) (Layout, bool, error) {
	return layoutOf(d, k.config.Layouts)
}

func layoutOf(d document.Document, layouts []Layout) (layout Layout, found bool, err error) {
	for _, layout := range layouts {
		found, err := d.Has(layout.Password)
		if err != nil || found {
			return layout, found, err
		}
	}
	return Layout{}, false, nil
}
