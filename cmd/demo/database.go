package main

import (
	"strings"

	"mautic-rotation/internal/mysqlserver"
)

// database is a server that the demo can rotate on.
type database struct {
	series mysqlserver.Series
	args   []string // of the server
	// admin: a rotation takes an administrator's login.
	admin bool
	// quiet: the server does not log which of two passwords a login was by, so
	// that one is still used shows when it is refused.
	quiet bool
}

// databaseOf returns what a rotation on a series takes.
func databaseOf(series mysqlserver.Series) database {
	if series.IsMariaDB() {
		// It takes CREATE USER, which an application should not have.
		return database{series: series, admin: true, quiet: true}
	}
	// As on RDS: logins by a second password are logged.
	return database{series: series, args: []string{"--log-error-verbosity=3"}}
}

// name is what the texts call it: the version is shown beside it.
func (d database) name() string { return d.series.Make() }

// named puts the name in the place of each %s of a text.
func (d database) named(text string) string { return strings.ReplaceAll(text, "%s", d.name()) }
