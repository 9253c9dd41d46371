package mautic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// Probe compares the stored hash, as Mautic does. It tries no login, so none is refused.
func (k *Admin) Probe(ctx context.Context, d document.Document) (credential.Outcome, error) {
	err := k.compare(ctx, d, d)
	return credential.OutcomeOf(err), err
}

// compare fails unless the user's stored hash is that of d's password.
func (k *Admin) compare(ctx context.Context, d document.Document, databases ...document.Document) error {
	l, err := k.login(d)
	if err != nil {
		return err
	}
	s, err := k.config.open(ctx, adminTables, databases...)
	if err != nil {
		return err
	}
	defer s.close()
	user, err := k.find(ctx, s, l.user)
	if err != nil {
		return err
	}
	if !user.matches(l.password) {
		return credential.Failf(credential.Denied, "the password of the Mautic user %q is not the one in the secret", l.user)
	}
	return nil
}

// Test checks the stored hash, and signs in to Mautic if a URL is set: with basic authentication
// or, if that is inconclusive, on the login page. The log says which one it was.
func (k *Admin) Test(ctx context.Context, c credential.Change) error {
	_, pending, err := k.logins(c)
	if err != nil {
		return err
	}
	if err := k.compare(ctx, c.Pending, c.Current, c.Pending); err != nil {
		return err
	}
	mautic, whyNot, err := k.config.siteFor(ctx, c)
	if err != nil {
		return err
	}
	if mautic == nil {
		c.Log.Info("Mautic has the hash of the pending password; the function did not try to sign in, since "+whyNot, "user", pending.user)
		return nil
	}
	return mautic.signIn(ctx, pending, c.Log)
}

// signIn tries both ways to sign in, the cheaper first. What basic authentication refuses may
// still be right, because some web servers withhold the header from PHP. The login form has the
// last word.
func (s *site) signIn(ctx context.Context, l login, log *slog.Logger) error {
	basic, basicErr := s.basicAuth(ctx, l.user, l.password)
	if basic == credential.Accepted {
		log.Info("signed in to Mautic's API with the pending password", "way", "GET "+s.shown(selfPage), "user", l.user)
		return nil
	}
	form, formErr := s.formLogin(ctx, l.user, l.password)
	switch {
	case form == credential.Accepted:
		log.Info("signed in to Mautic with the pending password", "way", "POST "+s.shown(loginCheck), "user", l.user, "basic", fmt.Sprint(basicErr))
		return nil
	case form == credential.Denied || basic == credential.Denied:
		return credential.Failf(credential.Denied, "the stored hash is that of the pending password, but Mautic does not let the user %q in: does MAUTIC_URL point to a different Mautic than the database, or is there single sign-on or a second factor before the login? %w", l.user, errors.Join(basicErr, formErr))
	default:
		return credential.Failf(credential.Unreachable, "sign in to Mautic: %w", errors.Join(basicErr, formErr))
	}
}

// Preflight checks everything that a rotation needs. See credential.Target.
func (k *Admin) Preflight(ctx context.Context, current document.Document) []credential.Check {
	l, err := k.login(current)
	checks := []credential.Check{{What: "the secret names the Mautic user", Problem: err}}
	if err != nil {
		return checks
	}
	add := func(what string, problem error) {
		checks = append(checks, credential.Check{What: what, Problem: problem})
	}
	add("new passwords are strong enough for Mautic's login page", k.strong())
	s, err := k.config.open(ctx, adminTables, current)
	add("log in to Mautic's database and find its tables", err)
	if err == nil {
		defer s.close()
		user, err := k.find(ctx, s, l.user)
		add("the user is one of Mautic's administrators", err)
		if err == nil && !user.matches(l.password) {
			checks = append(checks, credential.Check{What: "the user has the password in the secret", Warning: fmt.Errorf("%q has another one: a rotation replaces it, and anyone who uses it has to take the new one from the secret", l.user)})
		}
		add("the database's user may set a password", s.rehearse(ctx, "UPDATE {users} SET password = password WHERE 1 = 0"))
		checks = append(checks, credential.Check{What: "in an emergency, tokens that act for the user can be ended", Warning: s.rehearse(ctx,
			"DELETE FROM {oauth2_accesstokens} WHERE user_id = 0 AND 1 = 0", "DELETE FROM {oauth2_refreshtokens} WHERE user_id = 0 AND 1 = 0")})
	}
	return append(checks, k.config.siteChecks(ctx, "a new password is only compared with the one stored in Mautic")...)
}

// strong refuses a policy whose passwords Mautic's login page might refuse although their hash is
// right.
func (k *Admin) strong() error {
	if n := len(k.config.Passwords.Generate()); n < minAdminLength || n > maxBcrypt {
		return fmt.Errorf("passwords have %d characters: set PASSWORD_LENGTH to %d or more, since Mautic's login page refuses weak passwords", n, minAdminLength)
	}
	return nil
}
