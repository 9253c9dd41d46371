package database

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
)

// What MySQL logs of logins with log_error_verbosity=3: those with an account's
// second password, and refused ones.
//
//	Plugin caching_sha2_password reported: 'Second password was used for login by user: 'mautic'@'%'.'
//	Access denied for user 'mautic'@'10.0.3.7' (using password: YES)
//
// The former names the account, and not the client.
const (
	logSecondPassword = "MY-013302"
	logAccessDenied   = "MY-010926"
)

// untold is why the server does not show who uses the second password, and what an operator can
// do about it; "" if it does. A log that records nothing must not be mistaken for one without any
// use.
func (s *session) untold(ctx context.Context, at server) (string, error) {
	if at.mariadb() {
		return "MariaDB does not log which password a login used, so only refused logins in the quarantine show use of the old one", nil
	}
	var verbosity int
	var suppressed string
	err := s.Row(ctx, "SELECT @@GLOBAL.log_error_verbosity, @@GLOBAL.log_error_suppression_list", nil, &verbosity, &suppressed)
	if err != nil {
		return "", explain(err, s.a)
	}
	var why []string
	if verbosity < 3 {
		why = append(why, "the server does not log logins with the old password: SET GLOBAL log_error_verbosity = 3 (on RDS, in the parameter group)")
	}
	if strings.Contains(suppressed, "013302") || strings.Contains(suppressed, "010926") {
		why = append(why, fmt.Sprintf("log_error_suppression_list keeps %s or %s out of the server's log: remove them from it", logSecondPassword, logAccessDenied))
	}
	var readable int
	err = s.Row(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM performance_schema.error_log LIMIT 1) AS one", nil, &readable)
	switch {
	case mysql.Is(err, mysql.TableDenied) || mysql.Is(err, mysql.ColumnDenied):
		why = append(why, fmt.Sprintf("%s may not read the server's log: GRANT SELECT ON performance_schema.error_log to it", s.a))
	case mysql.Is(err, mysql.NoTable):
		why = append(why, "the server has no table performance_schema.error_log, which MySQL has since 8.0.22: upgrade the server")
	case err != nil:
		return "", explain(err, s.a)
	case readable == 0:
		// The server logs its own start, so the table is not being filled.
		why = append(why, "the table performance_schema.error_log is empty: enable performance_schema on the server")
	}
	return strings.Join(why, "; "), nil
}

// isSecond reports whether the session has logged in with the account's second password,
// according to the log's entry about the session itself. Then the log's other logins with the
// second password are use of the current one, not of the old one.
func (s *session) isSecond(ctx context.Context) (bool, error) {
	var logins int
	err := s.Row(ctx, `SELECT COUNT(*) FROM performance_schema.error_log
		WHERE ERROR_CODE = ? AND THREAD_ID = CONNECTION_ID() AND LOGGED > NOW(6) - INTERVAL ? SECOND AND DATA LIKE BINARY ? ESCAPE '|'`,
		[]any{logSecondPassword, mysql.IdleLimit, bySecondPassword(s.a)}, &logins)
	return logins > 0, explain(err, s.a)
}

// bySecondPassword is the part of a log text that names the account of a login.
func bySecondPassword(a account) string { return containing("by user: '" + a.user + "'@") }

// containing is a pattern of LIKE BINARY, with the escape character |, for texts that
// have a text in them. MySQL takes a quarter of the time for it that it takes for INSTR,
// and the log has up to 25,000 lines.
func containing(text string) string {
	return "%" + strings.NewReplacer("|", "||", "%", "|%", "_", "|_").Replace(text) + "%"
}

// loginLog is the witness if MySQL's log can be read. Its table keeps the last 5 MB. MySQL fills
// it from the log file at start, so it may reach back over a restart.
type loginLog struct {
	*session
	back        time.Duration // how far before the call it looks
	reaches     time.Duration // how far before the call the log does
	quarantined bool
	host        string // where the server sees this function come from
}

