package rig

import (
	"context"
	"database/sql"
	"time"

	localecs "mautic-rotation/internal/localaws/ecs"
)

// A Role is what the tasks of a service do, as the official image is told by
// [RoleVariable].
type Role string

// The roles of the official image.
const (
	Web    Role = "mautic_web"    // log in for each page
	Worker Role = "mautic_worker" // keep a connection, and run a query on it for each message
	Cron   Role = "mautic_cron"   // start a job now and then, which logs in
)

// RoleVariable is the variable by which a container of the official image has its
// role.
const RoleVariable = "DOCKER_MAUTIC_ROLE"

// workerMessages are how many messages a worker takes with one connection: then it
// ends and is started again, as messenger:consume is with --limit.
const workerMessages = 100

// role is what a service does; Web where nothing is said of it.
func (a *Application) role(service string) Role {
	if role, ok := a.Roles[service]; ok {
		return role
	}
	return Web
}

// tasksOf is how many tasks a service runs: one of the role Cron, since two would run each
// job twice.
func (a *Application) tasksOf(service string) int {
	if a.role(service) == Cron {
		return 1
	}
	return a.Tasks
}

// interval is the time between two logins, messages or jobs of a task.
func (a *Application) interval(service string) time.Duration {
	if a.role(service) == Cron && a.CronInterval > 0 {
		return a.CronInterval
	}
	return a.Interval
}

// command is what a service's task definition runs in place of the image's own: for
// cron what hands the container's variables to its jobs, if that is done.
func (a *Application) command(service string) []string {
	if a.role(service) == Cron && !a.JobsLackVariables.Load() {
		return []string{"sed -i 's#^BASH_ENV=.*#BASH_ENV=/run/cron.env#' /opt/mautic/cron/mautic && exec /entrypoint.sh"}
	}
	return nil
}

// work returns what a task does over and over, and what ends it.
func (a *Application) work(r *Rig, task localecs.Task, record *TaskRecord) (once func(context.Context) error, end func()) {
	switch a.role(task.Service) {
	case Worker:
		w := &worker{rig: r, password: record.Password}
		return w.message, w.close
	case Cron:
		return func(ctx context.Context) error { return r.Login(ctx, a.jobPassword(r, task)) }, func() {}
	default:
		return func(ctx context.Context) error { return r.Login(ctx, record.Password) }, func() {}
	}
}

// jobPassword is what a cron job logs in with. The variable goes before
// config/local.php, where the job has it.
func (a *Application) jobPassword(r *Rig, task localecs.Task) string {
	if a.JobsLackVariables.Load() {
		return r.Password
	}
	return task.Env["MAUTIC_DB_PASSWORD"]
}

// worker is one of the role Worker.
type worker struct {
	rig      *Rig
	password string
	db       *sql.DB
	messages int
}

// message takes one, with the connection that it has.
func (w *worker) message(ctx context.Context) (err error) {
	if w.messages%workerMessages == 0 {
		w.close()
	}
	if w.db == nil {
		if w.db, err = w.rig.MySQL.Open(w.rig.User, w.password, w.rig.Database); err != nil {
			return err
		}
		w.db.SetMaxOpenConns(1)
	}
	w.messages++
	_, err = w.db.ExecContext(ctx, "DO 1")
	return err
}

func (w *worker) close() {
	if w.db != nil {
		_ = w.db.Close() // nothing is lost with it
		w.db = nil
	}
}
