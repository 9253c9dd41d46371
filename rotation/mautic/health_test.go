package mautic

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mautic-rotation/rotation/rollout"
)

// answering is a server whose login page answers a status and a location.
func answering(t *testing.T, status int, location string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/mautic/s/login" || r.Method != http.MethodGet {
			t.Errorf("asked for %s %s", r.Method, r.URL.Path)
		}
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server
}

func healthOf(t *testing.T, base string) *Health {
	t.Helper()
	health, err := NewHealth(base, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	return health
}

func TestMauticIsIllIfItAnswers5xxAndOtherAnswersAreUnclear(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status   int
		location string
		ill      bool
		want     string // "": healthy
	}{
		{status: 200},
		{status: 500, ill: true, want: "answers 500 Internal Server Error: Mautic is broken, and most often cannot log in to its database: see its log"},
		{status: 502, ill: true, want: "answers 502 Bad Gateway: a load balancer gives this answer when no task of Mautic is healthy"},
		{status: 503, ill: true, want: "answers 503 Service Unavailable: a load balancer gives this answer when no task of Mautic is healthy"},
		{status: 504, ill: true, want: "answers 504 Gateway Timeout"},
		{status: 301, location: "https://www.example.com/s/login", want: "answers 301 Moved Permanently to https://www.example.com/s/login: set MAUTIC_URL to https://www.example.com"},
		{status: 302, location: "/s/login", want: "answers 302 Found to /s/login: set MAUTIC_URL to http://127.0.0.1:"},
		{status: 302, location: "https://sso.example.com/authorize?state=secret#secret", want: "to https://sso.example.com/authorize: Mautic itself does not redirect there: make what does (single sign-on, a firewall) let the function's requests for s/login through"},
		{status: 302, location: "/mautic/s/login?next=1", want: "answers 302 Found to /mautic/s/login: Mautic itself does not redirect there"},
		{status: 302, location: "/mautic/installer", want: "answers 302 Found to /mautic/installer: Mautic considers itself not installed, and shows its installer to everyone: restore config/local.php"},
		{status: 302, location: "https://mautic.example.com/index.php/installer/step/0?x=secret", want: "/index.php/installer/step/0: Mautic considers itself not installed"},
		{status: 302, location: "http://%?secret", want: "is answered by something that does not speak HTTP: correct MAUTIC_URL"},
		{status: 302, want: "answers 302 Found: Mautic itself does not redirect there"},
		{status: 401, want: "answers 401 Unauthorized: this answer comes from a firewall or basic authentication in front of Mautic"},
		{status: 403, want: "answers 403 Forbidden: this answer comes from a firewall or basic authentication in front of Mautic"},
		{status: 404, want: "answers 404 Not Found: this is not the base URL of a Mautic: correct MAUTIC_URL"},
		{status: 429, want: "answers 429 Too Many Requests: this answer comes from a rate limit in front of Mautic"},
		{status: 202, want: "answers 202 Accepted: AWS WAF gives this answer for a challenge"},
		{status: 405, want: "answers 405 Method Not Allowed: AWS WAF gives this answer"},
		{status: 407, want: "answers 407 Proxy Authentication Required: this answer comes from a firewall or basic authentication in front of Mautic"},
		{status: 204, want: "answers 204 No Content: this is not the base URL of a Mautic"},
	} {
		err := healthOf(t, answering(t, tc.status, tc.location).URL+"/mautic/").Check(t.Context())
		if tc.want == "" {
			if err != nil {
				t.Errorf("%d: got %v", tc.status, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d %s: got  %v\nwant %s", tc.status, tc.location, err, tc.want)
		}
		if ill := !errors.Is(err, rollout.ErrUnclear); ill != tc.ill {
			t.Errorf("%d %s counts as ill: %v", tc.status, tc.location, ill)
		}
	}
}

func TestMauticIsIllIfNothingAnswers(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	err := healthOf(t, closed.URL).Check(t.Context())
	if err == nil || errors.Is(err, rollout.ErrUnclear) || !strings.Contains(err.Error(), "check MAUTIC_URL, and that the function's subnets and security group let it reach Mautic") {
		t.Errorf("nothing listens: got %v", err)
	}

	slow := healthOf(t, hanging(t).URL)
	slow.timeout = time.Millisecond
	err = slow.Check(t.Context())
	if err == nil || errors.Is(err, rollout.ErrUnclear) || !strings.Contains(err.Error(), "got no answer in time (1ms at most): check whether Mautic's tasks are overloaded") {
		t.Errorf("it hangs: got %v", err)
	}
}

func TestACheckThatHadNoTimeIsUnclear(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := healthOf(t, hanging(t).URL).Check(ctx)
	if !errors.Is(err, rollout.ErrUnclear) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "was cut off before it was answered") {
		t.Errorf("got %v", err)
	}
}

// hanging is a server that answers nothing until its test ends.
func hanging(t *testing.T) *httptest.Server {
	t.Helper()
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() {
		close(done)
		server.Close()
	})
	return server
}

func TestAMauticWhoseTLSIsNotTrustedIsUnclear(t *testing.T) {
	t.Parallel()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for _, url := range []string{untrusted.URL, strings.Replace(plain.URL, "http:", "https:", 1)} {
		err := healthOf(t, url).Check(t.Context())
		if !errors.Is(err, rollout.ErrUnclear) || !strings.Contains(err.Error(), "correct MAUTIC_URL, or whatever terminates TLS there") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

func TestThePreflightNamesTheSameCauseAsTheHealthCheck(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status         int
		location, want string
	}{
		{500, "", "answers 500: Mautic is broken"},
		{503, "", "answers 503: a load balancer gives this answer when no task of Mautic is healthy"},
		{403, "", "answers 403: this answer comes from a firewall"},
		{302, "/s/login", "answers 302 to /s/login: set MAUTIC_URL to http://127.0.0.1:"},
	} {
		s, err := Access{URL: answering(t, tc.status, tc.location).URL + "/mautic"}.site()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.check(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%d: got %v, want %s", tc.status, err, tc.want)
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
