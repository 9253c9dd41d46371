package mauticserver

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

type fixture struct {
	*Server
	t        *testing.T
	seed     Seed
	own      *mysqltest.Database
	db       *mysqlserver.Server
	database string
	account  string // of the database
	password string
	open     Open
	client   *http.Client
}

func start(t *testing.T, o Options, seed Seed) *fixture {
	t.Helper()
	t.Parallel()
	jar, _ := cookiejar.New(nil)
	f := &fixture{t: t, db: mysqltest.Shared(t), client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	seed.Version = o.Version
	f.own = mysqltest.DatabaseOf(t, f.db, "mautic "+string(o.Version), func(d *mysqltest.Database, isNew bool) (err error) {
		fill := Refill
		if isNew {
			fill = Schema
		}
		f.seed, err = fill(t.Context(), f.db.Admin(), d.Name, "p_", seed)
		return err
	})
	f.database, f.account, f.password = f.own.Name, f.own.User, f.own.Password
	o.Password, o.Prefix = f.password, "p_"
	f.open = func(_ context.Context, password string) (*sql.DB, error) {
		config := mysql.NewConfig()
		config.Net, config.Addr, config.TLS = "tcp", f.db.Addr(), f.db.TLSConfig()
		config.User, config.Passwd, config.DBName = f.account, password, f.database
		config.Logger = &mysql.NopLogger{}
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(connector), nil
	}
	if o.Open == nil {
		o.Open = f.open
	}
	var err error
	if f.Server, err = Start(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// eachVersion runs a test as both versions of Mautic.
func eachVersion(t *testing.T, test func(t *testing.T, version Version)) {
	t.Helper()
	t.Parallel()
	for _, version := range Versions() {
		t.Run(string(version), func(t *testing.T) { test(t, version) })
	}
}

func (f *fixture) sql(statement string) {
	f.t.Helper()
	if _, err := f.db.Admin().ExecContext(context.Background(), f.named(statement)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) named(statement string) string {
	return strings.NewReplacer("{", "`"+f.database+"`.`p_", "}", "`").Replace(statement)
}

// ask returns status, body and where it redirects to.
func (f *fixture) ask(method, path string, form url.Values, header func(*http.Request)) (int, string, string) {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.URL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if header != nil {
		header(request)
	}
	response, err := f.client.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response.StatusCode, string(body), response.Header.Get("Location")
}

func (f *fixture) signIn(password string) string {
	f.t.Helper()
	_, page, _ := f.ask("GET", "/s/login", nil, nil)
	_, token, _ := strings.Cut(page, `name="_csrf_token" value="`)
	token, _, _ = strings.Cut(token, `"`)
	_, _, location := f.ask("POST", "/s/login_check", url.Values{"_username": {"admin"}, "_password": {password}, "_csrf_token": {token}}, nil)
	return location
}

func TestEveryPageNeedsTheDatabase(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f := start(t, as(version, apiOn), Seed{})
		basic := func(r *http.Request) { r.SetBasicAuth("admin", f.seed.AdminPassword) }
		for page, want := range map[string]int{"/s/login": 200, "/api/users/self": 200, "/health": 404, "/": 404} {
			f.SetPassword(f.password)
			if got, _, _ := f.ask("GET", page, nil, basic); got != want {
				t.Errorf("%s answers %d, want %d", page, got, want)
			}
			f.SetPassword("wrong")
			if got, _, _ := f.ask("GET", page, nil, basic); got != 500 {
				t.Errorf("%s answers %d without the database", page, got)
			}
		}
	})
}

func TestSigningInTakesThePasswordAndEndsWhenItChanges(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f := start(t, as(version, Options{}), Seed{})
		if location := f.signIn("wrong"); location != "/s/login" {
			t.Errorf("a wrong password leads to %s", location)
		}
		if _, _, location := f.ask("POST", "/s/login_check", url.Values{"_username": {"admin"}, "_password": {f.seed.AdminPassword}}, nil); location != "/s/login" {
			t.Error("signed in without a CSRF token")
		}
		if location := f.signIn(f.seed.AdminPassword); location != "/s/dashboard" {
			t.Errorf("the right password leads to %s", location)
		}
		if status, _, _ := f.ask("GET", "/s/dashboard", nil, nil); status != 200 {
			t.Errorf("the dashboard answers %d", status)
		}
		f.sql("UPDATE {users} SET password = REVERSE(password)")
		if status, _, _ := f.ask("GET", "/s/dashboard", nil, nil); status != 302 {
			t.Errorf("the dashboard answers %d after the password has changed", status)
		}
	})
}

func TestADashboardWithoutWidgetsRedirectsAsMauticsDoes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		dashboard Dashboard
		path      string
		want      []string // where two visits lead to; "": the page itself
	}{
		{DashboardWithWidgets, "", []string{"", ""}},
		{FirstDashboard, "", []string{"/s/dashboard", ""}},
		{NoDefaultDashboard, "/mautic", []string{"/mautic/s/dashboard/import", "/mautic/s/dashboard/import"}},
	} {
		for _, version := range Versions() {
			t.Run(fmt.Sprint(version, tc.dashboard), func(t *testing.T) {
				f := start(t, Options{Version: version, Dashboard: tc.dashboard, Path: tc.path}, Seed{})
				if _, _, location := f.ask("GET", "/s/dashboard", nil, nil); location != tc.path+"/s/login" {
					t.Errorf("without a session, sent to %q", location)
				}
				f.signIn(f.seed.AdminPassword)
				for _, want := range tc.want {
					if _, _, location := f.ask("GET", "/s/dashboard", nil, nil); location != want {
						t.Errorf("sent to %q, want %q", location, want)
					}
				}
				if status, _, _ := f.ask("GET", "/s/dashboard/import", nil, nil); status != 200 {
					t.Errorf("the import page answers %d", status)
				}
			})
		}
	}
}

