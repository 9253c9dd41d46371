package mautic

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
)

// MinOverlap is the time that callers have to switch to the new pair.
func (k *API) MinOverlap() time.Duration { return k.config.Overlap }

// clockMargin is how far Mautic's clock, which dates the tokens, may be behind AWS's, which
// everything else here uses.
const clockMargin = time.Minute

// callersCome is the longest time between two tokens of one caller: it uses a token until that
// expires, and many callers run once a day.
const callersCome = 24 * time.Hour

// useSince is from when on a token of the old client counts as use. Before the
// quarantine that is o.Since, and a day back at most: the overlap lasts for days,
// in which callers are to take up the new pair, and one that did has used the old
// one before. It is not longer ago than the overlap, so that the use before the
// promotion does not count.
//
// After the quarantine only what is new counts. The margin raises no false
// alarm: what it takes in from before would have been seen, and kept the old
// client in service. What shows is a token that was issued between that look
// and the quarantine, and that is use.
func (k *API) useSince(o credential.Overlap) time.Time {
	if o.Quarantined {
		if o.Since.IsZero() {
			return o.Now.Add(-clockMargin)
		}
		return o.Since.Add(-clockMargin)
	}
	since := o.Now.Add(-min(callersCome+clockMargin, k.config.Overlap))
	if o.Since.After(since) {
		return o.Since
	}
	return since
}

// overlap reads both sides of an overlap. ok is false if there is nothing to retire: the old
// version names no client.
func (k *API) overlap(o credential.Overlap) (current, old pair, ok bool, err error) {
	if current, err = k.pair(o.Current); err != nil {
		return pair{}, pair{}, false, fmt.Errorf("AWSCURRENT: %w", err)
	}
	if old, err = k.pair(o.Old); err != nil {
		return pair{}, pair{}, false, fmt.Errorf("the old version: %w", err)
	}
	if current == old && old.hasClient() {
		return pair{}, pair{}, false, errors.New("the old API client is the current one, so it is not retired")
	}
	return current, old, old.hasClient(), nil
}

// Exclusive holds a lock at the server, for as long as the connection lives.
func (k *API) Exclusive(ctx context.Context, o credential.Overlap) (release func(), ok bool, err error) {
	_, old, hasClient, err := k.overlap(o)
	if err != nil || !hasClient {
		return func() {}, err == nil, err
	}
	s, err := k.config.open(ctx, clientTables, o.Current, o.Old)
	if err != nil {
		return nil, false, err
	}
	if ok, err = s.lock(ctx, "end of "+old.String(), 0); err != nil || !ok {
		s.close()
		return nil, false, err
	}
	return s.close, true, nil
}

// InUse looks for access tokens that were issued to the old client: see useSince.
// It is told which client a token is for, so that to see none means something,
// as far back as useSince goes. A request that Mautic refuses leaves no trace in its
// tables, so the quarantine shows nothing more. Nor do the tables tell where a
// caller is.
//
// A probe of the old pair is a token too, which nothing tells from a caller's: none
// is made between the convergence and the quarantine.
func (k *API) InUse(ctx context.Context, o credential.Overlap, watch time.Duration) (credential.Use, error) {
	use := credential.Use{Told: true}
	_, old, ok, err := k.overlap(o)
	if err != nil || !ok {
		return use, err
	}
	s, err := k.config.open(ctx, clientTables, o.Current, o.Old)
	if err != nil {
		return use, err
	}
	defer s.close()
	if use.Seen, err = k.issued(ctx, s, o, old); err != nil || use.Seen != "" {
		return use, err
	}
	select {
	case <-time.After(watch):
	case <-ctx.Done():
		return credential.Use{}, ctx.Err()
	}
	if watch > 0 {
		use.Seen, err = k.issued(ctx, s, o, old)
	}
	return use, err
}

// issued describes the tokens.
func (k *API) issued(ctx context.Context, s *store, o credential.Overlap, old pair) (string, error) {
	since := k.useSince(o)
	n, err := s.tokensSince(ctx, old.clientID, since, k.config.TokenLifetime)
	if err != nil || n == 0 {
		return "", err
	}
	return fmt.Sprintf("%d access tokens were issued to the old API client %s since %s", n, old.clientID, since.UTC().Format(time.RFC3339)), nil
}

// Quarantine gives the old client a secret that nobody knows. Restore can undo it, because the
// old version of the secret has the old one. Tokens issued before stay valid until they expire.
func (k *API) Quarantine(ctx context.Context, o credential.Overlap) error {
	current, old, ok, err := k.overlap(o)
	if err != nil || !ok {
		return err
	}
	s, err := k.config.open(ctx, clientTables, o.Current, o.Old)
	if err != nil {
		return err
	}
	defer s.close()
	return s.takeAway(ctx, o, current, old)
}

