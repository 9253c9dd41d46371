package mautic

import (
	"context"
	"encoding/json"
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
	// pageTimeout is for one request. A request that checks a password takes
	// Mautic the time of a bcrypt comparison, below a second.
	pageTimeout = 15 * time.Second
	// pageLimit is how much of a page is read, in bytes: the login page has
	// some 20 kB.
	pageLimit = 1 << 20
)

// site is Mautic as its users see it.
type site struct {
	base   *url.URL
	client *http.Client
}

// site returns nil when no URL is set.
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
	return &site{base: base, client: direct(client)}, nil
}

func parseBase(base string) (*url.URL, error) {
	parsed, err := url.Parse(base)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return nil, errors.New("it is not the URL of a Mautic: write it as https://mautic.example.com")
	}
	return parsed, nil
}

// direct returns a client that does not follow redirects: where Mautic
// redirects to is an answer in itself.
func direct(client *http.Client) *http.Client {
	copied := *client
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &copied
}

// reply is an answer, with the beginning of its body.
type reply struct {
	status   int
	location string
	body     string
}

// ask makes one request for a page of Mautic's.
func (s *site) ask(ctx context.Context, client *http.Client, method, path string, form url.Values, header func(*http.Request)) (reply, error) {
	return s.askAt(ctx, client, method, s.base.JoinPath(path), form, header)
}

func (s *site) askAt(ctx context.Context, client *http.Client, method string, at *url.URL, form url.Values, header func(*http.Request)) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	request, err := http.NewRequestWithContext(ctx, method, at.String(), body)
	if err != nil {
		return reply{}, err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if header != nil {
		header(request)
	}
	response, err := client.Do(request)
	if err != nil {
		return reply{}, credential.Failf(credential.Unreachable, "%s", unanswered(method, at.Redacted(), pageTimeout, err))
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, pageLimit))
	if err != nil {
		return reply{}, credential.Failf(credential.Unreachable, "%s %s: the answer broke off: %w", method, at.Redacted(), err)
	}
	return reply{status: response.StatusCode, location: response.Header.Get("Location"), body: string(text)}, nil
}

// shown is a page's URL without a password.
func (s *site) shown(path string) string { return s.base.JoinPath(path).Redacted() }

// odd is an answer that says nothing of the value that was tried.
func (s *site) odd(method, path string, r reply, remedy string) error {
	return oddAt(method, s.shown(path), r, remedy)
}

func oddAt(method, shown string, r reply, remedy string) error {
	return &credential.Failure{Outcome: credential.Unreachable, Problem: fmt.Sprintf("%s %s answers %d%s", method, shown, r.status, target(r.location)), Remedy: remedy}
}

// brief is what a server says, which may be as long as it likes. It is not cut:
// half of a secret value would not be known for one.
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

// login fetches the login page: it works only where Mautic and its database
// do, and needs no credential. So it comes before anything that sends one, and
// none is sent to what is not a Mautic.
func (s *site) login(ctx context.Context, client *http.Client) (csrf string, err error) {
	r, err := s.ask(ctx, client, http.MethodGet, loginPage, nil, nil)
	if err != nil {
		return "", err
	}
	switch {
	case r.status == http.StatusInternalServerError:
		return "", credential.Failf(credential.Unreachable, "GET %s answers 500: %w", s.shown(loginPage), errBroken)
	case r.status != http.StatusOK:
		return "", s.odd(http.MethodGet, loginPage, r, loginRemedy(s.base, r.status, r.location))
	}
	csrf, ok := csrfToken(r.body)
	if !ok {
		return "", credential.Failf(credential.Unreachable, "GET %s answers 200, but its page has no field _csrf_token, so it is not a Mautic's: correct MAUTIC_URL", s.shown(loginPage))
	}
	return csrf, nil
}

// errBroken says that Mautic is there and does not work.
var errBroken = errors.New(loginRemedy(nil, http.StatusInternalServerError, ""))

// check finds out whether there is a Mautic at the URL.
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

// changesDatabase tells whether the database's credentials differ in a change.
func (a Access) changesDatabase(c credential.Change) bool {
	places, err := a.Database.Fields(c.Pending)
	return err == nil && slices.ContainsFunc(places, func(p document.Pointer) bool {
		current, errCurrent := c.Current.Text(p)
		pending, errPending := c.Pending.Text(p)
		return errCurrent == nil && errPending == nil && current != pending
	})
}

