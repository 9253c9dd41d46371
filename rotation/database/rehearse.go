package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
)

// What any phase of a rotation may have to run, and how it is rehearsed without a
// change. A statement that stands in two rows is rehearsed once.
//
//	phase                 MySQL, self          MySQL, admin    MySQL, single   MariaDB
//	set                   swap next            accept          replace next    entries, or SET PASSWORD
//	set after a give-up   primary current      accept          –               entries
//	put back              –                    –               replace current SET PASSWORD
//	take away, retire     replace current,     replace current,  –             entries
//	                      swap current,        primary current,
//	                      DISCARD              DISCARD
//	restore               swap old and current accept          –               entries
//
// Each of them gives the account a password that was made here, or the one in
// AWSCURRENT, the old one of the next overlap. So those two are what is rehearsed
// (takes); privileges, a read-only server and policies show in that. What shows in
// no rehearsal is looked up: see policies.go.

// rehearseAll adds what would keep the change from being begun, completed or undone. It returns a
// password that the server accepts; with rds it makes none.
func (t *turn) rehearseAll(ctx context.Context, checks *checklist) (next string) {
	if t.way.dual() && !t.swaps() {
		checks.add(fmt.Sprintf("%s may change the account", t.writer.a), t.mayAlter(ctx))
	}
	if t.way == byRDS {
		return ""
	}
	if t.policed() {
		checks.add("the server allows a password to be set again", t.checkHistory(ctx))
	}
	next, err := t.newPassword(ctx)
	checks.add("the server accepts the passwords made here", err)
	checks.add("the server accepts the current password again, if a rotation has to be undone", t.takesBack(ctx))
	if t.server.several() {
		problem, warning := t.checkTogether(ctx)
		checks.add("change the user's accounts for other hosts at the same time", problem)
		checks.warn("check that they have the same password", warning)
	}
	checks.add("the account may open as many connections as this function needs", t.mayConnect(ctx))
	t.lockedBy(ctx, checks)
	return next
}

// drawings is how many passwords are made to find one that the policies accept. More than a few
// are needed only if a policy asks for something that chance rarely gives.
const drawings, rehearsals = 2000, 30

// newPassword makes a password that the server accepts, and that can replace the current one and
// be replaced by it.
func (t *turn) newPassword(ctx context.Context) (next string, err error) {
	var share changedShare
	if t.policed() {
		if share, err = t.changedShare(ctx); err != nil {
			return "", err
		}
	}
	present, refused, rehearsed := t.own.a.password, error(nil), 0
	if t.taken != "" && t.swaps() && share.met(present, t.taken) {
		return t.taken, nil
	}
	unlike, enough := t.k.config.Passwords.Without(present)
	for n := range drawings {
		next = t.k.config.Passwords.Generate()
		if enough && n%2 == 1 && !share.met(present, next) { // chance does it seldom
			next = unlike.Generate()
		}
		if !share.met(present, next) && (share.strict || n < drawings/2) {
			continue
		}
		if refused = t.takes(ctx, next); !mysql.Is(refused, mysql.PolicyRefuses) {
			return next, refused
		}
		if rehearsed++; rehearsed == rehearsals {
			break
		}
	}
	if refused == nil {
		return "", share.refusal()
	}
	return "", &credential.Failure{
		Outcome: credential.Unknown, Cause: refused,
		Problem: fmt.Sprintf("%s error %d: the server's password policy refuses the passwords made here", t.server.brand(), mysql.PolicyRefuses) + t.said(refused),
		Remedy:  "make PASSWORD_LENGTH and PASSWORD_ALPHABET meet it, or " + t.underPolicy(ctx, next, present),
	}
}

// takesBack fails if the account could not be given its current password again.
func (t *turn) takesBack(ctx context.Context) error {
	err := t.takes(ctx, t.own.a.password)
	if !mysql.Is(err, mysql.PolicyRefuses) {
		return err
	}
	return &credential.Failure{
		Outcome: credential.Unknown, Cause: err,
		Problem: fmt.Sprintf("%s error %d: the password in AWSCURRENT does not meet the server's password policy, so that a rotation could not be undone", t.server.brand(), mysql.PolicyRefuses) + t.said(err),
		Remedy:  t.underPolicy(ctx, t.own.a.password),
	}
}

// takes rehearses giving the account a password with the chosen method. The server's answer is
// the same as it would be to the real statement.
func (t *turn) takes(ctx context.Context, password string) error {
	switch {
	case t.way == byRDS:
		return nil
	case t.server.mariadb():
		return t.takesEntry(ctx, password)
	case t.swaps():
		return explain(t.own.rehearseSwap(ctx, swapStatement, password, t.k), t.own.a)
	case atLeast(t.server.version, 8, 0, 13):
		return explain(t.own.rehearseSwap(ctx, replaceStatement, password, t.k), t.own.a)
	default: // SET PASSWORD, which has no condition that it could fail by
		return nil
	}
}

