package main

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"mautic-rotation/internal/rig"
)

// login is a Mautic's login page: it answers 200 for as long as works says so,
// and else 500, as Mautic does when it cannot reach its database.
type login struct {
	works atomic.Pointer[func() bool]
	url   string
}

func newLogin(t *testing.T) *login {
	t.Helper()
	page := &login{}
	page.set(func() bool { return true })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/s/login":
			http.NotFound(w, r)
		case !(*page.works.Load())():
			http.Error(w, "The site is currently offline", http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	page.url = server.URL
	return page
}

func (p *login) set(works func() bool) { p.works.Store(&works) }

func (p *login) asked(o *rig.Options) {
	setEnv(o, "MAUTIC_URL", p.url)
	neverRetried(o)
}

func TestNothingIsSetWhileTheApplicationIsNotHealthy(t *testing.T) {
	page := newLogin(t)
	d := deploy(t, shipped, page.asked)
	page.set(func() bool { return false })
	_, err := d.Rotate(t.Context())
	wantError(t, err, "the health check failed", "500", "unset MAUTIC_URL")
	if d.raw("AWSPENDING") != "" {
		t.Error("a new value was made")
	}

	page.set(func() bool { return true })
	if err := d.tryAgain(); err != nil {
		t.Fatal(err)
	}
	d.accepts(true, d.Password, d.password("AWSCURRENT"))
	if d.password("AWSCURRENT") == d.Password {
		t.Error("not rotated")
	}
}

func TestAnApplicationThatIsIllInQuarantineGetsTheOldPasswordBack(t *testing.T) {
	page := newLogin(t)
	d := deploy(t, page.asked)
	d.mustRotate()
	// It goes on with the old password, and nobody's logins show in the log:
	// it is asked for the page after the watch.
	page.set(func() bool { return d.Login(t.Context(), d.Password) == nil })
	d.AWS.Clock().Advance(25 * time.Hour)
	d.mustReconcile()
	d.isHeld()
	d.accepts(true, d.Password, d.password("AWSCURRENT"))
}

func TestAnApplicationThatStaysIllIsRolledBack(t *testing.T) {
	page := newLogin(t)
	d := deployApplication(t, &rig.Application{}, page.asked)
	d.mustRotate()
	bad := d.password("AWSCURRENT")
	page.set(func() bool { return false })
	d.mustBeSteady()
	d.mustReconcile()
	if d.password("AWSCURRENT") != bad {
		t.Fatal("rolled back before its time was over")
	}
	d.AWS.Clock().Advance(pastRollout)
	d.mustReconcile()
	if d.password("AWSCURRENT") != d.Password {
		t.Fatal("not rolled back")
	}
	page.set(func() bool { return true })
	d.mustSettle()
	d.accepts(true, d.Password)
	d.accepts(false, bad)
	d.noLoginFailed()
}
