package mautic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// APILayout are the places in the document of an API client's credentials. A
// rotation changes both: the new key is another client's.
type APILayout struct {
	Key      document.Pointer // the client's secret
	ClientID document.Pointer // its public id, "{id}_{random_id}"
}

// RunbookAPILayout is the default. The runbook knows the key alone.
var RunbookAPILayout = APILayout{
	Key:      "/api_keys/mautic_api_key",
	ClientID: "/api_keys/mautic_api_client_id",
}

// Defaults of an APIConfig.
const (
	// DefaultOverlap is for callers that are given a new key by hand.
	DefaultOverlap = 7 * 24 * time.Hour
	// DefaultTokenLifetime is that of Mautic's access tokens.
	DefaultTokenLifetime = time.Hour
)

// APIConfig applies to all secrets of a function.
type APIConfig struct {
	Access

	// Layout's empty fields mean those of RunbookAPILayout.
	Layout APILayout

	// Overlap is how long callers may keep using the old pair. 0 means DefaultOverlap.
	Overlap time.Duration

	// TokenLifetime is Mautic's setting for access tokens. 0 means
	// DefaultTokenLifetime.
	TokenLifetime time.Duration
}

// API is the credential kind "api": an OAuth2 client of Mautic's, which is all
// that Mautic has by way of an API key. Use NewAPI.
//
// Two clients alternate. A rotation gives the one that is not in use a new
// secret, and the document its id and secret; the other one stays as it is, so
// both pairs work until the old one is retired.
//
// Where the document has a key and no client's id, there is no target that is
// known: the key is made and published, and that is all.
type API struct {
	config APIConfig
}

var (
	_ credential.Kind    = (*API)(nil)
	_ credential.Retirer = (*API)(nil)
)

// NewAPI returns the kind. It makes no connection yet.
func NewAPI(c APIConfig) *API {
	c.Layout.Key = cmp.Or(c.Layout.Key, RunbookAPILayout.Key)
	c.Layout.ClientID = cmp.Or(c.Layout.ClientID, RunbookAPILayout.ClientID)
	c.Overlap = cmp.Or(c.Overlap, DefaultOverlap)
	c.TokenLifetime = cmp.Or(c.TokenLifetime, DefaultTokenLifetime)
	return &API{config: c}
}

// Name returns "api".
func (k *API) Name() string { return "api" }

// NeedsRestart is false: Mautic reads its clients at each request, and its callers are not tasks
// of the services.
func (k *API) NeedsRestart() bool { return false }

// Fields returns the places of the key and, where it is there, of the client's
// id.
func (k *API) Fields(d document.Document) ([]document.Pointer, error) {
	return fieldsOf(d, k.config.Layout.Key, k.config.Layout.ClientID)
}

// pair is a client's id and secret. Without a client it is a key alone.
type pair struct {
	clientID
	secret string
}

// hasClient reports whether the key is known to belong to a client.
func (p pair) hasClient() bool { return p.random != "" }

func (k *API) pair(d document.Document) (p pair, err error) {
	if p.secret, err = d.Text(k.config.Layout.Key); err != nil {
		return pair{}, err
	}
	public, err := d.Text(k.config.Layout.ClientID)
	switch {
	case errors.Is(err, document.ErrMissing) || err == nil && public == "":
		return p, nil
	case err != nil:
		return pair{}, err
	}
	if p.clientID, err = parseClientID(public); err != nil {
		return pair{}, fmt.Errorf("field %s: %w", k.config.Layout.ClientID, err)
	}
	return p, nil
}

// pairs reads both sides of a change.
func (k *API) pairs(c credential.Change) (current, pending pair, err error) {
	if current, err = k.pair(c.Current); err != nil {
		return pair{}, pair{}, fmt.Errorf("AWSCURRENT: %w", err)
	}
	if pending, err = k.pair(c.Pending); err != nil {
		return pair{}, pair{}, fmt.Errorf("AWSPENDING: %w", err)
	}
	if current.hasClient() != pending.hasClient() || pending.hasClient() && !paired(current.clientID, pending.clientID) {
		return pair{}, pair{}, fmt.Errorf("AWSPENDING names an API client (field %s) that is not the standby of the one in AWSCURRENT: start a new rotation, which begins from AWSCURRENT", k.config.Layout.ClientID)
	}
	return current, pending, nil
}

// Generate gives the document a new secret and the standby client's id. The standby is the client
// that the last rotation left; before the first one there is none, and its id is chosen (see
// standby). It fails if a rotation would.
func (k *API) Generate(ctx context.Context, g credential.Generation) (document.Document, error) {
	current, err := k.pair(g.Current)
	if err != nil {
		return document.Document{}, err
	}
	next, err := g.Current.Replace(k.config.Layout.Key, newClientSecret())
	if err != nil || !current.hasClient() {
		return next, err
	}
	if err := credential.FirstProblem(k.Preflight(ctx, g.Current)); err != nil {
		return document.Document{}, err
	}
	s, err := k.config.open(ctx, clientTables, g.Current)
	if err != nil {
		return document.Document{}, err
	}
	defer s.close()
	standby, err := s.standby(ctx, current.clientID)
	if err != nil {
		return document.Document{}, err
	}
	return next.Replace(k.config.Layout.ClientID, standby.String())
}

// sayKeyOnly logs that there is nothing to do at any target.
func (k *API) sayKeyOnly(log *slog.Logger) {
	log.Warn("the secret has an API key but no client id, so the key is only stored in the secret: add the id of a client in Mautic as field " + string(k.config.Layout.ClientID) + " to have it rotated there")
}

// Set gives the standby client the pending secret. See credential.Target.
func (k *API) Set(ctx context.Context, c credential.Change) error {
	current, pending, err := k.pairs(c)
	if err != nil {
		return err
	}
	if !pending.hasClient() {
		k.sayKeyOnly(c.Log)
		return nil
	}
	s, err := k.config.open(ctx, clientTables, c.Current, c.Pending)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.lockToChange(ctx, apiLock); err != nil {
		return err
	}
	if _, err := s.inUse(ctx, current.clientID); err != nil {
		return err
	}
	// Under the lock: the rotation may have been given up while this waited,
	// and what was set of it taken away.
	if err := credential.Confirmed(ctx, c.Confirm); err != nil {
		return err
	}
	if err := s.writeStandby(ctx, pending.clientID, current.clientID, pending.secret); err != nil {
		return err
	}
	return s.holds(ctx, pending)
}

// inUse reads the client that AWSCURRENT names, which must exist.
func (s *store) inUse(ctx context.Context, c clientID) (clientRow, error) {
	row, found, err := s.client(ctx, c)
	if err == nil && !found {
		return clientRow{}, credential.Failf(credential.Denied, "there is no API client %s in Mautic: correct the client id in the secret, or create a client (Settings, API Credentials) and store its id and secret", c)
	}
	return row, err
}

// holds fails unless the client exists and has the secret.
func (s *store) holds(ctx context.Context, p pair) error {
	row, found, err := s.client(ctx, p.clientID)
	switch {
	case err != nil:
		return err
	case !found:
		return credential.Failf(credential.Denied, "there is no API client %s in Mautic", p.clientID)
	case row.secret != p.secret:
		return credential.Failf(credential.Denied, "the API client %s has another secret in Mautic than in the document", p.clientID)
	}
	return nil
}

// PutBack checks that the current client still has the current secret, which Set does not change.
func (k *API) PutBack(ctx context.Context, c credential.Change) error {
	current, err := k.pair(c.Current)
	if err != nil || !current.hasClient() {
		return err
	}
	return k.stored(ctx, current, c.Current, c.Pending)
}
