package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/rollout"
)

// A task that EventBridge Scheduler or someone's RunTask starts reads the secret once, like a
// service's tasks, but nothing replaces it. It ends by itself, and a rollout waits for that.

// observeAlone reports the tasks that belong to no service, if they read the secret and either
// are older than since or read a pinned version. It reports nothing if there are none.
func (s *Services) observeAlone(ctx context.Context, tasks []types.Task, secretARN string, since time.Time) []rollout.Service {
	o := rollout.Service{Deployed: true} // nothing redeploys them
	for _, t := range tasks {
		if isStopped(t) {
			continue
		}
		u, err := s.useOf(ctx, aws.ToString(t.TaskDefinitionArn), secretARN)
		text := fmt.Sprintf("%s, created %s, still %s", identity(t), timestamp(t.CreatedAt), doing(t))
		old := !notBefore(t.CreatedAt, since)
		switch {
		case err != nil && old: // the services' own rollout does not depend on it
			o.Older = append(o.Older, fmt.Sprintf("%s, and it is not known whether it reads the secret: %v", text, err))
		case u.reads && old:
			o.Older = append(o.Older, text)
		case u.pins != nil:
			o.Older = append(o.Older, text+", and its task definition pins a version of the secret")
		}
	}
	if len(o.Older) == 0 {
		return nil
	}
	return []rollout.Service{o}
}

// use says how a task definition uses a secret.
type use struct {
	reads bool
	pins  error // why its tasks read a pinned version, with the remedy
}

// useOf returns how a task definition uses the secret. A revision never changes, so it is read
// once. One that ECS no longer describes counts as reading the secret.
func (s *Services) useOf(ctx context.Context, definition, secretARN string) (use, error) {
	key := [2]string{definition, secretARN}
	if known, found := s.uses.Load(key); found {
		return known.(use), nil
	}
	d := s.describeDefinition(ctx, definition)
	switch {
	case refused(d.err):
		return use{reads: true}, nil
	case d.err != nil:
		return use{}, fmt.Errorf("read task definition %s: %w", lastPart(definition), d.err)
	}
	u := use{reads: reads(d.definition, secretARN)}
	if u.reads {
		u.pins, _ = secretUse(d.definition, secretARN)
	}
	s.uses.Store(key, u)
	return u, nil
}

// serviceOf returns the service that runs a task.
func serviceOf(t types.Task) (name string, of bool) {
	return strings.CutPrefix(aws.ToString(t.Group), "service:")
}

// Others finds what else in the cluster reads the secret now, besides the services.
func (s *Services) Others(ctx context.Context, secretARN string) []credential.Check {
	check := credential.Check{What: "what else in cluster " + s.cluster + " reads the secret is handled"}
	arns, err := s.listTasks(ctx, &ecs.ListTasksInput{DesiredStatus: types.DesiredStatusRunning})
	var tasks []types.Task
	if err == nil {
		tasks, err = s.describeTasks(ctx, arns)
	}
	if err != nil {
		check.Warning = err
		return []credential.Check{check}
	}
	var jobs, services []string
	var faults []error
	for _, t := range tasks {
		service, of := serviceOf(t)
		if of && slices.ContainsFunc(s.names, func(name string) bool { return lastPart(name) == service }) {
			continue
		}
		definition := aws.ToString(t.TaskDefinitionArn)
		u, err := s.useOf(ctx, definition, secretARN)
		switch {
		case err != nil:
			faults = append(faults, err)
		case u.reads && of:
			services = append(services, service)
		case u.reads:
			jobs = append(jobs, lastPart(definition))
		}
		if u.pins != nil && !of {
			faults = append(faults, u.pins)
		}
	}
	if warning := besides(services, jobs); warning != "" {
		faults = append([]error{errors.New(warning)}, faults...)
	}
	check.Warning = errors.Join(faults...)
	return []credential.Check{check}
}

// besides describes services that this function does not redeploy, and tasks that belong to no
// service; "" if there are none.
func besides(services, jobs []string) string {
	unique := func(names []string) string {
		slices.Sort(names)
		return strings.Join(slices.Compact(names), ", ")
	}
	var text []string
	if len(services) > 0 {
		text = append(text, fmt.Sprintf("the function does not redeploy these services, whose tasks read the secret when they start: %s; add them to ECS_SERVICES, or redeploy them yourself after each rotation, before the old values are retired",
			unique(services)))
	}
	if len(jobs) > 0 {
		text = append(text, fmt.Sprintf("tasks of these definitions run outside any service: %s; a rollout waits until those that are running have ended", unique(jobs)))
	}
	return strings.Join(text, "; and ")
}
