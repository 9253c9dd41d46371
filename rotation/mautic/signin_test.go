package mautic

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mautic-rotation/rotation/credential"
)

func TestWhoIsSentToTheLoginPageIsNotSignedInAndWhoIsSentElsewhereInMauticIs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		path  string            // of the installation
		pages map[string]string // where each page redirects to, or its status; others are missing
		want  credential.Outcome
		says  string
	}{
		{name: "the dashboard", pages: map[string]string{"/s/dashboard": "200"}, want: credential.Accepted},
		{name: "the login page", pages: map[string]string{"/s/dashboard": "/s/login"}, want: credential.Denied},
		{name: "the login page with a query", pages: map[string]string{"/s/dashboard": "/s/login?back=1"}, want: credential.Denied},
		{name: "the login page, relative", pages: map[string]string{"/s/dashboard": "login"}, want: credential.Denied},
		{name: "the login page by another scheme", pages: map[string]string{"/s/dashboard": "https://{host}/s/login"}, want: credential.Denied},
		{name: "the login page below a path", path: "/m", pages: map[string]string{"/m/s/dashboard": "/m/s/login/"}, want: credential.Denied},
		{name: "the login page by the front controller", path: "/m", pages: map[string]string{"/m/s/dashboard": "/m/index.php/s/login"}, want: credential.Denied},
		{name: "the login page after another", pages: map[string]string{"/s/dashboard": "/s/dashboard/import", "/s/dashboard/import": "/s/login"}, want: credential.Denied},
		{name: "the import page", pages: map[string]string{"/s/dashboard": "/s/dashboard/import", "/s/dashboard/import": "200"}, want: credential.Accepted},
		{name: "the import page, which is missing", pages: map[string]string{"/s/dashboard": "/s/dashboard/import"}, want: credential.Accepted},
		{name: "the import page, as Mautic behind a load balancer writes it", pages: map[string]string{"/s/dashboard": "https://{hostname}:8443/s/dashboard/import?x=1", "/s/dashboard/import": "200"}, want: credential.Accepted},
		{name: "itself without end", path: "/m", pages: map[string]string{"/m/s/dashboard": "/m/s/dashboard"}, want: credential.Accepted},
		{name: "another host", pages: map[string]string{"/s/dashboard": "http://192.0.2.1/s/dashboard"}, want: credential.Unreachable, says: "another host"},
		{name: "a page that is for everybody", pages: map[string]string{"/s/dashboard": "/maintenance.html", "/maintenance.html": "200"}, want: credential.Unreachable, says: "/maintenance.html answers 200"},
		{name: "a page that fails", pages: map[string]string{"/s/dashboard": "/s/dashboard/import", "/s/dashboard/import": "500"}, want: credential.Unreachable, says: "/s/dashboard/import answers 500"},
		{name: "no dashboard", pages: map[string]string{}, want: credential.Unreachable, says: "/s/dashboard answers 404"},
		{name: "nowhere", pages: map[string]string{"/s/dashboard": ""}, want: credential.Unreachable, says: "a redirect without a URL"},
		{name: "what is no URL", pages: map[string]string{"/s/dashboard": ":"}, want: credential.Unreachable, says: "Location"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			requests := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				switch to, found := tc.pages[r.URL.Path]; {
				case !found:
					w.WriteHeader(http.StatusNotFound)
				case to == "200":
				case to == "500":
					w.WriteHeader(http.StatusInternalServerError)
				case to == "":
					w.WriteHeader(http.StatusFound)
				default:
					hostname, _, _ := strings.Cut(r.Host, ":")
					w.Header().Set("Location", strings.NewReplacer("{host}", r.Host, "{hostname}", hostname).Replace(to))
					w.WriteHeader(http.StatusFound)
				}
			}))
			defer server.Close()
			s, err := Access{URL: server.URL + tc.path}.site()
			if err != nil {
				t.Fatal(err)
			}
			outcome, err := s.openDashboard(t.Context(), s.client)
			if outcome != tc.want || (err == nil) != (tc.want == credential.Accepted) || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %s, %v", outcome, err)
			}
			if requests > maxRedirects+1 {
				t.Errorf("%d requests", requests)
			}
		})
	}
}
