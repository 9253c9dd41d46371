package mautic

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"

	"github.com/go-sql-driver/mysql"

	"mautic-rotation/rotation/credential"
)

// MySQL's error numbers that something here depends on.
const (
	errTableDenied  = 1142
	errColumnDenied = 1143
	errDuplicate    = 1062
)

// meanings are what an operator is told. The server's own text is never passed
// on: that of 1064 echoes the statement, that of 1062 a value.
var meanings = map[uint16]string{
	1045: "the database's password is wrong, or it knows no such user from this host",
	1044: "%s has no access to the database: GRANT it",
	1049: "there is no such database: correct its name in the secret or in DATABASE_NAME",
	1054: "a column is missing: this is not a table of Mautic 4 to 6, or MAUTIC_TABLE_PREFIX names another application's",
	1146: "a table is missing: check the database's name and MAUTIC_TABLE_PREFIX",
	1205: "another session held a lock on the row or the table for more than 5 s, and nothing was changed: try again",
	1213: "a deadlock with another session, and nothing was changed: try again",
	1290: "the server is read-only: name the writer's endpoint as the host, not a reader's",
	1792: "the server is read-only: name the writer's endpoint as the host, not a reader's",
	1836: "the server is read-only: name the writer's endpoint as the host, not a reader's",
	1040: "the server has too many connections: raise max_connections, or wait",

	errDuplicate: "another session was faster with a row of the same key: try again",
}

// whatIsDenied reads the privilege and the table out of the server's message:
// "UPDATE command denied to user 'u'@'h' for table 'users'", where MariaDB
// writes the table as `database`.`users`.
var whatIsDenied = regexp.MustCompile("^([A-Z, ]+) command denied to user .* table (?:[`'][^`']*[`']\\.)?[`']([^`']*)[`']")

// explain gives an error of the driver a meaning, and keeps the text of the
// server out of it.
func (s *store) explain(err error) error {
	var known failure
	if err == nil || errors.Is(err, sql.ErrNoRows) || errors.As(err, &known) {
		return err
	}
	var inServer *mysql.MySQLError
	switch {
	case errors.As(err, &inServer):
		return failure{credential.Unknown, &serverError{s.meaning(inServer), inServer.Number}}
	case errors.Is(err, context.DeadlineExceeded):
		return unreachable("the database did not answer within %s: try again, and see what holds it up (SHOW PROCESSLIST)", statementTimeout)
	default:
		return unreachable("the connection to the database failed: %w", err)
	}
}

func (s *store) meaning(err *mysql.MySQLError) string {
	if err.Number == errTableDenied || err.Number == errColumnDenied {
		if found := whatIsDenied.FindStringSubmatch(err.Message); found != nil {
			return fmt.Sprintf("MySQL error %d: %s lacks a privilege: GRANT %s ON `%s`.`%s` to it", err.Number, s.account, found[1], s.database, found[2])
		}
		return fmt.Sprintf("MySQL error %d: %s lacks a privilege: GRANT SELECT, INSERT, UPDATE, DELETE ON Mautic's tables to it", err.Number, s.account)
	}
	text, ok := meanings[err.Number]
	switch {
	case !ok:
		return fmt.Sprintf("MySQL error %d (its text is left out, for it may quote a secret: see the server's manual)", err.Number)
	case err.Number == 1044:
		text = fmt.Sprintf(text, s.account)
	}
	return fmt.Sprintf("MySQL error %d: %s", err.Number, text)
}

// serverError stands for an error of the server, without its text.
type serverError struct {
	text   string
	number uint16
}

func (e *serverError) Error() string { return e.text }

// isNumber tells whether err is MySQL's error of that number.
func isNumber(err error, number uint16) bool {
	var inServer *serverError
	return errors.As(err, &inServer) && inServer.number == number
}
