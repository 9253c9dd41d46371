package database

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mautic-rotation/rotation/mysql"
)

// server is what a session knows about its server.
type server struct {
	version string // as VERSION() says: "8.0.36", "9.7.4", "10.11.9-MariaDB-…"
	account string // the account that the login matched: "mautic@%"

	// hosts are all the hosts that the user exists for. Servers show them to
	// those with a privilege to see accounts; accountsKnown tells whether this
	// one did.
	hosts         []string
	accountsKnown bool
}

// grantToSeeAccounts is the smallest grant that lets a user list its accounts.
const grantToSeeAccounts = "GRANT SELECT (User, Host) ON mysql.user to it"

func (s *session) identify(ctx context.Context) (server, error) {
	var found server
	if err := s.Row(ctx, "SELECT VERSION(), CURRENT_USER()", nil, &found.version, &found.account); err != nil {
		return server{}, explain(err, s.a)
	}
	if !strings.Contains(found.account, "@") {
		// A proxied or anonymous login would be one; it has no password.
		return server{}, fmt.Errorf("%s is logged in as %q, which is not an account with a password", s.a, found.account)
	}
	return found, found.listAccounts(ctx, s)
}

// listAccounts reads all the hosts that the user exists for, in a session that may be another
// user's.
func (f *server) listAccounts(ctx context.Context, s *session) error {
	hosts, err := s.Texts(ctx, "SELECT Host FROM mysql.user WHERE User = ? ORDER BY Host", f.user())
	if mysql.Is(err, mysql.TableDenied) || mysql.Is(err, mysql.ColumnDenied) {
		return nil
	}
	if err != nil {
		return explain(err, s.a)
	}
	f.hosts, f.accountsKnown = hosts, true
	return nil
}

// user and host are the account's parts. A user name may contain an @ itself,
// a host cannot.
func (f server) user() string { return f.account[:strings.LastIndexByte(f.account, '@')] }
func (f server) host() string { return f.account[strings.LastIndexByte(f.account, '@')+1:] }

// mariadb decides by VERSION(). @@version_comment is free text.
func (f server) mariadb() bool { return strings.Contains(f.version, "-MariaDB") }

// dual reports whether the server can make an account accept two passwords.
func (f server) dual() bool {
	switch {
	case f.mariadb():
		// MariaDB's handshake has the prefix, for old replicas.
		return atLeast(strings.TrimPrefix(f.version, "5.5.5-"), 10, 4)
	case strings.Contains(f.version, ".mysql_aurora."):
		// The engine version of Aurora, "8.0.mysql_aurora.3.04.0", which has no
		// patch number. Version 3 began with MySQL 8.0.23.
		return atLeast(f.version, 8, 0) && strings.Contains(f.version, ".mysql_aurora.3.")
	default:
		return atLeast(f.version, 8, 0, 14)
	}
}

// String is the server's make and version, for people.
func (f server) String() string {
	if f.mariadb() {
		return f.version
	}
	return "MySQL " + f.version
}

// brand is the make alone.
func (f server) brand() string {
	if f.mariadb() {
		return "MariaDB"
	}
	return "MySQL"
}

// several reports whether the user exists for other hosts too. A login matches one of the
// accounts, depending on where it comes from, so all of them change together.
func (f server) several() bool { return len(f.hosts) > 1 }

// everyHost is all known hosts, the login's last, so that what the account itself shows
// afterwards is true for all.
func (f server) everyHost() []string {
	others := slices.DeleteFunc(slices.Clone(f.hosts), func(host string) bool { return host == f.host() })
	return append(others, f.host())
}

// notTogether refuses a user that exists for several hosts if the method changes only one of
// them.
func (f server) notTogether() error {
	return fmt.Errorf("the user exists for several hosts (%s), and this way changes the password of only one of them: the application may use another; nothing was changed. %s",
		strings.Join(f.hosts, ", "), f.toChangeThemTogether())
}

// toChangeThemTogether is what makes it possible.
func (f server) toChangeThemTogether() string {
	return "GRANT CREATE USER ON *.* to it, or set DATABASE_ADMIN_SECRET_ARN to the secret of a user who has that, to change all of them together; or keep only one: RENAME USER or DROP USER the others"
}

// atLeast compares versions as numbers: as text, "9.1" would come before "8.0"
// for whoever looks for a leading 8, and "8.0.9" after "8.0.14".
func atLeast(version string, wanted ...int) bool {
	parts := strings.SplitN(version, ".", len(wanted)+1)
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
