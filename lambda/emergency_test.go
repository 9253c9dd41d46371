package main

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/internal/rig"
)

// likeItsTasks gives the deployment a Mautic whose pages do what its oldest
// running task does: they log in to the database with the password that the
// task has read at its start.
func (m *mauticDeployment) likeItsTasks() {
	m.t.Helper()
	site, err := mauticserver.Start(mauticserver.Options{
		Open: func(context.Context, string) (*sql.DB, error) {
			for _, task := range m.Application().Records() {
				if task.Stopped.IsZero() {
					return m.MySQL.Open(m.User, task.Password, m.Database)
				}
			}
			return nil, errors.New("no task runs")
		},
		APIEnabled: true, BasicAuth: true,
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { site.Close() })
	m.site = site
	m.reconfigure(map[string]string{"MAUTIC_URL": site.URL()})
}

// outage is when the pages of Mautic failed for the first and the last time.
type outage struct{ first, last time.Time }

// watchPages asks for the login page over and over, until the returned func is
// called.
func (m *mauticDeployment) watchPages() (end func() outage) {
	m.t.Helper()
	stop, watching, seen := make(chan struct{}), sync.WaitGroup{}, outage{}
	watching.Go(func() {
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-stop:
				return
			case <-pace.C:
			}
			at := time.Now()
			answer, err := http.Get(m.site.URL() + "/s/login")
			if err != nil {
				m.t.Error(err)
				return
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				if seen.first.IsZero() {
					seen.first = at
				}
				seen.last = time.Now()
			}
		}
	})
	end = sync.OnceValue(func() outage {
		close(stop)
		watching.Wait()
		return seen
	})
	m.t.Cleanup(func() { end() })
	return end
}

// browser is somebody who has signed in as the administrator.
func (m *mauticDeployment) browser() (signedIn func() bool) {
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
		"_username": {m.seed.AdminUser}, "_password": {m.seed.AdminPassword}, "_csrf_token": {csrf[1]},
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

func TestAnEmergencyUnderLoadEndsAllThatTheOldValuesGaveAndTellsItsPrice(t *testing.T) {
	m := deployMautic(t, &rig.Application{StartTime: 300 * time.Millisecond})
	m.likeItsTasks()
	m.enableRotation()
	signedIn := m.browser()
	if !signedIn() || !m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
		t.Fatal("nobody is let in before")
	}
	m.sql("INSERT INTO {oauth2_refreshtokens (client_id, user_id, token, expires_at) SELECT 1, id, 'x', 9999999999 FROM {users WHERE username = '" + m.seed.AdminUser + "'")
	conn, err := m.MySQL.Open(m.User, m.Password, m.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetMaxOpenConns(1)
	if err := conn.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var connected int
	if err := conn.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&connected); err != nil {
		t.Fatal(err)
	}

	// The old values are refused before the new tasks are even asked for.
	var once sync.Once
	m.AWS.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation != "UpdateService" {
			return wire.Fault{}
		}
		return wire.Fault{Before: func() {
			once.Do(func() {
				m.accepts(false, m.Password)
				for what, query := range map[string]string{
					"tokens of the user":                       "SELECT COUNT(*) FROM {oauth2_refreshtokens",
					"tokens of the old API client":             "SELECT COUNT(*) FROM {oauth2_accesstokens WHERE client_id = 1",
					"API clients that still have their secret": "SELECT COUNT(*) FROM {oauth2_clients WHERE secret = '" + m.seed.ClientSecret + "'",
				} {
					if n := m.text(query); n != "0" {
						t.Errorf("%s %s are left", n, what)
					}
				}
			})
		}}
	})
	endWatch := m.watchPages()
	if err := m.rotateWith("emergency.3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"); err != nil {
		t.Fatal(err)
	}
	if err := m.WaitSteady(t.Context()); err != nil {
		t.Fatal(err)
	}
	down := endWatch()
	m.mustSettle()

	for _, task := range m.Application().Records() {
		if task.Stopped.IsZero() && task.Password != m.password("AWSCURRENT") {
			t.Errorf("a task of %s has not been replaced", task.Service)
		}
	}
	var now int
	if err := conn.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&now); err == nil && now == connected {
		t.Error("a connection that was opened with the old password is still there")
	}
	if signedIn() || m.letsIn(m.seed.AdminPassword) || !m.letsIn(m.field("/admin_credentials/admin_password")) {
		t.Error("the administrator's old session or password goes on, or the new password does not work")
	}
	if m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) || !m.servesClient(m.field("/api_keys/mautic_api_client_id"), m.field("/api_keys/mautic_api_key")) {
		t.Error("the old API client is served, or the new one is not")
	}
	if m.hookSecrets() == m.seed.HookSecret || m.hookSecrets() != m.field("/webhooks/secret") {
		t.Error("the webhooks are signed with a secret that may have leaked")
	}
	m.accepts(true, m.password("AWSCURRENT"))

	for _, want := range []string{
		"emergency: admin, api, database and webhook rotated, and the old value is refused. Running tasks that need it fail until they are replaced.",
		"connections of '" + m.User, `the sessions and tokens of the Mautic user`, "the tokens of the old API client",
	} {
		if !strings.Contains(m.log.String(), want) {
			t.Errorf("the notices do not say %q", want)
		}
	}
	told := regexp.MustCompile(`tasks were refused for at most ([0-9a-z]+), from the promotion on`).FindStringSubmatch(m.log.String())
	if told == nil {
		t.Fatal("the notice at the end does not tell for how long the application was down")
	}
	atMost, err := time.ParseDuration(told[1])
	if err != nil {
		t.Fatal(err)
	}
	if seen := down.last.Sub(down.first); down.first.IsZero() || seen > atMost {
		t.Errorf("the pages failed for %s, and the notice says at most %s", seen, atMost)
	} else {
		t.Logf("the pages failed for %s; the notice says at most %s", seen.Round(time.Millisecond), atMost)
	}
}

func TestAStuckPendingValueIsGivenUpBeforeAnEmergencyAndNotUsedByIt(t *testing.T) {
	d := deploy(t, func(o *rig.Options) { o.AWS.RotationRetries = -1 })
	d.AWS.Intercept(func(c wire.Call) (fault wire.Fault) {
		if c.Caller.Step == "testSecret" {
			fault.Error = &wire.Error{Code: "AccessDeniedException", Message: "stuck", Status: 400}
		}
		return fault
	})
	_, err := d.Rotate(t.Context())
	wantError(t, err, "stuck")
	stuck := d.password("AWSPENDING")
	d.accepts(true, d.Password, stuck)

	// An emergency cannot begin: Secrets Manager tries the stuck one again.
	const token = "emergency.3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"
	wantError(t, d.rotateWith(token), "will be reattempted")
	wantError(t, d.AWS.SecretsManager.WaitRotation(t.Context(), d.SecretARN, d.pendingID()), "stuck")
	if err := d.Invoke([]byte(`{"Action":"abandon","SecretId":"` + d.SecretARN + `"}`)); err != nil {
		t.Fatal(err)
	}
	d.accepts(false, stuck)
	d.AWS.Intercept(nil)
	if err := d.rotateWith(token); err != nil {
		t.Fatal(err)
	}
	if current := d.password("AWSCURRENT"); current == stuck || current == d.Password {
		t.Error("the emergency has used a value that may have leaked")
	}
	d.everyOtherPasswordIsRefused()
	d.mustSettle()
	if !strings.Contains(d.log.String(), "No services are set") {
		t.Error("the notice at the end does not say that somebody has to restart what uses the password")
	}
}
