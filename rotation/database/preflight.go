package database

import (
	"context"
	"errors"
	"fmt"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// Preflight finds out, with the current password alone, whether a rotation would work, and with
// which way. None of its logins is refused. See credential.Target.
func (k *Kind) Preflight(ctx context.Context, current document.Document) []credential.Check {
	a, err := k.account(ctx, current)
	checks := checklist{{What: "the secret names user, host, port and password", Problem: err}}
	if err != nil {
		return checks
	}
	own, err := k.login(ctx, a, "")
	checks.add("log in to "+a.String(), err)
	if err != nil {
		return checks
	}
	checks.warn("protect the connection", k.tlsWarning())
	t, err := k.begin(ctx, own, quiet)
	if err != nil {
		checks.add("choose a way to change the password", err)
		return checks
	}
	defer t.close()
	checks.add(fmt.Sprintf("change the password (DATABASE_WAY %s): %s", t.way, t.why), nil)
	if !t.way.dual() {
		checks.warn("keep the old password beside the new one", errors.New("the account accepts only one password: "+gap))
	}
	if !t.server.accountsKnown {
		checks.warn("list the user's accounts", errors.New("it may exist for other hosts too, where its password would stay the same: "+grantToSeeAccounts))
	}
	if t.way.dual() && !t.server.mariadb() { // MariaDB has nothing that could be set right
		untold, err := t.own.untold(ctx, t.server)
		if err == nil && untold != "" {
			err = errors.New(untold)
		}
		checks.warn("see what still uses an old password before it is retired", err)
	}
	t.preflight(ctx, &checks)
	checks.add("log in to database "+a.name+" and run a query", k.query(ctx, a))
	return checks
}

// checklist collects checks.
type checklist []credential.Check

func (l *checklist) add(what string, problem error) {
	*l = append(*l, credential.Check{What: what, Problem: problem})
}

func (l *checklist) warn(what string, warning error) {
	if warning != nil {
		*l = append(*l, credential.Check{What: what, Warning: warning})
	}
}

// preflight checks what the turn's way needs.
func (t *turn) preflight(ctx context.Context, checks *checklist) {
	if t.way == byRDS && !t.db.Available {
		checks.add("RDS accepts a change of the password now", fmt.Errorf("%s is not available: wait until it is", t.db.Identifier))
	}
	if t.policy.plain() && t.way != byRDS {
		checks.warn("keep passwords out of the server's logs", errors.New(plainWarning))
	}
	t.rehearseAll(ctx, checks)
	if t.way.dual() {
		// Which passwords are of a rotation that is under way is not known here.
		problem, warning := t.checkSecond(ctx)
		checks.warn("check that no other password is accepted", errors.Join(problem, warning))
	}
}

// failuresAllowed is how many refused logins in a row lock the account; 0 if none do.
func (t *turn) failuresAllowed(ctx context.Context) (int, error) {
	if t.server.mariadb() {
		var limit int
		err := t.own.Row(ctx, "SELECT @@GLOBAL.max_password_errors", nil, &limit)
		if limit == unlimitedErrors {
			limit = 0
		}
		return limit, explain(err, t.own.a)
	}
	shown, err := t.own.description(ctx)
	return ownLimit(shown, ownFailures, 0), err
}

// unlimitedErrors is the default of MariaDB's max_password_errors.
const unlimitedErrors = 1<<32 - 1

// tlsWarning says what a connection is not protected against; nil if the server is verified.
func (k *Kind) tlsWarning() error {
	switch k.config.TLS {
	case verifyCA:
		return errors.New("DATABASE_TLS=VERIFY_CA: the server's name is not verified, so anyone with a certificate from the same root can impersonate it, which with RDS is everyone; use VERIFY_IDENTITY where the certificate names the host")
	case tlsDisabled:
		return errors.New("DATABASE_TLS=DISABLED: passwords go to whatever answers at that address, encrypted with a key of its choosing: use VERIFY_IDENTITY, or VERIFY_CA")
	}
	return nil
}
