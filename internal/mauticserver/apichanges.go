package mauticserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/crypto/bcrypt"
)

// changes are the pages of the API that change a credential, or seem to.
func (s *Server) changes() map[string]page {
	all := map[string]page{
		"PATCH /api/users/{id}/edit": s.changing(s.editUser),
		"PUT /api/users/{id}/edit":   s.changing(s.editUser),
		"PATCH /api/hooks/{id}/edit": s.changing(s.editHook),
		"PUT /api/hooks/{id}/edit":   s.changing(s.editHook),
	}
	if s.options.Version != Mautic51 { // 5.1 has no version 2
		all["PATCH /api/v2/users/{id}"] = s.changing(s.patchUser)
		all["PATCH /api/v2/webhooks/{id}"] = s.changing(s.patchHook)
	}
	return all
}

// editUser is REST v1. It answers 200 to a new password and changes nothing. A PUT
// without isPublished unpublishes the user.
func (s *Server) editUser(w http.ResponseWriter, r *http.Request, c change) error {
	published, found := c.fields["isPublished"]
	if r.Method == http.MethodPut {
		if err := c.exec(r.Context(), "UPDATE {users} SET is_published = ? WHERE id = ?", found && published != false, c.id); err != nil {
			return err
		}
	}
	var name string
	err := c.row(r.Context(), "SELECT username FROM {users} WHERE id = ?", []any{c.id}, &name)
	if errors.Is(err, sql.ErrNoRows) {
		return notFound(w)
	}
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"user": map[string]any{"username": name}})
}

// patchUser is 7.0's API v2: it changes the hash. Mautic's has the cost 13; this
// one is quick.
func (s *Server) patchUser(w http.ResponseWriter, r *http.Request, c change) error {
	if password, ok := c.fields["plainPassword"].(string); ok {
		hash, err := hashOf(password, bcrypt.MinCost)
		if err != nil {
			return err
		}
		if err := c.exec(r.Context(), "UPDATE {users} SET password = ? WHERE id = ?", hash, c.id); err != nil {
			return err
		}
	}
	return answer(w, http.StatusOK, map[string]any{"id": c.id})
}

// editHook is REST v1. It writes the secret, and both secrets in clear into
// audit_log. A PUT recreates the hook's events, which deletes what is queued.
func (s *Server) editHook(w http.ResponseWriter, r *http.Request, c change) error {
	from, to, err := c.setHookSecret(r.Context())
	if errors.Is(err, sql.ErrNoRows) {
		return notFound(w)
	}
	if err != nil {
		return err
	}
	if from != to {
		details := fmt.Sprintf(`a:1:{s:6:"secret";a:2:{i:0;s:%d:"%s";i:1;s:%d:"%s";}}`, len(from), from, len(to), to)
		err = c.exec(r.Context(), "INSERT INTO {audit_log} (user_name, bundle, object, object_id, action, details, date_added) VALUES (?, 'webhook', 'webhook', ?, 'update', ?, ?)",
			c.by.name, c.id, details, s.now().UTC())
	}
	if err == nil && r.Method == http.MethodPut {
		err = c.exec(r.Context(), "INSERT INTO {webhook_events} (webhook_id, event_type) SELECT webhook_id, event_type FROM {webhook_events} WHERE webhook_id = ?", c.id)
		if err == nil {
			err = c.exec(r.Context(), `DELETE e FROM {webhook_events} e JOIN {webhook_events} n
				ON n.webhook_id = e.webhook_id AND n.event_type = e.event_type AND n.id > e.id WHERE e.webhook_id = ?`, c.id)
		}
	}
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"hook": map[string]any{"id": c.id}})
}

// patchHook is 7.0's API v2, which writes no row of audit_log.
func (s *Server) patchHook(w http.ResponseWriter, r *http.Request, c change) error {
	_, _, err := c.setHookSecret(r.Context())
	if errors.Is(err, sql.ErrNoRows) {
		return notFound(w)
	}
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, map[string]any{"id": c.id})
}

// setHookSecret writes the secret of a hook, if the request has one.
func (c change) setHookSecret(ctx context.Context) (from, to string, err error) {
	if err := c.row(ctx, "SELECT secret FROM {webhooks} WHERE id = ?", []any{c.id}, &from); err != nil {
		return "", "", err
	}
	to, ok := c.fields["secret"].(string)
	if !ok {
		return from, from, nil
	}
	return from, to, c.exec(ctx, "UPDATE {webhooks} SET secret = ? WHERE id = ?", to, c.id)
}
