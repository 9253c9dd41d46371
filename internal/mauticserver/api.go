package mauticserver

import (
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// answer writes a JSON object.
func answer(w http.ResponseWriter, status int, object map[string]any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(object)
}

// refuse writes an error as Mautic's API does.
func refuse(w http.ResponseWriter, status int, code, description string) error {
	return answer(w, status, map[string]any{"error": code, "error_description": description})
}

// apiDisabled is the answer of an API that is switched off.
func apiDisabled(w http.ResponseWriter) error {
	return answer(w, http.StatusForbidden, map[string]any{"errors": []map[string]any{{"code": 403, "type": "api_disabled", "message": "API disabled."}}})
}

// errNoRole is what Mautic fails of when a client without a role calls its API.
var errNoRole = errors.New("call to a member function on null")

// A caller is whom the API knows who calls it as.
type caller struct {
	id    any // of the user; nil: a client calls for itself
	name  string
	admin bool
}

// caller finds out who calls the API, by basic authentication or by an access
// token. Nil: it has answered that it does not know.
func (s *Server) caller(w http.ResponseWriter, r *http.Request, v visit) (*caller, error) {
	if !v.parameters.On("api_enabled") {
		return nil, apiDisabled(w)
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return s.callerByToken(w, r, v, token)
	}
	name, password, ok := r.BasicAuth()
	if !ok {
		return nil, refuse(w, http.StatusUnauthorized, "access_denied", "OAuth2 authentication required")
	}
	if !v.parameters.On("api_enable_basic_auth") {
		return nil, refuse(w, http.StatusForbidden, "access_denied", "Basic authentication is disabled.")
	}
	user, err := v.user(r.Context(), name)
	if err != nil {
		return nil, err
	}
	if !user.letsIn(password) {
		return nil, refuse(w, http.StatusUnauthorized, "access_denied", "Bad credentials.")
	}
	return &caller{user.id, user.name, user.admin}, nil
}

func (s *Server) callerByToken(w http.ResponseWriter, r *http.Request, v visit, token string) (*caller, error) {
	var expires int64
	var admin sql.NullBool // of the client's role
	var name string
	err := v.row(r.Context(), `SELECT a.expires_at, c.name, r.is_admin FROM {oauth2_accesstokens} a JOIN {oauth2_clients} c ON c.id = a.client_id
		LEFT JOIN {roles} r ON r.id = c.role_id WHERE a.token = ?`, []any{token}, &expires, &name, &admin)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && expires < s.now().Unix():
		return nil, refuse(w, http.StatusUnauthorized, "invalid_grant", "The access token provided is invalid.")
	case err != nil:
		return nil, err
	case !admin.Valid:
		return nil, errNoRole
	}
	return &caller{nil, name, admin.Bool}, nil
}

// self is /api/users/self: who the caller is.
func (s *Server) self(w http.ResponseWriter, r *http.Request, v visit) error {
	who, err := s.caller(w, r, v)
	if err != nil || who == nil {
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"id": who.id, "username": who.name})
}

// A change is a request to the API to change something, by an administrator.
type change struct {
	visit
	by     *caller
	id     string         // of what is to be changed
	fields map[string]any // that it is to have
}

// changing is a page of the API that changes something.
func (s *Server) changing(act func(w http.ResponseWriter, r *http.Request, c change) error) page {
	return func(w http.ResponseWriter, r *http.Request, v visit) error {
		who, err := s.caller(w, r, v)
		if err != nil || who == nil {
			return err
		}
		c := change{v, who, r.PathValue("id"), nil}
		switch {
		case !who.admin:
			return refuse(w, http.StatusForbidden, "access_denied", "You do not have access to the requested area/action.")
		case json.NewDecoder(r.Body).Decode(&c.fields) != nil:
			return refuse(w, http.StatusBadRequest, "invalid_request", "Syntax error")
		}
		return act(w, r, c)
	}
}

// notFound is the answer where there is no such thing to change.
func notFound(w http.ResponseWriter) error {
	return refuse(w, http.StatusNotFound, "not_found", "Item was not found.")
}

// token is /oauth/v2/token. Mautic looks at the client first, then at its
// secret, then at whether it may use the grant.
func (s *Server) token(w http.ResponseWriter, r *http.Request, v visit) error {
	if !v.parameters.On("api_enabled") {
		return apiDisabled(w)
	}
	// What it does with the header where basic authentication is on was not tried.
	if _, _, ok := r.BasicAuth(); ok && !v.parameters.On("api_enable_basic_auth") {
		return refuse(w, http.StatusForbidden, "access_denied", "Basic authentication is disabled.")
	}
	id, randomID, _ := strings.Cut(r.PostFormValue("client_id"), "_")
	number, err := strconv.ParseInt(id, 10, 64)
	var secret, grants string
	if err == nil {
		err = v.row(r.Context(), "SELECT secret, allowed_grant_types FROM {oauth2_clients} WHERE id = ? AND random_id = ?", []any{number, randomID}, &secret, &grants)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	grant := r.PostFormValue("grant_type")
	switch {
	case grant == "":
		return refuse(w, http.StatusBadRequest, "invalid_request", "Invalid grant_type parameter or parameter missing")
	case err != nil || secret != r.PostFormValue("client_secret"):
		return refuse(w, http.StatusBadRequest, "invalid_client", "The client credentials are invalid")
	case !strings.Contains(grants, `"`+grant+`"`):
		return refuse(w, http.StatusBadRequest, "unauthorized_client", "The grant type is unauthorized for this client_id")
	case grant != "client_credentials":
		return refuse(w, http.StatusBadRequest, "unsupported_grant_type", "The stand-in has no other grant than client_credentials")
	}
	token := rand.Text() + rand.Text()
	if _, err := v.db.ExecContext(r.Context(), v.named("INSERT INTO {oauth2_accesstokens} (client_id, token, expires_at) VALUES (?, ?, ?)"),
		number, token, s.now().Add(TokenLifetime).Unix()); err != nil {
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"access_token": token, "expires_in": int(TokenLifetime.Seconds()), "token_type": "bearer", "scope": nil})
}
