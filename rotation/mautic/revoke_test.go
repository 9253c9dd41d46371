package mautic

import (
	"strings"
	"testing"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/rotation/credential"
)

func TestRevokingAnAdminsPasswordEndsTheTokensThatActForTheUser(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := f.admin(f.access())
		c := f.adminChange()
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		id := f.value("SELECT id FROM {users} WHERE username = ?", f.seed.AdminUser)
		f.sql("INSERT INTO {oauth2_accesstokens} (client_id, user_id, token, expires_at) VALUES (1, ?, 'the user', 9999999999), (1, NULL, 'a client', 9999999999)", id)
		f.sql("INSERT INTO {oauth2_refreshtokens} (client_id, user_id, token, expires_at) VALUES (1, ?, 'the user', 9999999999)", id)
		for range 2 {
			what, err := k.Revoke(f.t.Context(), f.overlap(c))
			if err != nil || !strings.Contains(what, "sessions and tokens") {
				f.t.Errorf("%q, %v", what, err)
			}
		}
		if left := f.value("SELECT GROUP_CONCAT(token) FROM {oauth2_accesstokens}"); left != "a client" {
			f.t.Errorf("left of the access tokens: %q", left)
		}
		if left := f.value("SELECT COUNT(*) FROM {oauth2_refreshtokens}"); left != "0" {
			f.t.Errorf("%s refresh tokens are left", left)
		}

		// Without the privilege the preflight warns, and a rotation would work.
		f.grantOnly("SELECT, UPDATE (password) ON {users}", "SELECT ON {roles}")
		for _, check := range k.Preflight(f.t.Context(), c.Pending) {
			if check.Problem != nil {
				f.t.Errorf("%s: %v", check.What, check.Problem)
			}
			if strings.Contains(check.What, "in an emergency") {
				f.needs(check.Warning, "GRANT DELETE ON")
			}
		}
	})
}

func TestRevokingAnAPIClientNamesItsTokensAndNotThoseOfTheCurrentOne(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		k := NewAPI(APIConfig{Access: f.access()})
		c := f.apiChange(k)
		if what, err := k.Revoke(f.t.Context(), f.overlap(c)); err != nil || what != "the tokens of the old API client" {
			f.t.Errorf("%q, %v", what, err)
		}
		same := f.overlap(f.change(f.apiDoc(f.seed.PublicClientID(), "edited"), f.firstClient()))
		if what, err := k.Revoke(f.t.Context(), same); err != nil || what != "" {
			f.t.Errorf("%q, %v", what, err)
		}
		keyOnly := credential.Overlap{Current: f.doc(`"api_keys": {"mautic_api_key": "b"}`), Old: f.doc(`"api_keys": {"mautic_api_key": "a"}`), Log: f.logger()}
		if what, err := k.Revoke(f.t.Context(), keyOnly); err != nil || what != "" {
			f.t.Errorf("%q, %v", what, err)
		}
	})
}