// readLog also returns from when on the log covers the time since o.Since.
func (s *session) readLog(ctx context.Context, o credential.Overlap) (l loginLog, gap string, err error) {
	l = loginLog{session: s, quarantined: o.Quarantined}
	if !o.Since.IsZero() {
		l.back = max(0, timeOf(o).Sub(o.Since))
	}
	// LOGGED is shown in the session's time zone, where an hour may come twice.
	if err := s.Exec(ctx, "SET SESSION time_zone = '+00:00'"); err != nil {
		return loginLog{}, "", explain(err, s.a)
	}
	var oldest int64
	err = s.Row(ctx, "SELECT TIMESTAMPDIFF(MICROSECOND, MIN(LOGGED), NOW(6)), SUBSTRING_INDEX(USER(), '@', -1) FROM performance_schema.error_log", nil, &oldest, &l.host)
	if err != nil {
		return loginLog{}, "", explain(err, s.a)
	}
	l.reaches = microseconds(oldest)
	why := "the server's log reaches back no further: it keeps the last 5 MB, and loses some of them in a restart"
	changed, err := s.verbositySet(ctx)
	if err != nil {
		return loginLog{}, "", err
	}
	if changed != nil && microseconds(*changed) < l.reaches {
		l.reaches, why = microseconds(*changed), "the server's logging settings were changed then (log_error_verbosity, log_error_suppression_list)"
	}
	if l.reaches < l.back {
		gap = fmt.Sprintf("not observed before %s: %s", timeOf(o).Add(-l.reaches).UTC().Format(time.RFC3339), why)
	}
	return l, gap, nil
}

// verbositySet is how many microseconds ago what the server logs was changed; nil
// when it was not since the server started, or that is not shown.
func (s *session) verbositySet(ctx context.Context) (ago *int64, err error) {
	err = s.Row(ctx, `SELECT TIMESTAMPDIFF(MICROSECOND, MAX(SET_TIME), NOW(6)) FROM performance_schema.variables_info
		WHERE VARIABLE_NAME IN ('log_error_verbosity', 'log_error_suppression_list')`, nil, &ago)
	if mysql.Is(err, mysql.TableDenied) || mysql.Is(err, mysql.NoTable) {
		return nil, nil
	}
	return ago, explain(err, s.a)
}

func (l loginLog) seen(ctx context.Context, watched time.Duration) (what string, from []string, err error) {
	if l.quarantined {
		return l.refused(ctx, watched)
	}
	return l.used(ctx, watched)
}

// used reports logins with the second password. One is enough: this function makes none between
// the convergence of a rollout and the quarantine.
func (l loginLog) used(ctx context.Context, watched time.Duration) (what string, from []string, err error) {
	within := l.back + watched
	var logins int
	var last *string
	err = l.Row(ctx, `SELECT COUNT(*), DATE_FORMAT(MAX(LOGGED), '%Y-%m-%dT%H:%i:%sZ') FROM performance_schema.error_log
		WHERE ERROR_CODE = ? AND LOGGED > NOW(6) - INTERVAL ? MICROSECOND AND DATA LIKE BINARY ? ESCAPE '|'`,
		[]any{logSecondPassword, within.Microseconds(), bySecondPassword(l.a)}, &logins, &last)
	if err != nil || logins == 0 || last == nil {
		return "", nil, explain(err, l.a)
	}
	clients, err := l.connected(ctx, within)
	if err != nil {
		return "", nil, err
	}
	origin := "; the log does not say from where, and none of them is still connected"
	if len(clients) > 0 {
		var named string
		named, from = name(clients)
		origin = "; of these, there are connections from " + named
	}
	return fmt.Sprintf("%d logins of %s with its old password within %s, the last one at %s%s", logins, l.a, roughly(within), *last, origin), from, nil
}

// endsWithin is how soon the first refused login follows the last one with a second password, if
// that password was retired: retiring tries it before, and sees it refused after, or when its
// watch is over.
const endsWithin = 10 * time.Minute

// endedSince reports whether the second password that the log's last such login used has been
// retired: the account refused a login soon after. That is how a rotation ends, and its own try
// is the last such login.
func (l loginLog) endedSince(ctx context.Context) (bool, error) {
	var refused int
	err := l.Row(ctx, `SELECT COUNT(*) FROM performance_schema.error_log r,
		(SELECT MAX(LOGGED) AS at FROM performance_schema.error_log WHERE ERROR_CODE = ? AND DATA LIKE BINARY ? ESCAPE '|') last
		WHERE r.ERROR_CODE = ? AND r.LOGGED > last.at AND r.LOGGED < last.at + INTERVAL ? SECOND
		AND r.DATA LIKE BINARY ? ESCAPE '|' AND r.DATA LIKE '%(using password: YES)%'`,
		[]any{logSecondPassword, bySecondPassword(l.a), logAccessDenied, int(endsWithin / time.Second), containing("for user '" + l.a.user + "'@")}, &refused)
	return refused > 0, explain(err, l.a)
}

