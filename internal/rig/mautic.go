package rig

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/http"

	"mautic-rotation/internal/mauticserver"
)

// Mautic is what Options.Mautic adds: Mautic's tables in the rig's database, and its
// pages. Its clock is AWS's.
type Mautic struct {
	*mauticserver.Server
	Seed mauticserver.Seed // what the tables and the secret hold at first
}

// newSeed makes the credentials that the rig's secret holds at first.
func newSeed(version mauticserver.Version) mauticserver.Seed {
	return mauticserver.Seed{Version: version, AdminPassword: rand.Text(), ClientSecret: rand.Text(), HookSecret: rand.Text()}
}

// startMautic creates the tables and starts the pages.
func (r *Rig) startMautic(ctx context.Context) error {
	seed, err := mauticserver.Schema(ctx, r.MySQL.Admin(), r.Database, "", r.seed)
	if err != nil {
		return err
	}
	server, err := mauticserver.Start(mauticserver.Options{
		Version:    r.options.MauticVersion,
		Open:       r.openForPages,
		APIEnabled: true,
		BasicAuth:  true,
		Now:        r.AWS.Clock().Now,
		Wrap:       r.servePages,
	})
	if err != nil {
		return err
	}
	r.seed, r.Mautic = seed, &Mautic{Server: server, Seed: seed}
	return nil
}

// servePages answers requests as the application does: each in a task, which does not end
// before it has answered, like a web server that is told to stop. So no request logs in to
// the database after its task has stopped.
func (r *Rig) servePages(pages http.Handler) http.Handler {
	if app := r.options.Application; app != nil && len(app.Services) > 0 {
		pages = app.serve(pages)
	}
	if r.options.Pages != nil {
		pages = r.options.Pages(pages)
	}
	return pages
}

// openForPages logs in to the database as the task that answers the request or, for the stand-in's
// own jobs, as the newest task. Without an application it uses AWSCURRENT's password.
func (r *Rig) openForPages(ctx context.Context, _ string) (*sql.DB, error) {
	if task, ok := ctx.Value(servedBy{}).(*TaskRecord); ok {
		return r.open(ctx, task.Password)
	}
	password, err := r.pagesPassword()
	if err != nil {
		return nil, err
	}
	return r.open(ctx, password)
}

func (r *Rig) pagesPassword() (string, error) {
	app := r.options.Application
	if app == nil || len(app.Services) == 0 {
		return r.PasswordLabelled("AWSCURRENT")
	}
	app.mu.Lock()
	defer app.mu.Unlock()
	if task := app.newest(); task != nil {
		return task.Password, nil
	}
	return "", mauticserver.ErrNoTasks
}

// servedBy is the key of a request's task in its context.
type servedBy struct{}

// serve has the newest task answer each request.
func (a *Application) serve(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var task *TaskRecord
		a.note(func() {
			if task = a.newest(); task != nil {
				task.serving++
			}
		})
		if task != nil {
			defer a.note(func() { task.serving-- })
			req = req.WithContext(context.WithValue(req.Context(), servedBy{}, task))
		}
		pages.ServeHTTP(w, req)
	})
}

// newest is the task to which a load balancer sends requests: the newest with the role Web that has
// not been told to stop, or nil. The caller holds the lock.
func (a *Application) newest() (task *TaskRecord) {
	for _, t := range a.tasks {
		if t.told || !t.Stopped.IsZero() || a.role(t.Service) != mauticserver.Web {
			continue
		}
		if task == nil || task.Started.Before(t.Started) {
			task = t
		}
	}
	return task
}

// served waits until a task that has been told to stop has answered its last request.
func (a *Application) served(r *Rig, task *TaskRecord) {
	for {
		a.mu.Lock()
		serving, changed := task.serving, a.changed
		a.mu.Unlock()
		if serving == 0 {
			return
		}
		select {
		case <-changed:
		case <-r.closing:
			return
		}
	}
}
