// Package mauticserver stands in for Mautic's web server, for tests and for
// the local demo: it answers the pages that tell whether a credential works
// from the tables of a real MySQL or MariaDB server, as Mautic does.
//
//	seed, err := mauticserver.Schema(ctx, admin, "mautic", "m_", mauticserver.Seed{})
//	server, err := mauticserver.Start(mauticserver.Options{Open: open, Prefix: "m_", APIEnabled: true, BasicAuth: true})
//	defer server.Close()
//	http.Get(server.URL() + "/s/login")
//
// Like Mautic's, each request logs in to the database anew, with the password
// that its [Container] leads to; when the database refuses it, every page answers
// 500.
//
// It behaves like Mautic 5.1 or like 7.0, as those were seen to behave, and is
// honest about the pages it has, and has no others: no dashboard but its status,
// no pages of the API but those that concern a credential, no grant but
// client_credentials. Unlike Mautic it takes weak passwords on the login page.
package mauticserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// TokenLifetime is how long an access token is good for: Mautic's default.
const TokenLifetime = time.Hour

// Options say which Mautic to be.
type Options struct {
	// Version is which Mautic's.
	Version Version

	// Open is called for every request. [ErrNoTasks] says that there is nothing
	// which would serve it.
	Open Open

	// Container is where the web server runs. The zero one stands for that of an
	// installed Mautic with the following settings, and the password in
	// MAUTIC_DB_PASSWORD.
	Container Container

	// Password is the first one that is given to Open.
	Password string

	// Prefix is that of the tables' names.
	Prefix string

	// APIEnabled and BasicAuth are Mautic's settings api_enabled and
	// api_enable_basic_auth. Both are off by default.
	APIEnabled, BasicAuth bool

	// Path is where Mautic is installed below the host, as "/mautic"; empty: at
	// the root.
	Path string

	// Dashboard is what a user's dashboard does.
	Dashboard Dashboard

	// Now is the clock by which tokens expire; nil means the real time.
	Now func() time.Time

	// Wrap, when it is not nil, comes before the pages: to watch requests, or
	// to put something in their way.
	Wrap func(http.Handler) http.Handler
}

// A Dashboard is what the dashboard of a user who has signed in answers.
type Dashboard string

// The dashboards of Mautic 5.1 and 7.0.
const (
	// DashboardWithWidgets answers 200.
	DashboardWithWidgets Dashboard = ""
	// FirstDashboard is that of a user without widgets: it redirects to itself
	// once, when Mautic has made the default ones.
	FirstDashboard Dashboard = "first"
	// NoDefaultDashboard is that of a user without widgets where
	// app/assets/dashboards/default.json is missing: it redirects to the import
	// page each time.
	NoDefaultDashboard Dashboard = "no default"
)

// A Server is a running stand-in. Its methods may be used concurrently.
type Server struct {
	options Options
	http    *http.Server
	address string

	mu        sync.Mutex
	container Container
	sessions  map[string]session
	visited   map[int64]bool // the users whose dashboard has its widgets
}

// session is what Mautic keeps of a browser.
type session struct {
	csrf string
	user int64 // 0: nobody has signed in
	hash string
}

// Start starts a server on a port of its own on 127.0.0.1.
func Start(o Options) (_ *Server, err error) {
	if o.Version, err = o.Version.checked(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the stand-in for Mautic: %w", err)
	}
	s := &Server{options: o, address: listener.Addr().String(), sessions: map[string]session{}, visited: map[int64]bool{}}
	s.container = s.firstContainer()
	pages := http.NewServeMux()
	for pattern, page := range s.pages() {
		pages.Handle(pattern, s.serve(page))
	}
	var handler = http.StripPrefix(o.Path, pages)
	if o.Wrap != nil {
		handler = o.Wrap(handler)
	}
	s.http = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go s.http.Serve(listener) //nolint:errcheck // it ends with Close
	return s, nil
}

// pages are those that this version of Mautic has.
func (s *Server) pages() map[string]page {
	all := map[string]page{
		"GET /s/login":            s.loginPage,
		"POST /s/login_check":     s.loginCheck,
		"GET /s/dashboard":        s.dashboard,
		"GET /s/dashboard/import": s.dashboardImport,
		"GET /api/users/self":     s.self,
		"POST /oauth/v2/token":    s.token,
	}
	if s.options.Version != Mautic51 {
		all["GET /installer"] = s.installer
	}
	return all
}

func (s *Server) now() time.Time {
	if s.options.Now == nil {
		return time.Now()
	}
	return s.options.Now()
}

// URL returns the base URL, without a slash at the end.
func (s *Server) URL() string { return "http://" + s.address + s.options.Path }

