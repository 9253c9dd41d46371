package main

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// Several kinds in one secret: which of them a rotation changes, and that each
// goes its own way after it.

// deployMauticWithoutTasks is deployMautic with nothing in ECS, for what has
// nothing to do with the application.
func deployMauticWithoutTasks(t *testing.T) *mauticDeployment {
	t.Helper()
	m := deployMautic(t, &rig.Application{Services: []string{}})
	m.reconfigure(map[string]string{"ECS_CLUSTER": ""})
	return m
}

// fieldsOf are the places that each kind changes.
var fieldsOf = map[string][]document.Pointer{
	"database": {"/database_password"},
	"admin":    {"/admin_credentials/admin_password"},
	"api":      {"/api_keys/mautic_api_key", "/api_keys/mautic_api_client_id"},
	"webhook":  {"/webhooks/secret", "/webhooks/next_secret", "/webhooks/previous_secret"},
}

// values are what a version of the secret holds of the kinds.
type values struct{ password, admin, client, key, hook string }

func (m *mauticDeployment) values() values {
	m.t.Helper()
	return values{
		password: m.field("/database_password"), admin: m.field("/admin_credentials/admin_password"),
		client: m.field("/api_keys/mautic_api_client_id"), key: m.field("/api_keys/mautic_api_key"), hook: m.field("/webhooks/secret"),
	}
}

// A witness tells whose values are taken. It remembers what Mautic has said of
// a password while its hash was the same: the race detector makes bcrypt slow.
type witness struct {
	*mauticDeployment
	said map[[2]string]bool // by hash and password
}

func (m *mauticDeployment) witness() witness { return witness{m, map[[2]string]bool{}} }

func (w witness) letsIn(password string) bool {
	w.t.Helper()
	asked := [2]string{w.text("SELECT password FROM {users WHERE username = '" + w.seed.AdminUser + "'"), password}
	if _, known := w.said[asked]; !known {
		w.said[asked] = w.mauticDeployment.letsIn(password)
	}
	return w.said[asked]
}

// wantTaken checks which kinds' values their targets take.
func (w witness) wantTaken(v values, want, when string) {
	w.t.Helper()
	var kinds []string
	for _, k := range []struct {
		name  string
		taken bool
	}{
		{"database", w.Login(w.t.Context(), v.password) == nil},
		{"admin", w.letsIn(v.admin)},
		{"api", w.servesClient(v.client, v.key)},
		{"webhook", w.hookSecrets() == v.hook},
	} {
		if k.taken {
			kinds = append(kinds, k.name)
		}
	}
	if got := strings.Join(kinds, " "); got != want {
		w.t.Errorf("%s: taken are those of %q, want %q", when, got, want)
	}
}

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

const everyKind = "database admin api webhook"

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

// callersAreQuiet lets nobody seem to use an old API client: the database's
// clock does not follow AWS's.
func (m *mauticDeployment) callersAreQuiet() { m.sql("DELETE FROM {oauth2_accesstokens") }

