package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

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

// deployMautic makes one with an application.
func deployMautic(t *testing.T, app *rig.Application, options ...func(*rig.Options)) *mauticDeployment {
	t.Helper()
	d := deployApplication(t, app, append(options, neverRetried, func(o *rig.Options) { o.Mautic = true })...)
	return &mauticDeployment{deployment: d, seed: d.Mautic.Seed, site: d.Mautic.Server}
}

// deployMauticWithoutTasks is deployMautic with nothing in ECS, for what has
// nothing to do with the application.
func deployMauticWithoutTasks(t *testing.T) *mauticDeployment {
	t.Helper()
	m := deployMautic(t, &rig.Application{Services: []string{}}, func(o *rig.Options) { setEnv(o, "ECS_CLUSTER", "") })
	return m
}

// with is the same deployment, as seen from another secret.
func (m *mauticDeployment) with(name, value string) *mauticDeployment {
	m.t.Helper()
	arn, err := m.CreateSecret(m.t.Context(), name, value)
	if err != nil {
		m.t.Fatal(err)
	}
	ofRig, ofDeployment, other := *m.Rig, *m.deployment, *m
	ofRig.SecretARN, ofRig.SecretName = arn, name
	ofDeployment.Rig, other.deployment = &ofRig, &ofDeployment
	return &other
}

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
			return nil, mauticserver.ErrNoTasks
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

// administrator gives the deployment an administrator of the database, with a
// secret that the function is told of.
func (m *mauticDeployment) administrator() {
	m.t.Helper()
	user, password := "admin_of_"+m.Database, strings.Repeat("Adm1n", 6)
	if err := m.MySQL.CreateUser(m.t.Context(), user, "%", password, rig.AdminPrivileges(m.MySQL.Series())...); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		if _, err := m.MySQL.Admin().Exec("DROP USER ?@'%'", user); err != nil {
			m.t.Error(err)
		}
	})
	arn, err := m.CreateSecret(m.t.Context(), rig.AdminSecretName, fmt.Sprintf(`{"username": %q, "password": %q, "host": %q}`, user, password, m.MySQL.Host()))
	if err != nil {
		m.t.Fatal(err)
	}
	m.reconfigure(map[string]string{"DATABASE_ADMIN_SECRET_ARN": arn})
}

// mustRotateOnly rotates the kinds, written with a dot between them.
func (m *mauticDeployment) mustRotateOnly(kinds string) {
	m.t.Helper()
	if err := m.rotateAs("only." + kinds); err != nil {
		m.t.Fatal(err)
	}
}

// The document.

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
	m.put(doc.Raw())
}

// longAgo has the secret say that each kind was rotated some time ago, with a
// next webhook secret that its receivers know.
func (m *mauticDeployment) longAgo() {
	m.t.Helper()
	m.store(map[document.Pointer]string{
		"/webhooks/next_secret": strings.Repeat("0a", 32), "/webhooks/previous_secret": "",
		"/rotated_at/database": "2026-01-01T00:00:00Z", "/rotated_at/admin": "2026-01-01T00:00:00Z",
		"/rotated_at/api": "2026-01-01T00:00:00Z", "/rotated_at/webhook": "2026-01-01T00:00:00Z",
	})
}

// field is a field of AWSCURRENT.
func (m *mauticDeployment) field(at document.Pointer) string {
	m.t.Helper()
	return textAt(m.t, m.raw("AWSCURRENT"), at)
}

// rotatedAt is when the secret says that a kind was last rotated; zero: it does
// not say.
func (m *mauticDeployment) rotatedAt(kind string) time.Time {
	m.t.Helper()
	doc, err := document.Parse(m.raw("AWSCURRENT"))
	if err != nil {
		m.t.Fatal(err)
	}
	text, err := doc.Text(document.Pointer("/rotated_at/" + kind))
	if err != nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		m.t.Fatal(err)
	}
	return at
}

