package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"sync"
	"time"

	"mautic-rotation/internal/load"
)

// What tests ask Mautic's pages.

// servesClient tells whether Mautic gives a token to an API client.
func (m *mauticDeployment) servesClient(id, secret string) bool {
	m.t.Helper()
	answer, err := http.PostForm(m.site.URL()+"/oauth/v2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// letsIn tells whether the administrator can use the API by basic auth.
func (m *mauticDeployment) letsIn(password string) bool {
	m.t.Helper()
	request, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, m.site.URL()+"/api/users/self", nil)
	if err != nil {
		m.t.Fatal(err)
	}
	request.SetBasicAuth(m.seed.AdminUser, password)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		m.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// browser is somebody who has signed in as the administrator, with the first
// password.
func (m *mauticDeployment) browser() (signedIn func() bool) {
	m.t.Helper()
	return m.browserOf(m.seed.AdminPassword)
}

// browserOf is somebody who has signed in as the administrator.
func (m *mauticDeployment) browserOf(password string) (signedIn func() bool) {
	m.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(path string) (int, string) {
		answer, err := client.Get(m.site.URL() + path)
		if err != nil {
			m.t.Fatal(err)
		}
		defer answer.Body.Close()
		page, err := io.ReadAll(answer.Body)
		if err != nil {
			m.t.Fatal(err)
		}
		return answer.StatusCode, string(page)
	}
	_, page := get("/s/login")
	csrf := regexp.MustCompile(`name="_csrf_token" value="([^"]*)"`).FindStringSubmatch(page)
	answer, err := client.PostForm(m.site.URL()+"/s/login_check", url.Values{
		"_username": {m.seed.AdminUser}, "_password": {password}, "_csrf_token": {csrf[1]},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	answer.Body.Close()
	return func() bool {
		status, _ := get("/s/dashboard")
		return status == http.StatusOK
	}
}

// outage is for how long, at least, Mautic's pages failed.
type outage struct {
	began chan struct{} // closed at the first page that fails

	mu          sync.Mutex
	first, last time.Time // of the pages that failed: when the first was answered, when the last was asked for
	pages       *load.Load
}

// watchPages asks for the login page over and over, until stop is called.
func (m *mauticDeployment) watchPages() *outage {
	m.t.Helper()
	o := &outage{began: make(chan struct{})}
	var err error
	o.pages, err = load.Start(m.t.Context(), 10*time.Millisecond, load.Worker{Name: "the login page", Use: func(ctx context.Context) error {
		asked := time.Now()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.site.URL()+"/s/login", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return nil
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.first.IsZero() {
			o.first = time.Now()
			close(o.began)
		}
		o.last = asked
		return nil
	}})
	if err != nil {
		m.t.Fatal(err)
	}
	return o
}

// end ends the watch, and returns for how long pages failed for sure.
func (o *outage) end() (atLeast time.Duration, err error) {
	err = o.pages.Stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.first.IsZero() {
		return 0, errors.Join(err, errors.New("no page failed"))
	}
	return max(0, o.last.Sub(o.first)), err
}
