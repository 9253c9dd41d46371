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
	"time"
)

// HookEvent is the event that the seed's webhooks are for.
const HookEvent = "mautic.lead_post_save_new"

// ProcessTime is for how long a mautic:webhooks:process runs at most.
const ProcessTime = 600 * time.Second

// The values of queue_mode. 7.0 was seen to send a delivery immediately by
// default, and the source of Mautic before it has the same. Then
// mautic:webhooks:process does nothing.
const (
	immediately = "immediate_process"
	byCommand   = "command_process"
)

func queueMode(p Parameters) string { return cmp.Or(p.Text("queue_mode"), immediately) }

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
		if err != nil || queueMode(v.parameters) == byCommand {
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
	case queueMode(r.visit.parameters) != byCommand:
		return nil
	}
	return r.server.sendQueued(ctx, r.visit, r.secrets)
}

// Close ends the run.
func (r *WebhookRun) Close() error { return r.visit.db.Close() }
