package rotation_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/rollout"
)

// fleet are services whose tasks are replaced one by one, when told to. A task
// goes on with the values that were AWSCURRENT when it was made.
type fleet struct {
	clock   clock
	current func() map[string]string

	mu     sync.Mutex
	tasks  []task
	since  time.Time
	failed bool
	broken string // tasks with this database value do not start
}

type task struct {
	values  map[string]string
	created time.Time
	doomed  bool // an emergency has taken its values away
}

func (f *fleet) Names() []string { return []string{"web"} }

func (f *fleet) RedeployService(context.Context, string, *slog.Logger) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock.Advance(aSecond)
	f.since, f.failed = f.clock.Now(), false
	return nil
}

func (f *fleet) stale(since time.Time) (stale []string) {
	for i, t := range f.tasks {
		if t.created.Before(since) {
			stale = append(stale, fmt.Sprintf("task %d", i))
		}
	}
	return stale
}

func (f *fleet) Observe(_ context.Context, _ string, since time.Time) ([]rollout.Service, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	web := rollout.Service{Name: "web", Desired: len(f.tasks), Deployed: !f.since.Before(since), Older: f.stale(since)}
	web.Fresh = len(f.tasks) - len(web.Older)
	web.Deploying = len(f.stale(f.since)) > 0
	if f.failed && web.Deployed {
		web.Failed = "circuit breaker"
	}
	return []rollout.Service{web}, nil
}

func (f *fleet) Deploying(ctx context.Context, since time.Time) ([]rollout.Service, error) {
	services, err := f.Observe(ctx, "", since)
	for i, o := range services {
		services[i] = rollout.Service{Name: o.Name, Missing: o.Missing, Deploying: o.Deploying}
	}
	return services, err
}

func (f *fleet) TaskAt(context.Context, string) (string, bool) { return "", false }

func (f *fleet) Preflight(context.Context, string) []credential.Check { return nil }

func (f *fleet) Others(context.Context, string) []credential.Check { return nil }

// replace makes a new task in place of one that is older than the redeploy. It
// returns false when there is none, or when the new one does not start.
func (f *fleet) replace() bool {
	values := f.current()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, t := range f.tasks {
		if f.failed || !t.created.Before(f.since) {
			continue
		}
		if f.broken != "" && values["database"] == f.broken {
			f.failed = true
			return false
		}
		f.tasks[i] = task{values: values, created: f.clock.Now()}
		return true
	}
	return false
}

func (f *fleet) running() []task {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]task(nil), f.tasks...)
}

// doom tells of all tasks that an emergency has begun.
func (f *fleet) doom() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.tasks {
		f.tasks[i].doomed = true
	}
}
