package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// The conditions of both rotations.
const (
	service   = "mautic-prod-web"
	tasks     = 5
	interval  = 50 * time.Millisecond // between two logins of a task
	startTime = 1200 * time.Millisecond
	drainTime = 100 * time.Millisecond // the task that is replaced logs in beside the new one

	lead = 2 * time.Second // before a rotation, and after it
	tick = 2 * time.Second // between two reconciles

	// observation is OBSERVE_MINUTES, the least that there is: 60 are the default. It
	// passes in real time. To move AWS's clock on would not move the server's, in whose
	// log the function looks for use of the old password.
	observation = time.Minute

	timeLimit = 3 * time.Minute
)

// measure measures both rotations, at the same time and on the same server.
func measure(ctx context.Context, progress func(string)) (m measured, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	server, err := mysqlserver.Start(ctx, mysqlserver.Options{
		Args:     []string{"--log-error-verbosity=3"}, // as on RDS: the function sees who uses the old password
		Progress: progress,
	})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	progress(server.Origin())
	dir, err := os.MkdirTemp("", "mautic-rotation-")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	progress("building the function")
	binary, err := rig.BuildFunction(ctx, dir)
	if err != nil {
		return m, err
	}

	version, _, _ := strings.Cut(server.Version(), "-") // without the packager's revision
	m.Server, m.Tasks, m.Observation = server.Series().Make()+" "+version, tasks, observation.Seconds()
	m.LoginsPerSecond = int(tasks * time.Second / interval)
	progress(fmt.Sprintf("rotating by the function, and by ALTER USER: this takes a little more than the %s of observation", observation))
	var both sync.WaitGroup
	var faults [2]error
	end := newMeeting(2)
	both.Go(func() {
		if m.Function, faults[0] = measureRotation(ctx, server, binary, (*deployment).rotateByFunction, end); faults[0] != nil {
			faults[0] = fmt.Errorf("rotating by the function: %w", faults[0])
			cancel()
		}
	})
	both.Go(func() {
		if m.AlterUser, faults[1] = measureRotation(ctx, server, binary, (*deployment).rotateByAlterUser, end); faults[1] != nil {
			faults[1] = fmt.Errorf("rotating by ALTER USER: %w", faults[1])
			cancel()
		}
	})
	both.Wait()
	return m, errors.Join(faults[:]...)
}

// meeting is where some wait until all of them have come.
type meeting struct {
	missing atomic.Int32
	all     chan struct{}
}

func newMeeting(of int32) *meeting {
	m := &meeting{all: make(chan struct{})}
	m.missing.Store(of)
	return m
}