// fieldsOf are the places that each kind changes.
var fieldsOf = map[string][]document.Pointer{
	"database": {"/database_password"},
	"admin":    {"/admin_credentials/admin_password"},
	"api":      {"/api_keys/mautic_api_key", "/api_keys/mautic_api_client_id"},
	"webhook":  {"/webhooks/secret", "/webhooks/next_secret", "/webhooks/previous_secret"},
}

// changedOnly checks that of the document a kind's fields have changed, and when
// it was rotated, and no other byte.
func (m *mauticDeployment) changedOnly(kind, before string) {
	m.t.Helper()
	was, err := document.Parse(before)
	if err != nil {
		m.t.Fatal(err)
	}
	is, err := document.Parse(m.raw("AWSCURRENT"))
	if err != nil {
		m.t.Fatal(err)
	}
	if !was.EqualOutside(is, append(fieldsOf[kind], document.Pointer("/rotated_at/"+kind))) {
		m.t.Errorf("with %s, something else has changed", kind)
	}
	if m.field(fieldsOf[kind][0]) == textAt(m.t, before, fieldsOf[kind][0]) {
		m.t.Errorf("%s has not changed", kind)
	}
}

// values are what a version of the secret holds of the kinds.
type values struct{ password, admin, client, key, hook string }

// values are those of AWSCURRENT.
func (m *mauticDeployment) values() values {
	m.t.Helper()
	return values{
		password: m.field("/database_password"), admin: m.field("/admin_credentials/admin_password"),
		client: m.field("/api_keys/mautic_api_client_id"), key: m.field("/api_keys/mautic_api_key"), hook: m.field("/webhooks/secret"),
	}
}

// Mautic's tables.

// sql runs a statement as root; {table is a table of Mautic's.
func (m *mauticDeployment) sql(statement string) {
	m.t.Helper()
	if _, err := m.MySQL.Admin().ExecContext(m.t.Context(), strings.ReplaceAll(statement, "{", m.Database+".")); err != nil {
		m.t.Fatal(err)
	}
}

// text reads one value as root.
func (m *mauticDeployment) text(query string) (text string) {
	m.t.Helper()
	if err := m.MySQL.Admin().QueryRowContext(m.t.Context(), strings.ReplaceAll(query, "{", m.Database+".")).Scan(&text); err != nil {
		m.t.Fatal(err)
	}
	return text
}

// callersAreQuiet lets nobody seem to use an old API client: the database's
// clock does not follow AWS's.
func (m *mauticDeployment) callersAreQuiet() { m.sql("DELETE FROM {oauth2_accesstokens") }

// hookSecrets are what the webhooks sign with.
func (m *mauticDeployment) hookSecrets() string {
	m.t.Helper()
	return m.text("SELECT GROUP_CONCAT(DISTINCT secret) FROM {webhooks")
}

// everyKind is all kinds, as wantTaken names them.
const everyKind = "database admin api webhook"

// wantTaken checks which kinds' values their targets take.
func (m *mauticDeployment) wantTaken(v values, want, when string) {
	m.t.Helper()
	var kinds []string
	for _, k := range []struct {
		name  string
		taken bool
	}{
		{"database", m.Login(m.t.Context(), v.password) == nil},
		{"admin", m.letsIn(v.admin)},
		{"api", m.servesClient(v.client, v.key)},
		{"webhook", m.hookSecrets() == v.hook},
	} {
		if k.taken {
			kinds = append(kinds, k.name)
		}
	}
	if got := strings.Join(kinds, " "); got != want {
		m.t.Errorf("%s: taken are those of %q, want %q", when, got, want)
	}
}

// The documents of secrets that hold one kind each.

func adminDocument(s mauticserver.Seed) string {
	return fmt.Sprintf(`{"admin_credentials": {"admin_username": %q, "admin_password": %q}}`, s.AdminUser, s.AdminPassword)
}

func apiDocument(s mauticserver.Seed) string {
	return fmt.Sprintf(`{"api_keys": {"mautic_api_client_id": %q, "mautic_api_key": %q}}`, s.PublicClientID(), s.ClientSecret)
}

func webhookDocument(s mauticserver.Seed) string {
	return fmt.Sprintf(`{"webhooks": {"secret": %q}}`, s.HookSecret)
}
