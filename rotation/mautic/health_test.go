package mautic

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestMauticIsHealthyWhenItsLoginPageAnswers200(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusOK:                  "",
		http.StatusInternalServerError: "answers 500",
		http.StatusNotFound:            "answers 404",
		http.StatusFound:               "answers 302",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/mautic/s/login" || r.Method != http.MethodGet {
				t.Errorf("asked for %s %s", r.Method, r.URL.Path)
			}
			w.Header().Set("Location", "/")
			w.WriteHeader(status)
		}))
		health, err := NewHealth(server.URL+"/mautic/", server.Client())
		if err != nil {
			t.Fatal(err)
		}
		if err := health.Check(t.Context()); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("status %d: got %v, want %q", status, err, want)
		}
		server.Close()
		if health.Check(t.Context()) == nil {
			t.Error("healthy, where nothing listens")
		}
	}
}

func TestAMauticsURLIsChecked(t *testing.T) {
	for _, bad := range []string{"", "mautic.example.com", "ftp://mautic.example.com", "https://", "https://%"} {
		if _, err := NewHealth(bad, http.DefaultClient); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
