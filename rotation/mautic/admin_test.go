package mautic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/password"
)

const pendingPassword = "the-pending-password-of-a-test.1"

func (f *fixture) admin(access Access) *Admin {
	k := NewAdmin(AdminConfig{Access: access})
	k.config.HashCost = bcrypt.MinCost
	return k
}

func (f *fixture) adminDoc(password string) document.Document {
	return f.doc(fmt.Sprintf(`"admin_credentials": {"admin_username": %q, "admin_password": %q}`, f.seed.AdminUser, password))
}

func (f *fixture) adminChange() credential.Change {
	return f.change(f.adminDoc(f.seed.AdminPassword), f.adminDoc(pendingPassword))
}

// accepts tells whether the stored hash is a password's.
func (f *fixture) accepts(password string) bool {
	f.t.Helper()
	return adminUser{hash: f.value("SELECT password FROM {users} WHERE username = ?", f.seed.AdminUser)}.matches(password)
}

func TestAnAdminPasswordIsGeneratedSetTestedAndPutBack(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := f.admin(f.withMautic(mauticserver.Options{APIEnabled: true, BasicAuth: true}))
		current := f.adminDoc(f.seed.AdminPassword)
		pending, err := k.Generate(t.Context(), credential.Generation{Current: current})
		if err != nil {
			f.t.Fatal(err)
		}
		next, _ := pending.Text(RunbookAdminLayout.Password)
		if len(next) != 32 || !current.EqualOutside(pending, []document.Pointer{RunbookAdminLayout.Password}) {
			f.t.Errorf("a password of %d characters, or other fields changed", len(next))
		}
		modified := "SELECT COALESCE(date_modified, 'never') FROM {users}"
		before := f.value(modified)
		c := f.change(current, pending)
		for range 2 {
			if err := k.Set(f.t.Context(), c); err != nil {
				f.t.Fatal(err)
			}
		}
		if !f.accepts(next) || f.accepts(f.seed.AdminPassword) {
			f.t.Error("Mautic does not have the hash of the pending password")
		}
		if hash := f.value("SELECT password FROM {users}"); !strings.HasPrefix(hash, "$2y$") || len(hash) != 60 {
			f.t.Error("the hash is not in PHP's form")
		}
		if f.value(modified) != before {
			f.t.Error("date_modified has changed")
		}
		if err := k.Test(f.t.Context(), c); err != nil {
			f.t.Error(err)
		}
		for d, want := range map[document.Document]credential.Outcome{pending: credential.Accepted, current: credential.Denied} {
			if got, err := k.Probe(f.t.Context(), d); got != want {
				f.t.Errorf("got %s, %v, want %s", got, err, want)
			}
		}
		for range 2 {
			if err := k.PutBack(f.t.Context(), c); err != nil {
				f.t.Fatal(err)
			}
		}
		if !f.accepts(f.seed.AdminPassword) {
			f.t.Error("the current password was not put back")
		}
		f.needs(k.Test(f.t.Context(), c), "is not the one in the secret")
	})
}

func TestAnAdminPasswordThatIsThereAlreadyIsNotWrittenAgain(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := f.admin(f.access())
		c := f.adminChange()
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Fatal(err)
		}
		hash := f.value("SELECT password FROM {users}")
		c.Confirm = func(context.Context) error { return errors.New("must not be asked") }
		if err := k.Set(f.t.Context(), c); err != nil {
			f.t.Error(err)
		}
		if f.value("SELECT password FROM {users}") != hash {
			f.t.Error("written again")
		}
	})
}

func TestNoAdminPasswordIsWrittenAfterConfirmHasFailed(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := f.admin(f.access())
		c := f.adminChange()
		c.Confirm = func(context.Context) error { return errors.New("AWSCURRENT has moved") }
		f.needs(k.Set(f.t.Context(), c), "AWSCURRENT has moved")
		if !f.accepts(f.seed.AdminPassword) {
			f.t.Error("written all the same")
		}
	})
}

func TestAnAdminPasswordOfNeitherVersionIsReplacedBySetAndLeftByPutBack(t *testing.T) {
	onEach(t, mauticserver.Seed{AdminPassword: "of-a-rotation-that-was-given-up"}, func(f *fixture) {
		k := f.admin(f.access())
		c := f.change(f.adminDoc("in-awscurrent-and-not-in-mautic"), f.adminDoc(pendingPassword))
		f.needs(k.PutBack(f.t.Context(), c), "neither the AWSCURRENT nor the AWSPENDING")
		if !f.accepts(f.seed.AdminPassword) {
			f.t.Error("overwritten by PutBack")
		}
		if err := k.Set(f.t.Context(), c); err != nil || !f.accepts(pendingPassword) {
			f.t.Errorf("not set: %v", err)
		}
		if !strings.Contains(f.log.String(), "was not the one in AWSCURRENT") {
			f.t.Error("the log does not say so")
		}
	})
}

