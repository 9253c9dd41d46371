package mautic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
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

// NewHealth returns the health of the Mautic at a base URL, "https://…". The
// client's redirects are not followed: Mautic's login page has none.
func NewHealth(base string, client *http.Client) (*Health, error) {
	parsed, err := parseBase(base)
	if err != nil {
		return nil, err
	}
	page := parsed.JoinPath("s", "login")
	return &Health{url: page.String(), shown: page.Redacted(), client: direct(client)}, nil
}

// Check tells why the login page is not what it should be.
func (h *Health) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url, nil)
	if err != nil {
		return err
	}
	response, err := h.client.Do(request)
	if err != nil {
		return errors.New(brief(err.Error()))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s answers %s, not 200", h.shown, brief(response.Status))
	}
	return nil
}
