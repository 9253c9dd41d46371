package mautic

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mautic-rotation/rotation/credential"
)

// askAPI makes one request for a page of Mautic's API. A user and a password in
// MAUTIC_URL are for a basic authentication in front of Mautic, and are left out:
// the API goes by the same header, and Mautic would take them for its own.
func (s *site) askAPI(ctx context.Context, method, path string, form url.Values, header func(*http.Request)) (reply, error) {
	return s.askAt(ctx, s.client, method, s.apiURL(path), form, header)
}

func (s *site) apiURL(path string) *url.URL {
	at := s.base.JoinPath(path)
	at.User = nil
	return at
}

// unexpectedAPIResponse is an answer of the API that says nothing about the value that was tried.
func (s *site) unexpectedAPIResponse(method, path string, r reply, likely string) error {
	return oddAt(method, s.apiURL(path).String(), r, s.apiRemedy(path, r, likely))
}

// apiRemedy is what to do about an answer of the API, by the most likely cause. The caller's own
// likely cause for this page comes first.
func (s *site) apiRemedy(path string, r reply, likely string) string {
	switch {
	case r.asksForBasic():
		return "something in front of Mautic asks for its own user and password, in the same header that Mautic's API uses, so a credential in MAUTIC_URL cannot be sent as well: " +
			"make it let the function's requests below oauth/ and api/ through without them, or unset MAUTIC_URL: then the values are only read back from the tables. (Apache: if there is nothing in front, set CGIPassAuth on)"
	case r.status == http.StatusInternalServerError:
		return likely + "Mautic's log says why (var/logs): likely causes are a lost database connection, a migration that has not run since an update, and a cache that Mautic cannot write"
	case slices.Contains(fromInFront, r.status) || r.status >= 500 || r.status >= 300 && r.status < 400:
		return remedy(s.base, path, r.status, r.location)
	default:
		return likely + "Mautic's log may say why"
	}
}

// fromInFront are what Mautic's API does not answer to the requests that are made here,
// but for a 403 that says that it is switched off, which is told apart before.
var fromInFront = []int{http.StatusAccepted, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusTooManyRequests}

// asksForBasic reports whether the answer asks for basic authentication.
func (r reply) asksForBasic() bool {
	scheme, _, _ := strings.Cut(r.challenge, " ")
	return r.status == http.StatusUnauthorized && strings.EqualFold(scheme, "Basic")
}

// basicAuth asks who the user is, by basic authentication. Accepted means that
// the password is right. Denied is no proof: some web servers keep the header
// from PHP. Unknown: the API or its basic authentication is switched off, or what
// is in front of Mautic has one of its own.
func (s *site) basicAuth(ctx context.Context, user, password string) (credential.Outcome, error) {
	if s.base.User != nil {
		return credential.Unknown, errors.New("basic authentication was not tried, since something in front of Mautic uses it too (MAUTIC_URL)")
	}
	r, err := s.askAPI(ctx, http.MethodGet, selfPage, nil, func(request *http.Request) { request.SetBasicAuth(user, password) })
	if err != nil {
		return credential.OutcomeOf(err), err
	}
	switch r.status {
	case http.StatusOK:
		return credential.Accepted, nil
	case http.StatusUnauthorized:
		return credential.Denied, s.unexpectedResponse(http.MethodGet, selfPage, r, "Mautic refuses the user and password")
	case http.StatusForbidden:
		return credential.Unknown, s.unexpectedResponse(http.MethodGet, selfPage, r, "Mautic's API or its basic authentication is disabled")
	default:
		return credential.Unreachable, s.unexpectedAPIResponse(http.MethodGet, selfPage, r, "")
	}
}

// errNoAPI says that a client cannot be tested because Mautic's API is disabled.
var errNoAPI = errors.New("the API of Mautic is disabled (403 api_disabled), so the client cannot be tested: enable it (Settings, Configuration, API Settings: api_enabled), or unset MAUTIC_URL to test only the stored secret")

// errNoGrant says that a client's secret is right, and that it is not one for
// client_credentials. Mautic looks at the secret first.
var errNoGrant = errors.New("the client may not use the grant client_credentials")

// token gets an access token for a client. Its secret goes into the form: the Basic header
// answers 403 if basic authentication is disabled.
func (s *site) token(ctx context.Context, client, secret string) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}
	r, err := s.askAPI(ctx, http.MethodPost, tokenPage, form, nil)
	if err != nil {
		return "", err
	}
	var answer struct {
		Token string          `json:"access_token"`
		Error json.RawMessage `json:"error"`
	}
	_ = json.Unmarshal([]byte(r.body), &answer) // what is no JSON has neither
	said := func(code string) bool {
		return strings.Contains(string(answer.Error), code) || strings.Contains(r.body, code)
	}
	switch {
	case r.status == http.StatusOK && answer.Token != "":
		return answer.Token, nil
	case r.status == http.StatusForbidden && said("api_disabled"):
		return "", errNoAPI
	case r.status == http.StatusBadRequest && said("invalid_client"):
		return "", credential.Failf(credential.Denied, "the API client %s and its secret are refused (400 invalid_client)", client)
	case r.status == http.StatusBadRequest && said("unauthorized_client"):
		return "", errNoGrant
	default:
		return "", s.unexpectedAPIResponse(http.MethodPost, tokenPage, r, "")
	}
}

// callAPI makes a call with an access token. Any user may ask who it is.
func (s *site) callAPI(ctx context.Context, token string) error {
	r, err := s.call(ctx, token)
	switch {
	case err != nil:
		return err
	case r.status == http.StatusOK:
		return nil
	case r.status == http.StatusUnauthorized && !r.asksForBasic():
		return s.unexpectedResponse(http.MethodGet, selfPage, r, "Mautic refuses a token that it has just issued: does the web server withhold the Authorization header from PHP (Apache: CGIPassAuth on)?")
	case r.status == http.StatusInternalServerError:
		return s.unexpectedAPIResponse(http.MethodGet, selfPage, r, "the API client probably has no role: give it one (Settings, API Credentials). If it has one, ")
	default:
		return s.unexpectedAPIResponse(http.MethodGet, selfPage, r, "")
	}
}

// letThrough fails if something in front of Mautic would block calls of its API. It makes one
// with an invalid token.
func (s *site) letThrough(ctx context.Context) error {
	r, err := s.call(ctx, newClientSecret())
	if err != nil {
		return err
	}
	if r.asksForBasic() {
		return s.unexpectedAPIResponse(http.MethodGet, selfPage, r, "")
	}
	return nil
}

func (s *site) call(ctx context.Context, token string) (reply, error) {
	return s.askAPI(ctx, http.MethodGet, selfPage, nil, func(request *http.Request) { request.Header.Set("Authorization", "Bearer "+token) })
}
