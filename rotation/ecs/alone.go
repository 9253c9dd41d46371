package ecs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/rollout"
)

// A job that EventBridge Scheduler starts, or somebody by RunTask, reads the secret once, as
// a service's tasks do, and nothing replaces it. It ends by itself: a rollout waits for that.

// observeAlone tells of tasks that no service runs: of those that read the secret, and are from
// before since. There is nothing to tell where there is none.
func (s *Services) observeAlone(ctx context.Context, tasks []types.Task, secretARN string, since time.Time) ([]rollout.Service, error) {
	o := rollout.Service{Deployed: true} // nothing redeploys them
	reads := map[string]bool{}
	for _, t := range tasks {
		if gone(t) || notBefore(t.CreatedAt, since) {
			continue
		}
		read, err := s.readsSecret(ctx, reads, aws.ToString(t.TaskDefinitionArn), secretARN)
		if err != nil {
			return nil, err
		}
		if read {
			o.Older = append(o.Older, fmt.Sprintf("%s, created %s, still %s", identity(t), timestamp(t.CreatedAt), doing(t)))
		}
	}
	if len(o.Older) == 0 {
		return nil, nil
	}
	return []rollout.Service{o}, nil
}

// readsSecret tells whether a task definition reads the secret. One that ECS does not tell of any
// more counts as if it did.
func (s *Services) readsSecret(ctx context.Context, known map[string]bool, definition, secretARN string) (bool, error) {
	read, found := known[definition]
	if found {
		return read, nil
	}
	d := s.describeDefinition(ctx, definition)
	if d.err != nil && !refused(d.err) {
		return false, fmt.Errorf("read task definition %s: %w", lastPart(definition), d.err)
	}
	known[definition] = d.err != nil || uses(d.definition, secretARN)
	return known[definition], nil
}

// serviceOf is the service that runs a task.
func serviceOf(t types.Task) (name string, of bool) {
	return strings.CutPrefix(aws.ToString(t.Group), "service:")
}

// Others finds out what runs in the cluster now beside the services, and reads the secret.
func (s *Services) Others(ctx context.Context, secretARN string) []credential.Check {
	check := credential.Check{What: "what else in cluster " + s.cluster + " reads the secret is looked after"}
	arns, err := s.listTasks(ctx, types.DesiredStatusRunning)
	var tasks []types.Task
	if err == nil {
		tasks, err = s.describeTasks(ctx, arns)
	}
	if err != nil {
		check.Problem = err
		return []credential.Check{check}
	}
	reads := map[string]bool{}
	var jobs, services []string
	for _, t := range tasks {
		service, of := serviceOf(t)
		if of && slices.ContainsFunc(s.names, func(name string) bool { return lastPart(name) == service }) {
			continue
		}
		definition := aws.ToString(t.TaskDefinitionArn)
		read, err := s.readsSecret(ctx, reads, definition, secretARN)
		switch {
		case err != nil:
			check.Problem = err
			return []credential.Check{check}
		case read && of:
			services = append(services, service)
		case read:
			jobs = append(jobs, lastPart(definition))
		}
	}
	if warning := besides(services, jobs); warning != "" {
		check.Warning = fmt.Errorf("%s", warning)
	}
	return []credential.Check{check}
}

// besides tells what the function does about services that it does not redeploy, and about
// tasks that no service runs; "" where there are none.
func besides(services, jobs []string) string {
	unique := func(names []string) string {
		slices.Sort(names)
		return strings.Join(slices.Compact(names), ", ")
	}
	var text []string
	if len(services) > 0 {
		text = append(text, fmt.Sprintf("the function does not redeploy these services, whose tasks read it when they start: %s; add them to ECS_SERVICES, or redeploy them yourself after each rotation, before the old values are taken out of service",
			unique(services)))
	}
	if len(jobs) > 0 {
		text = append(text, fmt.Sprintf("tasks of these definitions run that no service runs: %s; a rollout waits until those that run then have ended", unique(jobs)))
	}
	return strings.Join(text, "; and ")
}
