package mautic

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"mautic-rotation/rotation/rollout"
)

// healthTimeout is for one page, which Mautic makes in well under a second.
const healthTimeout = 10 * time.Second

// Health requests Mautic's login page, which needs the database: with a wrong password every page
// of Mautic answers 500. Mautic has no page for health checks.
type Health struct {
	base    *url.URL
	client  *http.Client
	timeout time.Duration
}

// NewHealth returns the health check of the Mautic at a base URL, "https://…". It does not follow
// redirects: Mautic's login page has none.
func NewHealth(base string, client *http.Client) (*Health, error) {
	parsed, err := parseBase(base)
	if err != nil {
		return nil, err
	}
	return &Health{base: parsed, client: direct(client), timeout: healthTimeout}, nil
}

// Needs is the kind without which Mautic answers nothing: see credential.Dependent.
func (h *Health) Needs() string { return databaseKind }

// Check returns why the login page is not as it should be. Mautic is unhealthy if it answers 5xx,
// or not at all. Every other error wraps [rollout.ErrUnclear]: the answer may come from something
// in front of a working Mautic.
func (h *Health) Check(ctx context.Context) error {
	page := h.base.JoinPath(loginPage)
	asking, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	var answered atomic.Bool // by a goroutine of the client's
	asking = httptrace.WithClientTrace(asking, &httptrace.ClientTrace{GotFirstResponseByte: func() { answered.Store(true) }})
	request, err := http.NewRequestWithContext(asking, http.MethodGet, page.String(), nil)
	if err != nil {
		return err
	}
	response, err := h.client.Do(request)
	switch {
	case err != nil && answered.Load():
		return fmt.Errorf("%w: GET %s is answered by something that does not speak HTTP: correct MAUTIC_URL", rollout.ErrUnclear, page.Redacted())
	case err != nil:
		return h.noAnswer(ctx, page.Redacted(), err)
	}
	defer response.Body.Close()
	status, location := response.StatusCode, response.Header.Get("Location")
	if status == http.StatusOK {
		return nil
	}
	err = fmt.Errorf("GET %s answers %s%s: %s", page.Redacted(), brief(response.Status), target(location), remedy(h.base, loginPage, status, location))
	if status >= 500 {
		return err
	}
	return fmt.Errorf("%w: %w", rollout.ErrUnclear, err)
}

// noAnswer says what a failed request shows about Mautic. It shows nothing if the caller's time
// has run out, and little if TLS fails: then something answers, and no credential decides whether
// it is trusted.
func (h *Health) noAnswer(ctx context.Context, shown string, err error) error {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	noTLS = noTLS || errors.Is(err, http.ErrSchemeMismatch)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: GET %s was cut off before it was answered: %w", rollout.ErrUnclear, shown, ctx.Err())
	case untrusted || noTLS:
		return fmt.Errorf("%w: %s: correct MAUTIC_URL, or whatever terminates TLS there", rollout.ErrUnclear, brief(err.Error()))
	}
	return errors.New(unanswered(http.MethodGet, shown, h.timeout, err))
}