// connected returns the clients of logins with the second password whose connections are still
// open. Every account may see its own connections. The log identifies connections by ids, which
// start again when the server starts.
func (l loginLog) connected(ctx context.Context, within time.Duration) ([]client, error) {
	var found []client
	err := l.Rows(ctx, `SELECT p.HOST, COUNT(*) FROM performance_schema.error_log e JOIN performance_schema.processlist p ON p.ID = e.THREAD_ID
		WHERE e.ERROR_CODE = ? AND e.DATA LIKE BINARY ? ESCAPE '|' AND p.USER = ? AND e.LOGGED > NOW(6) - INTERVAL ? MICROSECOND
		AND e.LOGGED > NOW(6) - INTERVAL (SELECT VARIABLE_VALUE + 1 FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Uptime') SECOND
		GROUP BY p.HOST`, []any{logSecondPassword, bySecondPassword(l.a), l.a.user, within.Microseconds()},
		func(scan func(...any) error) error {
			var c client
			if err := scan(&c.address, &c.logins); err != nil {
				return err
			}
			if port := strings.LastIndexByte(c.address, ':'); port >= 0 {
				c.address = c.address[:port]
			}
			at := slices.IndexFunc(found, func(f client) bool { return f.address == c.address })
			if at < 0 {
				found = append(found, c)
			} else {
				found[at].logins += c.logins
			}
			return nil
		})
	if mysql.Is(err, mysql.TableDenied) || mysql.Is(err, mysql.NoTable) {
		return nil, nil
	}
	busiestFirst(found)
	return found, explain(err, l.a)
}

func busiestFirst(clients []client) {
	slices.SortFunc(clients, func(a, b client) int {
		return cmp.Or(cmp.Compare(b.logins, a.logins), cmp.Compare(a.address, b.address))
	})
}

// rateFrom is how far back before the quarantine the rate of refused logins is measured.
const rateFrom = 24 * time.Hour

// refused reports refused logins, client by client, if there are more than before: a client that
// has always used a wrong password does not use the old one. Logins with the second password no
// longer count: before the quarantine removes that password, it makes one itself.
func (l loginLog) refused(ctx context.Context, watched time.Duration) (what string, from []string, err error) {
	within := l.back + watched
	var clients []client
	var logins int64
	err = l.Rows(ctx, `SELECT SUBSTRING_INDEX(SUBSTRING_INDEX(DATA, ?, -1), ?, 1) AS client,
		SUM(LOGGED > NOW(6) - INTERVAL ? MICROSECOND), SUM(LOGGED <= NOW(6) - INTERVAL ? MICROSECOND)
		FROM performance_schema.error_log
		WHERE ERROR_CODE = ? AND LOGGED > NOW(6) - INTERVAL ? MICROSECOND AND DATA LIKE BINARY ? ESCAPE '|' AND DATA LIKE '%(using password: YES)%'
		GROUP BY client`,
		[]any{"'@'", "'", within.Microseconds(), within.Microseconds(), logAccessDenied, (within + rateFrom).Microseconds(), containing("for user '" + l.a.user + "'@")},
		func(scan func(...any) error) error {
			var c client
			var before int64
			if err := scan(&c.address, &c.logins, &before); err != nil {
				return err
			}
			usual := rate{refused: before, over: min(rateFrom, l.reaches-l.back)}
			if usual.exceeded(c.logins, within, l.ownLogins(c.address, within)) {
				clients, logins = append(clients, c), logins+c.logins
			}
			return nil
		})
	if err != nil || len(clients) == 0 {
		return "", nil, explain(err, l.a)
	}
	busiestFirst(clients)
	named, from := name(clients)
	return fmt.Sprintf("%d refused logins of %s within %s, from %s", logins, l.a, roughly(within), named), from, nil
}

// ownLogins is how many refused logins from a client may be this function's own: an invocation
// that continues a quarantine tries the old password first, and the schedule may start one each
// minute.
func (l loginLog) ownLogins(address string, within time.Duration) int64 {
	if address != l.host {
		return 0
	}
	return 2 + int64(within/time.Minute)
}

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
