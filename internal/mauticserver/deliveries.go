package mauticserver

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

type hook struct {
	id          int64
	url, secret string
}

// hooks are the published ones.
func (t tablesOf) hooks(ctx context.Context) (hooks []hook, err error) {
	rows, err := t.db.QueryContext(ctx, t.named("SELECT id, webhook_url, secret FROM {webhooks} WHERE is_published = 1 ORDER BY id"))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h hook
		if err := rows.Scan(&h.id, &h.url, &h.secret); err != nil {
			return nil, err
		}
		hooks = append(hooks, h)
	}
	return hooks, rows.Err()
}

// sendQueued sends what is due of each published hook, signed with one of these
// secrets; nil: with the one that it has now, which is Mautic's rule.
func (s *Server) sendQueued(ctx context.Context, v visit, secrets map[int64]string) error {
	hooks, err := v.hooks(ctx)
	if err != nil {
		return err
	}
	for _, h := range hooks {
		if secrets != nil {
			h.secret = secrets[h.id]
		}
		queued, err := s.due(ctx, v, h)
		if err != nil {
			return err
		}
		for _, entry := range queued {
			if err := s.settle(ctx, v, h, entry.id, s.deliver(ctx, v, h, entry.body)); err != nil {
				return err
			}
		}
	}
	return nil
}

type queued struct {
	id   int64
	body string
}

func (s *Server) due(ctx context.Context, v visit, h hook) (due []queued, err error) {
	query, args := "SELECT id, payload FROM {webhook_queue} WHERE webhook_id = ?", []any{h.id}
	if s.options.Version != Mautic51 {
		delay, err := strconv.Atoi(cmp.Or(v.parameters.Text("webhook_retry_delay"), "3600"))
		if err != nil {
			return nil, fmt.Errorf("webhook_retry_delay: %w", err)
		}
		query += " AND (retries = 0 OR date_modified <= ?)"
		args = append(args, s.second().Add(-time.Duration(delay)*time.Second))
	}
	rows, err := v.db.QueryContext(ctx, v.named(query+" ORDER BY id"), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var q queued
		if err := rows.Scan(&q.id, &q.body); err != nil {
			return nil, err
		}
		due = append(due, q)
	}
	return due, rows.Err()
}

// deliver returns the status that the receiver answers with; 0: none.
func (s *Server) deliver(ctx context.Context, v visit, h hook, body string) (status int) {
	if s.options.Version != Mautic51 && isPrivate(h.url) && !slices.Contains(v.parameters.list("webhook_allowed_private_addresses"), hostOf(h.url)) {
		return 0
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, strings.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Webhook-Signature", Signature(h.secret, body))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body) //nolint:errcheck // what it says does not matter
	return response.StatusCode
}

// settle does what Mautic does after a delivery. One that the receiver rejects is
// lost on 5.1. On 7.0 it stays queued, for webhook_retry_delay. 410 unpublishes the
// hook, and 7.0 leaves the entry as it is.
func (s *Server) settle(ctx context.Context, v visit, h hook, entry int64, status int) error {
	old := s.options.Version == Mautic51
	if status == http.StatusGone {
		if err := v.exec(ctx, "UPDATE {webhooks} SET is_published = 0 WHERE id = ?", h.id); err != nil {
			return err
		}
	}
	switch {
	case status >= 200 && status < 300 || old:
		return v.exec(ctx, "DELETE FROM {webhook_queue} WHERE id = ?", entry)
	case status == http.StatusGone:
		return nil
	default:
		return v.exec(ctx, "UPDATE {webhook_queue} SET retries = retries + 1, date_modified = ? WHERE id = ?", s.second(), entry)
	}
}

func hostOf(receiver string) string {
	parsed, err := url.Parse(receiver)
	if err != nil {
		return ""
	}
	return parsed.Hostname()
}

// isPrivate tells whether a receiver is at an address that 7.0 refuses. Names are
// not looked up here.
func isPrivate(receiver string) bool {
	ip := net.ParseIP(hostOf(receiver))
	return ip != nil && (ip.IsPrivate() || ip.IsLoopback())
}