// A change by somebody else between the read and the write must not be lost:
// Confirm is called at just that moment.
func TestTheCompareAndSwapSeesAPasswordThatSomebodyElseSetsMeanwhile(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := f.admin(f.access())
		c := f.adminChange()
		hash, err := k.hash("somebody else's password")
		if err != nil {
			f.t.Fatal(err)
		}
		confirms := 0
		c.Confirm = func(context.Context) error {
			if confirms++; confirms == 1 {
				f.sql("UPDATE {users} SET password = ?", hash)
				return nil
			}
			if f.value("SELECT password FROM {users}") != hash {
				f.t.Error("the first write has gone through")
			}
			return errors.New("given up")
		}
		f.needs(k.Set(f.t.Context(), c), "given up")
		if f.value("SELECT password FROM {users}") != hash {
			f.t.Error("somebody else's password was overwritten")
		}
	})
}

func TestSettingAnAdminPasswordComesRightAfterACutAtAnyPoint(t *testing.T) {
	onEachMake(t, func(f *fixture) {
		proxy, access := f.throughProxy()
		k := f.admin(access)
		c := f.adminChange()
		first := f.value("SELECT password FROM {users}")
		f.cutAtEveryCall(proxy,
			func() { f.sql("UPDATE {users} SET password = ?", first) },
			func(ctx context.Context) error { return k.Set(ctx, c) },
			func(when string) {
				if f.value("SELECT password FROM {users}") != first && !f.accepts(pendingPassword) {
					f.t.Fatalf("%s neither password is accepted", when)
				}
			})
		if !f.accepts(pendingPassword) {
			f.t.Error("not set in the end")
		}
		second := f.value("SELECT password FROM {users}")
		f.cutAtEveryCall(proxy,
			func() { f.sql("UPDATE {users} SET password = ?", second) },
			func(ctx context.Context) error { return k.PutBack(ctx, c) },
			func(string) {})
		if !f.accepts(f.seed.AdminPassword) {
			f.t.Error("not put back in the end")
		}
	})
}

func TestTwoSetsOfAnAdminPasswordAtOnceBothSucceed(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := f.admin(f.access())
		c := f.adminChange()
		for err := range atOnce(4, func() error { return k.Set(f.t.Context(), c) }) {
			if err != nil {
				f.t.Error(err)
			}
		}
		if !f.accepts(pendingPassword) {
			f.t.Error("not set")
		}
	})
}

// atOnce runs f several times at once, and returns what each has returned.
func atOnce(n int, f func() error) <-chan error {
	results := make(chan error, n)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { results <- f() })
	}
	wg.Wait()
	close(results)
	return results
}

func TestAUserWhosePasswordIsNotToBeRotatedIsRefusedBeforeAnythingChanges(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := f.admin(f.access())
		undo := "UPDATE {users} SET is_published = 1, role_id = 1, username = 'admin', email = 'admin@example.com' WHERE id = 1"
		f.sql("INSERT INTO {users} (role_id, is_published, username, email, password, first_name, last_name) VALUES (1, 1, 'other', 'other@example.com', 'x', '', '')")
		for _, tc := range []struct {
			change  string
			named   []string
			outcome credential.Outcome
		}{
			{"UPDATE {users} SET username = 'renamed' WHERE id = 1", []string{`no user "admin"`, "/admin_credentials/admin_username"}, credential.Denied},
			{"UPDATE {users} SET is_published = 0 WHERE id = 1", []string{"not published", "Settings, Users"}, credential.Locked},
			{"UPDATE {users} SET role_id = 2 WHERE id = 1", []string{"not an administrator", "full system access"}, credential.Unknown},
			{"UPDATE {users} SET email = 'admin' WHERE id = 2", []string{"of another", "rename"}, credential.Unknown},
		} {
			f.sql(tc.change)
			_, err := k.Generate(f.t.Context(), credential.Generation{Current: f.adminDoc(f.seed.AdminPassword)})
			f.needs(err, tc.named...)
			f.needs(k.Set(f.t.Context(), f.adminChange()), tc.named...)
			if outcome, _ := k.Probe(f.t.Context(), f.adminDoc(f.seed.AdminPassword)); outcome != tc.outcome {
				f.t.Errorf("%s: got %s, want %s", tc.change, outcome, tc.outcome)
			}
			f.sql(undo)
		}
		f.sql("UPDATE {users} SET email = 'other@example.com' WHERE id = 2")
		if !f.accepts(f.seed.AdminPassword) {
			f.t.Error("the password has changed")
		}
		if got := problems(k.Preflight(f.t.Context(), f.adminDoc(f.seed.AdminPassword))); got != "" {
			f.t.Errorf("problems with a good user: %s", got)
		}
	})
}

