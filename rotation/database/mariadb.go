package database

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mautic-rotation/rotation/mysql"
)

// entry is one of the ways in which a MariaDB account may log in.
type entry struct{ plugin, hash string }

// entries reads them from what MariaDB shows each account about itself.
func (s *session) entries(ctx context.Context) ([]entry, error) {
	var shown string
	if err := s.Exec(ctx, "SET SESSION sql_quote_show_create = 1"); err != nil {
		return nil, explain(err, s.a)
	}
	if err := s.Row(ctx, "SHOW CREATE USER", nil, &shown); err != nil {
		return nil, explain(err, s.a)
	}
	return readEntries(shown, s.a)
}

func readEntries(shown string, a account) ([]entry, error) {
	found, ok := parseEntries(shown)
	if !ok {
		return nil, fmt.Errorf("cannot read how %s logs in: this function does not know the server's description of it", a)
	}
	return found, nil
}

// entriesFor is entries for the user's account on any host; false if the writer may not see it.
func (t *turn) entriesFor(ctx context.Context, host string) ([]entry, bool, error) {
	if host == t.server.host() {
		found, err := t.own.entries(ctx)
		return found, err == nil, err
	}
	var shown string
	if err := t.writer.Exec(ctx, "SET SESSION sql_quote_show_create = 1"); err != nil {
		return nil, false, explain(err, t.writer.a)
	}
	err := t.writer.Row(ctx, "SHOW CREATE USER ?@?", []any{t.server.user(), host}, &shown)
	if mysql.Is(err, mysql.DatabaseDenied) || mysql.Is(err, mysql.TableDenied) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, explain(err, t.writer.a)
	}
	found, err := readEntries(shown, t.own.a)
	return found, err == nil, err
}

// parseEntries reads MariaDB's
//
//	CREATE USER `u`@`h` IDENTIFIED BY PASSWORD '*…' REQUIRE …
//	CREATE USER `u`@`h` IDENTIFIED VIA plugin USING '…' OR plugin …
//
// An account without a password has no such clause, and no entry.
func parseEntries(shown string) (found []entry, ok bool) {
	rest, ok := strings.CutPrefix(shown, "CREATE USER ")
	if !ok {
		return nil, false
	}
	if _, rest, ok = cutQuoted(rest, "`\""); !ok {
		return nil, false
	}
	if rest, ok = strings.CutPrefix(rest, "@"); !ok {
		return nil, false
	}
	if _, rest, ok = cutQuoted(rest, "`\""); !ok {
		return nil, false
	}
	if by, is := strings.CutPrefix(rest, " IDENTIFIED BY PASSWORD "); is {
		hash, _, ok := cutQuoted(by, "'")
		return []entry{{nativePlugin, hash}}, ok
	}
	rest, is := strings.CutPrefix(rest, " IDENTIFIED VIA ")
	for is {
		e := entry{}
		if e.plugin, rest, _ = strings.Cut(rest, " "); rest == "" {
			return append(found, e), true
		}
		if using, has := strings.CutPrefix(rest, "USING "); has {
			if e.hash, rest, ok = cutQuoted(using, "'"); !ok {
				return nil, false
			}
			rest = strings.TrimPrefix(rest, " ")
		}
		found = append(found, e)
		rest, is = strings.CutPrefix(rest, "OR ")
	}
	return found, true
}

// cutQuoted cuts what stands in one of the quotes from the start of s. A quote
// within is doubled, or has a backslash before it.
func cutQuoted(s, quotes string) (inside, rest string, ok bool) {
	if s == "" || !strings.Contains(quotes, s[:1]) {
		return "", "", false
	}
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote == '\'':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return s[1:i], s[i+1:], true
		}
	}
	return "", "", false
}

// mayHave is false if the account shows that it does not have the password. So a retired password
// is found without a refused login, which would look like use of it by the application. MySQL
// does not show its passwords.
func (t *turn) mayHave(ctx context.Context, a account) (bool, error) {
	if !t.server.mariadb() || t.server.several() { // cut off halfway, the others may have it
		return true, nil
	}
	present, err := t.own.entries(ctx)
	return err != nil || slices.ContainsFunc(present, func(e entry) bool { return e.hash == nativeHash(a.password) }), err
}

// checkEntries refuses an account that can log in by means other than a native password: the
// change would remove those.
func (t *turn) checkEntries(ctx context.Context) error {
	present, err := t.own.entries(ctx)
	if err != nil {
		return err
	}
	for _, e := range present {
		if e.plugin != nativePlugin {
			return fmt.Errorf("'%s' can log in with %s, which a change of its password would remove, so nothing was changed: have an administrator run ALTER USER … IDENTIFIED VIA %s USING PASSWORD('…') with the password in AWSCURRENT",
				t.server.account, e.plugin, nativePlugin)
		}
	}
	if t.policy.strict && slices.Contains(t.policy.plugins, reusePlugin) {
		return fmt.Errorf("the server's plugin %s refuses a password that was used before, so an account cannot keep its old one or get it back, and nothing was changed: SET GLOBAL strict_password_validation = OFF, so that hashes are sent, or UNINSTALL SONAME '%s'",
			reusePlugin, reusePlugin)
	}
	if t.way == single && len(present) > 1 {
		return fmt.Errorf("'%s' has two passwords from a rotation with another DATABASE_WAY, and can itself only change the first one: have an administrator run ALTER USER … IDENTIFIED VIA %s USING PASSWORD('…') with the password in AWSCURRENT",
			t.server.account, nativePlugin)
	}
	return nil
}

// policy is what a MariaDB server demands of passwords.
type policy struct {
	plugins []string // that look at new passwords
	strict  bool     // what they cannot look at is refused: hashes
}

