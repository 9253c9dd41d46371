// Command demo runs a whole rotation on this machine: a real MySQL or MariaDB server
// with Mautic's tables, the function as it is deployed, and in-process stand-ins for
// Mautic's pages, SES and AWS. Meanwhile the application's tasks use the database about
// 200 times a second and send mail, and other programs call Mautic's API.
//
//	go run ./cmd/demo                              rotate, and report how it went
//	go run ./cmd/demo -database mariadb            on MariaDB; or mariadb-10.11
//	go run ./cmd/demo -scenario broken-app         with tasks that cannot start
//	go run ./cmd/demo -scenario literal-password   with tasks that keep the old password
//	go run ./cmd/demo -scenario slow-rollout       with a rollout that takes 20 minutes
//	go run ./cmd/demo -scenario drift              with the old document stored again by hand
//	go run ./cmd/demo -scenario ci-deploys         with deployments by a CI pipeline on the third day
//	go run ./cmd/demo -scenario cron               with cron jobs that keep the old password
//	go run ./cmd/demo -stay                        keep running, for the operator's program and the AWS CLI; with any scenario
//
// The exit status is 1 if a login, an API call or a mail failed, or if any other check was
// not met. Nothing is left running.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/rig"
	"mautic-rotation/internal/syncbuf"
	"mautic-rotation/rotation/smtp"
)

// settings are those of the function that differ from the defaults: some make it quick (a
// password hash of the usual cost takes seconds on a busy machine), and the SMTP_TEST_ ones
// have a new SMTP credential tested with a message.
var settings = map[string]string{
	"WATCH_SECONDS": "2", "ADMIN_HASH_COST": "10",
	"SMTP_TEST_FROM": rig.MailFrom, "SMTP_TEST_TO": "success@simulator.amazonses.com",
}

// timeLimit is generous: the rotation and its redeploy take some seconds.
const timeLimit = 2 * time.Minute

func main() {
	stay := flag.Bool("stay", false, "keep running, print commands to try, and accept commands that break things")
	name := flag.String("scenario", "plain", "plain, broken-app, literal-password, slow-rollout, drift, ci-deploys or cron")
	on := flag.String("database", "mysql", "mysql, mariadb, or a series such as mariadb-10.11")
	flag.Parse()
	chosen, ok := scenarios[*name]
	if !ok {
		fmt.Fprintf(os.Stderr, "unknown scenario %q; choose one of %s\n", *name, slices.Sorted(maps.Keys(scenarios)))
		os.Exit(2)
	}
	series, err := mysqlserver.SeriesOf(*on)
	if err != nil {
		fmt.Fprintln(os.Stderr, "-database:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, chosen, databaseOf(series), *stay)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\n"+err.Error())
		os.Exit(1)
	}
}

// demo is what is running.
type demo struct {
	*rig.Rig
	db     database
	screen *screen
	app    *rig.Application
	log    *syncbuf.Buffer

	callers *callers

	jobsHadOldPassword bool // cron jobs used the password in config/local.php when the rotation began
}

