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

// self is /api/users/self: who the caller is, by basic authentication or by an
// access token.
func (s *Server) self(w http.ResponseWriter, r *http.Request, v visit) error {
	if !v.parameters.On("api_enabled") {
		return apiDisabled(w)
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return s.selfByToken(w, r, v, token)
	}
	name, password, ok := r.BasicAuth()
	if !ok {
		return refuse(w, http.StatusUnauthorized, "access_denied", "OAuth2 authentication required")
	}
	if !v.parameters.On("api_enable_basic_auth") {
		return refuse(w, http.StatusForbidden, "access_denied", "Basic authentication is disabled.")
	}
	user, err := v.user(r.Context(), name)
	if err != nil {
		return err
	}
	if !user.letsIn(password) {
		return refuse(w, http.StatusUnauthorized, "access_denied", "Bad credentials.")
	}
	return answer(w, http.StatusOK, map[string]any{"id": user.id, "username": user.name})
}

func (s *Server) selfByToken(w http.ResponseWriter, r *http.Request, v visit, token string) error {
	var expires int64
	var role sql.NullInt64
	err := v.row(r.Context(), "SELECT a.expires_at, c.role_id FROM {oauth2_accesstokens} a JOIN {oauth2_clients} c ON c.id = a.client_id WHERE a.token = ?",
		[]any{token}, &expires, &role)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && expires < s.now().Unix():
		return refuse(w, http.StatusUnauthorized, "invalid_grant", "The access token provided is invalid.")
	case err != nil:
		return err
	case !role.Valid:
		return errNoRole
	}
	return answer(w, http.StatusOK, map[string]any{"id": nil, "role": role.Int64})
}

// token is /oauth/v2/token. Mautic looks at the client first, then at its
// secret, then at whether it may use the grant.
func (s *Server) token(w http.ResponseWriter, r *http.Request, v visit) error {
	if !v.parameters.On("api_enabled") {
		return apiDisabled(w)
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
