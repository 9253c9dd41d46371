package rig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	localecs "mautic-rotation/internal/localaws/ecs"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mauticserver"
)

// ClusterName is the name of the rig's ECS cluster.
const ClusterName = "mautic-prod-cluster"

// Application is what runs in ECS: services whose tasks read the password when they
// start and then use it continuously, each in its service's role, and can send mail.
type Application struct {
	Services []string                     // their names
	Roles    map[string]mauticserver.Role // of the services; default: Web
	Tasks    int                          // of each service, except that a Cron service has one
	Interval time.Duration                // between two logins or messages of a task

	// CronInterval is the time between two jobs of a task with the role Cron; 0:
	// Interval.
	CronInterval time.Duration

	// JobsLackVariables makes cron jobs log in with the rig's first password, which is
	// written in config/local.php. So it is in the official image, whose cron does not
	// pass on the container's environment.
	JobsLackVariables atomic.Bool

	// WithFunction makes tasks also log in whenever the function may have changed their
	// account, which shows in the labels that it moves before and after. So the tasks see
	// each state of the account, although Interval is long to save the server logins.
	WithFunction bool

	// MailInterval is the time between two messages of a task, which logs in again for
	// each; 0: it sends none. It needs Options.SES.
	MailInterval time.Duration

	// StartTime is how long a task's container takes to start, DrainTime how long until
	// it is told to stop.
	StartTime, DrainTime time.Duration

	// LastLogin makes a task log in once more when it is told to stop.
	LastLogin bool

	// Linger, if not nil, keeps tasks that are told to stop running until it is closed.
	Linger <-chan struct{}

	// Strategy is how ECS deploys (default: rolling), and BakeTime how long it runs old and
	// new tasks side by side.
	Strategy string
	BakeTime time.Duration

	// CircuitBreaker turns on ECS's circuit breaker, with rollback.
	CircuitBreaker bool

	// Literal makes the tasks use the rig's first password, whatever the secret says, as
	// with a literal password in a configuration file.
	Literal bool

	// Broken makes tasks fail at start if they read any password but the rig's first.
	Broken atomic.Bool
	// BrokenService limits Broken to one service; "": all.
	BrokenService string

	// Slow keeps new tasks from becoming healthy, so that their deployment does not
	// complete until it is false again.
	Slow atomic.Bool

	// OnUse, if not nil, gets the result of each use of the database, from several tasks
	// concurrently.
	OnUse func(err error)

	mu      sync.Mutex
	tasks   []*TaskRecord
	changed chan struct{} // closed, and made anew, after each login and each task's end
	round   *loginRound   // the latest
}

// A loginRound begins when each task should log in again. Tasks with the same password
// share one login, which begins after the round does: the server cannot tell their
// logins apart, and logins are most of its work.
type loginRound struct {
	over chan struct{} // closed when the next one begins

	mu     sync.Mutex
	logins map[string]*sharedLogin // by password
}

type sharedLogin struct {
	once  sync.Once
	begun time.Time
	err   error
}

// login makes the round's login with a password, or waits for another task to make it.
func (l *loginRound) login(password string, once func() error) (begun time.Time, err error) {
	l.mu.Lock()
	shared := l.logins[password]
	if shared == nil {
		shared = &sharedLogin{}
		l.logins[password] = shared
	}
	l.mu.Unlock()
	shared.once.Do(func() {
		shared.begun = time.Now()
		shared.err = once()
	})
	return shared.begun, shared.err
}

// TaskRecord is what a task did.
type TaskRecord struct {
	ARN, Service     string
	Password         string // the one that it read when it started
	Started, Stopped time.Time
	Logins, Failures int // of a worker: messages, each a query on the connection that it keeps; those that it shares count too
	FirstFailure     error
	FirstFailed      time.Time // the start of the first login that failed
	LastFailed       time.Time // the end of the last one
	begun            int       // logins
	told             bool      // it was told to stop
	serving          int       // requests for pages

	Mails, MailFailures int
	FirstMailFailure    error
}