func run(ctx context.Context, chosen scenario, db database, stay bool) (err error) {
	s := newScreen(os.Stdout)
	defer s.end()
	s.title(db.named(chosen.title))
	server, err := mysqlserver.Start(ctx, mysqlserver.Options{
		Series:   db.series,
		Args:     db.args,
		Progress: s.note,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	s.fact(db.name(), server.Origin())

	dir, err := os.MkdirTemp("", "mautic-rotation-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s.note("building the function")
	binary, err := rig.BuildFunction(ctx, dir)
	if err != nil {
		return err
	}

	d := &demo{db: db, screen: s, log: &syncbuf.Buffer{}, app: application()}
	if chosen.prepare != nil {
		chosen.prepare(d.app)
	}
	d.jobsHadOldPassword = d.app.JobsLackVariables.Load()
	env := maps.Clone(settings)
	maps.Copy(env, chosen.env)
	options := rig.Options{
		Env: env,

		MySQL: server, Binary: binary, Application: d.app, Logs: d.log, AdminSecret: db.admin, Mautic: true, SES: &rig.SES{},
		AWS: localaws.Options{RotationRetryDelay: time.Second},
	}
	if d.Rig, err = rig.New(ctx, options); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := d.AWS.IAM.TagUser(rig.SMTPUser, smtp.OwnerTag, d.SecretARN); err != nil {
		return err
	}
	defer s.watch(d)() // ends before what it watches
	if err := d.wake(); err != nil {
		return err
	}
	d.introduce(binary)
	if stay {
		return d.stay(ctx, os.Stdin)
	}
	return d.play(ctx, chosen)
}

// introduce prints what has been set up.
func (d *demo) introduce(binary string) {
	size := "?"
	if info, err := os.Stat(binary); err == nil {
		size = fmt.Sprintf("%.1f MB", float64(info.Size())/1e6)
	}
	d.screen.fact("AWS", "in-process stand-in for Secrets Manager, Lambda, ECS and IAM at "+d.AWS.URL())
	d.screen.fact("function", rig.FunctionName+", the same program that is deployed, "+size)
	d.screen.fact("secret", d.SecretName+", in the runbook's layout, plus Mautic's API client and webhook secret")
	if d.AdminSecretARN != "" {
		d.screen.fact("admin secret", rig.AdminSecretName+d.db.named(", since only an administrator of %s can give an account a second password"))
	}
	d.screen.fact("Mautic", d.db.named("stand-in for its pages, with its tables in %s, at ")+d.Mautic.URL())
	d.screen.fact("mail", fmt.Sprintf("stand-in for SES's SMTP endpoint at %s:%d; IAM user %s has access key %s", d.SMTP.Host(), d.SMTP.Port(), rig.SMTPUser, keyName(d.SMTPKey.ID)))
	d.screen.fact("application", fmt.Sprintf("tasks in the roles of Mautic's image: %d of %s, each with %d new logins a second;"+below+"  %d of %s, each with %d queued messages a second on one open connection; 1 of %s, with one job a second."+below+"  Each reads the secret when it starts, and sends %d mails a second",
		d.app.Tasks, webService, time.Second/d.app.Interval, d.app.Tasks, workerService, time.Second/d.app.Interval, cronService, time.Second/d.app.MailInterval))
}

// tick is the time between two reconcile runs.
const tick = 2 * time.Second

// wake has EventBridge invoke the function as in a real deployment: when an ECS deployment
// changes its state, and by a schedule, which is faster here.
func (d *demo) wake() error {
	if err := d.AWS.EventBridge.SendEvents(rig.FunctionName); err != nil {
		return err
	}
	_, err := d.AWS.EventBridge.Schedule(rig.FunctionName, tick, nil)
	return err
}

// play rotates, runs the scenario to its end, and reports.
func (d *demo) play(ctx context.Context, chosen scenario) error {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	if err := d.call(ctx); err != nil {
		return err
	}
	defer func() { _ = d.callers.end() }() // if an error returns before the call below
	d.screen.fact("API callers", fmt.Sprintf("%d integrations with a fixed API client id and key, %d job that reads them from the secret each time; each makes %d calls a second",
		integrations, jobs, time.Second/callInterval))
	before, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		return err
	}
	if err := pause(ctx, time.Second); err != nil { // some logins before
		return err
	}
	d.screen.command("aws secretsmanager rotate-secret --secret-id " + d.SecretName + " --rotation-lambda-arn " + d.FunctionARN)
	end, err := d.rotate(ctx, chosen.course)
	if err != nil {
		return err
	}
	if again := chosen.again; again != nil {
		d.screen.line("")
		d.screen.line(again.line)
		again.prepare(d.app)
		next, err := d.rotate(ctx, again.course)
		end.next, end.nextErr = &next, err
	}
	if err := d.callers.end(); err != nil {
		return err
	}
	d.screen.endStatus()
	after, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		return err
	}
	return d.report(before, after, chosen.expect(end))
}

// rotate runs one rotation and the course that follows it.
func (d *demo) rotate(ctx context.Context, then course) (ending, error) {
	before, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		return ending{}, err
	}
	token, err := d.Rotate(ctx)
	if err != nil {
		return ending{}, fmt.Errorf("the rotation failed: %w", err)
	}
	end, err := d.begin(before, token)
	if err != nil {
		return ending{}, err
	}
	if err := then(ctx, d, &end); err != nil {
		return ending{}, err
	}
	if err := pause(ctx, time.Second); err != nil { // some logins after
		return ending{}, err
	}
	err = d.look(ctx, &end)
	return end, err
}