// takeAway makes the old secret wrong, under the same lock as Set. If the client has neither
// secret, this overlap did not set it, and it stays.
func (s *store) takeAway(ctx context.Context, o credential.Overlap, current, old pair) error {
	if err := s.lockToChange(ctx, apiLock); err != nil {
		return err
	}
	row, found, err := s.client(ctx, old.clientID)
	if err != nil || !found || row.secret != old.secret {
		return err
	}
	if current.hasClient() {
		if err := s.holds(ctx, current); err != nil {
			return fmt.Errorf("the old API client keeps its secret, since the current one would not work: %w", err)
		}
	}
	if err := credential.Confirmed(ctx, o.Confirm); err != nil {
		return err
	}
	if err := s.swapSecret(ctx, old.clientID, old.secret, takenAway+newClientSecret()); err != nil {
		return err
	}
	return s.lacks(ctx, old)
}

// lacks fails unless the client is seen not to have the secret.
func (s *store) lacks(ctx context.Context, p pair) error {
	err := s.holds(ctx, p)
	switch {
	case err == nil:
		return fmt.Errorf("the API client %s still has the secret that was retired: %w", p.clientID, errMoving)
	case credential.OutcomeOf(err) == credential.Denied:
		return nil
	default:
		return err
	}
}

// Restore gives the old client its secret again. It fails if there is no such client any more, or
// if another rotation has given it another secret, which may be in use. It does not call Confirm:
// restoring is right whatever has happened to the labels.
func (k *API) Restore(ctx context.Context, o credential.Overlap) error {
	current, old, ok, err := k.overlap(o)
	if err != nil || !ok {
		return err
	}
	if current.clientID == old.clientID {
		return fmt.Errorf("the old secret is of the current API client %s, which has one at a time", old.clientID)
	}
	s, err := k.config.open(ctx, clientTables, o.Current, o.Old)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.lockToChange(ctx, apiLock); err != nil {
		return err
	}
	for range attempts {
		row, err := s.inUse(ctx, old.clientID)
		if err != nil || row.secret == old.secret {
			return err
		}
		if !strings.HasPrefix(row.secret, takenAway) {
			return fmt.Errorf("the old API client %s has a secret that the quarantine did not set, so it is left alone: another rotation, or someone by hand, has changed it", old.clientID)
		}
		if err := s.swapSecret(ctx, old.clientID, row.secret, old.secret); err != nil {
			return err
		}
	}
	return s.holds(ctx, old)
}

// Retire makes the old secret wrong for good, ends the tokens that were issued to the old client,
// and asks for one with the old pair. The secret comes first, so that no token is issued after
// the others are gone. The client itself stays, as the standby of the next rotation.
func (k *API) Retire(ctx context.Context, o credential.Overlap) error {
	current, old, ok, err := k.overlap(o)
	if err != nil {
		return err
	}
	if !ok {
		k.sayKeyOnly(o.Log)
		return nil
	}
	s, err := k.config.open(ctx, clientTables, o.Current, o.Old)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.takeAway(ctx, o, current, old); err != nil {
		return err
	}
	// The tokens of a client that is current, too, are not the old one's: the
	// secret has been edited by hand.
	if current.clientID != old.clientID {
		if err := credential.Confirmed(ctx, o.Confirm); err != nil {
			return err
		}
		if err := s.deleteTokens(ctx, "client_id", old.id); err != nil {
			return err
		}
	}
	return k.refused(ctx, s, o, old)
}

// refused returns nil if Mautic is seen to refuse the old pair.
func (k *API) refused(ctx context.Context, s *store, o credential.Overlap, old pair) error {
	if err := s.lacks(ctx, old); err != nil {
		return err
	}
	mautic, err := k.config.site()
	if err != nil {
		return err
	}
	if mautic == nil {
		o.Log.Info("the old API client has another secret in Mautic; the function did not ask for a token with the old one, since no URL is set (MAUTIC_URL)", "client", old.String())
		return nil
	}
	_, err = mautic.token(ctx, old.String(), old.secret)
	switch {
	case credential.OutcomeOf(err) == credential.Denied:
		return nil
	case errors.Is(err, errNoAPI):
		o.Log.Warn("the old API client has another secret in Mautic; the function did not ask for a token, since Mautic's API is disabled", "client", old.String())
		return nil
	case err == nil || errors.Is(err, errNoGrant):
		return fmt.Errorf("the old API client %s is still accepted after its secret was replaced: does MAUTIC_URL point to a different Mautic than the database?", old.clientID)
	default:
		return fmt.Errorf("prove that the old API client is refused: %w", err)
	}
}
