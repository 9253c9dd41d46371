package mautic

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"

	driver "github.com/go-sql-driver/mysql"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
)

// meanings are what an operator is told. The server's own text is never passed on: that of 1064
// echoes the statement, that of 1062 a value.
var meanings = map[uint16]string{
	mysql.AccessDenied:        "the database's password is wrong, or the server knows no such user from this host",
	mysql.DatabaseDenied:      "%s has no access to the database: GRANT it",
	mysql.NoDatabase:          "there is no such database: correct its name in the secret or in DATABASE_NAME",
	mysql.NoColumn:            "a column is missing: this is not a table of Mautic 5 to 7, or MAUTIC_TABLE_PREFIX names another application's",
	mysql.NoTable:             "a table is missing: check the database's name and MAUTIC_TABLE_PREFIX",
	mysql.LockWaitTimeout:     "another session held a lock on the row or the table for more than 5 s; nothing was changed: try again",
	mysql.Deadlock:            "a deadlock with another session; nothing was changed: try again",
	mysql.OptionPreventsIt:    "the server is read-only: name the writer's endpoint as the host, not a reader's",
	mysql.ReadOnlyTransaction: "the server is read-only: name the writer's endpoint as the host, not a reader's",
	mysql.ReadOnlyMode:        "the server is read-only: name the writer's endpoint as the host, not a reader's",
	mysql.TooManyConnections:  "the server has too many connections: raise max_connections, or wait",

	mysql.Duplicate: "another session has just inserted a row with the same key: try again",
}

// passing are errors that may be over within seconds.
var passing = []uint16{mysql.LockWaitTimeout, mysql.Deadlock, mysql.TooManyConnections, mysql.Duplicate}

// whatIsDenied reads the privilege and the table out of the server's message:
// "UPDATE command denied to user 'u'@'h' for table 'users'", where MariaDB
// writes the table as `database`.`users`.
var whatIsDenied = regexp.MustCompile("^([A-Z, ]+) command denied to user .* table (?:[`'][^`']*[`']\\.)?[`']([^`']*)[`']")

// explain gives a driver error a meaning, and leaves out the server's text.
func (s *store) explain(err error) error {
	var known *credential.Failure
	if err == nil || errors.Is(err, sql.ErrNoRows) || errors.As(err, &known) {
		return err
	}
	var inServer *driver.MySQLError
	switch {
	case errors.As(err, &inServer):
		return &credential.Failure{
			Outcome: credential.Unknown, Problem: s.meaning(inServer), Cause: mysql.Number(inServer.Number),
			Temporary: slices.Contains(passing, inServer.Number),
		}
	case errors.Is(err, context.DeadlineExceeded):
		return credential.Failf(credential.Unreachable, "the database did not answer within %s: try again, and find out what is holding it up (SHOW PROCESSLIST)", mysql.StatementTimeout)
	default:
		return credential.Failf(credential.Unreachable, "the connection to the database failed: %w", err)
	}
}

func (s *store) meaning(err *driver.MySQLError) string {
	if err.Number == mysql.TableDenied || err.Number == mysql.ColumnDenied {
		if found := whatIsDenied.FindStringSubmatch(err.Message); found != nil {
			return fmt.Sprintf("MySQL error %d: %s lacks a privilege: GRANT %s ON `%s`.`%s` to it", err.Number, s.account, found[1], s.database, found[2])
		}
		return fmt.Sprintf("MySQL error %d: %s lacks a privilege: GRANT SELECT, INSERT, UPDATE, DELETE ON Mautic's tables to it", err.Number, s.account)
	}
	text, ok := meanings[err.Number]
	switch {
	case !ok:
		return fmt.Sprintf("MySQL error %d (its text is omitted because it may quote a secret: see the server's manual)", err.Number)
	case err.Number == mysql.DatabaseDenied:
		text = fmt.Sprintf(text, s.account)
	}
	return fmt.Sprintf("MySQL error %d: %s", err.Number, text)
}
