package mautic

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

const (
	// pageTimeout is for one request. If the request checks a password, Mautic needs the time of
	// a bcrypt comparison, less than a second.
	pageTimeout = 15 * time.Second
	// pageLimit is how much of a page is read, in bytes: the login page has
	// some 20 kB.
	pageLimit = 1 << 20
)

// site is Mautic as its users see it.
type site struct {
	base    *url.URL
	client  *http.Client
	timeout time.Duration // of a request
}

// site returns nil if no URL is set.
func (a Access) site() (*site, error) {
	if a.URL == "" {
		return nil, nil
	}
	base, err := parseBase(a.URL)
	if err != nil {
		return nil, fmt.Errorf("MAUTIC_URL: %w", err)
	}
	client := a.Client
	if client == nil {
		client = http.DefaultClient
	}
	return &site{base: base, client: direct(client), timeout: pageTimeout}, nil
}

func parseBase(base string) (*url.URL, error) {
	parsed, err := url.Parse(base)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return nil, errors.New("it is not the URL of a Mautic: write it as https://mautic.example.com")
	}
	return parsed, nil
}

// direct returns a client that does not follow redirects: where Mautic redirects to is an answer
// in itself.
func direct(client *http.Client) *http.Client {
	copied := *client
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &copied
}

// reply is an answer, with the beginning of its body.
type reply struct {
	status    int
	location  string
	challenge string // what it asks a login for, of the header WWW-Authenticate
	body      string
}

// ask makes one request for a page of Mautic's.
func (s *site) ask(ctx context.Context, client *http.Client, method, path string, form url.Values, header func(*http.Request)) (reply, error) {
	return s.askAt(ctx, client, method, s.base.JoinPath(path), form, header)
}

func (s *site) askAt(ctx context.Context, client *http.Client, method string, at *url.URL, form url.Values, header func(*http.Request)) (reply, error) {
	asking, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	request, err := http.NewRequestWithContext(asking, method, at.String(), body)
	if err != nil {
		return reply{}, err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if header != nil {
		header(request)
	}
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return reply{}, credential.Failf(credential.Unreachable, "%s", s.unanswered(ctx, method, at.Redacted(), began, err))
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, pageLimit))
	if err != nil {
		return reply{}, credential.Failf(credential.Unreachable, "the answer was cut short: %s", s.unanswered(ctx, method, at.Redacted(), began, err))
	}
	return reply{
		status: response.StatusCode, location: response.Header.Get("Location"),
		challenge: response.Header.Get("WWW-Authenticate"), body: string(text),
	}, nil
}

// unanswered describes a request that got no complete answer, in the time that it may take or in
// what was left of the caller's.
func (s *site) unanswered(ctx context.Context, method, shown string, began time.Time, err error) string {
	if ctx.Err() != nil {
		return fmt.Sprintf("%s %s was cut off after %s, because the invocation's time was over; a request may take %s: raise the function's timeout", method, shown, time.Since(began).Round(time.Millisecond), s.timeout)
	}
	return unanswered(method, shown, s.timeout, err)
}

// shown is a page's URL without a password.
func (s *site) shown(path string) string { return s.base.JoinPath(path).Redacted() }

// unexpectedResponse is an answer that says nothing about the value that was tried.
func (s *site) unexpectedResponse(method, path string, r reply, remedy string) error {
	return oddAt(method, s.shown(path), r, remedy)
}

func oddAt(method, shown string, r reply, remedy string) error {
	return &credential.Failure{Outcome: credential.Unreachable, Problem: fmt.Sprintf("%s %s answers %d%s", method, shown, r.status, target(r.location)), Remedy: remedy}
}

// brief is what a server says, which may be any length. It is not cut, because half of a secret
// value would not be recognised and scrubbed.
func brief(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("(%d bytes, too many to show)", len(text))
}

// The pages of Mautic that are used here.
const (
	loginPage     = "s/login"
	loginCheck    = "s/login_check"
	dashboardPage = "s/dashboard"
	selfPage      = "api/users/self"
	tokenPage     = "oauth/v2/token"
)

var (
	// An attribute's value may hold whatever ends a tag, or looks like another
	// attribute, so each is read as a whole.
	inputTag       = regexp.MustCompile(`(?i)<input((?:\s|/)(?:[^<>"']|"[^"]*"|'[^']*')*)>`)
	inputAttribute = regexp.MustCompile(`([^\s"'=/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+)))?`)
)