// reusePlugin remembers every password that it has seen, including those of failed statements. So
// it is checked for before anything is tried.
const reusePlugin = "password_reuse_check"

// plain reports whether the passwords themselves have to be sent.
func (p policy) plain() bool { return p.strict && len(p.plugins) > 0 }

// simple reports whether no plugin other than simple_password_check checks passwords.
func (p policy) simple() bool { return slices.Equal(p.plugins, []string{simplePlugin}) }

const plainWarning = "the server's password plugins refuse hashes, so the passwords themselves are sent, over TLS, and MariaDB writes them to its general, slow and binary logs: restrict access to those logs, or SET GLOBAL strict_password_validation = OFF"

func (s *session) policy(ctx context.Context) (p policy, err error) {
	if err := s.Row(ctx, "SELECT @@GLOBAL.strict_password_validation", nil, &p.strict); err != nil {
		return policy{}, explain(err, s.a)
	}
	p.plugins, err = s.Texts(ctx, "SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'PASSWORD VALIDATION' AND PLUGIN_STATUS = 'ACTIVE'")
	return p, explain(err, s.a)
}

// warnings is what the server says about the statement that has just failed: for an ALTER USER,
// MariaDB's error only says that it failed (1396). The text names plugins and their rules, and no
// passwords.
func (s *session) warnings(ctx context.Context) string {
	var said []string
	err := s.eachWarning(ctx, func(code int, message string) {
		if code != mysql.UserOperationFailed {
			said = append(said, message)
		}
	})
	if err != nil || len(said) == 0 {
		return ""
	}
	return "; the server says: " + strings.Join(said, "; ")
}

// eachWarning is called right after the statement that the warnings are of.
func (s *session) eachWarning(ctx context.Context, each func(code int, message string)) error {
	return s.Rows(ctx, "SHOW WARNINGS", nil, func(scan func(...any) error) error {
		var level, message string
		var code int
		err := scan(&level, &code, &message)
		each(code, message)
		return err
	})
}

// noHash is not a password hash, so MariaDB refuses a statement with it after checking what comes
// before it.
const noHash = "no hash"

// An entryRefused is a rehearsal that MariaDB's plugins refuse.
type entryRefused struct{ said []string }

func (e *entryRefused) Error() string {
	return "the server's plugins refuse the password: " + strings.Join(e.said, "; ")
}

func (e *entryRefused) Unwrap() error { return mysql.Number(mysql.PolicyRefuses) }

// takesEntry rehearses giving the account a password, with a statement that fails at its last
// entry for lack of a hash. It changes nothing.
//
// The rules of simple_password_check are read if the current password would have to be sent in
// the clear, since the server logs statements, and for SET PASSWORD, which cannot be rehearsed
// with a password in it.
func (t *turn) takesEntry(ctx context.Context, password string) error {
	if t.way == single {
		if err := t.rehearseSetPassword(ctx); err != nil {
			return err
		}
	}
	if looked := t.way == single || password == t.own.a.password; looked && t.policy.plain() && t.policy.simple() {
		said, err := t.own.breaks(ctx, t.server.user(), password)
		if err != nil || len(said) == 0 {
			return err
		}
		return &entryRefused{said}
	}
	if t.way == single {
		return nil
	}
	value, sent := " USING ?", nativeHash(password)
	if t.policy.plain() {
		value, sent = " USING PASSWORD(?)", password
	}
	err := t.writer.Exec(ctx, "ALTER USER ?@? IDENTIFIED VIA "+nativePlugin+value+" OR "+nativePlugin+" USING ?",
		t.server.user(), t.server.host(), sent, noHash)
	if !mysql.Is(err, mysql.UserOperationFailed) {
		return t.explainWriter(err)
	}
	var said []string
	err = t.writer.eachWarning(ctx, func(code int, message string) {
		if code == mysql.PolicyRefuses {
			said = append(said, message)
		}
	})
	if err != nil {
		return explain(err, t.writer.a)
	}
	if len(said) > 0 {
		return &entryRefused{said}
	}
	return nil
}

// rehearseSetPassword fails if the server accepts no statement at all.
func (t *turn) rehearseSetPassword(ctx context.Context) error {
	err := t.own.Exec(ctx, "SET PASSWORD = ?", noHash)
	if mysql.Is(err, mysql.BadHash) || refusesHashes(err) {
		return nil
	}
	return explain(err, t.own.a)
}

// simplePlugin looks at the length of a password and at what it consists of.
const simplePlugin = "simple_password_check"

// breaks returns the rules of simple_password_check that a password breaks. Every account may
// read them.
func (s *session) breaks(ctx context.Context, user, password string) (rules []string, err error) {
	counts := map[string]int{"minimal_length": len(password)}
	lower, upper := 0, 0
	for _, b := range []byte(password) {
		switch {
		case b >= '0' && b <= '9':
			counts["digits"]++
		case b >= 'a' && b <= 'z':
			lower++
		case b >= 'A' && b <= 'Z':
			upper++
		default:
			counts["other_characters"]++
		}
	}
	counts["letters_same_case"] = min(lower, upper)
	for _, rule := range []string{"minimal_length", "digits", "letters_same_case", "other_characters"} {
		least, err := s.number(ctx, simplePlugin+"_"+rule)
		if err != nil {
			return nil, err
		}
		if counts[rule] < least {
			rules = append(rules, fmt.Sprintf("%s_%s is %d", simplePlugin, rule, least))
		}
	}
	if strings.HasPrefix(user, password) {
		rules = append(rules, "it is too similar to the user's name")
	}
	return rules, nil
}
