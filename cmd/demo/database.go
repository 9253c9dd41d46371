package main

import (
	"strings"

	"mautic-rotation/internal/mysqlserver"
)

// database is a server that the demo can rotate on.
type database struct {
	flavor mysqlserver.Flavor
	args   []string // of the server
	// admin: a rotation takes an administrator's login.
	admin bool
	// quiet: the server does not log which of two passwords a login was by, so
	// that one is still used shows when it is refused.
	quiet bool
}

var databases = map[string]database{
	"mysql": {
		flavor: mysqlserver.MySQL,
		args:   []string{"--log-error-verbosity=3"}, // as on RDS: logins by a second password are logged
	},
	// On MariaDB it takes CREATE USER, which an application should not have.
	"mariadb":       {flavor: mysqlserver.MariaDB, admin: true, quiet: true},
	"mariadb-10.11": {flavor: mysqlserver.MariaDB1011, admin: true, quiet: true},
}

// name is what the texts call it.
func (d database) name() string {
	if d.flavor.IsMariaDB() {
		return mysqlserver.MariaDB.Name() // whatever the series: the version is shown
	}
	return mysqlserver.MySQL.Name()
}

// named puts the name in the place of each %s of a text.
func (d database) named(text string) string { return strings.ReplaceAll(text, "%s", d.name()) }