func (m *meeting) await(ctx context.Context) error {
	if m.missing.Add(-1) == 0 {
		close(m.all)
	}
	select {
	case <-m.all:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// deployment is what is rotated.
type deployment struct {
	*rig.Rig
	app *rig.Application

	began time.Time
	marks map[string]float64
}

// measureRotation measures one, until all rotations are over.
func measureRotation(ctx context.Context, server *mysqlserver.Server, binary string, rotate func(*deployment, context.Context) error, over *meeting) (_ rotation, err error) {
	var seen logins
	d := &deployment{marks: map[string]float64{}, app: &rig.Application{
		Services: []string{service}, Tasks: tasks, Interval: interval, StartTime: startTime, DrainTime: drainTime, OnUse: seen.note,
	}}
	d.Rig, err = rig.New(ctx, rig.Options{
		MySQL: server, Binary: binary, Application: d.app,
		Env: map[string]string{"OBSERVE_MINUTES": fmt.Sprint(observation.Minutes()), "WATCH_SECONDS": "2"},
		AWS: localaws.Options{RotationRetryDelay: time.Second},
	})
	if err != nil {
		return rotation{}, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	stored, err := watchStored(ctx, d.Rig)
	if err != nil {
		return rotation{}, err
	}
	defer func() { _, _ = stored.end() }()

	if err := pause(ctx, lead); err != nil {
		return rotation{}, err
	}
	d.began = time.Now()
	if err := rotate(d, ctx); err != nil {
		return rotation{}, err
	}
	if err := over.await(ctx); err != nil {
		return rotation{}, err
	}
	if err := pause(ctx, lead); err != nil {
		return rotation{}, err
	}
	r := rotation{From: -lead.Seconds(), Marks: d.marks}
	if err := seen.count(&r, d.began, time.Now()); err != nil {
		return rotation{}, err
	}
	changes, err := stored.end()
	if err != nil {
		return rotation{}, err
	}
	return r, d.tell(ctx, &r, changes)
}

// rotateByFunction is a rotation by this project's function, to its end.
func (d *deployment) rotateByFunction(ctx context.Context) error {
	// The function is woken as in a deployment: by ECS's events, and by a schedule,
	// which is quicker here.
	if err := d.AWS.EventBridge.SendEvents(rig.FunctionName); err != nil {
		return err
	}
	if _, err := d.AWS.EventBridge.Schedule(rig.FunctionName, tick, nil); err != nil {
		return err
	}
	if _, err := d.Rotate(ctx); err != nil {
		return err
	}
	return d.AwaitJournal(ctx, func(open []string) bool { return len(open) == 0 })
}

// rotateByAlterUser rotates as AWS's function for a single user does: it replaces the
// account's password and stores the new one. Then it redeploys the service, which that
// function leaves to a person. The runbook stores the new password first, and needs longer
// for the same.
func (d *deployment) rotateByAlterUser(ctx context.Context) error {
	value, err := d.ValueLabelled("AWSCURRENT")
	if err != nil {
		return err
	}
	doc, err := document.Parse(value)
	if err != nil {
		return err
	}
	password := rand.Text()
	if doc, err = doc.Replace(rig.PasswordPointer, password); err != nil {
		return err
	}
	d.mark(altered, time.Now())
	if _, err := d.MySQL.Admin().ExecContext(ctx, "ALTER USER ?@'%' IDENTIFIED BY ?", d.User, password); err != nil {
		return err
	}
	if _, err := d.Secrets.PutSecretValue(ctx, &sm.PutSecretValueInput{SecretId: &d.SecretARN, SecretString: aws.String(doc.Raw())}); err != nil {
		return err
	}
	if err := d.Deploy(ctx, service); err != nil {
		return err
	}
	return d.WaitSteady(ctx)
}

// since is the seconds from the begin of the rotation to a time, to the millisecond.
func (d *deployment) since(at time.Time) float64 {
	return math.Round(at.Sub(d.began).Seconds()*1e3) / 1e3
}

// mark notes the first time of something.
func (d *deployment) mark(name string, at time.Time) {
	if _, noted := d.marks[name]; !noted {
		d.marks[name] = d.since(at)
	}
}

// logins are those of the application.
type logins struct {
	mu    sync.Mutex
	all   []login
	fault error // of a login that was neither accepted nor refused
}

type login struct {
	ended   time.Time
	refused bool
}

func (l *logins) note(err error) {
	one := login{ended: time.Now(), refused: isRefusal(err)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && !one.refused && l.fault == nil {
		l.fault = fmt.Errorf("a login was neither accepted nor refused: %w", err)
	}
	l.all = append(l.all, one)
}

// count puts the logins until a time into bins.
func (l *logins) count(r *rotation, began, until time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	bins := int((until.Sub(began).Seconds() - r.From) / binWidth)
	r.Accepted, r.Refused = make([]int, bins), make([]int, bins)
	for _, one := range l.all {
		bin := int(math.Floor((one.ended.Sub(began).Seconds() - r.From) / binWidth))
		switch {
		case bin < 0 || bin >= bins:
		case one.refused:
			r.Refused[bin]++
		default:
			r.Accepted[bin]++
		}
	}
	return l.fault
}

// isRefusal tells whether a server has refused a password: ER_ACCESS_DENIED_ERROR.
func isRefusal(err error) bool {
	var refusal *mysql.MySQLError
	return errors.As(err, &refusal) && refusal.Number == 1045
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