// Close ends the server.
func (s *Server) Close() error { return s.http.Close() }

const cookieName = "mautic_session"

// browser returns a request's session, a new one where it has none.
func (s *Server) browser(w http.ResponseWriter, r *http.Request) (id string, found session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cookie, err := r.Cookie(cookieName); err == nil {
		if found, ok := s.sessions[cookie.Value]; ok {
			return cookie.Value, found
		}
	}
	id, found = rand.Text(), session{csrf: rand.Text()}
	s.sessions[id] = found
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: id, Path: "/", HttpOnly: true})
	return id, found
}

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request, _ visit) error {
	_, browser := s.browser(w, r)
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	_, err := fmt.Fprintf(w, `<!DOCTYPE html><title>Mautic</title>
<form class="form-group login-form" name="login" method="post" action="%s/s/login_check">
<input type="text" id="username" name="_username"><input type="password" id="password" name="_password">
<input type="hidden" name="_csrf_token" value="%s" />
<button type="submit">login</button></form>`, s.options.Path, browser.csrf)
	return err
}

func (s *Server) loginCheck(w http.ResponseWriter, r *http.Request, v visit) error {
	id, browser := s.browser(w, r)
	user, err := v.user(r.Context(), r.FormValue("_username"))
	if err != nil {
		return err
	}
	if r.FormValue("_csrf_token") != browser.csrf || !user.letsIn(r.FormValue("_password")) {
		s.redirect(w, "/s/login")
		return nil
	}
	s.mu.Lock()
	s.sessions[id] = session{csrf: browser.csrf, user: user.id, hash: user.hash}
	s.mu.Unlock()
	s.redirect(w, "/s/dashboard")
	return nil
}

// redirect sends the browser to another page. (http.Redirect would see the path
// without the prefix that is stripped.)
func (s *Server) redirect(w http.ResponseWriter, path string) {
	w.Header().Set("Location", s.options.Path+path)
	w.WriteHeader(http.StatusFound)
}

// signedIn returns the user who has signed in; 0: nobody has, and the browser was
// sent to the login page. A session ends when the user's password changes.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request, v visit) (user int64, err error) {
	_, browser := s.browser(w, r)
	var hash string
	err = v.row(r.Context(), "SELECT password FROM {users} WHERE id = ? AND is_published = 1", []any{browser.user}, &hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	if hash == "" || hash != browser.hash {
		s.redirect(w, "/s/login")
		return 0, nil
	}
	return browser.user, nil
}

func (s *Server) dashboard(w http.ResponseWriter, r *http.Request, v visit) error {
	user, err := s.signedIn(w, r, v)
	if err != nil || user == 0 {
		return err
	}
	switch {
	case s.options.Dashboard == NoDefaultDashboard:
		s.redirect(w, "/s/dashboard/import")
		return nil
	case s.options.Dashboard == FirstDashboard && s.firstVisit(user):
		s.redirect(w, "/s/dashboard")
		return nil
	}
	_, err = fmt.Fprint(w, "<!DOCTYPE html><title>Dashboard | Mautic</title>")
	return err
}

func (s *Server) firstVisit(user int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.visited[user]
	s.visited[user] = true
	return first
}

func (s *Server) dashboardImport(w http.ResponseWriter, r *http.Request, v visit) error {
	user, err := s.signedIn(w, r, v)
	if err != nil || user == 0 {
		return err
	}
	_, err = fmt.Fprint(w, "<!DOCTYPE html><title>Dashboard import | Mautic</title>")
	return err
}

// user is who signs in; the zero one is nobody.
type user struct {
	id   int64
	name string
	hash string
}

// user finds who a login is for, by user name or e-mail address. There is
// nobody where the user is not published.
func (t tablesOf) user(ctx context.Context, name string) (user, error) {
	var u user
	err := t.row(ctx, "SELECT id, username, password FROM {users} WHERE (username = ? OR email = ?) AND is_published = 1", []any{name, name}, &u.id, &u.name, &u.hash)
	if errors.Is(err, sql.ErrNoRows) {
		return user{}, nil
	}
	return u, err
}

func (u user) letsIn(password string) bool { return u.id != 0 && Matches(u.hash, password) }

// comparisons are what Matches has found: bcrypt is slow by design.
var comparisons sync.Map

// Matches tells whether a hash, as Mautic keeps it, is one of a password. bcrypt
// does not mind whether it begins with $2y$, as PHP writes it, or with $2a$.
func Matches(hash, password string) bool {
	pair := sha256.Sum256([]byte(hash + "\n" + password))
	if known, ok := comparisons.Load(pair); ok {
		return known.(bool)
	}
	matches := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	comparisons.Store(pair, matches)
	return matches
}