// csrfToken finds the hidden field in Mautic's login form.
func csrfToken(page string) (string, bool) {
	for _, tag := range inputTag.FindAllStringSubmatch(page, -1) {
		attributes := map[string]string{}
		for _, a := range inputAttribute.FindAllStringSubmatch(tag[1], -1) {
			name := strings.ToLower(a[1])
			if _, twice := attributes[name]; !twice { // the first counts
				attributes[name] = html.UnescapeString(a[2] + a[3] + a[4])
			}
		}
		if token, ok := attributes["value"]; ok && attributes["name"] == "_csrf_token" {
			return token, true
		}
	}
	return "", false
}

// login fetches the login page, which works only if Mautic and its database do, and needs no
// credential. It comes before anything that sends one, so that none is sent to something that is
// not Mautic.
func (s *site) login(ctx context.Context, client *http.Client) (csrf string, err error) {
	r, err := s.ask(ctx, client, http.MethodGet, loginPage, nil, nil)
	if err != nil {
		return "", err
	}
	switch {
	case r.status == http.StatusInternalServerError:
		return "", credential.Failf(credential.Unreachable, "GET %s answers 500: %w", s.shown(loginPage), errBroken)
	case r.status != http.StatusOK:
		return "", s.unexpectedResponse(http.MethodGet, loginPage, r, remedy(s.base, loginPage, r.status, r.location))
	}
	csrf, ok := csrfToken(r.body)
	if !ok {
		return "", credential.Failf(credential.Unreachable, "GET %s answers 200, but its page has no field _csrf_token, so it is not Mautic's login page: correct MAUTIC_URL", s.shown(loginPage))
	}
	return csrf, nil
}

// errBroken says that Mautic is there, but does not work.
var errBroken = errors.New(remedy(nil, loginPage, http.StatusInternalServerError, ""))

// check checks whether there is a Mautic at the URL.
func (s *site) check(ctx context.Context) error {
	_, err := s.login(ctx, s.client)
	return err
}

// siteFor returns the site at which a change's value can be tried, or why it
// cannot, and what is stored has to do. A rotation that changes the database's
// password too, in a way that does not keep the old one, leaves a Mautic that is
// broken until its tasks are replaced, which comes after the test.
func (a Access) siteFor(ctx context.Context, c credential.Change) (s *site, whyNot string, err error) {
	if s, err = a.site(); err != nil {
		return nil, "", err
	}
	if s == nil {
		return nil, "no URL is set (MAUTIC_URL)", nil
	}
	err = s.check(ctx)
	if errors.Is(err, errBroken) && a.changesDatabase(c) {
		return nil, "Mautic does not work until its tasks have the new database password", nil
	}
	return s, "", err
}

// changesDatabase reports whether the database's credentials differ in a change.
func (a Access) changesDatabase(c credential.Change) bool {
	places, err := a.Database.Fields(c.Pending)
	return err == nil && slices.ContainsFunc(places, func(p document.Pointer) bool {
		current, errCurrent := c.Current.Text(p)
		pending, errPending := c.Pending.Text(p)
		return errCurrent == nil && errPending == nil && current != pending
	})
}

// plain reports whether passwords would go over the network unencrypted.
func (s *site) plain() bool {
	ip := net.ParseIP(s.base.Hostname())
	loopback := ip != nil && ip.IsLoopback() || s.base.Hostname() == "localhost"
	return s.base.Scheme != "https" && !loopback
}

// checks is the part of a preflight that concerns the site.
func (a Access) siteChecks(ctx context.Context, without string) []credential.Check {
	s, err := a.site()
	if err == nil && s == nil {
		return []credential.Check{{What: "Mautic's URL", Warning: fmt.Errorf("it is not set, so %s: set MAUTIC_URL to test it for real", without)}}
	}
	check := credential.Check{What: "Mautic answers at its URL", Problem: err}
	if err == nil {
		check.Problem = s.check(ctx)
		if s.plain() {
			check.Warning = errors.New("MAUTIC_URL begins with http://, so the test sends the new value unencrypted: use https://")
		}
	}
	return []credential.Check{check}
}
