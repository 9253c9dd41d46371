package database

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"mautic-rotation/rotation/mysql"
)

// A password policy may let a rotation begin and refuse a statement by which it is
// to end, or to be undone. Without that statement the old password stays accepted
// for good, in an emergency too, or the one in use is not accepted again. So before
// a value is made each such statement is rehearsed (see rehearse.go), and what no
// rehearsal shows is looked up here: what the server remembers of passwords, and how
// much one has to differ from the one that it replaces.

// policed reports whether MySQL's policies apply. MariaDB has others (see mariadb.go), and RDS
// changes a password with statements of its own.
func (t *turn) policed() bool { return !t.server.mariadb() && t.way != byRDS }

// checkPolicies fails if a policy refuses what the change needs after the promotion of next.
// Every account may read the policies.
func (t *turn) checkPolicies(ctx context.Context, present, next string) error {
	if !t.policed() {
		return nil
	}
	if err := t.checkHistory(ctx); err != nil {
		return err
	}
	share, err := t.changedShare(ctx)
	if err != nil || share.allow(present, next) {
		return err
	}
	return share.refusal()
}

// checkHistory checks the server's defaults for password reuse. An account can have limits of its
// own, which its description shows.
func (t *turn) checkHistory(ctx context.Context) error {
	history, err := t.own.number(ctx, "password_history")
	if err != nil {
		return err
	}
	interval, err := t.own.number(ctx, "password_reuse_interval")
	if err != nil {
		return err
	}
	shown, err := t.own.description(ctx)
	if err != nil {
		return err
	}
	history = ownLimit(shown, ownHistory, history)
	interval = ownLimit(shown, ownInterval, interval)
	if history != 0 || interval != 0 {
		return fmt.Errorf("password_history is %d and password_reuse_interval is %d: a password that was used before cannot be set again (MySQL error %d), which a rotation needs to complete or to be undone: ALTER USER … PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY",
			history, interval, mysql.PasswordReused)
	}
	return nil
}

// changedCharacters is the percentage of characters that a new password must not share with the
// one that it replaces. It is a variable of the component validate_password, and absent without
// it.
const changedCharacters = "validate_password.changed_characters_percentage"

// A changedShare is what changedCharacters asks of a password that an account
// replaces itself. The zero value asks for nothing.
type changedShare struct {
	percent int

	// strict: REPLACE is required of the account (password_require_current), so
	// that there is no statement which the policy has nothing to compare with. See
	// session.swap.
	strict bool
}

func (t *turn) changedShare(ctx context.Context) (c changedShare, err error) {
	if t.way.dual() && !t.swaps() { // who changes an account by its name need not name the replaced password
		return changedShare{}, nil
	}
	if c.percent, err = t.own.number(ctx, changedCharacters); err != nil || c.percent == 0 {
		return changedShare{}, err
	}
	c.strict, err = t.mustName(ctx)
	return c, err
}

// mustName reports whether the account has to name its password to change it. With CREATE USER it
// never has to.
func (t *turn) mustName(ctx context.Context) (bool, error) {
	value, err := t.own.variable(ctx, "password_require_current")
	if err != nil {
		return false, err
	}
	shown, err := t.own.description(ctx)
	if err != nil {
		return false, err
	}
	switch match := ownRequire.FindStringSubmatch(shown); {
	case match == nil || match[1] == " DEFAULT":
		if value != "1" {
			return false, nil
		}
	case match[1] == " OPTIONAL":
		return false, nil
	}
	err = t.own.mayAlter(ctx, t.server)
	if mysql.Is(err, mysql.NoPrivilege) {
		return true, nil
	}
	return false, explain(err, t.own.a)
}

// met reports whether either password may replace the other one.
func (c changedShare) met(a, b string) bool { return c.oneWay(a, b) && c.oneWay(b, a) }

func (c changedShare) oneWay(replaced, next string) bool {
	length := len([]rune(replaced))
	return newCharacters(replaced, next)*100 >= length*c.percent
}

// allow reports whether next can replace present, and be replaced by it.
func (c changedShare) allow(present, next string) bool { return !c.strict || c.met(present, next) }

