package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/mautic"
)

// pair is an API client's public id and its key.
type pair struct{ client, key string }

func pairIn(doc document.Document) pair {
	return pair{text(doc, mautic.RunbookAPILayout.ClientID), text(doc, mautic.RunbookAPILayout.Key)}
}

// tokensOf counts the access tokens that a client has in Mautic's tables.
func (d *demo) tokensOf(ctx context.Context, p pair) (n int, err error) {
	row, _, _ := strings.Cut(p.client, "_")
	err = d.MySQL.Admin().QueryRowContext(ctx, "SELECT COUNT(*) FROM "+d.Database+".oauth2_accesstokens WHERE client_id = ?", row).Scan(&n)
	return n, err
}

// callAPI gets a token and calls the API with it.
func (d *demo) callAPI(ctx context.Context, p pair) (bool, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {p.client}, "client_secret": {p.key}}
	status, body, err := d.ask(ctx, http.MethodPost, "/oauth/v2/token", form, nil)
	if ok, err := answered(status, http.StatusOK, http.StatusBadRequest, err); err != nil || !ok {
		return false, err
	}
	status, _, err = d.ask(ctx, http.MethodGet, "/api/users/self", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+tokenIn(body)) })
	return answered(status, http.StatusOK, http.StatusUnauthorized, err)
}

// ask requests one of Mautic's pages.
func (d *demo) ask(ctx context.Context, method, page string, form url.Values, header func(*http.Request)) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, d.Mautic.URL()+page, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if header != nil {
		header(request)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

// answered interprets a page's status: accepted, refused, or an error.
func answered(status, accepted, refused int, err error) (bool, error) {
	if err == nil && status != accepted && status != refused {
		err = fmt.Errorf("the page answered with status %d", status)
	}
	return err == nil && status == accepted, err
}

func tokenIn(body string) string {
	var answer struct {
		Token string `json:"access_token"`
	}
	_ = json.Unmarshal([]byte(body), &answer) // an empty token is refused
	return answer.Token
}
