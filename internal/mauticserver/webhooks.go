package mauticserver

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
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

// HookEvent is the event that the seed's webhooks are for.
const HookEvent = "mautic.lead_post_save_new"

// ProcessTime is for how long a mautic:webhooks:process runs at most.
const ProcessTime = 600 * time.Second

// The values of queue_mode. 7.0 sends a delivery immediately by default. Then
// mautic:webhooks:process does nothing.
const (
	immediately = "immediate_process"
	byCommand   = "command_process"
)

func (s *Server) queueMode(p Parameters) string {
	standard := immediately
	if s.options.Version == Mautic51 {
		standard = byCommand
	}
	return cmp.Or(p.Text("queue_mode"), standard)
}

// Signature is what Mautic's header Webhook-Signature says of a body: the base64
// of the raw HMAC-SHA256, with the secret as it is written as the key.
func Signature(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// NewHook makes a webhook as a person does in Mautic's pages, and returns its
// secret: each gets one of its own, of 64 hexadecimal digits.
func (s *Server) NewHook(ctx context.Context, name, receiver string) (secret string, err error) {
	random := make([]byte, 32)
	rand.Read(random) // never fails: crypto/rand ends the program instead
	secret = hex.EncodeToString(random)
	return secret, s.inWeb(ctx, func(v visit) error {
		err := v.exec(ctx, "INSERT INTO {webhooks} (is_published, name, webhook_url, secret) VALUES (1, ?, ?, ?)", name, receiver, secret)
		if err != nil {
			return err
		}
		return v.exec(ctx, "INSERT INTO {webhook_events} (webhook_id, event_type) SELECT id, ? FROM {webhooks} WHERE name = ?", HookEvent, name)
	})
}

// Trigger has something happen that the webhooks tell of. A delivery is queued
// for each published one, with this body, and sent at once where queue_mode says
// so. That a receiver does not take it is no error.
func (s *Server) Trigger(ctx context.Context, body string) error {
	return s.inWeb(ctx, func(v visit) error {
		err := v.exec(ctx, `INSERT INTO {webhook_queue} (webhook_id, event_id, date_added, payload)
			SELECT w.id, e.id, ?, ? FROM {webhooks} w JOIN {webhook_events} e ON e.webhook_id = w.id WHERE w.is_published = 1`, s.second(), body)
		if err != nil || s.queueMode(v.parameters) != immediately {
			return err
		}
		return s.sendQueued(ctx, v, nil)
	})
}

// Retry sends what is queued and due: on 7.0, what a receiver has rejected
// webhook_retry_delay (3600 s) before, or longer. What makes Mautic do so was not
// looked at; here it is this call.
func (s *Server) Retry(ctx context.Context) error {
	return s.inWeb(ctx, func(v visit) error { return s.sendQueued(ctx, v, nil) })
}

// inWeb does something as the web server does it.
func (s *Server) inWeb(ctx context.Context, act func(visit) error) error {
	s.mu.Lock()
	container := s.container
	s.mu.Unlock()
	p, err := container.Parameters()
	if err != nil {
		return err
	}
	return container.RunJob(ctx, s.options.Open, func(_ context.Context, db *sql.DB) error {
		return act(visit{p, tablesOf{db, p.Text("db_table_prefix")}})
	})
}

// second is now, as a DATETIME keeps it.
func (s *Server) second() time.Time { return s.now().UTC().Truncate(time.Second) }

// A WebhookRun is a mautic:webhooks:process that runs: with the secrets that the
// webhooks had when it began.
type WebhookRun struct {
	server  *Server
	visit   visit
	secrets map[int64]string
	end     time.Time
}

// ErrRunEnded says that a mautic:webhooks:process has had its time.
var ErrRunEnded = errors.New("mautic:webhooks:process has ended")

// ProcessWebhooks starts a mautic:webhooks:process in a container. Whoever gets it
// closes it.
func (s *Server) ProcessWebhooks(ctx context.Context, c Container) (*WebhookRun, error) {
	c.Version = s.options.Version
	p, err := c.Parameters()
	if err != nil {
		return nil, err
	}
	db, err := s.options.Open.loggedIn(ctx, p.Text("db_password"))
	if err != nil {
		return nil, err
	}
	run := &WebhookRun{s, visit{p, tablesOf{db, p.Text("db_table_prefix")}}, map[int64]string{}, s.now().Add(ProcessTime)}
	hooks, err := run.visit.hooks(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	for _, h := range hooks {
		run.secrets[h.id] = h.secret
	}
	return run, nil
}

// Send sends what is queued. It is ErrRunEnded when the run's time is over.
func (r *WebhookRun) Send(ctx context.Context) error {
	switch {
	case !r.server.now().Before(r.end):
		return ErrRunEnded
	case r.server.queueMode(r.visit.parameters) == immediately:
		return nil
	}
	return r.server.sendQueued(ctx, r.visit, r.secrets)
}

// Close ends the run.
func (r *WebhookRun) Close() error { return r.visit.db.Close() }

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
