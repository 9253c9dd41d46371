package mauticserver

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
)

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

// session is what Mautic keeps of a browser.
type session struct {
	csrf string
	user int64 // 0: nobody has signed in
	hash string
}

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

// privatePage is any other page below /s/: whoever is not signed in is sent to the
// login page, whether there is such a page or not. So /s/login/s/login, of a URL
// that is not the base URL, redirects.
func (s *Server) privatePage(w http.ResponseWriter, r *http.Request, v visit) error {
	user, err := s.signedIn(w, r, v)
	if err == nil && user != 0 {
		http.NotFound(w, r)
	}
	return err
}
