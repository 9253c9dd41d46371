package mautic

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// generate has a kind make a new value, which it refuses where its preflight does.
func (f *fixture) generate(k credential.Kind, current document.Document) error {
	_, err := k.Generate(f.t.Context(), credential.Generation{Current: current})
	return err
}

func TestALoadBalancerWithoutTasksIsNoWrongURL(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		access := f.withMautic(mauticserver.Options{APIEnabled: true, Open: func(context.Context, string) (*sql.DB, error) { return nil, mauticserver.ErrNoTasks }})
		for _, err := range []error{
			healthOf(f.t, access.URL).Check(f.t.Context()),
			f.generate(f.admin(access), f.adminDoc(f.seed.AdminPassword)),
			f.generate(NewAPI(APIConfig{Access: access}), f.firstClient()),
		} {
			f.needs(err, "s/login answers 503", "no task of Mautic is healthy", "see the tasks of the service")
			if err != nil && strings.Contains(err.Error(), "MAUTIC_URL") {
				f.t.Errorf("the URL is blamed: %v", err)
			}
		}
	})
}

func TestARequestThatTakesTooLongTellsHowLong(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		done := make(chan struct{})
		f.t.Cleanup(func() { close(done) })
		s, err := f.withMautic(mauticserver.Options{Wrap: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/s/slow" { // the beginning of an answer
					w.WriteHeader(http.StatusOK)
					w.(http.Flusher).Flush()
				}
				select {
				case <-done:
				case <-r.Context().Done():
				}
			})
		}}).site()
		if err != nil {
			f.t.Fatal(err)
		}
		s.timeout = 20 * time.Millisecond
		err = s.check(f.t.Context())
		f.needs(err, "s/login got no answer in time (20ms at most)", "overloaded")
		if credential.OutcomeOf(err) != credential.Unreachable {
			f.t.Errorf("outcome %s", credential.OutcomeOf(err))
		}
		s.timeout = time.Second // the answer begins at once, on a busy machine too
		_, err = s.ask(f.t.Context(), s.client, http.MethodGet, "s/slow", nil, nil)
		f.needs(err, "the answer was cut short", "(1s at most)")

		s.timeout = pageTimeout
		short, cancel := context.WithTimeout(f.t.Context(), 20*time.Millisecond)
		defer cancel()
		f.needs(s.check(short), "s/login was cut off after ", "ms, because the invocation's time was over; a request may take 15s")
	})
}

func TestTheURLOfAPageIsToldFromTheBaseURL(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		for _, path := range []string{"", "/mautic"} {
			access := f.withMautic(mauticserver.Options{APIEnabled: true, Path: path})
			base := access.URL
			for _, page := range []string{"/s/login", "/s/login/", "/s/dashboard", "/s", "/api", "/api/users/self", "/oauth/v2/token", "/index.php/s/login", "/installer", "/installer/step/1", "/s/contacts/view/12", "/s/config/edit"} {
				access.URL = base + page
				for _, err := range []error{
					healthOf(f.t, access.URL).Check(f.t.Context()),
					f.generate(f.admin(access), f.adminDoc(f.seed.AdminPassword)),
				} {
					f.needs(err, "MAUTIC_URL is the URL of a page")
					if err != nil && !strings.HasSuffix(err.Error(), "set it to "+base) {
						f.t.Errorf("not told the base URL %s: %v", base, err)
					}
				}
			}
			access.URL = base + "/"
			if err := f.generate(f.admin(access), f.adminDoc(f.seed.AdminPassword)); err != nil {
				f.t.Error(err)
			}
		}
		// Mautic may be installed below such a path.
		if err := f.generate(f.admin(f.withMautic(mauticserver.Options{Path: "/api"})), f.adminDoc(f.seed.AdminPassword)); err != nil {
			f.t.Error(err)
		}
	})
}

func TestAnAPIThatFailsHasMoreThanOneCause(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		var at, lost atomic.Value // the page that is asked for, and the one at which Mautic loses its database
		lost.Store("")
		options := apiOn
		options.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				at.Store(r.URL.Path)
				next.ServeHTTP(w, r)
			})
		}
		options.Open = func(_ context.Context, password string) (*sql.DB, error) {
			if at.Load() == lost.Load() {
				return nil, errors.New("gone away")
			}
			return f.open(f.user, password)
		}
		access := f.withMautic(options)
		k := NewAPI(APIConfig{Access: access})
		c := f.apiChange(k)
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		const causes = "Mautic's log says why (var/logs): likely causes are a lost database connection, a migration that has not run since an update, and a cache that Mautic cannot write"
		lost.Store("/oauth/v2/token")
		f.needs(k.Test(f.t.Context(), c), "POST "+access.URL+"/oauth/v2/token answers 500: "+causes)
		lost.Store("/api/users/self")
		f.needs(k.Test(f.t.Context(), c), "GET "+access.URL+"/api/users/self answers 500: the API client probably has no role: give it one (Settings, API Credentials). If it has one, "+causes)
		s, err := access.site()
		if err != nil {
			f.t.Fatal(err)
		}
		// A user has a role always.
		_, err = s.basicAuth(f.t.Context(), "admin", f.seed.AdminPassword)
		f.needs(err, "/api/users/self answers 500: "+causes)

		lost.Store("")
		f.sql("UPDATE {oauth2_clients} SET role_id = NULL WHERE id > 1")
		f.needs(k.Test(f.t.Context(), c), "answers 500: the API client probably has no role")
	})
}

