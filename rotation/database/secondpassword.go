package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
)

// An account may accept a password that no version of the secret stores: a DBA has
// retained one. A rotation needs its place, so it would evict it. MySQL shows that to
// those who may read mysql.user, and its log has the logins with a second password;
// MariaDB shows each account its entries.

// grantToSeeSlots is the smallest grant that shows on MySQL whether there is a second password.
const grantToSeeSlots = "GRANT SELECT (User, Host, User_attributes) ON mysql.user to it"

// usedLately is how far back to search the log for use of a second password: far enough for a job
// that runs once a day.
const usedLately = 25 * time.Hour

// held is what an account of the user's accepts. "" is nothing, or unknown.
type held struct{ host, primary, second string }

// heldByEach reads it for each of the user's accounts, in whichever of the two sessions may. ok
// is false if neither may.
func (t *turn) heldByEach(ctx context.Context) (found []held, ok bool, err error) {
	for _, columns := range []string{"HEX(authentication_string)", "''"} {
		for _, s := range []*session{t.writer, t.own} {
			found = nil
			err = s.Rows(ctx, "SELECT Host, "+columns+", HEX(COALESCE(User_attributes->>'$.additional_password', '')) FROM mysql.user WHERE User = ?", []any{t.server.user()},
				func(scan func(...any) error) error {
					var h held
					if err := scan(&h.host, &h.primary, &h.second); err != nil {
						return err
					}
					var hexErr, otherErr error
					h.primary, hexErr = unhex(h.primary)
					h.second, otherErr = unhex(h.second)
					found = append(found, h)
					return errors.Join(hexErr, otherErr)
				})
			if err == nil {
				return found, true, nil
			}
			if !mysql.Is(err, mysql.TableDenied) && !mysql.Is(err, mysql.ColumnDenied) {
				return nil, false, explain(err, s.a)
			}
		}
	}
	return nil, false, nil
}

// unknownPassword names the password that the account accepts besides the known ones. visible is
// false if neither session may look.
func (t *turn) unknownPassword(ctx context.Context, known ...string) (what string, visible bool, err error) {
	isKnown := func(stored string) bool {
		return slices.ContainsFunc(known, func(password string) bool {
			matches, readable := matchesHash(stored, password)
			return matches || !readable
		})
	}
	if t.server.mariadb() {
		for _, host := range t.server.everyHost() {
			present, ok, err := t.entriesFor(ctx, host)
			if err != nil {
				return "", false, err
			}
			if ok && slices.ContainsFunc(present, func(e entry) bool { return e.plugin == nativePlugin && !isKnown(e.hash) }) {
				return fmt.Sprintf("'%s'@'%s' accepts another password besides the one in AWSCURRENT", t.server.user(), host), true, nil
			}
		}
		return "", true, nil
	}
	all, visible, err := t.heldByEach(ctx)
	for _, h := range all {
		switch {
		case h.second != "" && !isKnown(h.second):
			return fmt.Sprintf("'%s'@'%s' accepts a second password, which is not the one in AWSCURRENT", t.server.user(), h.host), true, nil
		case h.primary != "" && !isKnown(h.primary):
			return fmt.Sprintf("'%s'@'%s' has the password in AWSCURRENT as its second one, and another as its first", t.server.user(), h.host), true, nil
		}
	}
	return "", visible, err
}

// checkSecond looks for a password that a rotation would evict. It is a problem if the server's
// log shows that it is used.
//
// If neither session may look into the account, the log's evidence is only a warning: while a
// rotation is in progress, or until it was given up, the second password was its own, or the one
// in AWSCURRENT.
func (t *turn) checkSecond(ctx context.Context) (problem, warning error) {
	what, visible, err := t.unknownPassword(ctx, t.own.a.password)
	if err != nil || visible && what == "" {
		return err, nil
	}
	const evicted = "a rotation removes it, unless it belongs to one in progress"
	if t.server.mariadb() {
		return nil, fmt.Errorf("%s, and %s: find what uses it, and make that use the one in AWSCURRENT", what, evicted)
	}
	used, untold, err := t.secondUsed(ctx, visible)
	const remedy = "make whatever uses it use the one in AWSCURRENT, then ALTER USER … DISCARD OLD PASSWORD"
	switch {
	case err != nil:
		return err, nil
	case used != "" && visible:
		return fmt.Errorf("%s, which a rotation would remove although it is used (%s): %s", what, used, remedy), nil
	case used != "":
		return nil, fmt.Errorf("the account may accept a second password, and %s (%s). Unless it came from a rotation, %s; to see whether there is one: %s", evicted, used, remedy, grantToSeeSlots)
	case visible && untold != "":
		return nil, fmt.Errorf("%s, and %s. It is not known whether it is used: %s", what, evicted, untold)
	case untold == untoldOfPrimary:
		return nil, fmt.Errorf("the password in AWSCURRENT is the account's second one, so the account accepts another one, and %s", evicted)
	case visible:
		return nil, fmt.Errorf("%s, and %s. Within %s no login with it was logged", what, evicted, usedLately)
	}
	return nil, nil
}