func TestAnAdminIsFoundByEmailAddressToo(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := f.admin(f.access())
		for _, who := range []string{`"admin_email": "admin@example.com"`, `"admin_username": "", "admin_email": "admin@example.com"`, `"admin_username": "admin@example.com"`} {
			d := f.doc(fmt.Sprintf(`"admin_credentials": {%s, "admin_password": %q}`, who, f.seed.AdminPassword))
			if outcome, err := k.Probe(f.t.Context(), d); outcome != credential.Accepted {
				f.t.Errorf("%s: %s, %v", who, outcome, err)
			}
		}
		_, err := k.Generate(f.t.Context(), credential.Generation{Current: f.doc(`"admin_credentials": {"admin_password": "x"}`)})
		f.needs(err, "/admin_credentials/admin_username", "/admin_credentials/admin_email")
	})
}

func TestMissingPrivilegesAreNamedWithTheGrant(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		k := f.admin(f.access())
		current := f.adminDoc(f.seed.AdminPassword)
		f.grantOnly("SELECT ON {users}", "SELECT ON {roles}")
		_, err := k.Generate(f.t.Context(), credential.Generation{Current: current})
		f.needs(err, "GRANT UPDATE", "`"+f.database+"`.`m_users`", "1142")
		f.needs(k.Set(f.t.Context(), f.adminChange()), "GRANT UPDATE")
		f.grantOnly("SELECT ON {users}")
		_, err = k.Generate(f.t.Context(), credential.Generation{Current: current})
		f.needs(err, "no table users, roles", "GRANT SELECT")
		f.grantOnly("SELECT (id, username, email, is_published, role_id) ON {users}", "SELECT ON {roles}")
		_, err = k.Generate(f.t.Context(), credential.Generation{Current: current})
		f.needs(err, "GRANT SELECT ON", "m_users")
		// The least that is enough.
		f.grantOnly("SELECT, UPDATE (password) ON {users}", "SELECT ON {roles}")
		if err := k.Set(f.t.Context(), f.adminChange()); err != nil {
			f.t.Error(err)
		}
	})
}

func TestTheDatabaseIsOpenedWithWhicheverPasswordWorks(t *testing.T) {
	onEach(t, mauticserver.Seed{}, func(f *fixture) {
		right, wrong := f.adminDoc(pendingPassword), f.parse(fmt.Sprintf(`{"database_user": %q, "database_password": "wrong", "admin_credentials": {"admin_username": "admin", "admin_password": %q}}`, f.user, f.seed.AdminPassword))
		k := f.admin(f.access())
		if err := k.Set(f.t.Context(), f.change(wrong, right)); err != nil {
			f.t.Error(err)
		}
		if outcome, err := k.Probe(f.t.Context(), wrong); outcome != credential.Unreachable {
			f.t.Errorf("got %s, %v: that the database is closed says nothing of the password", outcome, err)
		} else if credential.MayPass(err) {
			f.t.Errorf("%v: a wrong password would be tried again", err)
		}
	})
}