func TestEachKindAloneIsRotatedWithoutTheOthers(t *testing.T) {
	m := deployMautic(t, &rig.Application{Services: []string{"mautic-prod-web"}})
	m.longAgo()
	m.enableRotation()
	w := m.witness()
	for _, tc := range []struct{ kind, old string }{ // and what is taken of the old values, right after the rotation
		{"admin", "database api webhook"}, {"api", everyKind}, {"webhook", "database admin api"}, {"database", everyKind},
	} {
		before, oldDocument := m.values(), m.raw("AWSCURRENT")
		m.mustRotateOnly(tc.kind)
		m.changedOnly(tc.kind, oldDocument)
		w.wantTaken(m.values(), everyKind, "of the new values, after "+tc.kind)
		w.wantTaken(before, tc.old, "of the old values, after "+tc.kind)
	}
	if n := m.redeploys(); n != 1 {
		t.Errorf("%d redeploys, of which the database's password needs one", n)
	}
	if err := m.WaitSteady(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.mustReconcile()
	m.accepts(false, m.Password)
	// What is open is the API client's overlap, and ends in a week.
	m.callersAreQuiet()
	m.AWS.Clock().Advance(8 * 24 * time.Hour)
	m.mustSettle()
	if m.servesClient(m.seed.PublicClientID(), m.seed.ClientSecret) {
		t.Error("the old API client is served still")
	}
	w.wantTaken(m.values(), everyKind, "of the new values, at the end")
	m.noLoginFailed()
}

// mustRotateOnly rotates the kinds, written with a dot between them.
func (m *mauticDeployment) mustRotateOnly(kinds string) {
	m.t.Helper()
	// The journal tells versions by the last 36 characters of their tokens.
	if err := m.rotateWith("only." + kinds + "." + (rand.Text() + rand.Text())[:36]); err != nil {
		m.t.Fatal(err)
	}
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
	if m.field(fieldsOf[kind][0]) == mustText(m.t, was, fieldsOf[kind][0]) {
		m.t.Errorf("%s has not changed", kind)
	}
}

func mustText(t *testing.T, d document.Document, at document.Pointer) string {
	t.Helper()
	text, err := d.Text(at)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestADatabaseAndAnAdminPasswordChangeInOneRotationByEachWay(t *testing.T) {
	for _, way := range []string{"admin", "single"} { // by itself: TestOneRotationChangesEveryCredentialOfAMautic
		t.Run(way, func(t *testing.T) {
			m := deployMautic(t, &rig.Application{Services: []string{"mautic-prod-web"}})
			m.likeItsTasks()
			m.reconfigure(map[string]string{"DATABASE_WAY": way})
			if way == "admin" {
				m.administrator()
			}
			before := m.values()
			m.enableRotation()
			m.mustRotateOnly("database.admin")
			m.mustSettle()
			w := m.witness()
			w.wantTaken(m.values(), everyKind, "of the new values")
			w.wantTaken(before, "api webhook", "of the old values")
			if !strings.Contains(m.log.String(), `"way":"`+way+`"`) {
				t.Error("by another way")
			}
			if way != "single" {
				m.noLoginFailed()
			} else if !strings.Contains(m.log.String(), "Mautic does not work until its tasks have the new database password") {
				t.Error("the log does not say why signing in was not tried")
			}
		})
	}
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
	arn, err := m.CreateSecret(m.t.Context(), rig.AdminSecretName, `{"username": "`+user+`", "password": "`+password+`"}`)
	if err != nil {
		m.t.Fatal(err)
	}
	m.reconfigure(map[string]string{"DATABASE_ADMIN_SECRET_ARN": arn})
}

func TestOnTheThirdDayWhatIsMadeCurrentAgainByHandIsAcceptedForEveryKind(t *testing.T) {
	m := deployMautic(t, &rig.Application{Services: []string{"mautic-prod-web"}})
	m.longAgo()
	w, before := m.witness(), m.values()
	promoted := m.mustRotate()
	after := m.values()
	if err := m.WaitSteady(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.mustReconcile()
	w.wantTaken(before, "api", "of the old values, once every task has been replaced")
	m.AWS.Clock().Advance(3 * 24 * time.Hour)

	state, err := m.AWS.SecretsManager.State(m.SecretARN)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Secrets.UpdateSecretVersionStage(t.Context(), &sm.UpdateSecretVersionStageInput{
		SecretId: &m.SecretARN, VersionStage: aws.String("AWSCURRENT"),
		MoveToVersionId: aws.String(state.Labelled("AWSPREVIOUS").ID), RemoveFromVersionId: &promoted,
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.values() != before {
		t.Fatal("AWSCURRENT is not the version before")
	}
	m.mustReconcile()
	w.wantTaken(before, everyKind, "of the values that are AWSCURRENT again")
	m.accepts(true, after.password) // running tasks have it
	m.callersAreQuiet()
	m.mustSettle()
	w.wantTaken(before, everyKind, "of the values that are AWSCURRENT, at the end")
	w.wantTaken(after, "", "of those that were promoted, at the end")
	for _, task := range m.Application().Records() {
		if task.Stopped.IsZero() && task.Password != before.password {
			t.Errorf("a task of %s goes on with the password that was promoted", task.Service)
		}
	}
}
