package mautic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// remedy is what to do about a page that answers with an unexpected status, by the most likely
// cause. The login page should answer 200.
func remedy(base *url.URL, page string, status int, location string) string {
	switch {
	case base != nil && pageIn(base) != "" && status < 500:
		root := *base
		root.Path = strings.TrimSuffix(base.Path, pageIn(base))
		return "MAUTIC_URL is the URL of a page, but must be the base URL of Mautic's pages: set it to " + shownBase(&root)
	case toInstaller.MatchString(location):
		return "Mautic considers itself not installed, and shows its installer to everyone: restore config/local.php (docs/deploy.md, \"How Mautic must be set up\")"
	case status >= 300 && status < 400:
		if to := redirectedBase(base, page, location); to != "" {
			return "set MAUTIC_URL to " + to
		}
		return "Mautic itself does not redirect there: make what does (single sign-on, a firewall) let the function's requests for " + page + " through, or correct MAUTIC_URL"
	case status == http.StatusUnauthorized && base != nil && base.User != nil:
		return "something in front of Mautic refuses the user and the password in MAUTIC_URL: correct them"
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusProxyAuthRequired:
		return "this answer comes from a firewall or basic authentication in front of Mautic: make it let the function's requests for " + page + " through"
	case status == http.StatusAccepted || status == http.StatusMethodNotAllowed:
		return "AWS WAF gives this answer for a challenge (202) or a CAPTCHA (405): exempt the function's requests for " + page + " from it"
	case status == http.StatusTooManyRequests:
		return "this answer comes from a rate limit in front of Mautic: exempt the function's requests for " + page + " from it"
	case status == http.StatusInternalServerError:
		return "Mautic is broken, and most often cannot log in to its database: see its log"
	case status >= 500:
		return "a load balancer gives this answer when no task of Mautic is healthy, and Mautic does while it is in maintenance: see the tasks of the service"
	default:
		return "this is not the base URL of a Mautic: correct MAUTIC_URL"
	}
}

// aPage matches the end of the URL of one of Mautic's pages, or of its API.
var aPage = regexp.MustCompile(`/(?:index\.php/)?(?:s(?:/[\w/-]*)?|api(?:/.*)?|oauth/.*|installer(?:/.*)?)/?$`)

// toInstaller is where Mautic redirects every page to while it has no site_url.
var toInstaller = regexp.MustCompile(`/installer(?:/[^?#]*)?(?:[?#].*)?$`)

// pageIn is the page in what should be a base URL; "": none. Mautic may be installed below a path
// with such a name, so the base URL is tried first.
func pageIn(base *url.URL) string { return aPage.FindString(base.Path) }

// shownBase is a base URL as in the setting, without its password.
func shownBase(base *url.URL) string {
	shown := url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimSuffix(base.Path, "/")}
	return shown.String()
}

// redirectedBase is the base URL to whose page a page at base redirects; "" if it redirects
// elsewhere, or to itself.
func redirectedBase(base *url.URL, page, location string) string {
	to, err := base.JoinPath(page).Parse(location)
	if err != nil || to.Host == "" {
		return ""
	}
	path, ok := strings.CutSuffix(strings.TrimSuffix(to.Path, "/"), "/"+page)
	same := to.Scheme == base.Scheme && strings.EqualFold(to.Host, base.Host) && path == strings.TrimSuffix(base.Path, "/")
	root := shownBase(&url.URL{Scheme: to.Scheme, Host: to.Host, Path: path})
	if _, err := parseBase(root); err != nil || !ok || same || brief(root) != root {
		return ""
	}
	return root
}

// unanswered describes a request that got no answer.
func unanswered(method, shown string, within time.Duration, err error) string {
	const remedy = "check MAUTIC_URL, and that the function's subnets and security group let it reach Mautic"
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("%s %s got no answer in time (%s at most): check whether Mautic's tasks are overloaded, or %s", method, shown, within, remedy)
	}
	return brief(err.Error()) + ": " + remedy
}

// target says where an answer redirects to, if it does. It leaves out query and fragment, which
// may hold a token.
func target(location string) string {
	if location == "" {
		return ""
	}
	to, err := url.Parse(location)
	if err != nil {
		return " to an address that is not a URL"
	}
	to.RawQuery, to.ForceQuery, to.Fragment, to.RawFragment = "", false, "", ""
	return fmt.Sprintf(" to %s", brief(to.Redacted()))
}
