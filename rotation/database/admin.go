package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/mysql"
)

// openAdmin logs in as the administrator, at the server of the account.
func (t *turn) openAdmin(ctx context.Context) error {
	candidates, err := t.k.administrators(ctx, t.own.a)
	if err != nil {
		return err
	}
	for i, a := range candidates {
		t.writer, err = t.k.login(ctx, a, "")
		if err == nil {
			break
		}
		t.writer = t.own // what close expects
		if i == len(candidates)-1 || credential.OutcomeOf(err) != credential.Denied {
			return fmt.Errorf("log in as the administrator of DATABASE_ADMIN_SECRET_ARN: %w", err)
		}
	}
	if err := t.writer.boundWaits(ctx); err != nil {
		return err
	}
	if t.server.accountsKnown {
		return nil
	}
	// What the account cannot see of itself, the administrator may.
	return t.server.listAccounts(ctx, t.writer)
}

// administrators reads the versions of the administrator's secret. It tries two at most: while
// that secret is being rotated, the server may accept either one's password.
func (k *Kind) administrators(ctx context.Context, target account) ([]account, error) {
	documents, err := k.config.Admin(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the secret of DATABASE_ADMIN_SECRET_ARN: %w", err)
	}
	var found []account
	for _, d := range documents[:min(len(documents), 2)] {
		layout, ok, err := layoutOf(d, []Layout{AWSLayout, RunbookLayout})
		if err != nil {
			return nil, fmt.Errorf("the secret of DATABASE_ADMIN_SECRET_ARN: %w", err)
		}
		if !ok {
			return nil, fmt.Errorf("the secret of DATABASE_ADMIN_SECRET_ARN has no password: add fields %s and %s to it", AWSLayout.User, AWSLayout.Password)
		}
		a := target
		a.name = ""
		var userErr, passwordErr error
		a.user, userErr = d.Text(layout.User)
		a.password, passwordErr = d.Text(layout.Password)
		if err := errors.Join(userErr, passwordErr); err != nil {
			return nil, fmt.Errorf("the secret of DATABASE_ADMIN_SECRET_ARN: %w", err)
		}
		if err := k.boundTo(ctx, d, layout, target); err != nil {
			return nil, err
		}
		if len(found) == 0 || found[0] != a {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("the secret of DATABASE_ADMIN_SECRET_ARN has no value: store the administrator's user name and password there")
	}
	return found, nil
}

// boundTo fails unless the administrator's own secret, or a setting, names the target's server.
// Otherwise whoever may write the application's secret could name another server there, and be
// sent the administrator's password.
func (k *Kind) boundTo(ctx context.Context, d document.Document, layout Layout, target account) error {
	address, host := target.dial()
	text := func(p document.Pointer) string {
		if p == "" {
			return ""
		}
		value, _ := d.Text(p) // of one that is missing nothing is known
		return value
	}
	port := 0
	if layout.Port != "" {
		if n, err := d.Integer(layout.Port); err == nil {
			port = n
		}
	}
	own := text(layout.Host)
	if own != "" && (foldHost(own) != foldHost(host) || port != 0 && port != target.port) {
		return fmt.Errorf("the secret of DATABASE_ADMIN_SECRET_ARN is for %s, and the secret that is rotated names %s, so the administrator's password was not sent there: correct one of them", own, address)
	}
	if own != "" || target.endpoint != "" || k.config.Host != "" && foldHost(k.config.Host) == foldHost(host) {
		return nil
	}
	for _, instance := range []string{k.config.Instance, text(layout.Cluster), text(layout.Instance)} {
		if instance == "" || k.config.RDS == nil {
			continue
		}
		db, err := k.config.RDS.Named(ctx, instance)
		if err != nil {
			return fmt.Errorf("ask RDS for the host of %s, which the administrator's login is for: %w", instance, err)
		}
		if foldHost(db.Host) == foldHost(host) {
			return nil
		}
	}
	return fmt.Errorf("neither the secret of DATABASE_ADMIN_SECRET_ARN nor a setting names %s, so the administrator's password was not sent there: add field %s to that secret, or set DATABASE_HOST (DatabaseHost) to it", address, layout.Host)
}

// explainWriter is explain for a statement that changes the account by its
// name.
func (t *turn) explainWriter(err error) error {
	known := func(text string) error {
		return &credential.Failure{Outcome: credential.Unknown, Problem: fmt.Sprintf("%s, as %s", text, t.writer.a), Cause: err}
	}
	switch {
	case mysql.Is(err, mysql.NoPrivilege):
		return known(fmt.Sprintf("%s error %d: the user that changes '%s' lacks the privilege: GRANT CREATE USER ON *.* to it, and on MySQL SYSTEM_USER too if the account has that",
			t.server.brand(), mysql.NoPrivilege, t.server.account))
	case mysql.Is(err, mysql.UserOperationFailed):
		return known(fmt.Sprintf("%s error %d: the server would not change '%s': check that the account still exists, and which plugins check passwords",
			t.server.brand(), mysql.UserOperationFailed, t.server.account))
	}
	return explain(err, t.own.a)
}

// mayAlter checks whether the writer may change the account.
func (t *turn) mayAlter(ctx context.Context) error {
	return t.explainWriter(t.writer.mayAlter(ctx, t.server))
}

// mayAlter reports whether the session may change an account, for all its hosts.
// With no clause after the name the statement does nothing, and needs what a change
// needs.
func (s *session) mayAlter(ctx context.Context, at server) error {
	statement, args := byName(at, at.everyHost(), "")
	return s.execWithRoles(ctx, statement, args...)
}

// byName is an ALTER USER with a clause for each account of the user's. On MySQL
// such a statement is atomic.
func byName(at server, hosts []string, clause string, args ...any) (statement string, all []any) {
	for _, host := range hosts {
		statement += ", ?@? " + clause
		all = append(append(all, at.user(), host), args...)
	}
	return "ALTER USER " + strings.TrimPrefix(statement, ", "), all
}