// secondUsed is what the server's log shows of logins with the account's second password, and why
// it shows nothing. If neither session may look into the account, logins with a second password
// that was retired since do not prove that there is one now.
func (t *turn) secondUsed(ctx context.Context, visible bool) (used, untold string, err error) {
	if _, untold, err = t.tells(ctx); err != nil || untold != "" {
		return "", untold, err
	}
	now := time.Now()
	log, _, err := t.own.readLog(ctx, credential.Overlap{Now: now, Since: now.Add(-usedLately)})
	if err != nil {
		return "", "", err
	}
	used, _, err = log.used(ctx, 0)
	if err != nil || used == "" || visible {
		return used, "", err
	}
	over, err := log.endedSince(ctx)
	if over {
		used = ""
	}
	return used, "", err
}

// tellEvicted logs what a set evicts.
func (t *turn) tellEvicted(ctx context.Context, present, next account) error {
	if !t.way.dual() {
		return nil
	}
	what, visible, err := t.unknownPassword(ctx, present.password, next.password)
	if err != nil {
		return err
	}
	if what != "" {
		t.log.Warn("this rotation removes a password that it does not know: what uses it fails from now on, unless it came from a rotation that was given up", "which", what)
	}
	if visible {
		return nil
	}
	const unseen = "cannot see whether the account already has a second password. If it has, this rotation replaces it. To have that checked, " + grantToSeeSlots
	used, _, err := t.secondUsed(ctx, visible)
	if used != "" {
		t.log.Warn(unseen, "account", t.server.account, "used", used)
	} else {
		t.log.Info(unseen, "account", t.server.account)
	}
	return err
}

// checkTogether fails if an account of the user's for another host has another password, which
// changing them together would remove. warning: this cannot be seen.
func (t *turn) checkTogether(ctx context.Context) (problem, warning error) {
	if !t.server.several() {
		return nil, nil
	}
	password := t.own.a.password
	var different, unseen []string
	if t.server.mariadb() {
		for _, host := range t.server.everyHost() {
			present, ok, err := t.entriesFor(ctx, host)
			if err != nil {
				return err, nil
			}
			if !ok {
				unseen = append(unseen, host)
			} else if !slices.ContainsFunc(present, func(e entry) bool { return e.hash == nativeHash(password) }) {
				different = append(different, host)
			}
		}
	} else {
		all, ok, err := t.heldByEach(ctx)
		if err != nil {
			return err, nil
		}
		if !ok {
			unseen = t.server.everyHost()
		}
		for _, h := range all {
			first, readable := matchesHash(h.primary, password)
			second, _ := matchesHash(h.second, password)
			if !readable {
				unseen = append(unseen, h.host)
			} else if !first && !second {
				different = append(different, h.host)
			}
		}
	}
	if len(different) > 0 {
		return fmt.Errorf("'%s' exists for several hosts, and for %s with a password other than the one in AWSCURRENT, which a change of all of them would remove: ALTER USER '%s'@'%s' IDENTIFIED BY the one in AWSCURRENT, or RENAME USER or DROP USER it",
			t.server.user(), strings.Join(different, ", "), t.server.user(), different[0]), nil
	}
	if len(unseen) > 0 {
		return nil, fmt.Errorf("cannot see whether the user has the same password for each host (%s): GRANT SELECT ON mysql.* to %s", strings.Join(t.server.hosts, ", "), t.writer.a)
	}
	return nil, nil
}
