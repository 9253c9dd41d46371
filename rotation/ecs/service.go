package ecs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"mautic-rotation/rotation/rollout"
)

// Observe reports how far each service has come in replacing tasks older than since. It looks
// once, and changes nothing. The secret is given by its full ARN: a task that reads a pinned
// version of it is never fresh. A service that cannot be observed is reported as missing; an
// error means that nothing is known. After the services come the tasks outside any service, if
// some of them are older than since and read the secret.
func (s *Services) Observe(ctx context.Context, secretARN string, since time.Time) ([]rollout.Service, error) {
	services, alone, err := s.find(ctx, since)
	if err != nil {
		return nil, err
	}
	definitions := map[string]definition{} // by ARN: services may share one
	observed := make([]rollout.Service, 0, len(services))
	for _, f := range services {
		for _, t := range f.tasks {
			if err := s.readDefinition(ctx, definitions, t, secretARN, since); err != nil {
				return nil, fmt.Errorf("service %s in cluster %s: %w", f.name, s.cluster, err)
			}
		}
		observed = append(observed, observe(f, definitions, since))
	}
	return append(observed, s.observeAlone(ctx, alone, secretARN, since)...), nil
}

// Deploying reports for each service whether a deployment is in progress, and nothing about its
// tasks. For services that ECS replaces task by task it takes one call, where Observe takes five.
// A service that cannot be observed is reported as missing.
func (s *Services) Deploying(ctx context.Context, since time.Time) ([]rollout.Service, error) {
	services, err := s.findServices(ctx, since)
	if err != nil {
		return nil, err
	}
	observed := make([]rollout.Service, 0, len(services))
	for _, f := range services {
		o := rollout.Service{Name: f.name, Missing: f.missing}
		if f.missing == "" {
			o.Deploying = deploying(f)
		}
		observed = append(observed, o)
	}
	return observed, nil
}

// A definition is what decides, about a task definition, whether a task is fresh.
type definition struct {
	pins    error           // why its tasks read a pinned version, with the remedy
	unread  error           // why the task definition could not be read, with the remedy
	checked map[string]bool // the essential containers that have a health check
}

// readDefinition adds the definition of a task that may be fresh, unless it is known already.
func (s *Services) readDefinition(ctx context.Context, known map[string]definition, t types.Task, secretARN string, since time.Time) error {
	arn := aws.ToString(t.TaskDefinitionArn)
	if _, found := known[arn]; found || isStopped(t) || !notBefore(t.CreatedAt, since) {
		return nil
	}
	d := s.describeDefinition(ctx, arn)
	switch {
	case d.err == nil:
		pins, _ := secretUse(d.definition, secretARN)
		known[arn] = definition{pins: pins, checked: checkedContainers(d.definition)}
	case refused(d.err):
		known[arn] = definition{unread: unread(arn, d.err)}
	default:
		return fmt.Errorf("read task definition %s: %w", lastPart(arn), d.err)
	}
	return nil
}

// refused reports whether the same call would fail again. ECS answers ClientException for a task
// definition that was deleted.
func refused(err error) bool {
	_, notFound := errors.AsType[*types.ClientException](err)
	return notFound || isDenied(err)
}

func isDenied(err error) bool {
	refusal, ok := errors.AsType[smithy.APIError](err)
	return ok && refusal.ErrorCode() == "AccessDeniedException"
}

// checkedContainers names the essential containers that have a health check. For one without, ECS
// never reports HEALTHY.
func checkedContainers(d types.TaskDefinition) map[string]bool {
	checked := map[string]bool{}
	for _, c := range d.ContainerDefinitions {
		if c.HealthCheck != nil && (c.Essential == nil || *c.Essential) {
			checked[aws.ToString(c.Name)] = true
		}
	}
	return checked
}

// observe reports how far one service has come since a time.
func observe(f found, definitions map[string]definition, since time.Time) rollout.Service {
	o := rollout.Service{Name: f.name, Missing: f.missing}
	if f.missing != "" {
		return o
	}
	o.Missing = unobservable(f, definitions)
	o.Desired = int(f.service.DesiredCount)
	o.Older = older(f, since)
	for _, t := range f.tasks {
		if isStopped(t) || !notBefore(t.CreatedAt, since) {
			continue
		}
		d := definitions[aws.ToString(t.TaskDefinitionArn)]
		switch {
		case d.pins != nil:
			o.Older = append(o.Older, fmt.Sprintf("service %s: task %s, created %s, still %s, and its task definition %s pins a version of the secret",
				f.name, shortID(aws.ToString(t.TaskArn)), timestamp(t.CreatedAt), doing(t), lastPart(aws.ToString(t.TaskDefinitionArn))))
		case d.unread == nil && working(t, d):
			o.Fresh++
		}
	}
	_, listed := deployedSince(f.service, since)
	o.Deployed = listed || f.latest != nil
	o.Deploying = deploying(f)
	o.Failed = failure(f, since)
	o.Bake = bake(f.service)
	return o
}

// unobservable is why no rollout of a service would end, and what to do; "" if one would.
func unobservable(f found, definitions map[string]definition) string {
	if err := redeployable(f.service); err != nil {
		return err.Error()
	}
	// Tasks of another task definition are replaced by those of this one.
	if d := definitions[aws.ToString(f.service.TaskDefinition)]; d.pins != nil {
		return d.pins.Error()
	}
	for _, t := range f.tasks {
		if d := definitions[aws.ToString(t.TaskDefinitionArn)]; d.unread != nil && !isStopped(t) {
			return d.unread.Error()
		}
	}
	return ""
}

// working reports whether a task is running, is meant to keep running, and passes its health
// checks, if it has any.
func working(t types.Task, d definition) bool {
	if aws.ToString(t.LastStatus) != "RUNNING" || aws.ToString(t.DesiredStatus) != string(types.DesiredStatusRunning) {
		return false
	}
	for _, c := range t.Containers {
		if d.checked[aws.ToString(c.Name)] && c.HealthStatus != types.HealthStatusHealthy {
			return false
		}
	}
	return true
}

// deploying reports whether a deployment of a service, or its rollback, is in progress.
func deploying(f found) bool {
	if f.latest != nil {
		return underWay(*f.latest)
	}
	primary := primaryOf(f.service)
	if primary == nil {
		return false
	}
	// ECS reports no rollout state for a service behind a Classic Load Balancer. Then a single
	// deployment means that it is stable, as in the SDK's waiter.
	if primary.RolloutState == "" {
		return len(f.service.Deployments) > 1
	}
	return primary.RolloutState == types.DeploymentRolloutStateInProgress
}
