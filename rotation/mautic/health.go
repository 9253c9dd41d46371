// Package mautic knows Mautic from the outside: now, whether it is healthy.
package mautic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"mautic-rotation/rotation"
)

// healthTimeout is for one page, which Mautic makes in well under a second.
const healthTimeout = 10 * time.Second

// Health asks Mautic's login page, which needs the database: with a wrong
// password every page of Mautic answers 500. It has no page for health checks.
type Health struct {
	url    string
	shown  string // the URL without a password
	client *http.Client
}

var _ rotation.Health = (*Health)(nil)

// NewHealth returns the health of the Mautic at a base URL, "https://…". The
// client's redirects are not followed: Mautic's login page has none.
func NewHealth(base string, client *http.Client) (*Health, error) {
	parsed, err := url.Parse(base)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return nil, errors.New("it is not the URL of a Mautic: write it as https://mautic.example.com")
	}
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	page := parsed.JoinPath("s", "login")
	return &Health{url: page.String(), shown: page.Redacted(), client: &direct}, nil
}

// Sick tells why the login page is not what it should be, or "".
func (h *Health) Sick(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url, nil)
	if err != nil {
		return err.Error()
	}
	response, err := h.client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Sprintf("GET %s answers %s, not 200", h.shown, response.Status)
	}
	return ""
}
