package mautic

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// placed is a database that is only named. Its documents say where it is.
type placed struct{}

func (placed) Where() string { return "/database_password" }

func (placed) Fields(d document.Document) ([]document.Pointer, error) {
	return fieldsOf(d, "/database_password")
}

func (placed) Location(d document.Document) (string, error) { return d.Text("/database_host") }

func (placed) Open(context.Context, document.Document) (*sql.DB, error) {
	return nil, errors.New("a value is found without a login")
}

func valueKinds() (admin, api, webhook credential.Kind) {
	access := Access{Database: placed{}}
	return NewAdmin(AdminConfig{Access: access}), NewAPI(APIConfig{Access: access}), NewWebhook(WebhookConfig{Access: access})
}

func TestTheValuesOfTwoVersionsAreTheSameIfTheMauticTheAccountAndTheSecretAre(t *testing.T) {
	t.Parallel()
	admin, api, webhook := valueKinds()
	const (
		here  = `{"database_password":"a","database_host":"db",`
		later = `{"database_password":"b","database_host":"db",`
		there = `{"database_password":"a","database_host":"db2",`

		adminP   = `"admin_credentials":{"admin_username":"boss","admin_password":"p"}}`
		adminQ   = `"admin_credentials":{"admin_username":"boss","admin_password":"q"}}`
		adminB   = `"admin_credentials":{"admin_username":"BOSS","admin_password":"p"}}`
		adminO   = `"admin_credentials":{"admin_username":"other","admin_password":"p"}}`
		apiP     = `"api_keys":{"mautic_api_key":"p","mautic_api_client_id":"1_abc"}}`
		apiQ     = `"api_keys":{"mautic_api_key":"q","mautic_api_client_id":"1_abc"}}`
		apiS     = `"api_keys":{"mautic_api_key":"p","mautic_api_client_id":"2_abc"}}`
		keyP     = `"api_keys":{"mautic_api_key":"p"}}`
		webhookP = `"webhooks":{"secret":"p","next_secret":"n"}}`
		webhookN = `"webhooks":{"secret":"p","next_secret":"m","previous_secret":"o"}}`
		webhookQ = `"webhooks":{"secret":"n","next_secret":"m","previous_secret":"p"}}`
	)
	for _, tc := range []struct {
		name                   string
		kind                   credential.Kind
		a, b                   string
		sameTarget, sameSecret bool
	}{
		{"admin, another database password", admin, here + adminP, later + adminP, true, true},
		{"admin, another password", admin, here + adminP, here + adminQ, true, false},
		{"admin, the name in capitals", admin, here + adminP, here + adminB, true, true},
		{"admin, another user", admin, here + adminP, here + adminO, false, true},
		{"admin, the same password in another Mautic", admin, here + adminP, there + adminP, false, true},
		{"admin, the database in another secret", admin, "{" + adminP, "{" + adminP, true, true},
		{"api, another secret", api, here + apiP, here + apiQ, true, false},
		{"api, the same secret of the other client", api, here + apiP, here + apiS, true, false},
		{"api, another Mautic", api, here + apiP, there + apiP, false, true},
		{"api, another database password", api, here + apiP, later + apiP, true, true},
		{"api, a key of no client, wherever the database is", api, here + keyP, "{" + keyP, true, true},
		{"api, a key, and the same as a client's secret", api, here + keyP, here + apiP, false, false},
		{"webhook, another next and previous secret", webhook, here + webhookP, here + webhookN, true, true},
		{"webhook, the next secret signs", webhook, here + webhookP, here + webhookQ, true, false},
		{"webhook, another Mautic", webhook, here + webhookP, there + webhookP, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := valueOf(t, tc.kind, tc.a), valueOf(t, tc.kind, tc.b)
			if (a.Target == b.Target) != tc.sameTarget || (a.Secret == b.Secret) != tc.sameSecret {
				t.Errorf("the targets are %q and %q, the secrets are the same: %v", a.Target, b.Target, a.Secret == b.Secret)
			}
		})
	}
}

func TestADocumentWithoutTheCredentialHasNoValueAndOneThatCannotBeUsedIsAnError(t *testing.T) {
	t.Parallel()
	admin, api, webhook := valueKinds()
	for _, tc := range []struct {
		kind          credential.Kind
		document, err string
	}{
		{admin, `{"database_password":"a"}`, ""},
		{admin, `{"admin_credentials":{"admin_password":1}}`, "not a string"},
		{admin, `{"admin_credentials":{"admin_password":"p"}}`, "does not say whose password it is"},
		{admin, `{"database_password":"a","admin_credentials":{"admin_username":"u","admin_password":"p"}}`, "/database_host: missing"},
		{api, `{"database_password":"a"}`, ""},
		{api, `{"api_keys":{"mautic_api_key":"p","mautic_api_client_id":"nothing"}}`, "not the public key of an API client"},
		{webhook, `{"webhooks":{"next_secret":"n"}}`, ""},
		{webhook, `{"webhooks":{"secret":""}}`, "empty or missing"},
	} {
		d, err := document.Parse(tc.document)
		if err != nil {
			t.Fatal(err)
		}
		v, found, err := tc.kind.Value(d)
		if found || v != (credential.Value{}) {
			t.Errorf("%s: a value was found", tc.document)
		}
		if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("%s: got error %v, want %q", tc.document, err, tc.err)
		}
	}
}

func valueOf(t *testing.T, kind credential.Kind, text string) credential.Value {
	t.Helper()
	d, err := document.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	v, found, err := kind.Value(d)
	if err != nil || !found {
		t.Fatalf("%s: %v (found: %v)", text, err, found)
	}
	return v
}
