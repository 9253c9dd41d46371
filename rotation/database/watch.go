package database

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
)

// refusedAtRest is how many refused connections in one watch still count as
// the noise of a server that others probe too.
const refusedAtRest = 2

// InUse looks into MySQL's log for logins of the user by its second password
// and, after the quarantine, for refused ones: before it these are no use of
// the old password, which is accepted. Where it cannot look there, the server
// does not log logins, or is MariaDB, which has no such table, there is nothing
// to be seen before the quarantine, and after it all connections that the server
// refuses count. Nor is there anything to see of an account that accepts one
// password: the old one is refused since it was set.
func (k *Kind) InUse(ctx context.Context, o credential.Overlap, watch time.Duration) (credential.Use, error) {
	current, old, err := k.overlap(ctx, o)
	if err != nil {
		return credential.Use{}, err
	}
	own, asCurrent, err := k.enter(ctx, current, old)
	if err != nil {
		return credential.Use{}, err
	}
	if !asCurrent {
		own.Close()
		return credential.Use{}, nil
	}
	t, err := k.begin(ctx, own, quiet)
	if err != nil {
		return credential.Use{}, err
	}
	defer t.close()
	if !t.way.dual() {
		return credential.Use{}, nil
	}
	seen, told, err := t.own.watch(ctx, t.server, o.Quarantined, watch, cmp.Or(k.config.LookPause, DefaultLookPause))
	return credential.Use{Seen: seen, Told: told}, err
}

func (s *session) watch(ctx context.Context, at server, quarantined bool, watch, look time.Duration) (seen string, told bool, err error) {
	if !at.mariadb() {
		if told, err = s.logsLogins(ctx); err != nil {
			return "", false, err
		}
	}
	if !told && !quarantined {
		return "", false, nil // nothing shows a login that succeeds
	}
	before, err := s.refusedConnections(ctx)
	if err != nil {
		return "", false, err
	}
	looks := max(1, int(watch/look))
	for n := range looks {
		select {
		case <-time.After(watch / time.Duration(looks)):
		case <-ctx.Done():
			return "", told, ctx.Err()
		}
		passed := watch * time.Duration(n+1) / time.Duration(looks)
		var evidence string
		if told {
			evidence, err = s.loggedUse(ctx, passed, quarantined)
		} else {
			evidence, err = s.refusedSince(ctx, at, before, passed)
		}
		if err != nil || evidence != "" {
			return evidence, told, err // at once: after the quarantine, somebody is waiting for it
		}
	}
	return "", told, nil
}

// refusedSince is what the server's count of refused connections says, where
// its log does not.
func (s *session) refusedSince(ctx context.Context, at server, before int, passed time.Duration) (string, error) {
	after, err := s.refusedConnections(ctx)
	if err != nil {
		return "", err
	}
	refused := after - before
	switch {
	case refused <= refusedAtRest:
		return "", nil
	case at.mariadb():
		return fmt.Sprintf("the server refused %d connections within %s (of whomever: MariaDB does not say)", refused, passed), nil
	}
	return fmt.Sprintf("the server refused %d connections within %s (of whomever: to tell, GRANT SELECT ON performance_schema.error_log to %s, and set log_error_verbosity to 3)", refused, passed, s.a), nil
}

// What MySQL logs of logins: by the second password, and refused ones. It
// takes log_error_verbosity=3.
const (
	logSecondPassword = "MY-013302"
	logAccessDenied   = "MY-010926"
)

// logsLogins tells whether the server logs what loggedUse looks for, and lets
// this account read it. A log that says nothing must not be taken for one in
// which there is nothing.
func (s *session) logsLogins(ctx context.Context) (bool, error) {
	var verbosity, readable int
	var suppressed string
	err := s.Row(ctx, "SELECT @@GLOBAL.log_error_verbosity, @@GLOBAL.log_error_suppression_list", nil, &verbosity, &suppressed)
	if err != nil {
		return false, explain(err, s.a)
	}
	if verbosity < 3 || strings.Contains(suppressed, "013302") || strings.Contains(suppressed, "010926") {
		return false, nil
	}
	err = s.Row(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM performance_schema.error_log LIMIT 1) AS one", nil, &readable)
	if mysql.Is(err, mysql.TableDenied) || mysql.Is(err, mysql.ColumnDenied) || mysql.Is(err, mysql.NoTable) {
		return false, nil // the table came with 8.0.22
	}
	// The server logs its own start; where even that is missing, the table is
	// not being filled.
	return readable > 0, explain(err, s.a)
}

// loggedUse reads what the server has logged of the user within the last watch.
func (s *session) loggedUse(ctx context.Context, watch time.Duration, quarantined bool) (string, error) {
	var second, refused int
	err := s.Row(ctx, `SELECT COALESCE(SUM(ERROR_CODE = ?), 0), COALESCE(SUM(ERROR_CODE = ?), 0)
		FROM performance_schema.error_log
		WHERE LOGGED > NOW(6) - INTERVAL ? MICROSECOND AND (INSTR(DATA, BINARY ?) > 0 OR INSTR(DATA, BINARY ?) > 0)`,
		[]any{logSecondPassword, logAccessDenied, watch.Microseconds(), "for user '" + s.a.user + "'@", "by user: '" + s.a.user + "'@"}, &second, &refused)
	switch {
	case err != nil:
		return "", explain(err, s.a)
	case second > 0:
		return fmt.Sprintf("%d logins of %s by its old password within %s", second, s.a, watch), nil
	case quarantined && refused > refusedAtRest:
		return fmt.Sprintf("%d refused logins of %s within %s", refused, s.a, watch), nil
	}
	return "", nil
}

func (s *session) refusedConnections(ctx context.Context) (int, error) {
	var name string
	var refused int
	err := s.Row(ctx, "SHOW GLOBAL STATUS LIKE 'Aborted_connects'", nil, &name, &refused)
	return refused, explain(err, s.a)
}