func TestAnAPIThatAFirewallRefusesIsNotLookedForInMauticsLog(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		var closed atomic.Value // the path at which the firewall refuses
		closed.Store("")
		options := apiOn
		options.Wrap = answersInstead(http.StatusForbidden, func(r *http.Request) bool { return r.URL.Path == closed.Load() })
		k := NewAPI(APIConfig{Access: f.withMautic(options)})
		c := f.apiChange(k)
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		for _, page := range []string{tokenPage, selfPage} {
			closed.Store("/" + page)
			f.needs(k.Test(f.t.Context(), c), page+" answers 403: this answer comes from a firewall or basic authentication in front of Mautic: make it let the function's requests for "+page+" through")
		}
	})
}

// inFront is access to a Mautic with a basic authentication of its own in front, by a URL that
// has its credential. Below the open paths, nobody asks for it.
func (f *fixture) inFront(o mauticserver.Options, open ...string) Access {
	f.t.Helper()
	o.Wrap = mauticserver.BehindBasicAuth("staff", staffPassword, func(r *http.Request) bool {
		for _, path := range open {
			if strings.HasPrefix(r.URL.Path, path) {
				return true
			}
		}
		return false
	})
	access := f.withMautic(o)
	access.URL = strings.Replace(access.URL, "http://", "http://"+url.UserPassword("staff", staffPassword).String()+"@", 1)
	return access
}

const staffPassword = "the-password-of-the-front"

// hidesFront fails if a text has the credential of MAUTIC_URL.
func (f *fixture) hidesFront(text string) {
	f.t.Helper()
	if strings.Contains(text, staffPassword) {
		f.t.Errorf("the password of what is in front is shown: %s", text)
	}
}

func TestAnAPIBehindABasicAuthenticationOfItsOwnIsRefusedByName(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		for _, options := range []mauticserver.Options{apiOn, {APIEnabled: true}} {
			for _, open := range [][]string{nil, {"/oauth/"}, {"/api/"}} {
				k := NewAPI(APIConfig{Access: f.inFront(options, open...)})
				err := f.generate(k, f.firstClient())
				f.needs(err, "answers 401: something in front of Mautic asks for its own user and password", "below oauth/ and api/ through", "unset MAUTIC_URL")
				f.hidesFront(err.Error())
				if outcome, _ := k.Probe(f.t.Context(), f.firstClient()); outcome == credential.Denied {
					f.t.Error("the front's answer counts as Mautic's")
				}
			}
		}
		if f.value("SELECT COUNT(*) FROM {oauth2_accesstokens}") != "2" {
			f.t.Error("more tokens than those of the probes that came through")
		}
	})
}

func TestAnAPIThatTheFrontLetsThroughIsTestedThere(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		for _, options := range []mauticserver.Options{apiOn, {APIEnabled: true}} {
			k := NewAPI(APIConfig{Access: f.inFront(options, "/oauth/", "/api/")})
			c := f.apiChange(k)
			if err := k.Set(f.t.Context(), c); err != nil {
				f.t.Fatal(err)
			}
			if err := k.Test(f.t.Context(), c); err != nil {
				f.t.Error(err)
			}
			if !strings.Contains(f.log.String(), "called Mautic's API") {
				f.t.Error("no call was made")
			}
			f.expect(k, credential.Denied, f.apiDoc(f.seed.PublicClientID(), "wrong"))
			f.sql("DELETE FROM {oauth2_accesstokens}")
			f.sql("DELETE FROM {oauth2_clients} WHERE id > 1")
		}
	})
}

func TestAnAdminSignsInBehindABasicAuthenticationOfItsOwn(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		for _, options := range []mauticserver.Options{{}, apiOn} {
			access := f.inFront(options)
			k := f.admin(access)
			if err := healthOf(f.t, access.URL).Check(f.t.Context()); err != nil {
				f.t.Error(err)
			}
			if err := f.generate(k, f.adminDoc(f.seed.AdminPassword)); err != nil {
				f.t.Error(err)
			}
			c := f.adminChange()
			if err := k.Set(f.t.Context(), c); err != nil {
				f.t.Fatal(err)
			}
			if err := k.Test(f.t.Context(), c); err != nil {
				f.t.Error(err)
			}
			if !strings.Contains(f.log.String(), "/s/login_check") || !strings.Contains(f.log.String(), "uses it too (MAUTIC_URL)") {
				f.t.Errorf("the log does not say how: %s", f.log.String())
			}
			f.hidesFront(f.log.String())

			wrong, none := access, access
			wrong.URL = strings.Replace(access.URL, staffPassword, "wrong", 1)
			f.needs(f.generate(f.admin(wrong), f.adminDoc(pendingPassword)), "s/login answers 401: something in front of Mautic refuses the user and the password in MAUTIC_URL")
			none.URL = strings.Replace(access.URL, "staff:"+staffPassword+"@", "", 1)
			f.needs(f.generate(f.admin(none), f.adminDoc(pendingPassword)), "s/login answers 401: this answer comes from a firewall or basic authentication in front of Mautic")
		}
	})
}