// rehearseSwap runs a statement that replaces a password, with a made-up one in REPLACE that
// cannot be the primary one. MySQL first checks whether it may write at all, the privileges and
// the policies, and then answers 3891, which is no error here, without changing anything.
func (s *session) rehearseSwap(ctx context.Context, statement, password string, k *Kind) error {
	err := s.execWithRoles(ctx, statement, password, k.config.Passwords.Generate())
	if mysql.Is(err, mysql.NotCurrentPassword) {
		return nil
	}
	return err
}

// connections is how many connections the function has open as the account, at most: the one that
// holds the lock of an overlap, the one that changes the password, and the one that tries it. A
// server counts a closed connection for a moment longer.
const connections, closing = 3, 3

// mayConnect opens as many connections as the function needs at once.
func (t *turn) mayConnect(ctx context.Context) error {
	var limit int
	if err := t.own.Row(ctx, "SELECT @@SESSION.max_user_connections", nil, &limit); err != nil || limit == 0 {
		return explain(err, t.own.a)
	}
	refused := func(cause error) error {
		return &credential.Failure{
			Outcome: credential.Unreachable, Cause: cause,
			Problem: fmt.Sprintf("MySQL error %d: %s may have %d connections, the application's included, and this function needs up to %d of them", mysql.ResourceLimit, t.own.a, limit, connections+closing),
			Remedy:  fmt.Sprintf("ALTER USER … WITH MAX_USER_CONNECTIONS %d, or more", limit+connections+closing),
		}
	}
	if limit < connections+closing {
		return refused(mysql.Number(mysql.ResourceLimit))
	}
	for range connections - 1 {
		s, err := t.k.login(ctx, t.own.a, "")
		if mysql.Is(err, mysql.ResourceLimit) {
			return refused(err)
		}
		if err != nil {
			return err
		}
		defer s.Close()
	}
	return nil
}

// lockedBy checks how many refused logins in a row lock the account.
func (t *turn) lockedBy(ctx context.Context, checks *checklist) {
	limit, err := t.failuresAllowed(ctx)
	if err != nil {
		checks.add("find out how many refused logins lock the account", err)
	}
	if limit == 0 {
		return
	}
	remedy := func(deliberate int) error {
		statement := fmt.Sprintf("ALTER USER … FAILED_LOGIN_ATTEMPTS %d", deliberate+4)
		if t.server.mariadb() {
			statement = fmt.Sprintf("SET GLOBAL max_password_errors = %d", deliberate+4)
		}
		return fmt.Errorf("%d refused logins in a row lock the account, and this function makes up to %d on purpose: %s, or more", limit, deliberate, statement)
	}
	const what = "survive the refused logins that prove that a password is gone"
	switch proofs := t.proofs(); {
	case limit <= proofs:
		checks.add(what, remedy(proofs))
	case t.k.config.Recovery && limit <= recoveryLogins:
		checks.warn(what, remedy(recoveryLogins))
	}
}

// proofs is how many refused logins in a row a rotation may make on purpose: one that proves that
// an old password is gone and, if an account accepts one password, one more to find out which.
func (t *turn) proofs() int {
	if t.way.dual() {
		return 1
	}
	return 2
}

// recoveryLogins is how many a recovery may make, the one of createSecret included.
const recoveryLogins = 4

// rehearsed makes a password for the document's account, and fails if a rotation could not be
// begun, completed or undone. It runs before anything is set. If it cannot log in, Set will run
// into the same, and report it or recover.
func (k *Kind) rehearsed(ctx context.Context, g credential.Generation) (next string, err error) {
	next = k.config.Passwords.Generate()
	a, err := k.account(ctx, g.Current)
	if err != nil {
		return next, nil
	}
	own, err := k.login(ctx, a, "")
	if err != nil {
		return next, nil
	}
	t, err := k.begin(ctx, own, quiet)
	if err != nil {
		return next, err
	}
	defer t.close()
	checks := checklist{}
	taken := t.rehearseAll(ctx, &checks)
	if t.way.dual() && !g.Emergency { // in an emergency an overlap may be open
		problem, _ := t.checkSecond(ctx)
		checks.add("nothing uses a second password that no version stores", problem)
	}
	if err := credential.FirstProblem(checks); err != nil || t.way == byRDS {
		return next, err
	}
	return taken, nil
}

// said is what a server said about a refusal beyond its number.
func (t *turn) said(err error) string {
	var refusal *entryRefused
	if !errors.As(err, &refusal) || len(refusal.said) == 0 {
		return ""
	}
	return " (" + strings.Join(slices.Compact(refusal.said), "; ") + ")"
}
