package mautic

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"mautic-rotation/rotation/credential"
)

// formLogin signs in as a person does, up to the dashboard.
func (s *site) formLogin(ctx context.Context, user, password string) (credential.Outcome, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return credential.Unknown, err
	}
	browser := *s.client
	browser.Jar = jar
	csrf, err := s.login(ctx, &browser)
	if err != nil {
		return credential.OutcomeOf(err), err
	}
	form := url.Values{"_username": {user}, "_password": {password}, "_csrf_token": {csrf}}
	r, err := s.ask(ctx, &browser, http.MethodPost, loginCheck, form, nil)
	if err != nil {
		return credential.OutcomeOf(err), err
	}
	if r.status != http.StatusFound && r.status != http.StatusSeeOther {
		return credential.Unreachable, s.unexpectedResponse(http.MethodPost, loginCheck, r, "Mautic should answer a sign-in with a redirect; its log may say why it does not")
	}
	return s.openDashboard(ctx, &browser)
}

// maxRedirects is how many redirects of the dashboard are followed. Mautic's
// own make one.
const maxRedirects = 5

// openDashboard reports whether the browser is signed in: Mautic sends anyone who is not to the
// login page. Other redirects of the dashboard mean nothing. For a user without widgets it
// redirects to itself once and, if Mautic's default dashboard is missing, to its import page each
// time (Mautic 5.1 and 7.0).
func (s *site) openDashboard(ctx context.Context, browser *http.Client) (credential.Outcome, error) {
	at := s.base.JoinPath(dashboardPage)
	for redirects := range maxRedirects + 1 {
		r, err := s.askAt(ctx, browser, http.MethodGet, at, nil, nil)
		if err != nil {
			return credential.OutcomeOf(err), err
		}
		if r.status < 300 || r.status >= 400 {
			// Behind a redirect that was not to the login page, a page that is
			// missing is no sign of a wrong password either.
			if redirects == 0 && r.status == http.StatusOK || redirects > 0 && r.status < 500 && s.isPrivate(at) {
				return credential.Accepted, nil
			}
			return credential.Unreachable, oddAt(http.MethodGet, at.Redacted(), r, "Mautic's log may say why")
		}
		to, err := at.Parse(r.location)
		if err != nil || r.location == "" {
			return credential.Unreachable, oddAt(http.MethodGet, at.Redacted(), r, "a redirect without a URL; Mautic's log may say why")
		}
		if strings.HasSuffix(strings.TrimSuffix(to.Path, "/"), "/"+loginPage) {
			return credential.Denied, credential.Failf(credential.Denied, "the login page refuses the user and password")
		}
		if to.Hostname() != s.base.Hostname() {
			return credential.Unreachable, oddAt(http.MethodGet, at.Redacted(), r, "that is another host, so the session is not sent there: set MAUTIC_URL to a URL at which Mautic itself answers")
		}
		// Behind a load balancer that ends TLS, Mautic may write http:// or its
		// own port. The session goes where MAUTIC_URL says.
		next := *s.base
		next.Path, next.RawPath, next.RawQuery = to.Path, to.RawPath, to.RawQuery
		at = &next
	}
	return credential.Accepted, nil // redirects without end, and none to the login page
}

// isPrivate reports whether a page is one that Mautic shows only to people who are signed in.
func (s *site) isPrivate(at *url.URL) bool {
	below, ok := strings.CutPrefix(at.Path, strings.TrimSuffix(s.base.JoinPath("/").Path, "/"))
	return ok && (strings.HasPrefix(below, "/s/") || strings.HasPrefix(below, "/index.php/s/"))
}
