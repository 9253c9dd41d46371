package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/rig"
)

// apart is a Mautic whose credentials are in a secret each: the rig's own has
// the database's alone.
type apart struct {
	*mauticDeployment
	admin, api, webhook *mauticDeployment
}

func setApart(t *testing.T, m *mauticDeployment) apart {
	t.Helper()
	database := fmt.Sprintf(`{"engine": "mysql", "database_host": %q, "database_port": %d, "database_name": %q, "database_user": %q, "database_password": %q}`,
		m.MySQL.Host(), m.MySQL.Port(), m.Database, m.User, m.Password)
	m.put(database)
	a := apart{
		mauticDeployment: m,
		admin:            m.with("mautic-prod-admin", adminDocument(m.seed)),
		api:              m.with("mautic-prod-api", apiDocument(m.seed)),
		webhook:          m.with("mautic-prod-webhook", webhookDocument(m.seed)),
	}
	a.reconfigure(map[string]string{
		"SECRET_ARNS":         strings.Join([]string{m.SecretARN, a.admin.SecretARN, a.api.SecretARN, a.webhook.SecretARN}, ","),
		"DATABASE_SECRET_ARN": m.SecretARN,
	})
	return a
}

func TestCredentialsInSecretsOfTheirOwnAreRotatedWithTheDatabasesSecret(t *testing.T) {
	a := setApart(t, deployMautic(t, &rig.Application{Services: []string{"mautic-prod-web"}}))
	for _, small := range []*mauticDeployment{a.admin, a.api, a.webhook} {
		small.mustPreflight() // the preflight finds nothing wrong
		small.mustRotate()
	}
	if a.redeploys() > 0 || strings.Contains(a.log.String(), "no container of task definition") {
		t.Error("for credentials that no task is started with, tasks were looked at or replaced")
	}
	a.rotatedApart()

	// The database's own overlaps with nothing of theirs.
	a.mustRotate()
	a.mustSettle()
	a.accepts(true, a.password("AWSCURRENT"))
	a.accepts(false, a.Password)
	if a.redeploys() != 1 {
		t.Errorf("%d redeploys", a.redeploys())
	}

	// The old API client goes at the end of its overlap, by the named secret too.
	a.callersAreQuiet()
	a.AWS.Clock().Advance(8 * 24 * time.Hour)
	a.mustReconcile()
	if a.servesClient(a.seed.PublicClientID(), a.seed.ClientSecret) || a.api.journal() != "" {
		t.Errorf("the old API client is served still: %s", a.api.journal())
	}
	a.noLoginFailed()
}

// rotatedApart checks that each of the small secrets was rotated once.
func (a apart) rotatedApart() {
	a.t.Helper()
	if !a.letsIn(a.admin.field("/admin_credentials/admin_password")) || a.letsIn(a.seed.AdminPassword) {
		a.t.Error("the administrator's password is not the new one alone")
	}
	client, key := a.api.field("/api_keys/mautic_api_client_id"), a.api.field("/api_keys/mautic_api_key")
	if client == a.seed.PublicClientID() || !a.servesClient(client, key) || !a.servesClient(a.seed.PublicClientID(), a.seed.ClientSecret) {
		a.t.Error("not both API clients are served")
	}
	if a.webhook.field("/webhooks/next_secret") == "" || a.hookSecrets() != a.seed.HookSecret {
		a.t.Error("the next webhook secret is not published, or is used already")
	}
}

func TestTheDatabasesSecretMayBeInRotationItself(t *testing.T) {
	a := setApart(t, deployMauticWithoutTasks(t))
	// Singly: the server takes the pending password alone. Mautic is broken
	// until its tasks have it, so nobody asks it.
	a.reconfigure(map[string]string{"DATABASE_WAY": "single", "MAUTIC_URL": ""})
	a.AWS.Intercept(denied("in the middle", inStep("testSecret")))
	_, err := a.Rotate(t.Context())
	wantError(t, err, "in the middle")
	a.AWS.Intercept(nil)
	a.accepts(false, a.password("AWSCURRENT"))
	a.accepts(true, a.password("AWSPENDING"))
	for _, small := range []*mauticDeployment{a.admin, a.api, a.webhook} {
		small.mustRotate()
	}
	if err := a.tryAgain(); err != nil {
		t.Fatal(err)
	}
	a.AWS.Clock().Advance(25 * time.Hour)
	a.mustSettle()
	a.accepts(true, a.password("AWSCURRENT"))
	a.accepts(false, a.Password)
	a.rotatedApart()
}

func TestWithoutTheDatabasesCredentialsTheRemedyIsNamedBeforeAnythingChanges(t *testing.T) {
	a := setApart(t, deployMauticWithoutTasks(t))
	missing := strings.Replace(a.SecretARN, "mautic-prod-secrets", "mautic-prod-nowhere", 1)
	text := a.with("mautic-prod-text", "no object")
	for _, tc := range []struct {
		name, arn string
		want      []string
	}{
		{"none is named", "", []string{"set DATABASE_SECRET_ARN"}},
		{"it is not there", missing, []string{"mautic-prod-nowhere", "correct DATABASE_SECRET_ARN", "secretsmanager:GetSecretValue"}},
		{"it is no JSON", text.SecretARN, []string{"mautic-prod-text, AWSCURRENT", "store a JSON object with the database's credentials"}},
		{"it has other credentials", a.api.SecretARN, []string{"DATABASE_SECRET_ARN names has no database credentials"}},
	} {
		a.reconfigure(map[string]string{"DATABASE_SECRET_ARN": tc.arn})
		for part, small := range map[string]*mauticDeployment{"admin: ": a.admin, "api: ": a.api, "webhook: ": a.webhook} {
			if tc.arn != "" && small != a.admin {
				continue // they log in by the same code
			}
			before := small.raw("AWSCURRENT")
			wantError(t, small.preflight(), append(tc.want, part, "nothing was changed")...)
			if small.raw("AWSCURRENT") != before || small.journal() != "" {
				t.Errorf("%s: something was changed", tc.name)
			}
		}
	}
	_, err := a.admin.Rotate(t.Context())
	wantError(t, err, "createSecret: nothing can be rotated now: admin: ", "DATABASE_SECRET_ARN")
	if a.admin.raw("AWSPENDING") != "" || !a.letsIn(a.seed.AdminPassword) {
		t.Error("something was stored")
	}
}
