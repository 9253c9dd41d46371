package mauticserver

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestABasicAuthenticationInFrontOfMauticTakesItsHeader(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		open := func(r *http.Request) bool { return r.URL.Path == "/api/users/self" }
		f := start(t, Options{Version: version, APIEnabled: true, Wrap: BehindBasicAuth("staff", "only", open)}, Seed{})
		staff := func(r *http.Request) { r.SetBasicAuth("staff", "only") }
		form := url.Values{"client_id": {f.seed.PublicClientID()}, "client_secret": {f.seed.ClientSecret}, "grant_type": {"client_credentials"}}
		for _, tc := range []struct {
			method, path string
			header       func(*http.Request)
			want         int
		}{
			{"GET", "/s/login", nil, 401},
			{"GET", "/s/login", func(r *http.Request) { r.SetBasicAuth("staff", "wrong") }, 401},
			{"GET", "/s/login", staff, 200},
			{"POST", "/oauth/v2/token", nil, 401},
			{"POST", "/oauth/v2/token", staff, 403}, // Mautic takes the header for its own
		} {
			if status, _, _ := f.ask(tc.method, tc.path, form, tc.header); status != tc.want {
				t.Errorf("%s answers %d, want %d", tc.path, status, tc.want)
			}
		}
		if status, body, _ := f.ask("GET", "/api/users/self", nil, nil); status != 401 || !strings.Contains(body, "access_denied") {
			t.Errorf("what is let through: %d %s", status, body)
		}
	})
}

func TestAnyPageBelowSNeedsALogin(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f := start(t, Options{Version: version, Path: "/mautic"}, Seed{})
		if status, _, location := f.ask("GET", "/s/login/s/login", nil, nil); status != 302 || location != "/mautic/s/login" {
			t.Errorf("%d to %s", status, location)
		}
		f.signIn(f.seed.AdminPassword)
		if status, _, _ := f.ask("GET", "/s/login/s/login", nil, nil); status != 404 {
			t.Errorf("%d for a page that is not there", status)
		}
	})
}

func TestAHookThatIsMadeInThePagesHasASecretOfItsOwn(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f, r, _, _ := hooked(t, version, nil)
		secret, err := f.NewHook(t.Context(), "made in the pages", r.URL)
		if err != nil || len(secret) != 64 {
			t.Fatal(len(secret), err)
		}
		again, err := f.NewHook(t.Context(), "another", r.URL)
		if err != nil || again == secret {
			t.Fatal("twice the same", err)
		}
		f.trigger()
		r.got(t, "old", "another", "another") // by secrets that the receiver does not know
	})
}
