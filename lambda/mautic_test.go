package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// mauticDeployment is a deployment with Mautic's tables and pages, whose secret
// holds all that is rotated of them.
type mauticDeployment struct {
	*deployment
	seed mauticserver.Seed
	site *mauticserver.Server
}

func deployMautic(t *testing.T, app *rig.Application, options ...func(*rig.Options)) *mauticDeployment {
	t.Helper()
	d := deployApplication(t, app, append(options, func(o *rig.Options) {
		o.Mautic = true
		o.Env = map[string]string{"ADMIN_HASH_COST": "10"} // the race detector makes bcrypt slow
		o.AWS.RotationRetries = -1
	})...)
	return &mauticDeployment{deployment: d, seed: d.Mautic.Seed, site: d.Mautic.Server}
}

// store writes fields of AWSCURRENT by hand.
func (m *mauticDeployment) store(fields map[document.Pointer]string) {
	m.t.Helper()
	doc, err := document.Parse(m.raw("AWSCURRENT"))
	for at, value := range fields {
		if err == nil {
			doc, err = doc.Put(at, value)
		}
	}
	if err != nil {
		m.t.Fatal(err)
	}
	value := doc.Raw()
	if _, err := m.Secrets.PutSecretValue(m.t.Context(), &sm.PutSecretValueInput{SecretId: &m.SecretARN, SecretString: &value}); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mauticDeployment) field(at document.Pointer) string {
	m.t.Helper()
	doc, err := document.Parse(m.raw("AWSCURRENT"))
	if err != nil {
		m.t.Fatal(err)
	}
	value, err := doc.Text(at)
	if err != nil {
		m.t.Fatal(err)
	}
	return value
}

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

func (m *mauticDeployment) hookSecrets() (secrets string) {
	m.t.Helper()
	row := m.MySQL.Admin().QueryRowContext(m.t.Context(), "SELECT GROUP_CONCAT(DISTINCT secret) FROM "+m.Database+".webhooks")
	if err := row.Scan(&secrets); err != nil {
		m.t.Fatal(err)
	}
	return secrets
}

func TestOneRotationChangesEveryCredentialOfAMautic(t *testing.T) {
	m := deployMautic(t, &rig.Application{})
	m.mustRotate()
	client, key := m.field("/api_keys/mautic_api_client_id"), m.field("/api_keys/mautic_api_key")
	if !m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) || !m.servesClient(client, key) || client == m.seed.PublicClientID() {
		t.Error("not both API clients are served")
	}
	if !m.letsIn(m.field("/admin_credentials/admin_password")) || m.letsIn(m.seed.AdminPassword) {
		t.Error("the administrator's password is not the new one alone")
	}
	// The first rotation publishes a next secret, and uses the one that is known.
	if m.hookSecrets() != m.seed.HookSecret || m.field("/webhooks/secret") != m.seed.HookSecret {
		t.Error("the webhooks' secret was changed before its receivers could know the next one")
	}
	next := m.field("/webhooks/next_secret")

	// The database's overlap ends with the rollout, the API client's in a week.
	if err := m.WaitSteady(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.mustReconcile()
	m.accepts(false, m.Password)
	if !m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
		t.Error("callers of the old API client are refused within its overlap")
	}
	m.AWS.Clock().Advance(8 * 24 * time.Hour)
	m.mustReconcile()
	if m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) || !m.servesClient(client, key) {
		t.Error("the old API client is served still, or the new one is not")
	}
	if m.journal() != "" {
		t.Errorf("left in the journal: %s", m.journal())
	}

	m.mustRotate()
	if m.hookSecrets() != next || m.field("/webhooks/secret") != next || m.field("/webhooks/previous_secret") != m.seed.HookSecret {
		t.Error("the webhooks do not sign with the secret that was published a week ago")
	}
	m.noLoginFailed()
}

func TestARollbackPutsEveryCredentialOfAMauticBack(t *testing.T) {
	app := &rig.Application{CircuitBreaker: true}
	m := deployMautic(t, app)
	app.Broken.Store(true)
	m.mustRotate()
	bad := m.field("/admin_credentials/admin_password")
	m.awaitFailedRollout(true)
	m.mustReconcile()
	if m.password("AWSCURRENT") != m.Password || m.field("/admin_credentials/admin_password") != m.seed.AdminPassword {
		t.Fatalf("not rolled back: %s", m.journal())
	}
	if !m.letsIn(m.seed.AdminPassword) || m.letsIn(bad) || !m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
		t.Error("what AWSCURRENT holds again is not accepted")
	}
	m.noLoginFailed()
}

func TestAMauticWithoutTheUserThatTheSecretNamesIsRefusedBeforeAnythingChanges(t *testing.T) {
	m := deployMautic(t, &rig.Application{})
	m.store(map[document.Pointer]string{"/admin_credentials/admin_username": "nobody"})
	_, err := m.Rotate(t.Context())
	wantError(t, err, "createSecret", "nobody")
	if m.letsIn(m.seed.AdminPassword) == false || strings.Contains(m.journal(), "set") {
		t.Error("something was changed")
	}
}