func (c changedShare) refusal() error {
	return fmt.Errorf("%s is %d and password_require_current is on: the server refuses to replace a password by one with too few different characters (MySQL error %d), and one of the old and the new password would have to replace the other: ALTER USER … PASSWORD REQUIRE CURRENT OPTIONAL, or SET GLOBAL %s = 0 (on RDS, in the parameter group)",
		changedCharacters, c.percent, mysql.TooFewChanges, changedCharacters)
}

// newCharacters counts as MySQL does: the different characters, ignoring case, that the replaced
// password does not have.
func newCharacters(replaced, next string) int {
	seen := map[rune]bool{}
	for _, r := range replaced {
		seen[unicode.ToLower(r)] = true
	}
	count := 0
	for _, r := range next {
		if r = unicode.ToLower(r); !seen[r] {
			seen[r] = true
			count++
		}
	}
	return count
}

// underPolicy is what an operator can do so that the policy validate_password accepts passwords.
// A policy LOW checks only the length.
func (t *turn) underPolicy(ctx context.Context, passwords ...string) string {
	const until = " (on RDS, in the parameter group), until the first rotation has ended"
	if t.server.mariadb() {
		return "SET GLOBAL strict_password_validation = OFF, so that hashes are sent" + until
	}
	of := "validate_password." // the component's variables
	if policy, err := t.own.variable(ctx, of+"policy"); err == nil && policy == "" {
		of = "validate_password_" // the plugin's, its forerunner
	}
	shortest, likeUser := len(passwords[0]), false
	for _, password := range passwords {
		shortest = min(shortest, len(password))
		likeUser = likeUser || strings.EqualFold(password, t.server.user()) || strings.EqualFold(reverse([]rune(password)), t.server.user())
	}
	remedy := "SET GLOBAL " + of + "policy = LOW"
	if length, err := t.own.number(ctx, of+"length"); err == nil && shortest < length {
		remedy += fmt.Sprintf(", %slength = %d", of, shortest)
	}
	if likeUser {
		remedy += ", " + of + "check_user_name = OFF"
	}
	return remedy + until
}

func reverse(text []rune) string {
	for i, j := 0, len(text)-1; i < j; i, j = i+1, j-1 {
		text[i], text[j] = text[j], text[i]
	}
	return string(text)
}

// variable is one of the server's global variables, a switch as "0" or "1"; "" if there is none
// with that name. It needs no privilege, and a twentieth of the time of SHOW GLOBAL VARIABLES,
// which collects all of them.
func (s *session) variable(ctx context.Context, name string) (value string, err error) {
	err = s.Row(ctx, "SELECT @@GLOBAL."+name, nil, &value)
	if mysql.Is(err, mysql.NoVariable) {
		return "", nil
	}
	return value, explain(err, s.a)
}

// number is variable for one that is a number; 0 where there is none.
func (s *session) number(ctx context.Context, name string) (int, error) {
	value, err := s.variable(ctx, name)
	if err != nil || value == "" {
		return 0, err
	}
	return strconv.Atoi(value)
}

// What MySQL's SHOW CREATE USER says of an account's own limits. DEFAULT, or
// nothing, is the server's.
var (
	ownHistory  = regexp.MustCompile(` PASSWORD HISTORY (\d+)`)
	ownInterval = regexp.MustCompile(` PASSWORD REUSE INTERVAL (\d+)`)
	ownFailures = regexp.MustCompile(` FAILED_LOGIN_ATTEMPTS (\d+)`)
	ownRequire  = regexp.MustCompile(` PASSWORD REQUIRE CURRENT( DEFAULT| OPTIONAL)?`)
)

func ownLimit(shown string, of *regexp.Regexp, otherwise int) int {
	if match := of.FindStringSubmatch(shown); match != nil {
		if n, err := strconv.Atoi(match[1]); err == nil {
			return n
		}
	}
	return otherwise
}

// description is what a server shows an account about itself, on MySQL without its hashes.
func (s *session) description(ctx context.Context) (shown string, err error) {
	err = s.Row(ctx, "SHOW CREATE USER CURRENT_USER()", nil, &shown)
	return shown, explain(err, s.a)
}
