package mautic

import (
	"context"
	"errors"
	"fmt"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// stored fails unless Mautic has stored the pair.
func (k *API) stored(ctx context.Context, p pair, databases ...document.Document) error {
	s, err := k.config.open(ctx, clientTables, databases...)
	if err != nil {
		return err
	}
	defer s.close()
	return s.holds(ctx, p)
}

// Test gets an access token with the pending pair, and makes a call with it.
// Without a URL, it reads the secret back. The token stays in Mautic's table,
// and expires.
func (k *API) Test(ctx context.Context, c credential.Change) error {
	_, pending, err := k.pairs(c)
	if err != nil {
		return err
	}
	if !pending.hasClient() {
		k.sayKeyOnly(c.Log)
		return nil
	}
	mautic, whyNot, err := k.config.siteFor(ctx, c)
	if err != nil {
		return err
	}
	if mautic == nil {
		if err := k.stored(ctx, pending, c.Current, c.Pending); err != nil {
			return err
		}
		c.Log.Info("Mautic has the pending API client; the function did not ask for a token, since "+whyNot, "client", pending.String())
		return nil
	}
	token, err := mautic.token(ctx, pending.String(), pending.secret)
	if errors.Is(err, errNoGrant) {
		c.Log.Warn("Mautic accepts the pending API client, but the function made no call, since the client may not use the grant client_credentials", "client", pending.String())
		return nil
	}
	if err != nil {
		return err
	}
	if err := mautic.callAPI(ctx, token); err != nil {
		return err
	}
	c.Log.Info("called Mautic's API with a token of the pending client", "client", pending.String())
	return nil
}

// Probe asks for an access token or, without a URL, reads the secret back.
func (k *API) Probe(ctx context.Context, d document.Document) (credential.Outcome, error) {
	p, err := k.pair(d)
	if err != nil {
		return credential.Unknown, err
	}
	if !p.hasClient() {
		return credential.Accepted, nil // there is nobody who could refuse it
	}
	err = k.ask(ctx, p, d)
	return credential.OutcomeOf(err), err
}

// ask checks whether Mautic accepts a pair, with one request for a token. If that is
// inconclusive, the stored secret decides.
func (k *API) ask(ctx context.Context, p pair, databases ...document.Document) error {
	mautic, err := k.config.site()
	if err != nil {
		return err
	}
	if mautic == nil {
		return k.stored(ctx, p, databases...)
	}
	if err := mautic.check(ctx); err != nil {
		if errors.Is(err, errBroken) {
			return k.stored(ctx, p, databases...)
		}
		return err
	}
	_, err = mautic.token(ctx, p.String(), p.secret)
	if errors.Is(err, errNoGrant) {
		return nil // the secret is right
	}
	return err
}

// Preflight checks everything that a rotation needs. See credential.Target.
func (k *API) Preflight(ctx context.Context, current document.Document) []credential.Check {
	p, err := k.pair(current)
	checks := []credential.Check{{What: "the secret holds an API key", Problem: err}}
	if err != nil {
		return checks
	}
	add := func(what string, problem, warning error) {
		checks = append(checks, credential.Check{What: what, Problem: problem, Warning: warning})
	}
	if !p.hasClient() {
		add("the API key is a client's of Mautic", nil, fmt.Errorf("field %s is missing or empty, so new keys are only stored in the secret: add the client's id (Settings, API Credentials)", k.config.Layout.ClientID))
		return checks
	}
	s, err := k.config.open(ctx, clientTables, current)
	add("log in to Mautic's database and find its tables", err, nil)
	if err == nil {
		defer s.close()
		row, err := s.inUse(ctx, p.clientID)
		var warning error
		switch {
		case err == nil && !row.hasRole:
			err = fmt.Errorf("the API client %s has no role, so Mautic fails with its tokens: give it one (Settings, API Credentials)", p.clientID)
		case err == nil && row.secret != p.secret:
			warning = fmt.Errorf("the API client %s has a different secret in Mautic than in the document, so the current key does not work; a rotation replaces it with one that does", p.clientID)
		}
		add("Mautic has the API client", err, warning)
		if err == nil {
			_, err := s.standby(ctx, p.clientID)
			add("there is at most one standby client", err, nil)
		}
		add("the database's user may write clients and delete tokens", s.rehearse(ctx,
			"INSERT INTO {oauth2_clients} (id, role_id, name, random_id, secret, redirect_uris, allowed_grant_types) SELECT id, role_id, name, random_id, secret, redirect_uris, allowed_grant_types FROM {oauth2_clients} WHERE 1 = 0",
			"UPDATE {oauth2_clients} SET secret = secret, role_id = role_id, redirect_uris = redirect_uris, allowed_grant_types = allowed_grant_types WHERE 1 = 0",
			"DELETE FROM {oauth2_accesstokens} WHERE client_id = 0 AND 1 = 0",
			"DELETE FROM {oauth2_refreshtokens} WHERE client_id = 0 AND 1 = 0"), nil)
	}
	return append(checks, k.apiChecks(ctx, p)...)
}

// apiChecks checks whether a test of a new client can succeed. A request with invalid credentials
// shows whether the API is enabled, and leaves no token behind.
func (k *API) apiChecks(ctx context.Context, p pair) []credential.Check {
	checks := k.config.siteChecks(ctx, "a new client is only read back")
	mautic, err := k.config.site()
	if err != nil || mautic == nil || credential.FirstProblem(checks) != nil {
		return checks
	}
	_, err = mautic.token(ctx, p.String(), newClientSecret())
	if credential.OutcomeOf(err) == credential.Denied {
		err = nil
	}
	checks = append(checks, credential.Check{What: "Mautic's API is enabled", Problem: err})
	if err == nil {
		checks = append(checks, credential.Check{What: "calls reach Mautic's API", Problem: mautic.letThrough(ctx)})
	}
	return checks
}
