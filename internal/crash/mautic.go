package crash

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/mautic"
)

// adminPassword is the field of the administrator's password in the rig's secret.
const adminPassword = document.Pointer("/admin_credentials/admin_password")

// apiOverlap is how long an old API client is kept.
const apiOverlap = mautic.DefaultOverlap

// mauticTargets are the kinds that Mautic keeps in its own tables.
var mauticTargets = []target{
	{kind: "admin", places: []document.Pointer{adminPassword}, accepts: adminHashed, works: adminLetIn, single: true},
	{
		kind: "api", places: []document.Pointer{mautic.RunbookAPILayout.ClientID, mautic.RunbookAPILayout.Key},
		accepts: clientStored, works: clientServed, overlap: apiOverlap,
	},
	{
		kind:    "webhook",
		places:  []document.Pointer{mautic.DefaultWebhookLayout.Secret, mautic.DefaultWebhookLayout.Next, mautic.DefaultWebhookLayout.Previous},
		accepts: hooksSigned, single: true,
	},
}

// texts are the strings in some fields of a document.
func texts(d document.Document, places ...document.Pointer) ([]string, error) {
	var all []string
	for _, at := range places {
		text, err := d.Text(at)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}

func adminHashed(ctx context.Context, r *rig.Rig, d document.Document) (bool, error) {
	password, err := d.Text(adminPassword)
	if err != nil {
		return false, err
	}
	var hash string
	row := r.MySQL.Admin().QueryRowContext(ctx, "SELECT password FROM "+r.Database+".users WHERE username = ?", r.Mautic.Seed.AdminUser)
	if err := row.Scan(&hash); err != nil {
		return false, err
	}
	return mauticserver.Matches(hash, password), nil
}

func clientStored(ctx context.Context, r *rig.Rig, d document.Document) (bool, error) {
	pair, err := texts(d, mautic.RunbookAPILayout.ClientID, mautic.RunbookAPILayout.Key)
	if err != nil {
		return false, err
	}
	var secret string
	row := r.MySQL.Admin().QueryRowContext(ctx, "SELECT secret FROM "+r.Database+".oauth2_clients WHERE CONCAT(id, '_', random_id) = ?", pair[0])
	err = row.Scan(&secret)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return secret == pair[1], err
}

func hooksSigned(ctx context.Context, r *rig.Rig, d document.Document) (bool, error) {
	secret, err := d.Text(mautic.DefaultWebhookLayout.Secret)
	if err != nil {
		return false, err
	}
	var others int
	row := r.MySQL.Admin().QueryRowContext(ctx, "SELECT COUNT(*) FROM "+r.Database+".webhooks WHERE secret <> ?", secret)
	err = row.Scan(&others)
	return err == nil && others == 0, err
}

func adminLetIn(ctx context.Context, r *rig.Rig, d document.Document) (bool, error) {
	password, err := d.Text(adminPassword)
	if err != nil {
		return false, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Mautic.URL()+"/api/users/self", nil)
	if err != nil {
		return false, err
	}
	request.SetBasicAuth(r.Mautic.Seed.AdminUser, password)
	return answered(request, http.StatusUnauthorized)
}

func clientServed(ctx context.Context, r *rig.Rig, d document.Document) (bool, error) {
	pair, err := texts(d, mautic.RunbookAPILayout.ClientID, mautic.RunbookAPILayout.Key)
	if err != nil {
		return false, err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {pair[0]}, "client_secret": {pair[1]}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Mautic.URL()+"/oauth/v2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return answered(request, http.StatusBadRequest)
}

// ownAgent is the User-Agent of the trial's own requests, to tell them from the
// function's.
const ownAgent = "mautic-rotation-crash"

// answered tells whether the status is 200 (true) or the one that means refusal (false).
func answered(request *http.Request, refusal int) (bool, error) {
	request.Header.Set("User-Agent", ownAgent)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
		return true, nil
	case refusal:
		return false, nil
	default:
		return false, fmt.Errorf("%s answered %s", request.URL.Path, answer.Status)
	}
}

// readyMautic adds the fields to the secret that a first rotation would add, so that a
// trial's rotation changes the webhook secret too, and adds no field.
func readyMautic(ctx context.Context, r *rig.Rig) error {
	return store(ctx, r, map[document.Pointer]string{
		mautic.DefaultWebhookLayout.Next:     strings.Repeat("12ab", 16),
		mautic.DefaultWebhookLayout.Previous: strings.Repeat("34cd", 16),
	})
}
