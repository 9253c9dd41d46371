package main

import (
	"strings"

	"mautic-rotation/internal/mysqlserver"
)

// database is a server that the demo can rotate on.
type database struct {
	series mysqlserver.Series
	args   []string // of the server
	// admin: a rotation needs an administrator's login.
	admin bool
	// quiet: the server does not log which of two passwords a login used, so use of
	// the old one shows only when it is refused.
	quiet bool
}

// databaseOf returns how to run a series, and what a rotation on it needs.
func databaseOf(series mysqlserver.Series) database {
	if series.IsMariaDB() {
		// It needs CREATE USER, which an application should not have.
		return database{series: series, admin: true, quiet: true}
	}
	// As on RDS: logins by a second password are logged.
	return database{series: series, args: []string{"--log-error-verbosity=3"}}
}

// name is what the output calls it; the version is shown beside it.
func (d database) name() string { return d.series.Make() }

// named replaces each %s in a text with the name.
func (d database) named(text string) string { return strings.ReplaceAll(text, "%s", d.name()) }
