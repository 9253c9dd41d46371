package mauticserver

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// A Role is what a container of the official image is for. The image has it from
// its variable DOCKER_MAUTIC_ROLE.
type Role string

// The roles of the official image, 5.x to 7.x.
const (
	Web    Role = "mautic_web"
	Cron   Role = "mautic_cron"
	Worker Role = "mautic_worker"
)

// A Container is one of the official image: what it was started with, and what
// is in its config/local.php. It is a value: what changes it returns another.
//
//	web := mauticserver.Container{Role: mauticserver.Web, Env: env, LocalPHP: file}
//	web, err := web.Boot(ctx, open, time.Second) // what the entry point does
//	server, err := mauticserver.Start(mauticserver.Options{Open: open, Container: web})
//
//	cron := mauticserver.Container{Role: mauticserver.Cron, Env: env, LocalPHP: file}
//	err = cron.RunJob(ctx, open, nil) // without the variables: by the file alone
//
//	worker := mauticserver.Container{Role: mauticserver.Worker, Env: env, LocalPHP: file}
//	consumer, err := worker.Consume(ctx, open)
type Container struct {
	Version  Version
	Role     Role              // "" is Web
	Env      map[string]string // the container's variables
	LocalPHP string            // what config/local.php holds; "": there is none

	// JobsHaveEnv: an entry point that goes before the image's own hands the variables
	// to the jobs of the role Cron, as docs/deploy.md shows.
	JobsHaveEnv bool
}

// An Open logs in to Mautic's database with a password. The caller closes what
// it gets. The login may happen as late as the first use.
type Open func(ctx context.Context, password string) (*sql.DB, error)

// loggedIn is Open with the login done.
func (open Open) loggedIn(ctx context.Context, password string) (*sql.DB, error) {
	db, err := open(ctx, password)
	if err != nil {
		return nil, err
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// processEnv is what Mautic's own processes in the container get of its
// variables. The image's cron hands on PHP_INI_VALUE_* alone (5.x to 7.x).
func (c Container) processEnv() map[string]string {
	if c.Role != Cron || c.JobsHaveEnv {
		return c.Env
	}
	env := maps.Clone(c.Env)
	maps.DeleteFunc(env, func(name, _ string) bool { return !strings.HasPrefix(name, "PHP_INI_VALUE_") })
	return env
}

// Parameters are Mautic's settings by name, as "db_password": strings, int64s,
// booleans, nil, and lists of them as []any.
type Parameters map[string]any

// Text is a parameter as text; "" where there is none.
func (p Parameters) Text(name string) string {
	switch value := p[name].(type) {
	case nil:
		return ""
	case bool:
		if value {
			return "1"
		}
		return ""
	default:
		return fmt.Sprint(value)
	}
}

// On tells whether a parameter is true, as PHP sees it.
func (p Parameters) On(name string) bool { return truth(p[name]) }

// list is a parameter that is a list, as its texts.
func (p Parameters) list(name string) (texts []string) {
	entries, _ := p[name].([]any)
	for _, entry := range entries {
		texts = append(texts, Parameters{"": entry}.Text(""))
	}
	return texts
}

// configParameters is the variable that holds parameters as JSON.
const configParameters = "MAUTIC_CONFIG_PARAMETERS"

// Parameters are those that a process in the container takes: a cron job where
// the container's role is Cron. The variable named like the parameter, in upper case
// with MAUTIC_ before it, beats config/local.php (5.1 and 7.0), and so does
// MAUTIC_CONFIG_PARAMETERS. That one was tried with 7.0 alone, and a 5.1 here
// refuses it. It is merged into the file's values, so the single variable beats
// it, too.
func (c Container) Parameters() (Parameters, error) {
	version, err := c.Version.checked()
	if err != nil {
		return nil, err
	}
	env := c.processEnv()
	p := Parameters{}
	if c.LocalPHP != "" {
		if p, err = readLocalPHP(c.LocalPHP, env); err != nil {
			return nil, err
		}
	}
	if text, found := env[configParameters]; found {
		if version == Mautic51 {
			return nil, errors.New("what Mautic 5.1 does with " + configParameters + " was not tried")
		}
		if err := p.merge(text); err != nil {
			return nil, err
		}
	}
	// What is written in the files is resolved as Symfony does it: %% is a %, and
	// a single one breaks the whole configuration.
	for name, value := range p {
		if text, ok := value.(string); ok {
			if p[name] = strings.ReplaceAll(text, "%%", "%"); strings.Contains(strings.ReplaceAll(text, "%%", ""), "%") {
				return nil, fmt.Errorf("the parameter %s has a %% that is not doubled", name)
			}
		}
	}
	for variable, value := range env {
		if name, ok := strings.CutPrefix(variable, "MAUTIC_"); ok && variable != configParameters {
			p[strings.ToLower(name)] = value
		}
	}
	return p, nil
}

func (p Parameters) merge(text string) error {
	var more map[string]any
	if err := json.Unmarshal([]byte(text), &more); err != nil {
		return errors.New(configParameters + " is no JSON object")
	}
	for name, value := range more {
		if number, ok := value.(float64); ok {
			value = int64(number)
		}
		p[name] = value
	}
	return nil
}

// installed tells whether Mautic takes itself for installed: by a site_url in its
// config/local.php. Whether a variable would do was not tried, so none does.
func (c Container) installed() (bool, error) {
	if c.LocalPHP == "" {
		return false, nil
	}
	p, err := readLocalPHP(c.LocalPHP, c.processEnv())
	return truth(p["site_url"]), err
}

// DatabasePassword is the password with which a process in the container logs in
// to the database.
func (c Container) DatabasePassword() (string, error) {
	p, err := c.Parameters()
	return p.Text("db_password"), err
}

// pings is how many failures of its ping the image gives up after.
const pings = 31

// Boot is what the image's entry point does before Mautic runs: it pings the
// database with MAUTIC_DB_PASSWORD, whatever config/local.php says, each time
// wait after the last, and gives up after 31 failures. Then it copies its
// template where there is no config/local.php. What it returns has that.
func (c Container) Boot(ctx context.Context, open Open, wait time.Duration) (Container, error) {
	for failures := 1; ; failures++ {
		db, err := open.loggedIn(ctx, c.Env["MAUTIC_DB_PASSWORD"])
		if err == nil {
			err = db.Close()
			if c.LocalPHP == "" {
				c.LocalPHP = TemplateLocalPHP
			}
			return c, err
		}
		if failures == pings {
			return c, fmt.Errorf("the entry point gives up after %d pings of the database: %w", failures, err)
		}
		select {
		case <-ctx.Done():
			return c, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// SaveConfiguration is what saving it in Mautic's pages does: it writes the
// parameters that the web server has, the database's password among them, into
// config/local.php literally. It returns the container with that file.
func (c Container) SaveConfiguration() (Container, error) {
	p, err := c.Parameters()
	if err != nil {
		return c, err
	}
	c.LocalPHP = LocalPHP(p)
	return c, nil
}
