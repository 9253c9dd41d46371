package explore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/rollout"
)

// A service runs one task. A deployment replaces it: a new one starts, and then the
// one from before stops, whenever the history says so.
type service struct {
	deployed time.Time // when its latest deployment was created
	failed   bool      // that one has failed
	desired  int       // tasks: one, or none
	missing  bool      // it was deleted, and is not there until it is made again
}

type task struct {
	service int
	created time.Time
	values  []string // of the kinds that are read at start, by account
	excused bool     // nobody can have its values accepted: see facts
}

// newTask starts with what AWSCURRENT stores.
func (w *world) newTask(service int) task {
	t := task{service: service, created: w.now, values: make([]string, len(w.accounts))}
	for secret := range w.arns {
		current := w.labelled(secret, "AWSCURRENT")
		for i, k := range w.kinds {
			if k.NeedsRestart() && current != nil && current.secret == secret {
				t.values[w.accountOf(secret, i)] = current.values[i]
			}
		}
	}
	t.excused = w.refusedTo(&t) != ""
	return t
}

func (w *world) older(t *task) bool { return t.created.Before(w.services[t.service].deployed) }

func (w *world) indexOfTask(service int, older bool) int {
	return slices.IndexFunc(w.tasks, func(t task) bool { return t.service == service && w.older(&t) == older })
}

// taskStarts has the deployment of a service start its task, if one is to start.
func (w *world) taskStarts(service int) {
	if s := w.services[service]; s.failed || s.missing || s.desired == 0 || w.indexOfTask(service, false) >= 0 {
		return
	}
	t := w.newTask(service)
	if w.cannotStart(t) {
		w.services[service].failed = true
		return
	}
	w.tasks = append(slices.Clip(w.tasks), t)
}

// cannotStart tells that the application does not start with a task's values.
func (w *world) cannotStart(t task) bool {
	return w.scenario.Broken && slices.ContainsFunc(t.values, func(v string) bool { return v != "" && slices.Contains(w.bad, v) })
}

// taskStops ends a task that a new one has replaced.
func (w *world) taskStops(service int) {
	if old := w.indexOfTask(service, true); old >= 0 && w.indexOfTask(service, false) >= 0 {
		w.tasks = slices.Delete(slices.Clone(w.tasks), old, old+1)
	}
}

// taskRestarts ends a task, in whose place ECS starts another.
func (w *world) taskRestarts(service int) {
	at := slices.IndexFunc(w.tasks, func(t task) bool { return t.service == service })
	if at < 0 {
		return
	}
	if t := w.newTask(service); !w.cannotStart(t) {
		w.tasks = slices.Clone(w.tasks)
		w.tasks[at] = t
	}
}

// rollOut finishes every deployment.
func (w *world) rollOut() {
	for i := range w.services {
		w.taskStarts(i)
		w.taskStops(i)
	}
}

// fleet is what the engine sees of the services.
type fleet struct{ w *world }

func (f fleet) name(i int) string { return fmt.Sprintf("service-%d", i) }

func (f fleet) Names() (names []string) {
	for i := range f.w.services {
		names = append(names, f.name(i))
	}
	return names
}

func (f fleet) Deploying(ctx context.Context, since time.Time) ([]rollout.Service, error) {
	services, err := f.Observe(ctx, "", since)
	for i, o := range services {
		services[i] = rollout.Service{Name: o.Name, Missing: o.Missing, Deploying: o.Deploying}
	}
	return services, err
}

func (f fleet) Observe(_ context.Context, _ string, since time.Time) ([]rollout.Service, error) {
	list, err := ask(f.w, call{what: "look at the services", account: -1}, func(int) ([]rollout.Service, string, error) {
		list := f.w.observed(since)
		if f.w.active != nil {
			f.w.active.failing = f.w.servicesFail()
		}
		return list, fmt.Sprint(list), nil
	})
	return slices.Clone(list), err
}

func (w *world) observed(since time.Time) (list []rollout.Service) {
	for i := range w.services {
		s := &w.services[i]
		if s.missing {
			list = append(list, rollout.Service{Name: fleet{w}.name(i), Missing: "it does not exist"})
			continue
		}
		out := rollout.Service{Name: fleet{w}.name(i), Desired: s.desired, Deployed: !s.deployed.Before(since), Deploying: w.indexOfTask(i, true) >= 0 && !s.failed}
		for n := range w.tasks {
			switch t := &w.tasks[n]; {
			case t.service != i:
			case t.created.Before(since):
				out.Older = append(out.Older, fmt.Sprintf("a task of %s", t.created.Format(time.TimeOnly)))
			default:
				out.Fresh++
			}
		}
		if s.failed && out.Deployed {
			out.Failed = "circuit breaker"
		}
		list = append(list, out)
	}
	return list
}

func (f fleet) RedeployService(_ context.Context, name string, _ *slog.Logger) error {
	w := f.w
	_, err := ask(w, call{what: "redeploy " + name, write: true, account: -1}, func(int) (string, string, error) {
		i := int(name[len(name)-1] - '0')
		if w.services[i].missing {
			return "", "", errors.New("there is no such service")
		}
		w.deploy(i)
		return "", "", nil
	})
	return err
}

func (w *world) deploy(i int) { w.services[i].deployed, w.services[i].failed = w.now, false }

// scale has a service run so many tasks: one, or none.
func (w *world) scale(i, desired int) {
	w.services = slices.Clone(w.services)
	w.services[i].desired = desired
	if desired == 0 {
		w.tasks = slices.DeleteFunc(slices.Clone(w.tasks), func(t task) bool { return t.service == i })
		return
	}
	if w.indexOfTask(i, false) < 0 && w.indexOfTask(i, true) < 0 && !w.services[i].missing {
		w.taskStarts(i)
	}
}

func (f fleet) TaskAt(context.Context, string) (string, bool) { return "", false }

func (f fleet) Preflight(context.Context, string) []credential.Check {
	_, err := ask(f.w, call{what: "check the services", account: -1}, func(int) (string, string, error) { return "", "", nil })
	return []credential.Check{{What: "the services", Problem: err}}
}

func (fleet) Others(context.Context, string) []credential.Check { return nil }

// application is what the engine sees of it from outside.
type application struct{ w *world }

// How the application is.
const (
	well = iota
	unhealthy
	unclear
)

func (a application) Check(context.Context) error {
	_, err := ask(a.w, call{what: "ask the application", account: -1}, func(int) (string, string, error) {
		a.w.active.used = a.w.active.used || a.w.ill != well
		switch a.w.ill {
		case unclear:
			return "", "", fmt.Errorf("403: %w", rollout.ErrUnclear)
		case unhealthy:
			return "", "", errors.New("503")
		}
		return "", "", nil
	})
	return err
}