func TestAnAdminSignsInTheWayThatMauticIsSetUpFor(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		options mauticserver.Options
		way     string
	}{
		{"basic authentication", mauticserver.Options{APIEnabled: true, BasicAuth: true}, "/api/users/self"},
		{"the API is off", mauticserver.Options{}, "/s/login_check"},
		{"basic authentication is off", mauticserver.Options{APIEnabled: true}, "/s/login_check"},
		{"the user has no widgets yet", mauticserver.Options{Dashboard: mauticserver.FirstDashboard}, "/s/login_check"},
		{"the user has no widgets yet, below a path", mauticserver.Options{Path: "/mautic", Dashboard: mauticserver.FirstDashboard}, "/mautic/s/login_check"},
		{"Mautic has no default dashboard", mauticserver.Options{Dashboard: mauticserver.NoDefaultDashboard}, "/s/login_check"},
		{"Mautic has no default dashboard, below a path", mauticserver.Options{Path: "/mautic", Dashboard: mauticserver.NoDefaultDashboard}, "/mautic/s/login_check"},
		{"the web server keeps the header from PHP", mauticserver.Options{APIEnabled: true, BasicAuth: true, Wrap: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("Authorization")
				next.ServeHTTP(w, r)
			})
		}}, "/s/login_check"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onMySQL(t, func(f *fixture) {
				access := f.withMautic(tc.options)
				k := f.admin(access)
				c := f.adminChange()
				if err := k.Set(f.t.Context(), c); err != nil {
					f.t.Fatal(err)
				}
				if err := k.Test(f.t.Context(), c); err != nil {
					f.t.Fatal(err)
				}
				if !strings.Contains(f.log.String(), tc.way) {
					f.t.Errorf("the log does not say %s:\n%s", tc.way, f.log.String())
				}
				// A Mautic that has another database than the one that is written to.
				mautic, err := access.site()
				if err != nil {
					f.t.Fatal(err)
				}
				f.needs(mautic.signIn(f.t.Context(), login{f.seed.AdminUser, "another"}, f.logger()), "a different Mautic")
			})
		})
	}
}

func TestWhatIsNotAMauticGetsNoPassword(t *testing.T) {
	onMySQL(t, func(f *fixture) {
		page, status := "<html>welcome</html>", http.StatusOK
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" || r.Method != http.MethodGet {
				f.t.Error("it was sent a credential")
			}
			w.Header().Set("Location", "https://elsewhere.example.com/s/login?x=y")
			w.WriteHeader(status)
			fmt.Fprint(w, page)
		}))
		defer other.Close()
		for _, tc := range []struct {
			url, page string
			status    int
			want      string
		}{
			{other.URL, "<html>welcome</html>", 200, "_csrf_token"},
			{other.URL, "", 302, "to https://elsewhere.example.com/s/login:"},
			{other.URL, "", 404, "correct MAUTIC_URL"},
			{other.URL, "", 500, "cannot log in to its database"},
			{"http://127.0.0.1:1", "", 0, "check MAUTIC_URL"},
			{"mautic.example.com", "", 0, "MAUTIC_URL"},
		} {
			page, status = tc.page, tc.status
			k := f.admin(Access{Database: f, URL: tc.url})
			_, err := k.Generate(f.t.Context(), credential.Generation{Current: f.adminDoc(f.seed.AdminPassword)})
			f.needs(err, tc.want)
			f.needs(k.Test(f.t.Context(), f.change(f.adminDoc("x"), f.adminDoc(f.seed.AdminPassword))), tc.want)
		}
	})
}

func TestAPolicyWithPasswordsThatMauticTakesForWeakIsRefused(t *testing.T) {
	for length, want := range map[int]string{19: "set PASSWORD_LENGTH to 20", 20: ""} {
		policy, err := password.NewPolicy(length, password.DefaultAlphabet)
		if err != nil {
			t.Fatal(err)
		}
		err = NewAdmin(AdminConfig{Passwords: policy}).strong()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d characters: got %v", length, err)
		}
	}
}

func TestAnAdminChangeIsOfOneUserAndOfAPasswordThatBcryptTakes(t *testing.T) {
	f := &fixture{t: t}
	f.seed.AdminUser = "admin"
	k := NewAdmin(AdminConfig{})
	other := f.doc(`"admin_credentials": {"admin_username": "other", "admin_password": "x"}`)
	if _, _, err := k.logins(f.change(f.adminDoc("x"), other)); err == nil || !strings.Contains(err.Error(), "another Mautic user") {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"", strings.Repeat("x", 73)} {
		if _, _, err := k.logins(f.change(f.adminDoc("x"), f.adminDoc(bad))); err == nil || !strings.Contains(err.Error(), "1 to 72") {
			t.Errorf("%d bytes: got %v", len(bad), err)
		}
	}
}

func TestADocumentWithoutAKindsFieldsDoesNotHaveTheKind(t *testing.T) {
	f := &fixture{t: t}
	kinds := []credential.Kind{NewAdmin(AdminConfig{}), NewWebhook(WebhookConfig{})}
	for _, k := range kinds {
		if fields, err := k.Fields(f.doc(`"other": 1`)); err != nil || len(fields) != 0 {
			t.Errorf("%s: %v, %v", k.Name(), fields, err)
		}
		if _, err := k.Fields(f.doc(`"admin_credentials": {"admin_password": 1}, "webhooks": {"secret": []}`)); err == nil {
			t.Errorf("%s: no error for a field that is no string", k.Name())
		}
	}
}
