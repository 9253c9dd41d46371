// Package mautic rotates the credentials that Mautic itself keeps: an
// administrator's password ("admin"), an OAuth2 client ("api") and the secret
// that webhooks are signed with ("webhook"). It also checks whether Mautic is
// healthy.
//
// Mautic's REST API changes none of the three without harm: it answers 200 to
// a new password and ignores it, has no resource for clients, and writes
// webhook secrets into its audit log. (Version 2 of the API, since Mautic 7.0,
// changes a password and a webhook, for whoever has a credential that works.) So
// all are set by SQL, in Mautic's own tables, with the database credentials of
// the document, and tested over HTTP, as their users use them. Mautic 5.1 and 7.0
// do not differ in anything that is done here.
//
//	access := mautic.Access{Database: opener, URL: "https://mautic.example.com"}
//	kinds := []credential.Kind{
//		mautic.NewAPI(mautic.APIConfig{Access: access}),
//		mautic.NewWebhook(mautic.WebhookConfig{Access: access}),
//		mautic.NewAdmin(mautic.AdminConfig{Access: access}),
//	}
//
// Every write is a compare-and-swap on what was read before, so that two
// invocations at once, and one that is repeated after a crash, have the same
// result. No error contains a password, a secret or a hash.
//
// Mautic's secret_key is never touched: it encrypts the credentials of
// integrations, which nothing could read any more.
package mautic

import (
	"context"
	"database/sql"
	"net/http"

	"mautic-rotation/rotation/document"
)

// A Database opens Mautic's database.
type Database interface {
	// Fields lists the places in d that hold the database's credentials; none if d has no such
	// credentials.
	Fields(d document.Document) ([]document.Pointer, error)

	// Where names the fields in which they are expected.
	Where() string

	// Location names the database that Open opens, whichever user logs in, as far as d and the
	// settings say. Equal locations have equal names.
	Location(d document.Document) (string, error)

	// Open logs in with the database credentials that d holds, to the
	// database that Mautic's tables are in. The caller closes what it gets.
	// The login may happen as late as the first use.
	Open(ctx context.Context, d document.Document) (*sql.DB, error)
}

// Access is how a kind reaches one Mautic.
type Access struct {
	Database Database

	// DatabaseDocuments returns the documents that hold the database's
	// credentials, in the order in which they are tried, for documents that
	// have none themselves: the current version of another secret, then its
	// pending one. Nil: each document has them itself.
	DatabaseDocuments func(ctx context.Context) ([]document.Document, error)

	// TablePrefix is Mautic's db_table_prefix. Empty: it is found by looking at
	// the tables. NoTablePrefix: there is none, without a look.
	TablePrefix string

	// URL is Mautic's base URL, as https://mautic.example.com. Empty: nothing
	// is tried over HTTP, and values are only read back from the tables. A user and
	// a password in it are for what is in front of Mautic's pages, and are not sent
	// to its API.
	URL string

	// Client makes the requests to URL. Nil means http.DefaultClient. Its
	// redirects are not followed.
	Client *http.Client
}

// Needs is the kind whose credential leads to Mautic's tables: see
// credential.Dependent.
func (k *Admin) Needs() string { return databaseKind }

// Needs is as Admin's.
func (k *API) Needs() string { return databaseKind }

// Needs is as Admin's.
func (k *Webhook) Needs() string { return databaseKind }

const databaseKind = "database"

// NoTablePrefix is the TablePrefix of a Mautic that has none, in a database
// with the tables of several.
const NoTablePrefix = "-"
