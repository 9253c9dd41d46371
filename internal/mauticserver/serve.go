package mauticserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// firstContainer is the one that the options tell of.
func (s *Server) firstContainer() Container {
	o := s.options
	if c := o.Container; c.Env != nil || c.LocalPHP != "" {
		c.Version = o.Version
		return c
	}
	return Container{Version: o.Version, Env: map[string]string{"MAUTIC_DB_PASSWORD": o.Password}, LocalPHP: LocalPHP(map[string]any{
		"site_url": s.URL(), "db_table_prefix": o.Prefix, "api_enabled": o.APIEnabled, "api_enable_basic_auth": o.BasicAuth,
	})}
}

// SetContainer has the web server run in another container, as a deployment does.
func (s *Server) SetContainer(c Container) {
	c.Version = s.options.Version
	s.mu.Lock()
	defer s.mu.Unlock()
	s.container = c
}

// SetPassword gives the server another password for its database, as a task
// has one that is started later: as MAUTIC_DB_PASSWORD.
func (s *Server) SetPassword(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	env := map[string]string{}
	maps.Copy(env, s.container.Env)
	env["MAUTIC_DB_PASSWORD"] = password
	s.container.Env = env
}

// ErrNoTasks is what Open returns when no task runs. Then the load balancer in
// front of Mautic answers 503 (Mautic itself does not).
var ErrNoTasks = errors.New("no task runs that would serve a page")

// visit is one request of a Mautic that has reached its database.
type visit struct {
	parameters Parameters
	tablesOf
}

// page answers a request.
type page func(w http.ResponseWriter, r *http.Request, v visit) error

// serve reads the parameters and logs in to the database, for one request.
// Mautic answers 500 when it cannot, and when something goes wrong.
func (s *Server) serve(p page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		container := s.container
		s.mu.Unlock()
		parameters, err := container.Parameters()
		var db *sql.DB
		if err == nil {
			db, err = s.options.Open.loggedIn(r.Context(), parameters.Text("db_password"))
		}
		if err == nil {
			defer db.Close()
			err = p(w, r, visit{parameters, tablesOf{db, parameters.Text("db_table_prefix")}})
		}
		switch {
		case errors.Is(err, ErrNoTasks):
			w.Header().Set("Server", "awselb/2.0")
			http.Error(w, "<html><head><title>503 Service Temporarily Unavailable</title></head></html>", http.StatusServiceUnavailable)
		case err != nil:
			http.Error(w, "The site is currently offline due to encountering an error.", http.StatusInternalServerError)
		}
	})
}

// noPage is any page that is not there, as /health. Mautic finds out when it has
// its database.
func (s *Server) noPage(w http.ResponseWriter, r *http.Request, _ visit) error {
	http.NotFound(w, r)
	return nil
}

// installer is /installer of Mautic 7.0. Where config/local.php has no site_url,
// it is open to anybody, without a login. (What 5.1 does was not tried: it has
// no such page here. Nor was what 7.0 answers once it is installed, but that it
// is not the installer.)
func (s *Server) installer(w http.ResponseWriter, _ *http.Request, _ visit) error {
	s.mu.Lock()
	container := s.container
	s.mu.Unlock()
	installed, err := container.installed()
	if err != nil {
		return err
	}
	if installed {
		s.redirect(w, "/s/dashboard")
		return nil
	}
	_, err = fmt.Fprint(w, "<!DOCTYPE html><title>Mautic Installation</title>")
	return err
}

// tablesOf is Mautic's database.
type tablesOf struct {
	db     *sql.DB
	prefix string
}

func (t tablesOf) named(query string) string {
	return strings.NewReplacer("{", "`"+t.prefix, "}", "`").Replace(query)
}

func (t tablesOf) row(ctx context.Context, query string, args []any, into ...any) error {
	return t.db.QueryRowContext(ctx, t.named(query), args...).Scan(into...)
}

func (t tablesOf) exec(ctx context.Context, query string, args ...any) error {
	_, err := t.db.ExecContext(ctx, t.named(query), args...)
	return err
}
