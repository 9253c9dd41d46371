package rig

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"time"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/mauticserver"
)

// roleVariable tells a container of Mautic's official image its role.
const roleVariable = "DOCKER_MAUTIC_ROLE"

// workerMessages is how many messages a worker processes on one connection. Then it is
// restarted, like messenger:consume with --limit.
const workerMessages = 100

// role is what a service's tasks do; Web by default.
func (a *Application) role(service string) mauticserver.Role {
	if role, ok := a.Roles[service]; ok {
		return role
	}
	return mauticserver.Web
}

// tasksOf is how many tasks a service runs: one for the role Cron, since two would run
// each job twice.
func (a *Application) tasksOf(service string) int {
	if a.role(service) == mauticserver.Cron {
		return 1
	}
	return a.Tasks
}

// interval is the time between two logins, messages or jobs of a task.
func (a *Application) interval(service string) time.Duration {
	if a.role(service) == mauticserver.Cron && a.CronInterval > 0 {
		return a.CronInterval
	}
	return a.Interval
}

// command is a service's command in place of the image's own: for cron, the one that
// passes the container's environment to the jobs, unless JobsLackVariables.
func (a *Application) command(service string) []string {
	if a.role(service) == mauticserver.Cron && !a.JobsLackVariables.Load() {
		return []string{"sed -i 's#^BASH_ENV=.*#BASH_ENV=/run/cron.env#' /opt/mautic/cron/mautic && exec /entrypoint.sh"}
	}
	return nil
}

// container is a task's container. Its config/local.php has the rig's first password, which
// a process uses that does not get the variable.
func (a *Application) container(r *Rig, task localecs.Task) mauticserver.Container {
	env := task.Env
	if a.Literal {
		env = maps.Clone(env)
		delete(env, "MAUTIC_DB_PASSWORD")
	}
	return mauticserver.Container{
		Role: a.role(task.Service), Env: env, JobsHaveEnv: !a.JobsLackVariables.Load(),
		LocalPHP: mauticserver.LocalPHP(mauticserver.Parameters{"db_password": r.Password, "site_url": "https://mautic.example.com"}),
	}
}

// work returns what a task does repeatedly, and what ends it.
func (a *Application) work(r *Rig, task localecs.Task, record *TaskRecord) (once func(context.Context) error, end func()) {
	switch a.role(task.Service) {
	case mauticserver.Worker:
		w := &worker{container: a.container(r, task), open: r.open}
		return w.message, w.close
	case mauticserver.Cron:
		return func(ctx context.Context) error { return a.container(r, task).RunJob(ctx, r.open, nil) }, func() {}
	default:
		return func(ctx context.Context) error { return r.Login(ctx, record.Password) }, func() {}
	}
}

// open logs in as the application does.
func (r *Rig) open(_ context.Context, password string) (*sql.DB, error) {
	return r.MySQL.Open(r.User, password, r.Database)
}

// worker is a process of the role Worker.
type worker struct {
	container mauticserver.Container
	open      mauticserver.Open
	consumer  *mauticserver.Consumer
	messages  int
}

// message processes one on the worker's connection.
func (w *worker) message(ctx context.Context) (err error) {
	if w.messages%workerMessages == 0 {
		w.close()
	}
	if w.consumer == nil {
		if w.consumer, err = w.container.Consume(ctx, w.open); err != nil {
			return err
		}
	}
	w.messages++
	if err := w.consumer.Handle(ctx); err != nil {
		w.close()
		return errors.Join(errors.New("a worker lost its connection"), err)
	}
	return nil
}

func (w *worker) close() {
	if w.consumer != nil {
		_ = w.consumer.Close() // nothing is lost with it
		w.consumer = nil
	}
}