func TestWhoAmIAnswersAsTheSettingsAre(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		options  Options
		password string
		want     int
	}{
		{Options{}, "", 403},
		{Options{APIEnabled: true}, "", 403},
		{Options{APIEnabled: true, BasicAuth: true}, "", 200},
		{Options{APIEnabled: true, BasicAuth: true}, "wrong", 401},
	} {
		for _, version := range Versions() {
			t.Run(fmt.Sprint(version, tc.want, tc.options.APIEnabled), func(t *testing.T) {
				f := start(t, as(version, tc.options), Seed{})
				if tc.password == "" {
					tc.password = f.seed.AdminPassword
				}
				if got, _, _ := f.ask("GET", "/api/users/self", nil, func(r *http.Request) { r.SetBasicAuth("admin@example.com", tc.password) }); got != tc.want {
					t.Errorf("got %d, want %d", got, tc.want)
				}
				f.sql("UPDATE {users} SET is_published = 0")
				if got, _, _ := f.ask("GET", "/api/users/self", nil, func(r *http.Request) { r.SetBasicAuth("admin", tc.password) }); got == 200 {
					t.Error("a user who is not published gets in")
				}
			})
		}
	}
}

func TestTokensAreForTheClientsSecretAndOutliveIt(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f := start(t, as(version, Options{APIEnabled: true}), Seed{})
		form := func(id, secret, grant string) url.Values {
			return url.Values{"client_id": {id}, "client_secret": {secret}, "grant_type": {grant}}
		}
		for want, form := range map[string]url.Values{
			"invalid_client":      form(f.seed.PublicClientID(), "wrong", "client_credentials"),
			"unauthorized_client": form(f.seed.PublicClientID(), f.seed.ClientSecret, "password"),
			"invalid_request":     form(f.seed.PublicClientID(), f.seed.ClientSecret, ""),
		} {
			if status, body, _ := f.ask("POST", "/oauth/v2/token", form, nil); status != 400 || !strings.Contains(body, want) {
				t.Errorf("got %d %s, want %s", status, body, want)
			}
		}
		status, body, _ := f.ask("POST", "/oauth/v2/token", form(f.seed.PublicClientID(), f.seed.ClientSecret, "client_credentials"), nil)
		var token struct {
			Value   string `json:"access_token"`
			Expires int    `json:"expires_in"`
		}
		if err := json.Unmarshal([]byte(body), &token); err != nil || status != 200 || token.Expires != 3600 {
			t.Fatal(status, body, err)
		}
		call := func() int {
			status, _, _ := f.ask("GET", "/api/users/self", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token.Value) })
			return status
		}
		f.sql("UPDATE {oauth2_clients} SET secret = 'new'")
		if got := call(); got != 200 {
			t.Errorf("got %d, and tokens outlive the secret", got)
		}
		f.sql("UPDATE {oauth2_clients} SET role_id = NULL")
		if got := call(); got != 500 {
			t.Errorf("got %d without a role", got)
		}
		f.sql("DELETE FROM {oauth2_accesstokens}")
		if got := call(); got != 401 {
			t.Errorf("got %d with a deleted token", got)
		}
	})
}

func TestATokenExpiresByTheGivenClock(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		var ahead atomic.Int64
		f := start(t, Options{Version: version, APIEnabled: true, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}, Seed{})
		form := url.Values{"client_id": {f.seed.PublicClientID()}, "client_secret": {f.seed.ClientSecret}, "grant_type": {"client_credentials"}}
		_, body, _ := f.ask("POST", "/oauth/v2/token", form, nil)
		var token struct {
			Value string `json:"access_token"`
		}
		if err := json.Unmarshal([]byte(body), &token); err != nil {
			t.Fatal(err)
		}
		for after, want := range map[time.Duration]int{TokenLifetime - time.Minute: 200, TokenLifetime + time.Minute: 401} {
			ahead.Store(int64(after))
			if got, _, _ := f.ask("GET", "/api/users/self", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token.Value) }); got != want {
				t.Errorf("got %d after %s, want %d", got, after, want)
			}
		}
	})
}

func TestAnAPIThatIsOffDoesNothing(t *testing.T) {
	eachVersion(t, func(t *testing.T, version Version) {
		f := start(t, as(version, Options{}), Seed{WithoutRole: true})
		if status, body, _ := f.ask("POST", "/oauth/v2/token", url.Values{"grant_type": {"client_credentials"}}, nil); status != 403 || !strings.Contains(body, "api_disabled") {
			t.Errorf("got %d %s", status, body)
		}
		for _, path := range []string{"/api/users/1/edit", "/api/hooks/1/edit", "/api/v2/users/1", "/api/v2/webhooks/1"} {
			want := 403
			if version == Mautic51 && strings.HasPrefix(path, "/api/v2") {
				want = 404
			}
			if status := f.change("PATCH", path, `{"secret": "x"}`); status != want || f.value("SELECT COUNT(*) FROM {webhooks} WHERE secret = 'x'") != "0" {
				t.Errorf("%s answers %d", path, status)
			}
		}
	})
}
