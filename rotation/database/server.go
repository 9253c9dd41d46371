package database

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// server is what a session finds out about where it is.
type server struct {
	version string // as VERSION() says: "8.0.36", "9.7.4", "10.11.9-MariaDB-…"
	account string // the account that the login matched: "mautic@%"

	// hosts are all the hosts that the user exists for. MySQL shows them to
	// those with a privilege to see accounts; accountsKnown tells whether it did.
	hosts         []string
	accountsKnown bool
}

// grantToSeeAccounts is the least that lets a user list its accounts.
const grantToSeeAccounts = "GRANT SELECT (User, Host) ON mysql.user to it"

func (s *session) identify(ctx context.Context) (server, error) {
	var found server
	if err := s.queryRow(ctx, "SELECT VERSION(), CURRENT_USER()", nil, &found.version, &found.account); err != nil {
		return server{}, explain(err, s.a)
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT Host FROM mysql.user WHERE User = ? ORDER BY Host", found.user())
	if isNumber(err, errTableDenied) || isNumber(err, errColumnDenied) {
		return found, nil
	}
	if err != nil {
		return server{}, explain(err, s.a)
	}
	defer rows.Close()
	for rows.Next() {
		var host string
		if err := rows.Scan(&host); err != nil {
			return server{}, explain(err, s.a)
		}
		found.hosts = append(found.hosts, host)
	}
	found.accountsKnown = true
	return found, explain(rows.Err(), s.a)
}

// user is the account's user name. It may contain an @ itself, a host cannot.
func (s server) user() string {
	return s.account[:strings.LastIndexByte(s.account, '@')]
}

// check refuses a server, or an account, whose password cannot be rotated
// without a gap in the way that this package knows.
func (s server) check() error {
	if strings.Contains(s.version, "-MariaDB") {
		return fmt.Errorf("the server is MariaDB (%s), which has no dual passwords of MySQL's kind: this function rotates MySQL 8.0.14 and later", s.version)
	}
	if !atLeast(s.version, 8, 0, 14) {
		return fmt.Errorf("the server is MySQL %s, which has no dual passwords: upgrade to 8.0.14 or later", s.version)
	}
	if len(s.hosts) > 1 {
		return fmt.Errorf("the user exists for several hosts (%s), and a login reaches the password of one of them alone: the application may use another; nothing was changed. Keep one account: RENAME USER or DROP USER the others",
			strings.Join(s.hosts, ", "))
	}
	return nil
}

// atLeast compares versions as numbers: as text, "9.1" would come before "8.0"
// for whoever looks for a leading 8, and "8.0.9" after "8.0.14".
func atLeast(version string, wanted ...int) bool {
	parts := strings.SplitN(version, ".", len(wanted))
	for i, want := range wanted {
		have := 0
		if i < len(parts) {
			digits := parts[i]
			if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
				digits = digits[:end]
			}
			have, _ = strconv.Atoi(digits)
		}
		if have != want {
			return have > want
		}
	}
	return true
}