// start runs the application's services.
func (a *Application) start(r *Rig) error {
	a.askForLogins()
	if a.WithFunction {
		r.AWS.Subscribe(func(e host.Event) {
			if mayFollowChange(e) {
				a.askForLogins()
			}
		})
	}
	for _, name := range a.Services {
		tasks := a.tasksOf(name)
		_, err := r.AWS.ECS.RunService(localecs.Service{
			Cluster:      ClusterName,
			Name:         name,
			DesiredCount: tasks,
			// One more task than usual during a deployment, so that they are
			// replaced one at a time.
			MaximumPercent: 100 + (100+tasks-1)/tasks,
			Environment:    map[string]string{roleVariable: string(a.role(name))},
			Command:        a.command(name),
			Secrets:        a.secrets(r.SecretARN),
			StartTime:      a.StartTime,
			DrainTime:      a.DrainTime,
			StopTimeout:    lingerTime,
			Strategy:       a.Strategy,
			BakeTime:       a.BakeTime,
			CircuitBreaker: a.CircuitBreaker, CircuitBreakerRollback: a.CircuitBreaker,
			RestartDelay: 10 * time.Millisecond,
			Run:          func(ctx context.Context, task localecs.Task) error { return a.run(ctx, r, task) },
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// run is a task's container. Like Mautic, it keeps running when a login fails.
func (a *Application) run(ctx context.Context, r *Rig, task localecs.Task) error {
	if a.Broken.Load() && (a.BrokenService == "" || a.BrokenService == task.Service) && task.Env["MAUTIC_DB_PASSWORD"] != r.Password {
		return errors.New("this application only starts with the first password")
	}
	record := &TaskRecord{ARN: task.ARN, Service: task.Service, Password: task.Env["MAUTIC_DB_PASSWORD"], Started: time.Now()}
	if a.Literal {
		record.Password = r.Password
	}
	a.note(func() { a.tasks = append(a.tasks, record) })
	defer a.note(func() { record.Stopped = time.Now() })
	if a.MailInterval > 0 {
		var mails sync.WaitGroup
		mails.Go(func() { a.sendMails(ctx, r, task.Env[mailVariable], record) })
		defer mails.Wait()
	}
	once, end := a.work(r, task, record)
	defer end()
	pace := time.NewTicker(a.interval(task.Service))
	defer pace.Stop()
	var last *loginRound
	for {
		round := a.latestRound()
		var err error
		if last != nil && round != last && a.role(task.Service) == mauticserver.Web {
			err = a.useInRound(ctx, round, once, record)
		} else { // a task's first login, and the one after each Interval, are its own
			err = a.use(ctx, once, record)
		}
		last = round
		if err == nil && !a.Slow.Load() {
			task.Ready()
		}
		select {
		case <-ctx.Done():
			a.note(func() { record.told = true })
			a.served(r, record)
			a.linger(r)
			if a.LastLogin {
				return a.use(ctx, once, record)
			}
			return nil
		case <-round.over:
		case <-pace.C:
		}
	}
}

// mayFollowChange tells whether the function may have changed an account just before an
// event.
func mayFollowChange(e host.Event) bool {
	switch e := e.(type) {
	case wire.CallFinished:
		return e.Call.Caller.Function != "" && e.Call.Operation == "UpdateSecretVersionStage"
	case locallambda.InvocationFinished:
		return true
	}
	return false
}

// askForLogins has each task log in again now.
func (a *Application) askForLogins() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.round != nil {
		close(a.round.over)
	}
	a.round = &loginRound{over: make(chan struct{}), logins: map[string]*sharedLogin{}}
}

func (a *Application) latestRound() *loginRound {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.round
}

// use makes one use of the database, and records it.
func (a *Application) use(ctx context.Context, once func(context.Context) error, record *TaskRecord) error {
	return a.record(record, func() (time.Time, error) {
		// Not with the task's context: a login interrupted by the task's end must not
		// count as failed, so it may finish.
		begun := time.Now()
		return begun, once(context.WithoutCancel(ctx))
	})
}

// useInRound is use with the login of a round.
func (a *Application) useInRound(ctx context.Context, round *loginRound, once func(context.Context) error, record *TaskRecord) error {
	return a.record(record, func() (time.Time, error) {
		return round.login(record.Password, func() error { return once(context.WithoutCancel(ctx)) })
	})
}

func (a *Application) record(record *TaskRecord, use func() (begun time.Time, err error)) error {
	a.note(func() { record.begun++ })
	begun, err := use()
	if a.OnUse != nil {
		a.OnUse(err)
	}
	a.note(func() {
		record.Logins++
		if err != nil {
			record.Failures++
			record.LastFailed = time.Now()
			if record.FirstFailure == nil {
				record.FirstFailure, record.FirstFailed = err, begun
			}
		}
	})
	return err
}

// note changes the records under the lock.
func (a *Application) note(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
	if a.changed != nil {
		close(a.changed)
	}
	a.changed = make(chan struct{})
}

// lingerTime is longer than any test lets a task linger.
const lingerTime = 10 * time.Minute

// linger waits while a task that was told to stop is kept running.
func (a *Application) linger(r *Rig) {
	if a.Linger == nil {
		return
	}
	select {
	case <-a.Linger:
	case <-r.closing:
	}
}

// Records is what the tasks did so far, in the order in which they started.
func (a *Application) Records() []TaskRecord {
	a.mu.Lock()
	defer a.mu.Unlock()
	records := make([]TaskRecord, len(a.tasks))
	for i, t := range a.tasks {
		records[i] = *t
	}
	slices.SortFunc(records, func(x, y TaskRecord) int { return x.Started.Compare(y.Started) })
	return records
}

// Logins returns how often tasks have logged in, and how often that failed. Messages has
// what workers did.
func (a *Application) Logins() (attempts, failures int) {
	return a.uses(func(role mauticserver.Role) bool { return role != mauticserver.Worker })
}

// Messages returns how many messages workers have processed, and how many of them failed.
func (a *Application) Messages() (attempts, failures int) {
	return a.uses(func(role mauticserver.Role) bool { return role == mauticserver.Worker })
}

// uses counts what tasks with some roles did.
func (a *Application) uses(of func(mauticserver.Role) bool) (attempts, failures int) {
	for _, t := range a.Records() {
		if of(a.role(t.Service)) {
			attempts += t.Logins
			failures += t.Failures
		}
	}
	return attempts, failures
}

// NoLoginFailed has each running task log in again, and fails if no task is running or
// if any task's login has failed since the application started.
func (a *Application) NoLoginFailed(ctx context.Context) error {
	if err := a.awaitLogins(ctx); err != nil {
		return err
	}
	attempts, failures := a.uses(func(mauticserver.Role) bool { return true })
	for _, t := range a.Records() {
		if t.FirstFailure != nil {
			return fmt.Errorf("%d of the application's %d logins failed, one of a task of %s: %w", failures, attempts, t.Service, t.FirstFailure)
		}
	}
	return nil
}

// awaitLogins has each task that runs make a login that begins after the call,
// and waits for them.
func (a *Application) awaitLogins(ctx context.Context) error {
	begun := map[string]int{} // by task
	for _, t := range a.Records() {
		if t.Stopped.IsZero() {
			begun[t.ARN] = t.begun
		}
	}
	if len(begun) == 0 {
		return errors.New("no task of the application is running")
	}
	a.askForLogins()
	for {
		a.mu.Lock()
		changed, waiting := a.changed, ""
		for _, t := range a.tasks {
			if before, asked := begun[t.ARN]; asked && t.Stopped.IsZero() && t.Logins <= before {
				waiting = t.Service
			}
		}
		a.mu.Unlock()
		if waiting == "" {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("a task of %s did not log in: %w", waiting, context.Cause(ctx))
		}
	}
}

// Application is what runs in ECS, or nil.
func (r *Rig) Application() *Application { return r.options.Application }

// Deploy replaces a service's running tasks by new ones, as CI does.
func (r *Rig) Deploy(ctx context.Context, service string) error {
	_, err := ecs.NewFromConfig(r.AWS.Config()).UpdateService(ctx, &ecs.UpdateServiceInput{
		Cluster: aws.String(ClusterName), Service: &service, ForceNewDeployment: true,
	})
	return err
}

// WaitSteady waits until each service's newest deployment is complete and no older task
// is left.
func (r *Rig) WaitSteady(ctx context.Context) error {
	if r.options.Application == nil {
		return nil
	}
	for _, name := range r.options.Application.Services {
		if err := r.AWS.ECS.WaitService(ctx, ClusterName, name); err != nil {
			return err
		}
	}
	return nil
}
