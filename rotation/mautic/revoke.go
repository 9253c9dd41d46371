package mautic

import (
	"context"
	"fmt"
	"slices"

	"mautic-rotation/rotation/credential"
)

var (
	_ credential.Revoker = (*Admin)(nil)
	_ credential.Revoker = (*API)(nil)
)

// Revoke ends the tokens with which API clients act for the user. The change of the password has
// ended the user's sessions, but not those.
func (k *Admin) Revoke(ctx context.Context, o credential.Overlap) (what string, err error) {
	l, err := k.login(o.Current)
	if err != nil {
		return "", err
	}
	s, err := k.config.open(ctx, slices.Concat(adminTables, tokenTables), o.Current, o.Old)
	if err != nil {
		return "", err
	}
	defer s.close()
	user, err := k.find(ctx, s, l.user)
	if err != nil {
		return "", err
	}
	if err := credential.Confirmed(ctx, o.Confirm); err != nil {
		return "", err
	}
	if err := s.deleteTokens(ctx, "user_id", user.id); err != nil {
		return "", err
	}
	o.Log.Warn("ended the user's tokens; the sessions ended with the change of the password", "audit", "revoked", "user", l.user)
	return fmt.Sprintf("the sessions and tokens of the Mautic user %q", l.user), nil
}

// Revoke names what Retire has ended: a client's tokens go with its secret.
func (k *API) Revoke(_ context.Context, o credential.Overlap) (what string, err error) {
	current, old, ok, err := k.overlap(o)
	if err != nil || !ok || current.clientID == old.clientID {
		return "", err
	}
	return "the tokens of the old API client", nil
}
