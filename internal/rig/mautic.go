package rig

import (
	"context"
	"crypto/rand"
	"database/sql"
	"slices"

	"mautic-rotation/internal/mauticserver"
)

// Mautic is what Options.Mautic makes: the tables in the rig's database, and
// the pages on them. Its clock is AWS's.
type Mautic struct {
	*mauticserver.Server
	Seed mauticserver.Seed // what is in the tables at first, and in the secret
}

// newSeed makes the credentials that the rig's secret holds from the start.
func newSeed(version mauticserver.Version) mauticserver.Seed {
	return mauticserver.Seed{Version: version, AdminPassword: rand.Text(), ClientSecret: rand.Text(), HookSecret: rand.Text()}
}

// startMautic makes the tables and starts the pages.
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
		Wrap:       r.options.Pages,
	})
	if err != nil {
		return err
	}
	r.seed, r.Mautic = seed, &Mautic{Server: server, Seed: seed}
	return nil
}

// openForPages logs in to the database as the application does: the pages are
// those of its newest task of the role Web, with the password that this one was started with.
// Where none runs, it is that of AWSCURRENT.
func (r *Rig) openForPages(ctx context.Context, _ string) (*sql.DB, error) {
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
	for _, task := range slices.Backward(app.Records()) {
		if task.Stopped.IsZero() && app.role(task.Service) == mauticserver.Web {
			return task.Password, nil
		}
	}
	return "", mauticserver.ErrNoTasks
}
