package main

import (
	"regexp"
	"sync"
	"testing"
	"time"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/rig"
)

func TestAnEmergencyUnderLoadEndsAllThatTheOldValuesGaveAndTellsItsPrice(t *testing.T) {
	m := deployMautic(t, &rig.Application{StartTime: 300 * time.Millisecond})
	m.likeItsTasks()
	m.mustPreflight()
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
	pages := m.watchPages()
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
				<-pages.began // so that the outage is seen, however fast the new tasks are
			})
		}}
	})
	if err := m.rotateWith(tokenOfEmergency); err != nil {
		t.Fatal(err)
	}
	m.mustBeSteady()
	down, err := pages.end()
	if err != nil {
		t.Error(err)
	}
	m.mustSettle()

	m.tasksHave(m.password("AWSCURRENT"))
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

	m.logSays(
		"emergency: admin rotated, and the old value is refused", "emergency: api rotated, and the old value is refused", "emergency: webhook rotated, and the old value is refused",
		"emergency: database rotated, and the old value is refused. Running tasks that need it fail until they are replaced.",
		"connections of '"+m.User, `the sessions and tokens of the Mautic user`, "the tokens of the old API client",
	)
	told := regexp.MustCompile(`tasks were refused for at most ([0-9a-z]+), from the promotion on`).FindStringSubmatch(m.log.String())
	if told == nil {
		t.Fatal("the notice at the end does not tell for how long the application was down")
	}
	atMost, err := time.ParseDuration(told[1])
	if err != nil {
		t.Fatal(err)
	}
	if down > atMost {
		t.Errorf("the pages failed for at least %s, and the notice says at most %s", down, atMost)
	}
	t.Logf("the pages failed for at least %s; the notice says at most %s", down.Round(time.Millisecond), atMost)
}

func TestAStuckPendingValueIsGivenUpBeforeAnEmergencyAndNotUsedByIt(t *testing.T) {
	d := deploy(t, neverRetried)
	d.AWS.Intercept(denied("stuck", inStep("testSecret")))
	_, err := d.Rotate(t.Context())
	wantError(t, err, "stuck")
	stuck := d.password("AWSPENDING")
	d.accepts(true, d.Password, stuck)

	// An emergency cannot begin: Secrets Manager tries the stuck one again.
	wantError(t, d.rotateWith(tokenOfEmergency), "will be reattempted")
	wantError(t, d.AWS.SecretsManager.WaitRotation(t.Context(), d.SecretARN, d.labelled("AWSPENDING").ID), "stuck")
	d.act(actionAbandon)
	d.accepts(false, stuck)
	d.AWS.Intercept(nil)
	if err := d.rotateWith(tokenOfEmergency); err != nil {
		t.Fatal(err)
	}
	if current := d.password("AWSCURRENT"); current == stuck || current == d.Password {
		t.Error("the emergency has used a value that may have leaked")
	}
	d.everyOtherPasswordIsRefused()
	d.mustSettle()
	d.logSays("No services are set") // somebody has to restart what uses the password
}
