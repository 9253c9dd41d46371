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
	now     func() time.Time
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

func (f *fleet) Redeploy(context.Context, *slog.Logger) (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.since, f.failed = f.now(), false
	return f.since, nil
}

func (f *fleet) stale(since time.Time) (stale []string) {
	for i, t := range f.tasks {
		if t.created.Before(since) {
			stale = append(stale, fmt.Sprintf("task %d", i))
		}
	}
	return stale
}

func (f *fleet) Rollout(_ context.Context, since time.Time) (rollout.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := rollout.State{Stale: f.stale(since)}
	r.Fresh = len(r.Stale) == 0
	r.Steady = len(f.stale(f.since)) == 0
	if f.failed && !f.since.Before(since) {
		r.Failed = []string{"web"}
	}
	return r, nil
}

func (f *fleet) Preflight(context.Context, string) []credential.Check { return nil }

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
		f.tasks[i] = task{values: values, created: f.now()}
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