// plain tells whether passwords would go over the network unencrypted.
func (s *site) plain() bool {
	ip := net.ParseIP(s.base.Hostname())
	loopback := ip != nil && ip.IsLoopback() || s.base.Hostname() == "localhost"
	return s.base.Scheme != "https" && !loopback
}

// checks is the part of a preflight that concerns the site.
func (a Access) siteChecks(ctx context.Context, without string) []credential.Check {
	s, err := a.site()
	if err == nil && s == nil {
		return []credential.Check{{What: "Mautic's URL", Warning: fmt.Errorf("it is not set, so %s: set MAUTIC_URL to have it tried for real", without)}}
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

// basicAuth asks who the user is, by basic authentication. Accepted means that
// the password is right. Denied is no proof: some web servers keep the header
// from PHP. Unknown: the API or its basic authentication is switched off.
func (s *site) basicAuth(ctx context.Context, user, password string) (credential.Outcome, error) {
	r, err := s.ask(ctx, s.client, http.MethodGet, selfPage, nil, func(request *http.Request) { request.SetBasicAuth(user, password) })
	if err != nil {
		return credential.OutcomeOf(err), err
	}
	switch r.status {
	case http.StatusOK:
		return credential.Accepted, nil
	case http.StatusUnauthorized:
		return credential.Denied, s.odd(http.MethodGet, selfPage, r, "Mautic refuses the user and password")
	case http.StatusForbidden:
		return credential.Unknown, s.odd(http.MethodGet, selfPage, r, "Mautic's API or its basic authentication is switched off")
	default:
		return credential.Unreachable, s.odd(http.MethodGet, selfPage, r, "Mautic's log may say why")
	}
}

// errNoAPI says that a client cannot be tried, since Mautic's API is off.
var errNoAPI = errors.New("the API of Mautic is switched off (403 api_disabled), so the client cannot be tried: switch it on (Settings, Configuration, API Settings: api_enabled), or unset MAUTIC_URL to have the stored secret do for a test")

// errNoGrant says that a client's secret is right, and that it is not one for
// client_credentials. Mautic looks at the secret first.
var errNoGrant = errors.New("the client may not use the grant client_credentials")

// token gets an access token for a client. Its secret goes into the form: the
// Basic header answers 403 where basic authentication is off.
func (s *site) token(ctx context.Context, client, secret string) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}
	r, err := s.ask(ctx, s.client, http.MethodPost, tokenPage, form, nil)
	if err != nil {
		return "", err
	}
	var answer struct {
		Token string          `json:"access_token"`
		Error json.RawMessage `json:"error"`
	}
	_ = json.Unmarshal([]byte(r.body), &answer) // what is no JSON has neither
	said := func(code string) bool {
		return strings.Contains(string(answer.Error), code) || strings.Contains(r.body, code)
	}
	switch {
	case r.status == http.StatusOK && answer.Token != "":
		return answer.Token, nil
	case r.status == http.StatusForbidden && said("api_disabled"):
		return "", errNoAPI
	case r.status == http.StatusBadRequest && said("invalid_client"):
		return "", credential.Failf(credential.Denied, "the API client %s and its secret are refused (400 invalid_client)", client)
	case r.status == http.StatusBadRequest && said("unauthorized_client"):
		return "", errNoGrant
	default:
		return "", s.odd(http.MethodPost, tokenPage, r, "Mautic's log may say why it gives no token")
	}
}

// callAPI makes a call with an access token. Any user may ask who it is.
func (s *site) callAPI(ctx context.Context, token string) error {
	r, err := s.ask(ctx, s.client, http.MethodGet, selfPage, nil, func(request *http.Request) { request.Header.Set("Authorization", "Bearer "+token) })
	switch {
	case err != nil:
		return err
	case r.status == http.StatusOK:
		return nil
	case r.status == http.StatusUnauthorized:
		return s.odd(http.MethodGet, selfPage, r, "Mautic refuses a token that it has just issued: is the Authorization header kept from PHP (Apache: CGIPassAuth on)?")
	case r.status == http.StatusInternalServerError:
		return s.odd(http.MethodGet, selfPage, r, "Mautic fails so when an API client has no role: give the client a role in Mautic")
	default:
		return s.odd(http.MethodGet, selfPage, r, "Mautic's log may say why")
	}
}
