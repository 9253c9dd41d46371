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
	"fmt"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
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
		"GET /s/":                 s.privatePage,
		"GET /api/users/self":     s.self,
		"POST /oauth/v2/token":    s.token,
		"/":                       s.noPage,
	}
	maps.Copy(all, s.changes())
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
