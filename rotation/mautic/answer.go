package mautic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// loginRemedy is what to do about a login page that answers another status than
// 200, by the likeliest cause.
func loginRemedy(base *url.URL, status int, location string) string {
	switch {
	case status >= 300 && status < 400:
		if to := redirectedBase(base, location); to != "" {
			return "set MAUTIC_URL to " + to
		}
		return "Mautic's login page does not redirect: have what does (single sign-on, a firewall) let the function's requests for " + loginPage + " through, or correct MAUTIC_URL"
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusProxyAuthRequired:
		return "a firewall or basic authentication in front of Mautic answers so: have it let the function's requests for " + loginPage + " through"
	case status == http.StatusTooManyRequests:
		return "a rate limit in front of Mautic answers so: exempt the function's requests for " + loginPage + " from it"
	case status == http.StatusInternalServerError:
		return "that is a broken Mautic, mostly one that cannot log in to its database: see its log"
	case status >= 500:
		return "a load balancer answers so when no task of Mautic is healthy, and Mautic while it is in maintenance: see the tasks of the service"
	default:
		return "this is not the base URL of a Mautic: correct MAUTIC_URL"
	}
}

// redirectedBase is the base URL whose login page one at base redirects to; ""
// where it redirects to something else, or to itself.
func redirectedBase(base *url.URL, location string) string {
	to, err := base.JoinPath(loginPage).Parse(location)
	if err != nil || to.Host == "" {
		return ""
	}
	path, ok := strings.CutSuffix(strings.TrimSuffix(to.Path, "/"), "/"+loginPage)
	same := to.Scheme == base.Scheme && strings.EqualFold(to.Host, base.Host) && path == strings.TrimSuffix(base.Path, "/")
	root := (&url.URL{Scheme: to.Scheme, Host: to.Host, Path: path}).String()
	if _, err := parseBase(root); err != nil || !ok || same || brief(root) != root {
		return ""
	}
	return root
}

// unanswered tells of a request that got no answer.
func unanswered(method, shown string, within time.Duration, err error) string {
	const remedy = "check MAUTIC_URL, and that the function's subnets and security group let it reach Mautic"
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("%s %s got no answer in time (%s at most): see whether Mautic's tasks are overloaded, or %s", method, shown, within, remedy)
	}
	return brief(err.Error()) + ": " + remedy
}

// target tells where an answer redirects to, if it does. A query or a fragment may
// hold a token, and is left out.
func target(location string) string {
	if location == "" {
		return ""
	}
	to, err := url.Parse(location)
	if err != nil {
		return " to an address that is no URL"
	}
	to.RawQuery, to.ForceQuery, to.Fragment, to.RawFragment = "", false, "", ""
	return fmt.Sprintf(" to %s", brief(to.Redacted()))
}
